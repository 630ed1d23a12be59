use std::fmt;

/// A time formatted as in the `Date` header: `Sun, 06 Nov 1994 08:49:37 GMT`.
///
/// RFC 9110 5.6.7 (IMF-fixdate).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Date([u8; 29]);

impl Date {
    /// Returns the date for a number of seconds since 1970-01-01 00:00:00 UTC, without leap seconds.
    ///
    /// The header has four digits for the year, so later times are formatted as the last second of 9999.
    pub fn from_unix(seconds: u64) -> Self {
        let seconds = seconds.min(LAST);
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        let date = calendar::Date::from_days(days.cast_signed());
        let (year, month, day) = (date.year.unsigned_abs(), u64::from(date.month), u64::from(date.day));
        let [w0, w1, w2] = weekday(days);
        let [m0, m1, m2] = month_name(month);
        let [d1, d0] = two_digits(day);
        let [c1, c0] = two_digits(year / 100);
        let [y1, y0] = two_digits(year % 100);
        let [h1, h0] = two_digits(second / 3_600);
        let [n1, n0] = two_digits(second / 60 % 60);
        let [s1, s0] = two_digits(second % 60);
        Self([
            w0, w1, w2, b',', b' ', d1, d0, b' ', m0, m1, m2, b' ', c1, c0, y1, y0, b' ', //
            h1, h0, b':', n1, n0, b':', s1, s0, b' ', b'G', b'M', b'T',
        ])
    }

    /// Parses a header value into seconds since 1970-01-01 00:00:00 UTC; `None` if it is not valid.
    ///
    /// Only IMF-fixdate is accepted, not the obsolete formats. The weekday is ignored.
    pub fn seconds_of(value: &str) -> Option<u64> {
        let (_, date) = value.trim().split_once(", ")?;
        let parts: Vec<&str> = date.splitn(6, ' ').collect();
        let [day, month, year, time, "GMT"] = parts.as_slice() else { return None };
        let times: Vec<&str> = time.splitn(4, ':').collect();
        let [hour, minute, second] = times.as_slice() else { return None };
        let (day, year) = (digits(day, 2)?, digits(year, 4)?);
        let month = (1..=12).find(|number| month_name(*number) == *month.as_bytes())?;
        let (hour, minute, second) = (digits(hour, 2)?, digits(minute, 2)?, digits(second, 2)?);
        if year < 1970 || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let [month, day] = [month, day].map(u32::try_from);
        let date = calendar::Date { year: year.cast_signed(), month: month.ok()?, day: day.ok()? };
        let days = u64::try_from(date.days()?).ok()?;
        Some(days * 86_400 + hour * 3_600 + minute * 60 + second)
    }

    /// Returns the header value.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Parses a number of exactly `count` decimal digits.
fn digits(text: &str, count: usize) -> Option<u64> {
    let is_number = text.len() == count && text.bytes().all(|octet| octet.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

fn weekday(days_since_1970: u64) -> [u8; 3] {
    *match days_since_1970 % 7 {
        0 => b"Thu",
        1 => b"Fri",
        2 => b"Sat",
        3 => b"Sun",
        4 => b"Mon",
        5 => b"Tue",
        _ => b"Wed",
    }
}

fn month_name(month: u64) -> [u8; 3] {
    *match month {
        1 => b"Jan",
        2 => b"Feb",
        3 => b"Mar",
        4 => b"Apr",
        5 => b"May",
        6 => b"Jun",
        7 => b"Jul",
        8 => b"Aug",
        9 => b"Sep",
        10 => b"Oct",
        11 => b"Nov",
        _ => b"Dec",
    }
}

fn two_digits(number: u64) -> [u8; 2] {
    [number / 10 % 10, number % 10].map(|digit| u8::try_from(digit).map_or(b'?', |digit| b'0' + digit))
}

/// 9999-12-31 23:59:59.
const LAST: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::Date;

    #[test]
    fn moments_are_spelled_as_gnu_date_spells_them() {
        let cases = [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT"),
            (1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT"),
            (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 GMT"),
            (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        ];
        for (seconds, text) in cases {
            assert_eq!(Date::from_unix(seconds).as_str(), text);
            assert_eq!(Date::seconds_of(text), Some(seconds), "of {text}");
        }
    }

    #[test]
    fn every_day_is_read_as_it_was_written() {
        for day in (0..=253_402_300_799 / 86_400).step_by(17) {
            let seconds = day * 86_400 + 45_296;
            assert_eq!(Date::seconds_of(Date::from_unix(seconds).as_str()), Some(seconds));
        }
    }

    #[test]
    fn invalid_dates_are_none() {
        for text in [
            "",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 00 Jan 1994 08:49:37 GMT",
            "Sun, 06 Nov 1969 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Nov 1994 08:49:37 GMT x",
            "Sun, 06 Nov 1994 08:49:+7 GMT",
            "Sun, 6 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(Date::seconds_of(text), None, "{text}");
        }
    }

    #[test]
    fn a_moment_after_the_year_9999_is_the_last_second_of_it() {
        assert_eq!(Date::from_unix(253_402_300_799).as_str(), "Fri, 31 Dec 9999 23:59:59 GMT");
        assert_eq!(Date::from_unix(u64::MAX).as_str(), "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
