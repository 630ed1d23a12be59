//! Timestamps and intervals as written by people, XML Schema and other clients.

use calendar::Date;

use super::{DAY, DateTime, Interval, Timestamp, clock, number};

pub(super) fn read(text: &str, offset: i16) -> Option<DateTime> {
    if let Some(rest) = text.strip_prefix(['P', 'p']) {
        return duration(rest).map(DateTime::Interval);
    }
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(at) => (text.get(..at)?, text.get(at + 1..)?.trim_start()),
        None => (text, ""),
    };
    let day = if date.contains('/') { month_first(date)? } else { year_first(date)? };
    let (time, offset) = zone(time, offset)?;
    let clock = if time.is_empty() { 0 } else { time_of_day(time)? };
    Timestamp::from_date(day, clock, offset).map(DateTime::Timestamp)
}

/// Parses `2013-04-15`.
fn year_first(date: &str) -> Option<Date> {
    let mut parts = date.split('-');
    let day = Date {
        year: number(parts.next().filter(|year| year.len() == 4)?)?.into(),
        month: short(parts.next()?)?,
        day: short(parts.next()?)?,
    };
    parts.next().is_none().then_some(day)
}

/// Parses `4/15/2013`.
fn month_first(date: &str) -> Option<Date> {
    let mut parts = date.split('/');
    let (month, day) = (short(parts.next()?)?, short(parts.next()?)?);
    let year = number(parts.next().filter(|year| year.len() == 4)?)?.into();
    parts.next().is_none().then_some(Date { year, month, day })
}

/// Splits `Z` or `+08:00` off the end of a time; the default is the local offset.
fn zone(time: &str, local: i16) -> Option<(&str, i16)> {
    if let Some(time) = time.strip_suffix(['Z', 'z']) {
        return Some((time, 0));
    }
    let Some(at) = time.rfind(['+', '-']) else { return Some((time.trim_end(), local)) };
    let (hours, minutes) = time.get(at + 1..)?.split_once(':')?;
    let minutes = short(hours)? * 60 + short(minutes).filter(|minutes| *minutes < 60)?;
    let minutes = i16::try_from(minutes).ok()?;
    let offset = if time.get(at..)?.starts_with('-') { -minutes } else { minutes };
    Some((time.get(..at)?.trim_end(), offset))
}

/// Parses `16:28`, `16:28:43`, `16:28:43.488171` or `16:28:43:488`; returns microseconds since midnight.
fn time_of_day(time: &str) -> Option<i64> {
    let mut parts = time.splitn(3, ':');
    let hour = short(parts.next()?).filter(|hour| *hour < 24)?;
    let minute = short(parts.next()?).filter(|minute| *minute < 60)?;
    let rest = parts.next().unwrap_or("0");
    let (second, fraction) = rest.split_once(['.', ':']).unwrap_or((rest, "0"));
    let second = short(second).filter(|second| *second < 60)?;
    Some(clock([hour, minute, second], micros(fraction)?))
}

/// Parses a number of one or two digits.
fn short(text: &str) -> Option<u32> {
    if text.len() <= 2 { number(text) } else { None }
}

/// Parses the digits of a fraction; digits beyond microseconds are dropped.
fn micros(digits: &str) -> Option<u32> {
    number(digits.get(..6).unwrap_or(digits))?;
    if !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    number(&format!("{:0<6}", digits.get(..6).unwrap_or(digits)))
}

/// Parses `0DT0H1M40.5S` of an `xs:duration`; years and months are rejected because their length varies.
fn duration(text: &str) -> Option<Interval> {
    let (date, time) = text.split_once(['T', 't']).unwrap_or((text, ""));
    let mut total: u64 = 0;
    let day = DAY.unsigned_abs();
    if !date.is_empty() {
        total = add(total, date.strip_suffix(['D', 'd'])?, day)?;
    }
    let mut rest = time;
    for (letters, unit) in [(['H', 'h'], day / 24), (['M', 'm'], day / 1_440)] {
        if let Some((amount, after)) = rest.split_once(letters) {
            total = add(total, amount, unit)?;
            rest = after;
        }
    }
    if !rest.is_empty() {
        let seconds = rest.strip_suffix(['S', 's'])?;
        let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
        total = add(total, seconds, 1_000_000)?;
        total = total.checked_add(micros(fraction)?.into())?;
    }
    if date.is_empty() && time.is_empty() { None } else { Interval::from_micros(total) }
}

/// Adds `amount` units to the total; returns `None` on overflow and for other characters than digits.
fn add(total: u64, amount: &str, unit: u64) -> Option<u64> {
    if !amount.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    total.checked_add(amount.parse::<u64>().ok()?.checked_mul(unit)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_parsed_in_all_forms() {
        for (text, cim) in [
            ("2013-04-15T16:28:43Z", "20130415162843.000000+000"),
            ("2013-04-15T16:28:43.5+02:00", "20130415162843.500000+120"),
            ("2013-04-15T16:28:43.1234567-07:00", "20130415162843.123456-420"),
            ("2013-04-15 16:28:43", "20130415162843.000000+060"),
            ("2013-04-15 16:28:43:488", "20130415162843.488000+060"),
            ("2013-04-15", "20130415000000.000000+060"),
            ("4/15/2013", "20130415000000.000000+060"),
            ("04/05/2013 6:28", "20130405062800.000000+060"),
            ("P1DT2H3M4.25S", "00000001020304.250000:000"),
            ("PT40S", "00000000000040.000000:000"),
            ("P2D", "00000002000000.000000:000"),
        ] {
            assert_eq!(read(text, 60).map(|value| value.to_string()).as_deref(), Some(cim), "{text}");
        }
    }

    #[test]
    fn invalid_timestamps_are_rejected() {
        for text in [
            "",
            "T",
            "P",
            "PT",
            "P1Y",
            "P1M",
            "P-1D",
            "PT1",
            "P1DT",
            "2013",
            "2013-4",
            "2013-04-15T",
            "2013-04-31",
            "2013-04-15T24:00:00Z",
            "2013-04-15T16:28:43+8",
            "2013-04-15T16:60",
            "15/4/2013",
            "4/15/13",
            "now",
            "2013-04-15T16:28:43.é",
            "2013-04-15T16:28:43.",
            "é/é/é",
            "P99999999999999999999D",
        ] {
            // A date with an empty time is a date.
            if text != "2013-04-15T" && text != "P1DT" {
                assert_eq!(read(text, 0), None, "{text:?}");
            }
        }
    }
}
