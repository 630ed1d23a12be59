//! Values with a form of their own: dates, durations, decimal numbers, versions, floating-point numbers.

use std::fmt;

use calendar::Date;

use crate::error::PsrpError;

/// Date and time with up to seven fraction digits and an optional time zone, as .NET writes them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DateTime(
    /// INVARIANT: `YYYY-MM-DDTHH:MM:SS[.f{1,7}][Z|±HH:MM]`, an existing date and time.
    Box<str>,
);

impl DateTime {
    /// Parses `2019-06-10T20:40:21.6781264Z`; fraction and zone may be missing.
    ///
    /// # Errors
    /// [`PsrpError::Scalar`] if the text has another form or the date does not exist.
    pub fn parse(text: &str) -> Result<Self, PsrpError> {
        let is_valid = is_date_time(text).unwrap_or(false);
        if is_valid { Ok(Self(text.into())) } else { Err(PsrpError::scalar("date and time", text)) }
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_date_time(text: &str) -> Option<bool> {
    let (date, rest) = text.split_once('T')?;
    let mut date = date.split('-');
    let year = i64::from(digits(date.next()?, 4)?);
    let [month, day] = [digits(date.next()?, 2)?, digits(date.next()?, 2)?];
    let exists = year > 0 && Date { year, month, day }.days().is_some() && date.next().is_none();
    let (time, rest) = rest.split_at_checked(8)?;
    let time = clock(time.get(..5)?)? && time.get(5..6)? == ":" && digits(time.get(6..)?, 2)? < 60;
    let zone = match rest.strip_prefix('.') {
        Some(rest) => {
            let length = rest.bytes().take_while(u8::is_ascii_digit).count();
            if !(1..=7).contains(&length) {
                return None;
            }
            rest.get(length..)?
        }
        None => rest,
    };
    let zone = match zone.strip_prefix(['+', '-']) {
        Some(offset) => clock(offset)?,
        None => matches!(zone, "" | "Z"),
    };
    Some(exists && time && zone)
}

/// Returns whether the text is `HH:MM`.
fn clock(text: &str) -> Option<bool> {
    let (hour, minute) = text.split_once(':')?;
    Some(digits(hour, 2)? < 24 && digits(minute, 2)? < 60)
}

fn digits(text: &str, length: usize) -> Option<u32> {
    let fits = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    if fits { text.parse().ok() } else { None }
}

/// Length of time in ticks of 100 nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeSpan(
    /// Number of ticks; may be negative.
    pub i64,
);

const TICKS_PER_SECOND: u64 = 10_000_000;

impl TimeSpan {
    /// Parses a duration of XML Schema without years and months, such as `P1DT5S` or `-PT9.0269026S`.
    ///
    /// # Errors
    /// [`PsrpError::Scalar`] if the text has another form or is out of range.
    pub fn parse(text: &str) -> Result<Self, PsrpError> {
        Self::read(text).ok_or_else(|| PsrpError::scalar("duration", text))
    }

    fn read(text: &str) -> Option<Self> {
        let (is_negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let rest = rest.strip_prefix('P')?;
        let (days, time) = match rest.split_once('T') {
            Some((_, "")) => return None,
            Some((days, time)) => (days, time),
            None if rest.is_empty() => return None,
            None => (rest, ""),
        };
        let mut ticks: i128 = 0;
        if !days.is_empty() {
            ticks += i128::from(number(days.strip_suffix('D')?)?) * 86_400 * i128::from(TICKS_PER_SECOND);
        }
        let mut rest = time;
        for (unit, seconds) in [('H', 3_600), ('M', 60)] {
            if let Some((count, behind)) = rest.split_once(unit) {
                ticks += i128::from(number(count)?) * seconds * i128::from(TICKS_PER_SECOND);
                rest = behind;
            }
        }
        if !rest.is_empty() {
            let (whole, fraction) = match rest.strip_suffix('S')?.split_once('.') {
                Some((whole, fraction)) => (whole, fraction_ticks(fraction)?),
                None => (rest.strip_suffix('S')?, 0),
            };
            ticks += i128::from(number(whole)?) * i128::from(TICKS_PER_SECOND) + i128::from(fraction);
        }
        i64::try_from(if is_negative { -ticks } else { ticks }).ok().map(Self)
    }
}

fn number(text: &str) -> Option<u64> {
    let fits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if fits { text.parse().ok() } else { None }
}

fn fraction_ticks(text: &str) -> Option<u32> {
    let length = u32::try_from(text.len()).ok()?;
    if !(1..=7).contains(&length) {
        return None;
    }
    digits(text, text.len())?.checked_mul(10_u32.pow(7 - length))
}

impl fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ticks = self.0.unsigned_abs();
        let (seconds, fraction) = (ticks / TICKS_PER_SECOND, ticks % TICKS_PER_SECOND);
        let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
        let seconds = seconds % 60;
        f.write_str(if self.0 < 0 { "-P" } else { "P" })?;
        if days > 0 {
            write!(f, "{days}D")?;
        }
        let has_seconds = seconds > 0 || fraction > 0;
        if hours == 0 && minutes == 0 && !has_seconds {
            return if days > 0 { Ok(()) } else { f.write_str("T0S") };
        }
        f.write_str("T")?;
        for (count, unit) in [(hours, 'H'), (minutes, 'M')] {
            if count > 0 {
                write!(f, "{count}{unit}")?;
            }
        }
        if fraction > 0 {
            let digits = format!("{fraction:07}");
            return write!(f, "{seconds}.{}S", digits.trim_end_matches('0'));
        }
        if has_seconds { write!(f, "{seconds}S") } else { Ok(()) }
    }
}

/// Decimal number with up to 29 digits, as its text.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Decimal(
    /// INVARIANT: an optional `-`, digits, and optionally `.` with digits; at most 60 characters.
    Box<str>,
);

impl Decimal {
    /// Parses digits with an optional sign and fraction.
    ///
    /// # Errors
    /// [`PsrpError::Scalar`] if the text has another form or is longer than 60 characters.
    pub fn parse(text: &str) -> Result<Self, PsrpError> {
        let bare = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = bare.split_once('.').unwrap_or((bare, "0"));
        let is_number = [whole, fraction]
            .iter()
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
        if is_number && text.len() <= 60 {
            Ok(Self(text.into()))
        } else {
            Err(PsrpError::scalar("decimal number", text))
        }
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Version of two to four numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
    /// Third number.
    pub build: Option<u32>,
    /// Fourth number.
    ///
    /// INVARIANT: `None` without a third number.
    revision: Option<u32>,
}

impl Version {
    /// Returns the version of two numbers.
    #[must_use]
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor, build: None, revision: None }
    }

    /// Returns the version of four numbers.
    #[must_use]
    pub const fn with_build(major: u32, minor: u32, build: u32, revision: u32) -> Self {
        Self { major, minor, build: Some(build), revision: Some(revision) }
    }

    /// Parses two to four numbers with dots between them.
    ///
    /// # Errors
    /// [`PsrpError::Scalar`] if the text has another form, or a number is above 2,147,483,647.
    pub fn parse(text: &str) -> Result<Self, PsrpError> {
        Self::read(text).ok_or_else(|| PsrpError::scalar("version", text))
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(|part| {
            let number = u32::try_from(number(part)?).ok()?;
            i32::try_from(number).is_ok().then_some(number)
        });
        let [major, minor] = [parts.next()??, parts.next()??];
        let [build, revision] = [parts.next(), parts.next()];
        let all = build != Some(None) && revision != Some(None) && parts.next().is_none();
        all.then_some(Self { major, minor, build: build.flatten(), revision: revision.flatten() })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        for part in [self.build, self.revision].into_iter().flatten() {
            write!(f, ".{part}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Version({self})")
    }
}

macro_rules! text_values {
    ($($name:ident)*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    )*};
}

text_values! { DateTime Decimal }

/// Parses a floating-point number of XML Schema: a decimal number, `INF`, `-INF` or `NaN`.
pub(super) fn parse_float<F: std::str::FromStr + From<f32>>(text: &str) -> Option<F> {
    match text {
        "INF" => return Some(f32::INFINITY.into()),
        "-INF" => return Some(f32::NEG_INFINITY.into()),
        "NaN" => return Some(f32::NAN.into()),
        _ => {}
    }
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    if is_plain { text.parse().ok() } else { None }
}

/// Returns the text that .NET writes for a number with this shortest scientific form, such as `1.5E-7`.
/// `precision` is the number of whole digits that are written without exponent.
pub(super) fn float_text(scientific: &str, precision: i32) -> String {
    match scientific {
        "inf" => return "INF".to_owned(),
        "-inf" => return "-INF".to_owned(),
        "NaN" => return "NaN".to_owned(),
        _ => {}
    }
    let (mantissa, exponent) = scientific.split_once('E').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    if !(-4..precision).contains(&exponent) {
        let direction = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{mantissa}E{direction}{:02}", exponent.unsigned_abs());
    }
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    let point = usize::try_from(exponent + 1).unwrap_or(0);
    match usize::try_from(-1 - exponent) {
        Ok(zeros) => format!("{sign}0.{}{digits}", "0".repeat(zeros)),
        Err(_) if digits.len() <= point => format!("{sign}{digits}{}", "0".repeat(point - digits.len())),
        Err(_) => {
            let (whole, fraction) = digits.split_at_checked(point).unwrap_or((&digits, "0"));
            format!("{sign}{whole}.{fraction}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_checked() {
        for text in [
            "2019-06-10T20:40:21.6781264Z",
            "2019-06-10T20:40:21",
            "2020-02-29T00:00:00.1+05:30",
            "0001-01-01T00:00:00-12:00",
        ] {
            assert_eq!(DateTime::parse(text).unwrap().as_str(), text);
        }
        for wrong in [
            "",
            "2019-06-10",
            "2019-06-31T00:00:00",
            "2019-02-29T00:00:00",
            "2019-06-10T24:00:00",
            "2019-06-10T20:40:21.",
            "2019-06-10T20:40:21.12345678",
            "2019-06-10T20:40:21z",
            "2019-06-10T20:40:21+5:30",
            "2019-06-10T20:40:21ZZ",
            "19-06-10T20:40:21",
            "2019-06-10T20:40ü1",
        ] {
            assert!(DateTime::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_are_read_and_written() {
        for (text, ticks) in [
            ("PT0S", 0),
            ("P1DT5S", 864_050_000_000),
            ("PT9.0269026S", 90_269_026),
            ("PT20S", 200_000_000),
            ("-PT0.5S", -5_000_000),
            ("P2D", 2 * 864_000_000_000),
            ("PT1H2M", 37_200_000_000),
            ("P10675199DT2H48M5.4775807S", i64::MAX),
            ("-P10675199DT2H48M5.4775808S", i64::MIN),
        ] {
            assert_eq!(TimeSpan::parse(text), Ok(TimeSpan(ticks)));
            assert_eq!(TimeSpan(ticks).to_string(), text);
        }
        assert_eq!(TimeSpan::parse("PT90M"), Ok(TimeSpan(54_000_000_000)));
        for wrong in
            ["", "P", "PT", "P1DT", "P1Y", "P1M", "1D", "PT1", "PT.5S", "PT1.S", "PT-1S", "PT1S1S", "P+1D"]
        {
            assert!(TimeSpan::parse(wrong).is_err(), "{wrong}");
        }
        assert!(TimeSpan::parse("P99999999999D").is_err());
    }

    #[test]
    fn decimals_and_versions_are_checked() {
        for text in ["0", "-1.50", "79228162514264337593543950335"] {
            assert_eq!(Decimal::parse(text).unwrap().as_str(), text);
        }
        for wrong in ["", "-", "1.", ".5", "1e5", "+1", "1,5"] {
            assert!(Decimal::parse(wrong).is_err(), "{wrong}");
        }
        for text in ["2.3", "5.1.14393", "1.1.0.1"] {
            assert_eq!(Version::parse(text).unwrap().to_string(), text);
        }
        for wrong in ["", "2", "2.", "1.2.3.4.5", "1.-2", "1.99999999999", "1.2.a"] {
            assert!(Version::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Version::new(2, 3) > Version::new(2, 2));
    }

    #[test]
    fn floating_point_numbers_are_written_as_dot_net_does() {
        for (number, text) in [
            (1.5_f64, "1.5"),
            (0.0, "0"),
            (-0.0, "-0"),
            (100.0, "100"),
            (1e14, "100000000000000"),
            (1e15, "1E+15"),
            (1.234_567_890_123_456_8e17, "1.2345678901234568E+17"),
            (0.0001, "0.0001"),
            (0.00001, "1E-05"),
            (f64::INFINITY, "INF"),
            (f64::NEG_INFINITY, "-INF"),
            (f64::NAN, "NaN"),
            (-12.25, "-12.25"),
        ] {
            assert_eq!(float_text(&format!("{number:E}"), 15), text);
            let again: f64 = parse_float(text).unwrap();
            assert!(again.to_bits() == number.to_bits() || again.is_nan() && number.is_nan(), "{text}");
        }
        assert_eq!(parse_float::<f32>("infinity"), None);
        assert_eq!(parse_float::<f64>("nan"), None);
    }
}
