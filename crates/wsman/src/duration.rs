//! `xs:duration` in the forms that clients use (XML Schema part 2, 3.2.6).

use std::time::Duration;

/// Error of [`parse`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DurationError {
    /// Negative duration.
    #[error("the duration is negative; use one such as PT60.000S")]
    Negative,
    /// Any other invalid text.
    #[error("not a duration; use one such as PT60.000S")]
    Malformed,
}

/// Parses `PT20S`, `PT60.000S`, `PT1H0M0.5S`, `P0DT0H0M5S` or `P1W`; a year has 365 days, a month 30.
///
/// # Errors
/// [`DurationError`] for a negative or invalid duration. Durations above 136 years (2^32 - 1 s) become the maximum.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let text = text.trim();
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let body = unsigned.strip_prefix('P').ok_or(DurationError::Malformed)?;
    let (date, time) = match body.split_once('T') {
        Some((_, "")) => return Err(DurationError::Malformed),
        Some((date, time)) => (date, time),
        None => (body, ""),
    };
    if date.is_empty() && time.is_empty() {
        return Err(DurationError::Malformed);
    }
    let days = sum(date, &[('Y', 365 * DAY), ('M', 30 * DAY), ('W', 7 * DAY), ('D', DAY)])?;
    let rest = sum(time, &[('H', 3_600), ('M', 60), ('S', 1)])?;
    let total = days.saturating_add(rest).min(Duration::from_secs(u64::from(u32::MAX)));
    if negative && !total.is_zero() { Err(DurationError::Negative) } else { Ok(total) }
}

/// Writes seconds with three decimals, as Windows does: `PT7200.000S`.
#[must_use]
pub fn write(duration: Duration) -> String {
    format!("PT{}.{:03}S", duration.as_secs(), duration.subsec_millis())
}

/// Writes days, hours, minutes and whole seconds, the form of `ShellRunTime`: `P0DT0H0M5S`.
#[must_use]
pub fn write_in_parts(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, seconds) = (seconds / DAY, seconds % DAY);
    format!("P{days}DT{}H{}M{}S", seconds / 3_600, seconds % 3_600 / 60, seconds % 60)
}

const DAY: u64 = 86_400;

/// Sums up numbers that are each followed by a unit, in the order of the units.
fn sum(mut text: &str, units: &[(char, u64)]) -> Result<Duration, DurationError> {
    let mut total = Duration::ZERO;
    let mut left = units.iter();
    while !text.is_empty() {
        let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or(DurationError::Malformed)?;
        let (whole, rest) = text.split_at(digits);
        let (fraction, rest) = match rest.strip_prefix(['.', ',']) {
            Some(rest) => rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(0)),
            None => ("", rest),
        };
        let unit = rest.chars().next().ok_or(DurationError::Malformed)?;
        let (_, seconds) = left.find(|(name, _)| *name == unit).ok_or(DurationError::Malformed)?;
        if whole.is_empty() || (!fraction.is_empty() && unit != 'S') {
            return Err(DurationError::Malformed);
        }
        // A number that does not fit is larger than the maximum.
        let whole = whole.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(*seconds);
        let nanoseconds = fraction.chars().chain("000000000".chars()).take(9).collect::<String>();
        let nanoseconds = nanoseconds.parse::<u32>().map_err(|_| DurationError::Malformed)?;
        total = total.saturating_add(Duration::new(whole, nanoseconds));
        text = rest.get(unit.len_utf8()..).unwrap_or_default();
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_that_clients_send_are_parsed() {
        for (text, milliseconds) in [
            ("PT20S", 20_000),
            (" PT60.000S ", 60_000),
            ("PT1M", 60_000),
            ("PT60M0S", 3_600_000),
            ("PT1H0M0.5S", 3_600_500),
            ("P0DT0H0M5S", 5_000),
            ("P1W", 604_800_000),
            ("P1DT1S", 86_401_000),
            ("-PT0S", 0),
            ("PT0.0000000001S", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn invalid_durations_are_rejected() {
        for text in ["", "P", "PT", "20", "PT20", "PTS", "PT1S1M", "PT1.5M", "P1S", "PT1Sx", "PT٣S"] {
            assert_eq!(parse(text), Err(DurationError::Malformed), "{text}");
        }
        assert_eq!(parse("-PT1S"), Err(DurationError::Negative));
    }

    #[test]
    fn excessive_durations_become_the_maximum() {
        assert_eq!(parse("P99999999999999999999999Y"), Ok(Duration::from_secs(4_294_967_295)));
    }

    #[test]
    fn durations_are_written_as_windows_writes_them() {
        assert_eq!(write(Duration::from_millis(7_200_000)), "PT7200.000S");
        assert_eq!(write_in_parts(Duration::from_secs(93_784)), "P1DT2H3M4S");
    }
}
