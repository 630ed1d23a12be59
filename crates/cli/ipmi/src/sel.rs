//! `telarch ipmi sel`: the system event log.

use ipmi::proto::event_log::{GetSelTime, GetSelUtcOffset, SetSelTime};
use ipmi::proto::sdr::{Record, Sensor};
use ipmi::proto::sel::{Direction, Entry, SelEvent, SelRecord, SelTime};
use ipmi::proto::storage::{ClearSel, GetSelInfo};
use ipmi::proto::{Command as _, Privilege, codes};
use ipmi::{Connection, IpmiError};
use serde_json::Value;
use std::sync::Arc;

use super::parallel::Operation;
use super::report::{Answer, Row, cell};
use super::sensor_names::{Titles, of_records};
use cli_command::date;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sel {
    /// The last records, or all.
    List(Clock, Option<usize>),
    Info,
    Clear,
    Time,
    /// The time of this machine in seconds since 1970.
    SetTime(u32),
}

/// Time zone of the dates of records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Clock {
    /// The clock of the controller.
    #[default]
    Own,
    /// UTC, if the controller reports its offset.
    Utc,
}

impl Operation for Sel {
    fn privilege(&self) -> Privilege {
        match self {
            Self::List(..) | Self::Info | Self::Time => Privilege::User,
            Self::Clear | Self::SetTime(_) => ClearSel::PRIVILEGE,
        }
    }

    async fn run(&self, bmc: &Connection) -> Result<Answer, IpmiError> {
        match self {
            Self::List(clock, last) => list(bmc, *clock, *last).await,
            Self::Info => {
                let info = bmc.run(&GetSelInfo).await?;
                Ok(Answer::fields([
                    ("entries", "Entries", Value::from(info.records)),
                    ("free", "Free Space", Value::from(info.free)),
                    ("overflow", "Overflow", Value::from(info.has_overflowed)),
                ]))
            }
            Self::Clear => {
                bmc.clear_events().await?;
                let rows = vec![vec![("cleared", Value::from(true))]];
                Ok(Answer::new("the event log was cleared".to_owned(), rows))
            }
            Self::Time => time(bmc).await,
            Self::SetTime(seconds) => {
                // The clock of the controller runs in its own time zone.
                let offset = i64::from(offset(bmc).await?.unwrap_or(0)) * 60;
                let own = u32::try_from(i64::from(*seconds) + offset).unwrap_or(*seconds);
                bmc.run(&SetSelTime(own)).await?;
                let found = bmc.run(&GetSelTime).await?;
                if !(own.saturating_sub(1)..=own.saturating_add(CLOCK_TOLERANCE)).contains(&found) {
                    let [wanted, found] = [own, found].map(|seconds| date::second(seconds.into()));
                    return Err(IpmiError::unchanged("the clock", wanted, found));
                }
                time(bmc).await
            }
        }
    }
}

/// Seconds that may pass until a clock that was set is read back: more than two responses may take.
const CLOCK_TOLERANCE: u32 = 120;

async fn time(bmc: &Connection) -> Result<Answer, IpmiError> {
    let seconds = bmc.run(&GetSelTime).await?;
    let text = date::second(seconds.into());
    Ok(Answer::new(
        format!("{text}\n"),
        vec![vec![("time", Value::from(seconds)), ("date", Value::from(text))]],
    ))
}

/// Returns the offset of the controller's clock from UTC in minutes, if it is known.
pub(super) async fn offset(bmc: &Connection) -> Result<Option<i16>, IpmiError> {
    match bmc.run(&GetSelUtcOffset).await {
        Ok(offset) => Ok(offset),
        Err(IpmiError::Completion(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn list(bmc: &Connection, clock: Clock, last: Option<usize>) -> Result<Answer, IpmiError> {
    let mut events = bmc.events().await?;
    if let Some(last) = last {
        events.drain(..events.len().saturating_sub(last));
    }
    // Log records contain sensor numbers only; the names are in the sensor data records.
    let sensors = if events.is_empty() { Arc::default() } else { bmc.records().await? };
    let titles = Titles::of(of_records(&sensors));
    let offset = if events.is_empty() { None } else { offset(bmc).await? };
    let rows: Vec<Row> =
        events.iter().map(|record| row(record, (&sensors, &titles), clock, offset)).collect();
    Ok(Answer::new(rows.iter().map(line).collect(), rows))
}

/// Returns a log record as a row.
pub(super) fn row(
    record: &SelRecord,
    (sensors, titles): (&[Record], &Titles),
    clock: Clock,
    offset: Option<i16>,
) -> Row {
    let (time, since, date) = match record.time {
        Some(SelTime::Since1970(seconds)) => {
            (Value::from(seconds), Value::from("1970"), Value::from(format_date(seconds, clock, offset)))
        }
        Some(SelTime::SinceStart(seconds)) => (Value::from(seconds), Value::from("start"), Value::Null),
        None => (Value::Null, Value::Null, Value::Null),
    };
    let (source, description, direction) = match &record.entry {
        Entry::Event(event) => {
            let direction = match event.direction {
                Direction::Asserted => "asserted",
                Direction::Deasserted => "deasserted",
            };
            let sensor = find_sensor(event, sensors);
            let source = sensor.map_or_else(
                || format!("sensor {:02X}h", event.sensor),
                |found| titles.title(found).into_owned(),
            );
            (source, describe(event, sensor), Value::from(direction))
        }
        Entry::Manufacturer { kind, manufacturer, octets } => (
            format!("manufacturer {manufacturer}"),
            format!("type {kind:02x}h: {}", hex(octets)),
            Value::Null,
        ),
        Entry::Other { kind, octets } => {
            ("manufacturer".to_owned(), format!("type {kind:02x}h: {}", hex(octets)), Value::Null)
        }
        Entry::CutOff { octets } => (
            "controller".to_owned(),
            format!("truncated record, {} of 16 bytes: {}", octets.len(), hex(octets)),
            Value::Null,
        ),
    };
    vec![
        ("id", Value::from(record.id)),
        ("time", time),
        ("since", since),
        ("date", date),
        ("source", Value::from(source)),
        ("event", Value::from(description)),
        ("direction", direction),
    ]
}

/// Formats a date as `2026-11-21 10:22:07`, with its offset from UTC if that is known.
fn format_date(seconds: u32, clock: Clock, offset: Option<i16>) -> String {
    match (clock, offset) {
        (Clock::Utc, Some(minutes)) => {
            let utc = i64::from(seconds) - i64::from(minutes) * 60;
            format!("{}Z", date::second(u64::try_from(utc).unwrap_or_default()))
        }
        (Clock::Own, Some(minutes)) => {
            let (sign, minutes) = (if minutes < 0 { '-' } else { '+' }, minutes.unsigned_abs());
            format!("{}{sign}{:02}:{:02}", date::second(seconds.into()), minutes / 60, minutes % 60)
        }
        (_, None) => date::second(seconds.into()),
    }
}

/// Returns a log record as a line of text.
pub(super) fn line(row: &Row) -> String {
    let time = match cell(row, "since").as_str() {
        "1970" => cell(row, "date"),
        "start" => format!("start+{}", cell(row, "time")),
        _ => "-".to_owned(),
    };
    let direction = Some(cell(row, "direction")).filter(|direction| direction != "-");
    let direction = direction.map(|direction| format!(" | {direction}")).unwrap_or_default();
    format!(
        "{:>5} | {time:<19} | {:<16} | {}{direction}\n",
        cell(row, "id"),
        cell(row, "source"),
        cell(row, "event")
    )
}

/// Finds the sensor of an event among the sensor data records.
fn find_sensor<'r>(event: &SelEvent, sensors: &'r [Record]) -> Option<&'r Sensor> {
    let key = event.sensor_key();
    of_records(sensors).find(|sensor| sensor.key() == key).map(|sensor| &**sensor)
}

/// Describes an event: the threshold with the reading, or the state of the sensor.
fn describe(event: &SelEvent, sensor: Option<&Sensor>) -> String {
    if let Some(threshold) = event.threshold() {
        let (reading, limit) = event.readings();
        let unit = sensor.map(|sensor| sensor.units.sign()).unwrap_or_default();
        return match (quantity(sensor, reading), quantity(sensor, limit)) {
            (Some(reading), Some(limit)) => {
                format!("{threshold}: {reading} {unit}, threshold {limit} {unit}")
            }
            (Some(reading), None) => format!("{threshold}: {reading} {unit}"),
            _ => threshold.to_owned(),
        };
    }
    let known = codes::state(event.sensor_kind, event.event_kind, event.offset);
    let state = known.map_or_else(|| format!("state {}", event.offset), |(name, _)| name.to_owned());
    let kind = codes::sensor_type(event.sensor_kind)
        .map_or_else(|| format!("type {:02x}h", event.sensor_kind), str::to_owned);
    format!("{kind}: {state} ({})", hex(&event.octets))
}

fn quantity(sensor: Option<&Sensor>, raw: Option<u8>) -> Option<String> {
    sensor?.quantity(raw?).map(|quantity| quantity.to_string())
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_in_the_time_zone_of_the_controller_or_in_utc() {
        let seconds = 1_763_719_754;
        assert_eq!(format_date(seconds, Clock::Own, None), "2025-11-21 10:09:14");
        assert_eq!(format_date(seconds, Clock::Own, Some(60)), "2025-11-21 10:09:14+01:00");
        assert_eq!(format_date(seconds, Clock::Own, Some(-570)), "2025-11-21 10:09:14-09:30");
        assert_eq!(format_date(seconds, Clock::Utc, Some(60)), "2025-11-21 09:09:14Z");
        assert_eq!(format_date(seconds, Clock::Utc, None), "2025-11-21 10:09:14", "unknown offset");
    }
}
