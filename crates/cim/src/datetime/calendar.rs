//! Proleptic Gregorian calendar.

/// Durations in microseconds.
pub(super) const SECOND: i64 = 1_000_000;
pub(super) const MINUTE: i64 = 60 * SECOND;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;

/// Date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Civil {
    pub(super) year: i64,
    /// 1 to 12.
    pub(super) month: u32,
    /// 1 to 31.
    pub(super) day: u32,
}

/// Number of days in 400 years, after which the calendar repeats.
const CYCLE: i64 = 146_097;
/// Number of days from 0000-03-01 to 1970-01-01.
const EPOCH: i64 = 719_468;

impl Civil {
    /// Returns the number of days since 1970-01-01; `None` for an invalid date.
    pub(super) fn days(self) -> Option<i64> {
        // Years begin in March here, so that the leap day is the last day of a year.
        let year = if self.month > 2 { self.year } else { self.year - 1 };
        let month = i64::from((self.month + 9) % 12);
        let in_cycle = year.rem_euclid(400);
        let day_of_year = (153 * month + 2) / 5 + i64::from(self.day) - 1;
        let day_of_cycle = in_cycle * 365 + in_cycle / 4 - in_cycle / 100 + day_of_year;
        let days = year.div_euclid(400) * CYCLE + day_of_cycle - EPOCH;
        (Self::from_days(days) == self).then_some(days)
    }

    /// Returns the date that is `days` after 1970-01-01.
    pub(super) fn from_days(days: i64) -> Self {
        let since_march = days + EPOCH;
        let day_of_cycle = since_march.rem_euclid(CYCLE);
        let in_cycle =
            (day_of_cycle - day_of_cycle / 1_460 + day_of_cycle / 36_524 - day_of_cycle / 146_096) / 365;
        let day_of_year = day_of_cycle - (365 * in_cycle + in_cycle / 4 - in_cycle / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let year = since_march.div_euclid(CYCLE) * 400 + in_cycle;
        let (month, year) = if month < 10 { (month + 3, year) } else { (month - 9, year + 1) };
        let [month, day] = [month, day].map(|number| u32::try_from(number).unwrap_or_default());
        Self { year, month, day }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_two_cycles_has_a_unique_and_consecutive_date() {
        let mut before = Civil::from_days(-EPOCH - CYCLE);
        for days in -EPOCH - CYCLE..CYCLE {
            let civil = Civil::from_days(days);
            assert_eq!(civil.days(), Some(days), "{civil:?}");
            let next = civil.day == before.day + 1 || (civil.day == 1 && before.day >= 28);
            assert!(next || civil == before, "{before:?} is followed by {civil:?}");
            before = civil;
        }
    }

    #[test]
    fn invalid_dates_are_rejected() {
        for (year, month, day) in [(2013, 2, 29), (1900, 2, 29), (2000, 2, 30), (2013, 4, 31), (2013, 1, 0)] {
            assert_eq!(Civil { year, month, day }.days(), None);
        }
        assert_eq!(Civil { year: 2000, month: 2, day: 29 }.days(), Some(11_016));
    }
}
