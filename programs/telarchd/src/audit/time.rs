//! RFC 3339 timestamps.

use std::time::{SystemTime, UNIX_EPOCH};

use calendar::Date;

/// Returns the current time in UTC.
pub(super) fn now() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    rfc_3339(now.as_secs(), now.subsec_millis())
}

/// Formats a Unix time in UTC (RFC 3339 5.6).
fn rfc_3339(seconds: u64, milliseconds: u32) -> String {
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let Date { year, month, day } = Date::from_days(days.cast_signed());
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_follow_the_calendar() {
        for (seconds, shown) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_795_219_200, "2026-11-21T00:00:00.000Z"),
        ] {
            assert_eq!(rfc_3339(seconds, 0), shown);
        }
    }
}
