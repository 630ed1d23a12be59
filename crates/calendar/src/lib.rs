//! Proleptic Gregorian calendar.
//!
//! ```
//! use telarch_calendar::Date;
//!
//! let date = Date::from_days(20_778);
//! assert_eq!((date.year, date.month, date.day), (2026, 11, 21));
//! assert_eq!(date.days(), Some(20_778));
//! ```

/// Date of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    /// Year; 0 is the year before the year 1.
    pub year: i64,
    /// Month: 1 to 12.
    pub month: u32,
    /// Day of the month: 1 to 31.
    pub day: u32,
}

/// Number of days in 400 years, after which the calendar repeats.
const CYCLE: i64 = 146_097;
/// Number of days from 0000-03-01 to 1970-01-01.
const EPOCH: i64 = 719_468;

impl Date {
    /// Returns the number of days since 1970-01-01; `None` for an invalid date.
    #[must_use]
    pub fn days(self) -> Option<i64> {
        // Years begin in March here, so that the leap day is the last day of a year.
        let year = if self.month > 2 { self.year } else { self.year.checked_sub(1)? };
        let month = (i64::from(self.month) + 9) % 12;
        let in_cycle = year.rem_euclid(400);
        let day_of_year = (153 * month + 2) / 5 + i64::from(self.day) - 1;
        let day_of_cycle = in_cycle * 365 + in_cycle / 4 - in_cycle / 100 + day_of_year;
        let days = year.div_euclid(400).checked_mul(CYCLE)?.checked_add(day_of_cycle - EPOCH)?;
        (Self::from_days(days) == self).then_some(days)
    }

    /// Returns the date that is `days` after 1970-01-01.
    #[must_use]
    pub fn from_days(days: i64) -> Self {
        let since_march = days.saturating_add(EPOCH);
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
        let mut before = Date::from_days(-EPOCH - CYCLE);
        for days in -EPOCH - CYCLE..CYCLE {
            let date = Date::from_days(days);
            assert_eq!(date.days(), Some(days), "{date:?}");
            let next = date.day == before.day + 1 || (date.day == 1 && before.day >= 28);
            assert!(next || date == before, "{before:?} is followed by {date:?}");
            before = date;
        }
    }

    #[test]
    fn invalid_dates_are_rejected() {
        for (year, month, day) in [(2013, 2, 29), (1900, 2, 29), (2000, 2, 30), (2013, 4, 31), (2013, 1, 0)] {
            assert_eq!(Date { year, month, day }.days(), None);
        }
        assert_eq!(Date { year: 2000, month: 2, day: 29 }.days(), Some(11_016));
        // No number of a date overflows.
        for (year, month, day) in [(i64::MAX, 1, 1), (i64::MIN, 1, 1), (2000, u32::MAX, u32::MAX)] {
            assert_eq!(Date { year, month, day }.days(), None);
        }
    }
}
