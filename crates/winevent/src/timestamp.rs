//! Points in time as Windows writes them: ISO 8601 in UTC, with up to nine digits of a second.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use calendar::Date;

use crate::WinEventError;

/// Point in time in UTC. Comparison ignores the number of digits that the text had.
#[derive(Clone, Copy, Debug)]
pub struct Timestamp {
    /// Seconds since 1970-01-01.
    seconds: i64,
    /// INVARIANT: below one billion.
    nanoseconds: u32,
    /// Number of digits of the fraction in the text. INVARIANT: at most 9.
    digits: u8,
}

/// Number of seconds of a day.
const DAY: i64 = 86_400;
/// Number of milliseconds of a second.
const MILLISECONDS: i64 = 1_000;
/// Number of fraction digits that Windows writes: 100 nanoseconds.
const WINDOWS_DIGITS: u8 = 7;

impl Timestamp {
    /// Returns the time after 1970-01-01 in seconds and nanoseconds; nanoseconds of a second or more are cut
    /// to less. It is written with seven digits of the second, as Windows does.
    #[must_use]
    pub fn new(seconds: i64, nanoseconds: u32) -> Self {
        Self { seconds, nanoseconds: nanoseconds.min(999_999_999), digits: WINDOWS_DIGITS }
    }

    /// Returns the number of whole seconds since 1970-01-01, negative before it.
    #[must_use]
    pub fn seconds(&self) -> i64 {
        self.seconds
    }

    /// Returns the nanoseconds of the second, below one billion.
    #[must_use]
    pub fn nanoseconds(&self) -> u32 {
        self.nanoseconds
    }

    /// Returns the number of milliseconds since 1970-01-01, rounded down.
    #[must_use]
    pub fn milliseconds(&self) -> i64 {
        let fraction = i64::from(self.nanoseconds / 1_000_000);
        self.seconds.saturating_mul(MILLISECONDS).saturating_add(fraction)
    }

    /// Parses `YYYY-MM-DDThh:mm:ss`, with a fraction of up to nine digits, and `Z`, an offset such as
    /// `+01:00`, or nothing, which means UTC. A date without time means midnight.
    ///
    /// # Errors
    /// [`WinEventError::Value`] with the field `time`.
    pub fn parse(text: &str) -> Result<Self, WinEventError> {
        Self::read(text.as_bytes())
            .ok_or_else(|| WinEventError::value("time", text, "a time such as 2024-05-31T08:15:30.1234567Z"))
    }

    fn read(text: &[u8]) -> Option<Self> {
        let (year, text) = number(text, 4)?;
        let (month, text) = number(text.strip_prefix(b"-")?, 2)?;
        let (day, text) = number(text.strip_prefix(b"-")?, 2)?;
        let date = Date { year, month: u32::try_from(month).ok()?, day: u32::try_from(day).ok()? };
        let midnight = date.days()?.checked_mul(DAY)?;
        if text.is_empty() {
            return Some(Self { seconds: midnight, nanoseconds: 0, digits: 0 });
        }
        let (hour, text) = number(text.strip_prefix(b"T")?, 2)?;
        let (minute, text) = number(text.strip_prefix(b":")?, 2)?;
        let (second, text) = number(text.strip_prefix(b":")?, 2)?;
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let (nanoseconds, digits, text) = match text.strip_prefix(b".") {
            Some(fraction) => read_fraction(fraction)?,
            None => (0, 0, text),
        };
        let offset = read_offset(text)?;
        let seconds = midnight.checked_add(hour * 3_600 + minute * 60 + second)?.checked_sub(offset)?;
        // The offset may lead out of the years that can be written.
        let year = Date::from_days(seconds.div_euclid(DAY)).year;
        (0..=9_999).contains(&year).then_some(Self { seconds, nanoseconds, digits })
    }
}

/// Reads exactly `length` digits.
fn number(text: &[u8], length: usize) -> Option<(i64, &[u8])> {
    let (digits, rest) = text.split_at_checked(length)?;
    let mut value = 0;
    for digit in digits {
        value = value * 10 + i64::from(char::from(*digit).to_digit(10)?);
    }
    Some((value, rest))
}

/// Reads one to nine digits; returns the nanoseconds, the number of digits and the rest.
fn read_fraction(text: &[u8]) -> Option<(u32, u8, &[u8])> {
    let (mut value, mut digits, mut rest) = (0_u32, 0_u8, text);
    while let Some((digit, after)) = rest.split_first()
        && let Some(digit) = char::from(*digit).to_digit(10)
    {
        digits = digits.checked_add(1).filter(|digits| *digits <= 9)?;
        value = value * 10 + digit;
        rest = after;
    }
    (digits > 0).then(|| (value * 10_u32.pow(u32::from(9 - digits)), digits, rest))
}

/// Returns the offset from UTC in seconds.
fn read_offset(text: &[u8]) -> Option<i64> {
    let (sign, rest) = match text {
        b"" | b"Z" | b"z" => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, rest) = number(rest, 2)?;
    let (minutes, rest) = number(rest.strip_prefix(b":")?, 2)?;
    (rest.is_empty() && hours <= 14 && minutes <= 59).then_some(sign * (hours * 3_600 + minutes * 60))
}

/// Times before 1970 become 1970-01-01.
impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::new(i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.subsec_nanos())
    }
}

impl PartialEq for Timestamp {
    fn eq(&self, other: &Self) -> bool {
        (self.seconds, self.nanoseconds) == (other.seconds, other.nanoseconds)
    }
}

impl Eq for Timestamp {}

impl PartialOrd for Timestamp {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timestamp {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.seconds, self.nanoseconds).cmp(&(other.seconds, other.nanoseconds))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = Date::from_days(self.seconds.div_euclid(DAY));
        let second = self.seconds.rem_euclid(DAY);
        let (hour, minute) = (second / 3_600, second / 60 % 60);
        let Date { year, month, day } = date;
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}", second % 60)?;
        if self.digits > 0 {
            let fraction = self.nanoseconds / 10_u32.pow(u32::from(9 - self.digits));
            write!(f, ".{fraction:0width$}", width = usize::from(self.digits))?;
        }
        f.write_str("Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_their_digits() {
        for text in [
            "2016-07-08T18:12:51.681640Z",
            "2021-11-19T16:52:33.833733500Z",
            "2018-07-24T21:58:07Z",
            "1969-12-31T23:59:59.9Z",
            "0001-01-01T00:00:00.0000000Z",
        ] {
            assert_eq!(Timestamp::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Timestamp::new(0, 100).to_string(), "1970-01-01T00:00:00.0000001Z");
    }

    #[test]
    fn offsets_are_converted_to_utc() {
        let time = Timestamp::parse("2024-01-01T00:30:00+01:30").unwrap();
        assert_eq!(time.to_string(), "2023-12-31T23:00:00Z");
        assert_eq!(time, Timestamp::parse("2023-12-31T23:00:00.000").unwrap());
        assert_eq!(Timestamp::parse("1970-01-02").unwrap().seconds(), 86_400);
        assert_eq!(Timestamp::parse("1969-12-31T23:59:59.999Z").unwrap().milliseconds(), -1);
    }

    #[test]
    fn wrong_times_are_rejected() {
        for text in [
            "",
            "2024",
            "2024-02-30",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:00:00.Z",
            "2024-01-01T00:00:00.1234567890Z",
            "2024-01-01T00:00:00+1:00",
            "2024-01-01T00:00:00Zx",
            "2024-01-01 00:00:00Z",
            "9999-12-31T23:59:59-01:00",
            "0000-01-01T00:00:00+00:01",
            "٢٠٢٤-01-01",
        ] {
            assert!(Timestamp::parse(text).is_err(), "{text:?} was accepted");
        }
    }
}
