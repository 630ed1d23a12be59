//! Timestamps and intervals (DSP0004 5.2.4).

use std::fmt;
use std::fmt::Write as _;

use calendar::Date;

use crate::Error;
use crate::name::excerpt;

mod lenient;

/// Durations in microseconds.
const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Value of type `datetime`: 14 digits, a fraction of six digits and an offset, with `*` for unknown digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DateTime {
    /// Timestamp.
    Timestamp(Timestamp),
    /// Interval.
    Interval(Interval),
    /// Timestamp or interval with unknown digits; only its text is significant.
    Partial(Partial),
}

/// Timestamp with a time zone offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timestamp {
    /// Microseconds since 1970-01-01 UTC; INVARIANT: the local year is 0 to 9999.
    micros: i64,
    /// Time zone offset in minutes east of UTC; INVARIANT: `-999 <= offset <= 999`.
    offset: i16,
}

/// Interval in microseconds, less than 100 million days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Interval {
    /// INVARIANT: `micros <= Interval::MAX`
    micros: u64,
}

/// A datetime of 25 characters with at least one `*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Partial {
    /// INVARIANT: ASCII, a valid datetime.
    text: [u8; DateTime::LENGTH],
}

impl DateTime {
    /// Number of characters of a datetime.
    pub const LENGTH: usize = 25;

    /// Parses the 25 characters of CIM, such as `20130415162843.488171+000` or `00000003122536.000000:000`.
    ///
    /// # Errors
    /// [`Error::Lexical`] for any other text and for values out of range.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Self::read(text).ok_or_else(|| wrong(text))
    }

    /// Parses also `xs:dateTime` and `xs:duration` (XML Schema part 2), `2013-04-15 16:28:43` and `4/15/2013 16:28`.
    ///
    /// A text without an offset is local time with an offset of `offset` minutes east of UTC.
    ///
    /// # Errors
    /// [`Error::Lexical`] for any other text.
    pub fn parse_lenient(text: &str, offset: i16) -> Result<Self, Error> {
        let text = text.trim();
        Self::read(text).or_else(|| lenient::read(text, offset)).ok_or_else(|| wrong(text))
    }

    fn read(text: &str) -> Option<Self> {
        let octets: &[u8; Self::LENGTH] = text.as_bytes().try_into().ok()?;
        let (point, sign) = (*octets.get(14)?, *octets.get(21)?);
        if point != b'.' {
            return None;
        }
        let offset = text.get(22..)?;
        let is_interval = sign == b':';
        let widths: &[usize] = if is_interval { &[8, 2, 2, 2, 6] } else { &[4, 2, 2, 2, 2, 2, 6] };
        let most: &[u32] = if is_interval {
            &[99_999_999, 23, 59, 59, 999_999]
        } else {
            &[9_999, 12, 31, 23, 59, 59, 999_999]
        };
        let (mut at, mut partial, mut fields) = (0, false, [0_u32; 7]);
        for ((width, most), field) in widths.iter().zip(most).zip(&mut fields) {
            let from = if at == 14 { 15 } else { at };
            at = from + width;
            let digits = text.get(from..at)?;
            let unknown = digits.bytes().rev().take_while(|octet| *octet == b'*').count();
            // Only the fraction may be partly known.
            if unknown > 0 && (unknown == *width || *width == 6) {
                partial = true;
                if !digits.bytes().take(width - unknown).all(|octet| octet.is_ascii_digit()) {
                    return None;
                }
                continue;
            }
            *field = number(digits)?;
            if *field > *most || (!is_interval && *field == 0 && matches!(from, 4 | 6)) {
                return None;
            }
        }
        if is_interval {
            if offset != "000" {
                return None;
            }
        } else if !matches!(sign, b'+' | b'-') {
            return None;
        }
        let no_offset = !is_interval && offset == "***";
        if partial || no_offset {
            let offset_fits = no_offset || offset.bytes().all(|octet| octet.is_ascii_digit());
            return offset_fits.then_some(Self::Partial(Partial { text: *octets }));
        }
        let [first, second, third, fourth, fifth, sixth, seventh] = fields;
        if is_interval {
            let clock = clock([second, third, fourth], fifth);
            return Interval::from_micros(u64::from(first) * DAY.unsigned_abs() + clock.unsigned_abs())
                .map(Self::Interval);
        }
        let minutes = i16::try_from(number(offset)?).ok()?;
        let offset = if sign == b'-' { -minutes } else { minutes };
        let date = Date { year: first.into(), month: second, day: third };
        Timestamp::from_date(date, clock([fourth, fifth, sixth], seventh), offset).map(Self::Timestamp)
    }
}

/// Returns the microseconds since midnight.
fn clock([hour, minute, second]: [u32; 3], fraction: u32) -> i64 {
    i64::from(hour) * HOUR + i64::from(minute) * MINUTE + i64::from(second) * SECOND + i64::from(fraction)
}

/// Parses a number that consists of digits only.
fn number(text: &str) -> Option<u32> {
    (!text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit())).then(|| text.parse().ok())?
}

fn wrong(text: &str) -> Error {
    Error::Lexical { found: excerpt(text), expected: "datetime" }
}

impl Timestamp {
    /// Creates a timestamp with an offset of `offset` minutes east of UTC.
    ///
    /// Returns `None` if the local year is not 0 to 9999, or the offset has more than three digits.
    #[must_use]
    pub fn from_unix_micros(micros: i64, offset: i16) -> Option<Self> {
        let timestamp = Self { micros, offset };
        let is_valid =
            (-999..=999).contains(&offset) && micros.checked_add(i64::from(offset) * MINUTE).is_some();
        (is_valid && (0..=9_999).contains(&timestamp.local().0.year)).then_some(timestamp)
    }

    /// Microseconds since 1970-01-01 UTC.
    #[must_use]
    pub fn unix_micros(self) -> i64 {
        self.micros
    }

    /// Time zone offset in minutes east of UTC.
    #[must_use]
    pub fn offset(self) -> i16 {
        self.offset
    }

    fn from_date(date: Date, clock: i64, offset: i16) -> Option<Self> {
        let days = date.days()?;
        Self::from_unix_micros(days * DAY + clock - i64::from(offset) * MINUTE, offset)
    }

    /// Returns the local date and the microseconds since local midnight.
    fn local(self) -> (Date, i64) {
        let micros = self.micros + i64::from(self.offset) * MINUTE;
        (Date::from_days(micros.div_euclid(DAY)), micros.rem_euclid(DAY))
    }

    /// Appends the value as `xs:dateTime` in the form of Windows: the fraction without trailing zeros, and `Z` for an
    /// offset of zero.
    pub fn write_xml(self, out: &mut String) {
        let (date, clock) = self.local();
        // Writing to a String cannot fail.
        let _ = write!(out, "{:04}-{:02}-{:02}T", date.year, date.month, date.day);
        let _ = write!(out, "{:02}:{:02}:{:02}", clock / HOUR, clock / MINUTE % 60, clock / SECOND % 60);
        write_fraction(out, clock.unsigned_abs() % SECOND.unsigned_abs());
        match self.offset {
            0 => out.push('Z'),
            offset => {
                let sign = if offset < 0 { '-' } else { '+' };
                let _ = write!(out, "{sign}{:02}:{:02}", offset.abs() / 60, offset.abs() % 60);
            }
        }
    }
}

impl Interval {
    /// Maximum length: one microsecond less than 100 million days.
    pub const MAX: u64 = 100_000_000 * 86_400_000_000 - 1;

    /// Creates an interval; `None` above [`Interval::MAX`].
    #[must_use]
    pub fn from_micros(micros: u64) -> Option<Self> {
        (micros <= Self::MAX).then_some(Self { micros })
    }

    /// Length in microseconds.
    #[must_use]
    pub fn micros(self) -> u64 {
        self.micros
    }

    /// Appends the value as `xs:duration` such as `P0DT0H1M40S` (DSP0230).
    pub fn write_xml(self, out: &mut String) {
        let [days, hours, minutes, seconds, fraction] = self.fields();
        let _ = write!(out, "P{days}DT{hours}H{minutes}M{seconds}");
        write_fraction(out, fraction);
        out.push('S');
    }

    fn fields(self) -> [u64; 5] {
        let [day, hour, minute, second] = [DAY, HOUR, MINUTE, SECOND].map(i64::unsigned_abs);
        let micros = self.micros;
        [micros / day, micros % day / hour, micros % hour / minute, micros % minute / second, micros % second]
    }
}

fn write_fraction(out: &mut String, micros: u64) {
    if micros > 0 {
        let digits = format!("{micros:06}");
        out.push('.');
        out.push_str(digits.trim_end_matches('0'));
    }
}

impl Partial {
    /// The 25 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text).unwrap_or_default()
    }

    /// Returns whether it is an interval.
    #[must_use]
    pub fn is_interval(&self) -> bool {
        self.as_str().ends_with(":000")
    }
}

impl fmt::Display for DateTime {
    /// Writes the 25 characters of CIM.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timestamp(timestamp) => {
                let (date, clock) = timestamp.local();
                let (hour, minute, second) = (clock / HOUR, clock / MINUTE % 60, clock / SECOND % 60);
                write!(f, "{:04}{:02}{:02}{hour:02}", date.year, date.month, date.day)?;
                let sign = if timestamp.offset < 0 { '-' } else { '+' };
                write!(f, "{minute:02}{second:02}.{:06}{sign}{:03}", clock % SECOND, timestamp.offset.abs())
            }
            Self::Interval(interval) => {
                let [days, hours, minutes, seconds, fraction] = interval.fields();
                write!(f, "{days:08}{hours:02}{minutes:02}{seconds:02}.{fraction:06}:000")
            }
            Self::Partial(partial) => f.write_str(partial.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datetimes_are_parsed_as_they_are_written() {
        for text in [
            "20130415162843.488171+000",
            "20130415162843.488171-420",
            "00010101000000.000000+000",
            "99991231235959.999999-999",
            "20000229000000.000000+060",
            "00000003122536.000000:000",
            "99999999235959.999999:000",
            "2013041516****.******+000",
            "20130415162843.488***+***",
            "00000003******.******:000",
            "**************.******:000",
        ] {
            assert_eq!(DateTime::parse(text).map(|value| value.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn values_out_of_range_are_rejected() {
        for text in [
            "",
            "20130415",
            "20130415162843.488171",
            "20130015162843.488171+000",
            "20131315162843.488171+000",
            "20130229162843.488171+000",
            "20130431162843.488171+000",
            "20130415242843.488171+000",
            "20130415166043.488171+000",
            "20130415162860.488171+000",
            "20130415162843,488171+000",
            "20130415162843.488171:060",
            "2013041516284*.488171+000",
            "2013041516 843.488171+000",
            "+0130415162843.488171+000",
            "20130415162843.4881711000",
            "20130415162843.*88171+000",
            "20130415162843.488171+*00",
            "2013041516284é.48817+000",
        ] {
            assert!(DateTime::parse(text).is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn xml_has_no_trailing_zeros_and_has_the_offset() {
        for (text, xml) in [
            ("20130415162843.488171+000", "2013-04-15T16:28:43.488171Z"),
            ("20130415162843.762000+000", "2013-04-15T16:28:43.762Z"),
            ("20130415162843.000000+480", "2013-04-15T16:28:43+08:00"),
            ("20130415162843.000010-570", "2013-04-15T16:28:43.00001-09:30"),
            ("00000000000140.000000:000", "P0DT0H1M40S"),
            ("00000001000000.500000:000", "P1DT0H0M0.5S"),
        ] {
            let mut written = String::new();
            match DateTime::parse(text).expect(text) {
                DateTime::Timestamp(timestamp) => timestamp.write_xml(&mut written),
                DateTime::Interval(interval) => interval.write_xml(&mut written),
                DateTime::Partial(_) => {}
            }
            assert_eq!(written, xml);
            assert_eq!(DateTime::parse_lenient(xml, 0).expect(xml).to_string(), text);
        }
    }

    #[test]
    fn equal_timestamps_with_different_offsets_have_the_same_micros() {
        let moments = ["20130415162843.000000+000", "20130415182843.000000+120", "20130415092843.000000-420"];
        for text in moments {
            let DateTime::Timestamp(timestamp) = DateTime::parse(text).expect(text) else { panic!("{text}") };
            assert_eq!(timestamp.unix_micros(), 1_366_043_323_000_000);
        }
        assert_eq!(Timestamp::from_unix_micros(i64::MAX, 0), None);
        assert_eq!(Timestamp::from_unix_micros(0, 1_000), None);
        assert!(Timestamp::from_unix_micros(-62_167_219_200_000_000, -1).is_none(), "a negative year");
    }
}
