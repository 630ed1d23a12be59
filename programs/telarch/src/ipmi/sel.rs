//! `telarch ipmi sel`.

use ipmi::proto::codes;
use ipmi::proto::sdr::{Body, Record};
use ipmi::proto::sel::{Direction, Entry, SelEvent, SelRecord, SelTime};
use ipmi::proto::storage::ClearSel;
use ipmi::proto::{Command as _, Privilege};
use ipmi::{Connection, IpmiError};
use serde_json::Value;

use super::many::Question;
use super::report::{Answer, Row};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sel {
    List,
    Clear,
}

impl Question for Sel {
    fn privilege(&self) -> Privilege {
        match self {
            Self::List => Privilege::User,
            Self::Clear => ClearSel::PRIVILEGE,
        }
    }

    async fn ask(&self, bmc: &Connection) -> Result<Answer, IpmiError> {
        if *self == Self::Clear {
            bmc.clear_events().await?;
            let rows = vec![vec![("cleared", Value::from(true))]];
            return Ok(Answer { text: "the event log is empty now".to_owned(), rows });
        }
        let events = bmc.events().await?;
        // The log has the numbers of sensors only.
        let sensors = if events.is_empty() { Vec::new() } else { bmc.records().await? };
        let rows: Vec<Row> = events.iter().map(|record| row(record, &sensors)).collect();
        Ok(Answer { text: rows.iter().map(line).collect(), rows })
    }
}

fn row(record: &SelRecord, sensors: &[Record]) -> Row {
    let (time, clock) = match record.time {
        Some(SelTime::Since1970(seconds)) => (Value::from(seconds), Value::from("1970")),
        Some(SelTime::SinceStart(seconds)) => (Value::from(seconds), Value::from("start")),
        None => (Value::Null, Value::Null),
    };
    let (source, what, direction) = match &record.entry {
        Entry::Event(event) => {
            let direction = match event.direction {
                Direction::Asserted => "asserted",
                Direction::Deasserted => "deasserted",
            };
            (name(event, sensors), happened(event), Value::from(direction))
        }
        Entry::Manufacturer { kind, manufacturer, octets } => (
            format!("manufacturer {manufacturer}"),
            format!("type {kind:02x}h: {}", hex(octets)),
            Value::Null,
        ),
        Entry::Other { kind, octets } => {
            ("manufacturer".to_owned(), format!("type {kind:02x}h: {}", hex(octets)), Value::Null)
        }
    };
    vec![
        ("id", Value::from(record.id)),
        ("time", time),
        ("since", clock),
        ("source", Value::from(source)),
        ("event", Value::from(what)),
        ("direction", direction),
    ]
}

fn line(row: &Row) -> String {
    let cell = |wanted: &str| {
        let found = row.iter().find(|(name, _)| *name == wanted);
        found
            .map(|(_, value)| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
            .unwrap_or_default()
    };
    let time = match cell("since").as_str() {
        "1970" => format!("@{}", cell("time")),
        "start" => format!("start+{}", cell("time")),
        _ => "-".to_owned(),
    };
    let direction = Some(cell("direction")).filter(|direction| direction != "null");
    let direction = direction.map(|direction| format!(" | {direction}")).unwrap_or_default();
    format!("{:>5} | {time:<12} | {:<16} | {}{direction}\n", cell("id"), cell("source"), cell("event"))
}

/// The name of the sensor, if a record describes it.
fn name(event: &SelEvent, sensors: &[Record]) -> String {
    let [owner, unit] = event.generator;
    let described = sensors.iter().flat_map(|record| match &record.body {
        Body::Sensors(sensors) => sensors.as_slice(),
        Body::EventOnly(sensor) => std::slice::from_ref(sensor),
        _ => &[],
    });
    let is_it = |sensor: &&ipmi::proto::sdr::Sensor| {
        (sensor.owner, sensor.unit, sensor.number) == (owner, unit & 3, event.sensor)
    };
    let found = described.into_iter().find(is_it).map(|sensor| sensor.name.clone());
    found.unwrap_or_else(|| format!("sensor {:02X}h", event.sensor))
}

fn happened(event: &SelEvent) -> String {
    if let Some(threshold) = event.threshold() {
        return threshold.to_owned();
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
