//! Points in time as the logs and the API write them.

use std::fmt;
use std::time::{Duration, SystemTime};

use calendar::Date;

/// A point in time in UTC, with a resolution of one second. Displayed as in RFC 3339: `2026-01-31T12:00:00Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Returns the timestamp of a number of seconds since 1970.
    #[must_use]
    pub fn from_seconds(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Returns the current time.
    #[must_use]
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// Returns the number of seconds since 1970.
    #[must_use]
    pub fn seconds(self) -> u64 {
        self.0
    }

    /// Returns the time that is later by `duration`.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.as_secs()))
    }

    /// Returns the date as year, month and day.
    #[must_use]
    pub fn date(self) -> (i64, u32, u32) {
        let days = i64::try_from(self.0 / DAY).unwrap_or(i64::MAX / 2);
        let date = Date::from_days(days);
        (date.year, date.month, date.day)
    }

    /// Returns the date as `2026-01-31`.
    #[must_use]
    pub fn date_text(self) -> String {
        let (year, month, day) = self.date();
        format!("{year:04}-{month:02}-{day:02}")
    }

    /// Returns the time of day as `12:00:00`.
    #[must_use]
    pub fn time_text(self) -> String {
        let second = self.0 % DAY;
        format!("{:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60)
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Self(time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}T{}Z", self.date_text(), self.time_text())
    }
}

const DAY: u64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_written_in_utc() {
        assert_eq!(Timestamp::from_seconds(951_782_399).to_string(), "2000-02-28T23:59:59Z");
        assert_eq!(Timestamp::from_seconds(951_782_400).date(), (2000, 2, 29));
    }
}
