//! Request rates from the ends of access logs.

use calendar::Date;

/// Time over which requests are counted, in seconds.
const WINDOW: i64 = 60;

/// End of an access log.
pub(super) struct LogEnd {
    /// Complete lines.
    pub(super) text: String,
    /// Whether the text is the whole file.
    pub(super) is_whole: bool,
}

/// Returns the requests per second in the minute before `now` (seconds since 1970). If the end of the log covers less time,
/// it is the rate in that time. `None` if no line has a time.
pub(super) fn requests_per_second(end: &LogEnd, now: i64) -> Option<f64> {
    let (mut count, mut oldest, mut reaches_window) = (0_u32, None, end.is_whole);
    for line in end.text.lines().rev() {
        let Some(time) = time_of(line) else { continue };
        oldest = Some(time);
        // Lines are written when requests end, in about the order of their times.
        if time <= now.saturating_sub(WINDOW) {
            reaches_window = true;
            break;
        }
        count = count.saturating_add(1);
    }
    let covered = now.saturating_sub(oldest?);
    let seconds = if reaches_window { WINDOW } else { covered.clamp(1, WINDOW) };
    let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
    Some(f64::from(count) / f64::from(seconds))
}

/// Returns the time of a line in the combined log format, or in the JSON of Caddy, in seconds since 1970.
fn time_of(line: &str) -> Option<i64> {
    if line.starts_with('{') {
        let (_, behind) = line.split_once("\"ts\":")?;
        let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
        return behind.get(..digits)?.parse().ok();
    }
    let (_, behind) = line.split_once('[')?;
    let (time, _) = behind.split_once(']')?;
    let (time, zone) = time.split_once(' ')?;
    let [day, month, rest] = time.splitn(3, '/').collect::<Vec<_>>().try_into().ok()?;
    let [year, hour, minute, second] = rest.split(':').collect::<Vec<_>>().try_into().ok()?;
    let month = MONTHS.iter().position(|name| *name == month)?;
    let date = Date {
        year: year.parse().ok()?,
        month: u32::try_from(month).ok()?.saturating_add(1),
        day: day.parse().ok()?,
    };
    let in_day = number(hour)? * 3_600 + number(minute)? * 60 + number(second)?;
    let (sign, offset) = match zone.as_bytes().first()? {
        b'+' => (1, zone.get(1..)?),
        b'-' => (-1, zone.get(1..)?),
        _ => return None,
    };
    let offset = number(offset.get(..2)?)? * 3_600 + number(offset.get(2..)?)? * 60;
    date.days()?.checked_mul(86_400)?.checked_add(in_day - sign * offset)
}

/// Parses a number of two digits.
fn number(text: &str) -> Option<i64> {
    (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-26 03:30:00 UTC.
    const NOW: i64 = 1_795_663_800;

    fn line(time: &str) -> String {
        format!("127.0.0.1 - - [{time}] \"GET /[x] HTTP/1.1\" 200 5 \"-\" \"curl\"\n")
    }

    #[test]
    fn times_are_read_in_the_combined_format_and_in_json() {
        assert_eq!(time_of(&line("26/Nov/2026:03:30:00 +0000")), Some(NOW));
        assert_eq!(time_of(&line("26/Nov/2026:05:00:00 +0130")), Some(NOW));
        assert_eq!(time_of(&line("25/Nov/2026:22:30:00 -0500")), Some(NOW));
        assert_eq!(time_of(&format!("{{\"level\":\"info\",\"ts\":{NOW}.25,\"msg\":\"x\"}}")), Some(NOW));
        for wrong in [
            "",
            "no time",
            "[]",
            "[26/Nov/2026:03:30 +0000]",
            "[99/Foo/2026:03:30:00 +0000]",
            "{\"ts\":\"x\"}",
        ] {
            assert_eq!(time_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn requests_of_the_last_minute_are_counted() {
        let old = line("26/Nov/2026:03:20:00 +0000");
        let new = line("26/Nov/2026:03:29:50 +0000");
        let rate = |text: String, is_whole| requests_per_second(&LogEnd { text, is_whole }, NOW);
        assert_eq!(rate(old.repeat(3) + &new.repeat(30), true), Some(0.5));
        assert_eq!(rate(new.repeat(30), true), Some(0.5));
        // The end of a busy log covers ten seconds.
        assert_eq!(rate(new.repeat(1_000), false), Some(100.0));
        assert_eq!(rate(old, true), Some(0.0));
        assert_eq!((rate(String::new(), true), rate("no time\n".to_owned(), true)), (None, None));
    }
}
