//! Dates for people.

use calendar::Date;

/// Formats seconds since 1970 as `2026-11-21 10:22:07`; times after the year 9999 become its last second.
#[must_use]
pub fn second(seconds: u64) -> String {
    let seconds = seconds.min(LAST);
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let Date { year, month, day } = Date::from_days(days.cast_signed());
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", of_day / 3_600, of_day / 60 % 60, of_day % 60)
}

/// Formats seconds since 1970 as `2026-11-21 10:22Z`.
#[must_use]
pub fn minute(seconds: u64) -> String {
    let whole = second(seconds);
    format!("{}Z", whole.get(..16).unwrap_or(&whole))
}

/// 9999-12-31 23:59:59.
const LAST: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_follow_the_gregorian_calendar() {
        for (seconds, shown) in [
            (0, "1970-01-01 00:00Z"),
            (951_782_399, "2000-02-28 23:59Z"),
            (951_782_400, "2000-02-29 00:00Z"),
            (951_868_800, "2000-03-01 00:00Z"),
            (1_763_719_754, "2025-11-21 10:09Z"),
            (4_107_542_400, "2100-03-01 00:00Z"),
            (u64::MAX, "9999-12-31 23:59Z"),
        ] {
            assert_eq!(minute(seconds), shown);
        }
        assert_eq!(second(1_763_719_754), "2025-11-21 10:09:14");
    }
}
