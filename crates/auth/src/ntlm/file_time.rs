//! Windows file times (MS-DTYP 2.3.3).

use std::time::{Duration, SystemTime};

/// A time in units of 100 nanoseconds since 1601 (UTC).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileTime(u64);

impl FileTime {
    /// Converts a system time; fractions of 100 ns are cut off, and times before 1970 become 1970.
    pub(super) fn at(time: SystemTime) -> Self {
        let since_1970 = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let units = u64::try_from(since_1970.as_nanos() / 100).unwrap_or(u64::MAX);
        Self(units.saturating_add(UNITS_TO_1970))
    }

    pub(super) fn from_octets(octets: [u8; 8]) -> Self {
        Self(u64::from_le_bytes(octets))
    }

    pub(super) fn to_octets(self) -> [u8; 8] {
        self.0.to_le_bytes()
    }

    /// Returns `true` if two times differ by at most `span`.
    pub(super) fn is_within(self, span: Duration, of: Self) -> bool {
        u128::from(self.0.abs_diff(of.0)) * 100 <= span.as_nanos()
    }
}

/// Number of units from 1601 to 1970: 369 years, 89 of them leap years.
const UNITS_TO_1970: u64 = 116_444_736_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_counted_from_1601() {
        // 2009-02-13 23:31:30 UTC.
        let time = SystemTime::UNIX_EPOCH + Duration::new(1_234_567_890, 123_456_789);
        assert_eq!(FileTime::at(time), FileTime(128_790_414_901_234_567));
        assert_eq!(FileTime::at(SystemTime::UNIX_EPOCH), FileTime(UNITS_TO_1970));
    }

    #[test]
    fn is_within_is_symmetric_and_inclusive() {
        let minute = Duration::from_secs(60);
        let noon = FileTime(UNITS_TO_1970);
        for (units, is_within) in [(600_000_000, true), (600_000_001, false)] {
            assert_eq!(FileTime(noon.0 - units).is_within(minute, noon), is_within);
            assert_eq!(FileTime(noon.0 + units).is_within(minute, noon), is_within);
        }
        assert!(!FileTime(u64::MAX).is_within(minute, FileTime(0)));
    }
}
