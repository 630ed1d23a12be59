//! `telarch ipmi sel`.

use ipmi::proto::event_log::{GetSelTime, GetSelUtcOffset, SetSelTime};
use ipmi::proto::sdr::{Record, Sensor};
use ipmi::proto::sel::{Direction, Entry, SelEvent, SelRecord, SelTime};
use ipmi::proto::storage::{ClearSel, GetSelInfo};
use ipmi::proto::{Command as _, Privilege, codes};
use ipmi::{Connection, IpmiError};
use serde_json::Value;
use std::sync::Arc;

use super::many::Question;
use super::named::{Titles, of_records};
use super::report::{Answer, Row, cell};
use cli_command::date;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sel {
    /// So many of the last, or all.
    List(Clock, Option<usize>),
    Info,
    Clear,
    Time,
    /// To the time of this machine, in seconds since 1970.
    SetTime(u32),
}

/// In which time zone times are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Clock {
    /// The controller's own.
    #[default]
    Own,
    /// UTC, where the controller says how far it is from that.
    Utc,
}

impl Question for Sel {
    fn privilege(&self) -> Privilege {
        match self {
            Self::List(..) | Self::Info | Self::Time => Privilege::User,
            Self::Clear | Self::SetTime(_) => ClearSel::PRIVILEGE,
        }
    }

    async fn ask(&self, bmc: &Connection) -> Result<Answer, IpmiError> {
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
                Ok(Answer::new("the event log is empty now".to_owned(), rows))
            }
            Self::Time => time(bmc).await,
            Self::SetTime(seconds) => {
                // Its clock shows its own time zone.
                let offset = i64::from(offset(bmc).await?.unwrap_or(0)) * 60;
                let own = u32::try_from(i64::from(*seconds) + offset).unwrap_or(*seconds);
                bmc.run(&SetSelTime(own)).await?;
                time(bmc).await
            }
        }
    }
}

async fn time(bmc: &Connection) -> Result<Answer, IpmiError> {
    let seconds = bmc.run(&GetSelTime).await?;
    let text = date::second(seconds.into());
    Ok(Answer::new(
        format!("{text}\n"),
        vec![vec![("time", Value::from(seconds)), ("date", Value::from(text))]],
    ))
}

/// How many minutes the controller's clock is before UTC; none if it does not say so.
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
    // The log has the numbers of sensors only.
    let sensors = if events.is_empty() { Arc::default() } else { bmc.records().await? };
    let titles = Titles::of(of_records(&sensors));
    let offset = if events.is_empty() { None } else { offset(bmc).await? };
    let rows: Vec<Row> =
        events.iter().map(|record| row(record, (&sensors, &titles), clock, offset)).collect();
    Ok(Answer::new(rows.iter().map(line).collect(), rows))
}

/// A record for programs.
pub(super) fn row(
    record: &SelRecord,
    (sensors, titles): (&[Record], &Titles),
    clock: Clock,
    offset: Option<i16>,
) -> Row {
    let (time, since, date) = match record.time {
        Some(SelTime::Since1970(seconds)) => {
            (Value::from(seconds), Value::from("1970"), Value::from(dated(seconds, clock, offset)))
        }
        Some(SelTime::SinceStart(seconds)) => (Value::from(seconds), Value::from("start"), Value::Null),
        None => (Value::Null, Value::Null, Value::Null),
    };
    let (source, what, direction) = match &record.entry {
        Entry::Event(event) => {
            let direction = match event.direction {
                Direction::Asserted => "asserted",
                Direction::Deasserted => "deasserted",
            };
            let sensor = described(event, sensors);
            let source = sensor.map_or_else(
                || format!("sensor {:02X}h", event.sensor),
                |found| titles.title(found).into_owned(),
            );
            (source, happened(event, sensor), Value::from(direction))
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
            format!("a record that is cut off, {} of 16 octets: {}", octets.len(), hex(octets)),
            Value::Null,
        ),
    };
    vec![
        ("id", Value::from(record.id)),
        ("time", time),
        ("since", since),
        ("date", date),
        ("source", Value::from(source)),
        ("event", Value::from(what)),
        ("direction", direction),
    ]
}

/// `2026-11-21 10:22:07`, and how far that is from UTC, if anybody has said so.
fn dated(seconds: u32, clock: Clock, offset: Option<i16>) -> String {
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

/// A record for people.
pub(super) fn line(row: &Row) -> String {
    let cell = |wanted: &str| cell(row, wanted);
    let time = match cell("since").as_str() {
        "1970" => cell("date"),
        "start" => format!("start+{}", cell("time")),
        _ => "-".to_owned(),
    };
    let direction = Some(cell("direction")).filter(|direction| direction != "-");
    let direction = direction.map(|direction| format!(" | {direction}")).unwrap_or_default();
    format!("{:>5} | {time:<19} | {:<16} | {}{direction}\n", cell("id"), cell("source"), cell("event"))
}

/// The sensor, if a record describes it.
fn described<'r>(event: &SelEvent, sensors: &'r [Record]) -> Option<&'r Sensor> {
    let [owner, unit] = event.generator;
    let is_it =
        |sensor: &&Arc<Sensor>| (sensor.owner, sensor.unit, sensor.number) == (owner, unit & 3, event.sensor);
    of_records(sensors).find(is_it).map(|sensor| &**sensor)
}

fn happened(event: &SelEvent, sensor: Option<&Sensor>) -> String {
    if let Some(threshold) = event.threshold() {
        let (reading, limit) = event.readings();
        let quantity = |raw: Option<u8>| sensor?.quantity(raw?).map(|quantity| quantity.to_string());
        let unit = sensor.map(|sensor| sensor.units.sign()).unwrap_or_default();
        return match (quantity(reading), quantity(limit)) {
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

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_of_the_controller_or_of_utc() {
        let seconds = 1_763_719_754;
        assert_eq!(dated(seconds, Clock::Own, None), "2025-11-21 10:09:14");
        assert_eq!(dated(seconds, Clock::Own, Some(60)), "2025-11-21 10:09:14+01:00");
        assert_eq!(dated(seconds, Clock::Own, Some(-570)), "2025-11-21 10:09:14-09:30");
        assert_eq!(dated(seconds, Clock::Utc, Some(60)), "2025-11-21 09:09:14Z");
        assert_eq!(dated(seconds, Clock::Utc, None), "2025-11-21 10:09:14", "nobody knows");
    }
}
