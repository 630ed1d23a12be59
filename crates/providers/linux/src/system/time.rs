//! `Win32_LocalTime`, `Win32_UTCTime` and `Win32_TimeZone`.

use std::sync::Arc;

use jiff::civil;
use jiff::tz::TimeZone;
use linux::now;
use wmi::{EventSource, ProviderError, Watch};

use crate::Machine;
use crate::events;
use crate::table::{Fill, Table};

/// Local time.
pub(crate) struct LocalTime;

/// UTC time.
pub(crate) struct UtcTime;

/// Fields of the clock classes.
const CLOCK: &[(&str, Fill<civil::DateTime>)] = &[
    ("Day", |_, time| number(time.day()).into()),
    ("DayOfWeek", |_, time| number(time.weekday().to_sunday_zero_offset()).into()),
    ("Hour", |_, time| number(time.hour()).into()),
    ("Minute", |_, time| number(time.minute()).into()),
    ("Month", |_, time| number(time.month()).into()),
    ("Quarter", |_, time| (number(time.month() - 1) / 3 + 1).into()),
    ("Second", |_, time| number(time.second()).into()),
    ("WeekInMonth", |_, time| week_in_month(*time).into()),
    ("Year", |_, time| u32::try_from(time.year()).ok().into()),
];

impl Table for LocalTime {
    type Row = civil::DateTime;

    const CLASS: &'static str = "Win32_LocalTime";

    const COLUMNS: &'static [(&'static str, Fill<civil::DateTime>)] = CLOCK;

    fn watch(&self, _: &Arc<Machine>, _: &Watch<'_>) -> Result<Option<Box<dyn EventSource>>, ProviderError> {
        Ok(Some(Box::new(events::Seconds)))
    }

    fn all(_: &Machine) -> Result<impl Iterator<Item = civil::DateTime>, ProviderError> {
        Ok(time_in(&TimeZone::system()).into_iter())
    }
}

impl Table for UtcTime {
    type Row = civil::DateTime;

    const CLASS: &'static str = "Win32_UTCTime";

    const COLUMNS: &'static [(&'static str, Fill<civil::DateTime>)] = CLOCK;

    fn watch(&self, _: &Arc<Machine>, _: &Watch<'_>) -> Result<Option<Box<dyn EventSource>>, ProviderError> {
        Ok(Some(Box::new(events::Seconds)))
    }

    fn all(_: &Machine) -> Result<impl Iterator<Item = civil::DateTime>, ProviderError> {
        Ok(time_in(&TimeZone::UTC).into_iter())
    }
}

fn time_in(zone: &TimeZone) -> Option<civil::DateTime> {
    jiff::Timestamp::from_microsecond(now()).ok().map(|time| zone.to_datetime(time))
}

/// Returns the week of the month; weeks begin on Sunday, and the first contains the first day.
fn week_in_month(time: civil::DateTime) -> u32 {
    let first = number(time.first_of_month().weekday().to_sunday_zero_offset());
    (number(time.day()) - 1 + first) / 7 + 1
}

fn number(field: i8) -> u32 {
    field.unsigned_abs().into()
}

/// Time zone of the machine.
pub(crate) struct Zone;

/// Rules of the time zone for the next 366 days.
pub(crate) struct Rules {
    pub(crate) name: String,
    pub(crate) daylight_name: Option<String>,
    /// Standard offset in minutes east of Greenwich.
    pub(crate) standard: i32,
    /// Shift of daylight saving time in minutes; zero without it.
    pub(crate) saved: i32,
    to_daylight: Option<civil::DateTime>,
    to_standard: Option<civil::DateTime>,
}

impl Table for Zone {
    type Row = Rules;

    const CLASS: &'static str = "Win32_TimeZone";

    const COLUMNS: &'static [(&'static str, Fill<Rules>)] = &[
        ("Bias", |_, rules| rules.standard.into()),
        ("Caption", |_, rules| rules.caption().into()),
        ("DaylightBias", |_, rules| (-rules.saved).into()),
        ("DaylightDay", |_, rules| rules.to_daylight.map_or(0, week_of_change).into()),
        ("DaylightDayOfWeek", |_, rules| rules.to_daylight.map_or(0, day_of_week).into()),
        ("DaylightHour", |_, rules| rules.to_daylight.map_or(0, |time| number(time.hour())).into()),
        ("DaylightMillisecond", |_, _| 0_u32.into()),
        ("DaylightMinute", |_, rules| rules.to_daylight.map_or(0, |time| number(time.minute())).into()),
        ("DaylightMonth", |_, rules| rules.to_daylight.map_or(0, |time| number(time.month())).into()),
        ("DaylightName", |_, rules| rules.daylight_name.clone().into()),
        ("DaylightSecond", |_, _| 0_u32.into()),
        ("DaylightYear", |_, _| 0_u32.into()),
        ("Description", |_, rules| rules.caption().into()),
        ("StandardBias", |_, _| 0_u32.into()),
        ("StandardDay", |_, rules| rules.to_standard.map_or(0, week_of_change).into()),
        ("StandardDayOfWeek", |_, rules| rules.to_standard.map_or(0, day_of_week).into()),
        ("StandardHour", |_, rules| rules.to_standard.map_or(0, |time| number(time.hour())).into()),
        ("StandardMillisecond", |_, _| 0_u32.into()),
        ("StandardMinute", |_, rules| rules.to_standard.map_or(0, |time| number(time.minute())).into()),
        ("StandardMonth", |_, rules| rules.to_standard.map_or(0, |time| number(time.month())).into()),
        ("StandardName", |_, rules| rules.name.clone().into()),
        ("StandardSecond", |_, _| 0_u32.into()),
        ("StandardYear", |_, _| 0_u32.into()),
    ];

    fn all(_: &Machine) -> Result<impl Iterator<Item = Rules>, ProviderError> {
        Ok(current_rules().into_iter())
    }
}

/// Returns the current rules of the machine's time zone.
pub(crate) fn current_rules() -> Option<Rules> {
    Rules::of(&TimeZone::system(), now())
}

impl Rules {
    fn of(zone: &TimeZone, now: i64) -> Option<Self> {
        let now = jiff::Timestamp::from_microsecond(now).ok()?;
        let current = zone.to_offset_info(now);
        let mut rules = Self {
            name: current.abbreviation().to_owned(),
            daylight_name: None,
            standard: minutes(current.offset()),
            saved: 0,
            to_daylight: None,
            to_standard: None,
        };
        let mut before = current.offset();
        let last = now.checked_add(jiff::SignedDuration::from_hours(24 * 366)).ok()?;
        for change in zone.following(now).take_while(|change| change.timestamp() <= last).take(4) {
            // Times of change are given in local time before the change.
            let local = before.to_datetime(change.timestamp());
            if change.dst().is_dst() {
                rules.daylight_name.get_or_insert_with(|| change.abbreviation().to_owned());
                rules.saved = minutes(change.offset()) - minutes(before);
                rules.to_daylight.get_or_insert(local);
            } else if rules.to_standard.is_none() {
                change.abbreviation().clone_into(&mut rules.name);
                rules.standard = minutes(change.offset());
                rules.to_standard = Some(local);
            }
            before = change.offset();
        }
        // Named by the IANA name of the zone, or else the abbreviation of its standard time.
        rules.name = zone.iana_name().map_or(rules.name, str::to_owned);
        Some(rules)
    }

    fn caption(&self) -> String {
        let (sign, minutes) = if self.standard < 0 { ('-', -self.standard) } else { ('+', self.standard) };
        format!("(UTC{sign}{:02}:{:02}) {}", minutes / 60, minutes % 60, self.name)
    }
}

fn minutes(offset: jiff::tz::Offset) -> i32 {
    offset.seconds() / 60
}

/// Returns the occurrence of the weekday in its month; the last one is always 5
/// (`Win32_TimeZone.DaylightDay`).
fn week_of_change(time: civil::DateTime) -> u32 {
    let is_last = time.day() + 7 > time.days_in_month();
    if is_last { 5 } else { (number(time.day()) - 1) / 7 + 1 }
}

fn day_of_week(time: civil::DateTime) -> u8 {
    time.weekday().to_sunday_zero_offset().unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the rules in January and in July 2026, which must be equal.
    #[track_caller]
    fn rules(posix: &str) -> Rules {
        let zone = TimeZone::posix(posix).expect("it is one");
        let all = [1_768_000_000_i64, 1_784_000_000]
            .map(|time| Rules::of(&zone, time * 1_000_000).expect("it has"));
        let reported =
            all.each_ref().map(|r| (r.caption(), r.saved, r.standard, r.to_daylight.map(week_of_change)));
        let [winter, summer] = all;
        assert_eq!(reported[0], reported[1]);
        assert_eq!(
            winter.to_daylight.map(civil::DateTime::month),
            summer.to_daylight.map(civil::DateTime::month)
        );
        winter
    }

    #[test]
    fn time_zone_rules_use_windows_form() {
        let berlin = rules("CET-1CEST,M3.5.0,M10.5.0/3");
        assert_eq!((berlin.standard, berlin.saved, berlin.daylight_name.as_deref()), (60, 60, Some("CEST")));
        let change = berlin.to_daylight.expect("it has");
        assert_eq!(
            (change.month(), change.hour(), week_of_change(change), day_of_week(change)),
            (3, 2, 5, 0)
        );
        let change = berlin.to_standard.expect("it has");
        assert_eq!((change.month(), change.hour(), week_of_change(change)), (10, 3, 5));
        let york = rules("EST5EDT,M3.2.0,M11.1.0");
        assert_eq!((york.caption().get(..11), york.saved), (Some("(UTC-05:00)"), 60));
        let change = york.to_daylight.expect("it has");
        assert_eq!((change.month(), week_of_change(change)), (3, 2));
        let india = rules("IST-5:30");
        assert_eq!((india.standard, india.saved, india.to_daylight), (330, 0, None));
    }

    #[test]
    fn weeks_begin_on_sundays() {
        // August 2026 begins on a Saturday.
        let week = |day| week_in_month(civil::date(2026, 8, day).at(0, 0, 0, 0));
        assert_eq!([week(1), week(2), week(8), week(9), week(31)], [1, 2, 2, 3, 6]);
    }
}
