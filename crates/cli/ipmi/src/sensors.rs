//! `telarch ipmi sensors`: sensor readings.

use std::fmt::Write as _;
use std::sync::Arc;

use ipmi::proto::sensor::GetReading;
use ipmi::proto::threshold::{Threshold, Thresholds};
use ipmi::proto::{Command as _, Privilege, codes};
use ipmi::{Connection, IpmiError, Measured, SensorStatus};
use serde_json::Value;

use super::parallel::Operation;
use super::report::{Answer, Row};
use super::sensor_names::Titles;
use cli_command::format::Format;
use cli_command::pattern;

/// Lists sensor readings. Only the output of one format is computed, because there may be 100,000 sensors.
#[derive(Clone, Debug)]
pub(super) struct Sensors {
    pub(super) format: Format,
    /// Sensors to list; all if empty.
    pub(super) filters: Vec<SensorFilter>,
}

/// Selects sensors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SensorFilter {
    /// Sensors beyond a threshold, or in a state as severe.
    Bad,
    /// Sensors whose name or type matches a pattern in lower case.
    Like(String),
}

impl SensorFilter {
    pub(super) fn parse(word: &str) -> Self {
        match word {
            "bad" => Self::Bad,
            // An underscore stands for the space in a type such as power supply.
            word => Self::Like(word.to_lowercase().replace('_', " ")),
        }
    }

    fn matches(&self, measured: &Measured) -> bool {
        match self {
            Self::Bad => !matches!(measured.status(), SensorStatus::Ok | SensorStatus::Unavailable),
            Self::Like(wanted) => {
                let kind = codes::sensor_type(measured.sensor.kind).unwrap_or_default();
                let name = measured.sensor.name.to_lowercase().replace('_', " ");
                pattern::matches(wanted, &name) || pattern::matches(wanted, kind)
            }
        }
    }
}

impl Operation for Sensors {
    fn privilege(&self) -> Privilege {
        GetReading::PRIVILEGE
    }

    async fn run(&self, bmc: &Connection) -> Result<Answer, IpmiError> {
        let mut measured = bmc.sensors().await?;
        let titles = Titles::of(measured.iter().map(|measured| &measured.sensor));
        if !self.filters.is_empty() {
            measured.retain(|measured| self.filters.iter().any(|filter| filter.matches(measured)));
        }
        if measured.is_empty() && self.filters.iter().any(|filter| *filter != SensorFilter::Bad) {
            return Ok(Answer::failed("sensors", "no sensor has this name or type"));
        }
        let mut answer = Answer::new(String::new(), Vec::new());
        match self.format {
            Format::Text | Format::List => {
                answer.text.reserve(measured.len() * TYPICAL_LINE);
                measured.iter().for_each(|measured| add_line(&mut answer.text, measured, &titles));
            }
            Format::Table | Format::Json | Format::Csv => {
                let sensors = measured.iter().map(|measured| &*measured.sensor);
                let thresholds = bmc.thresholds_in_force(sensors).await?;
                for (Measured { sensor, .. }, thresholds) in measured.iter_mut().zip(&thresholds) {
                    if sensor.by_reading.is_some() {
                        let raws =
                            Threshold::ALL.into_iter().filter_map(|threshold| thresholds.of(threshold));
                        bmc.learn_factors(Arc::make_mut(sensor), raws).await?;
                    }
                }
                let rows = measured.iter().zip(&thresholds);
                answer.rows = rows.map(|(measured, thresholds)| row(measured, thresholds, &titles)).collect();
            }
            Format::Prometheus => {
                measured.iter().for_each(|measured| answer.metrics.add_sensor(measured));
            }
        }
        Ok(answer)
    }
}

/// Typical length of a line in bytes.
const TYPICAL_LINE: usize = 56;

fn add_line(text: &mut String, measured: &Measured, titles: &Titles) {
    let Measured { sensor, reading } = measured;
    add_cell(text, 16, |text| text.push_str(&titles.title(sensor)));
    text.push_str(" | ");
    for half in [sensor.number >> 4, sensor.number & 15] {
        text.extend(char::from_digit(half.into(), 16).map(|digit| digit.to_ascii_uppercase()));
    }
    text.push_str("h | ");
    add_cell(text, 17, |text| match (measured.quantity(), reading) {
        (Some(quantity), _) => {
            // Writing to a String cannot fail.
            let _ = write!(text, "{quantity} {}", sensor.units);
            text.truncate(text.trim_end().len());
        }
        (None, Some(reading)) if reading.value.is_some() => match measured.states().as_slice() {
            [] => text.push_str("no state"),
            states => text.push_str(&states.join(", ")),
        },
        _ => text.push_str("no reading"),
    });
    text.push_str(" | ");
    text.push_str(status(measured));
    text.push('\n');
}

/// Appends the text that `write` writes, padded to `width` characters.
fn add_cell(text: &mut String, width: usize, write: impl FnOnce(&mut String)) {
    let begin = text.len();
    write(text);
    let written = text.get(begin..).map_or(0, |cell| cell.chars().count());
    text.push_str(SPACES.get(written..width).unwrap_or_default());
}

/// Padding for the widest cell.
const SPACES: &str = "                 ";

fn row(measured: &Measured, thresholds: &Thresholds, titles: &Titles) -> Row {
    let Measured { sensor, reading } = measured;
    let mut row = vec![
        ("name", Value::from(titles.title(sensor).into_owned())),
        ("number", Value::from(sensor.number)),
        ("entity", Value::from(format!("{}.{}", sensor.entity.0, sensor.entity.1))),
        ("type", Value::from(sensor.kind)),
        ("reading", measured.quantity().map_or(Value::Null, |quantity| Value::from(quantity.to_f64()))),
        ("unit", sensor.is_threshold().then(|| sensor.units.sign()).map_or(Value::Null, Value::from)),
        (
            "states",
            reading
                .filter(|reading| reading.value.is_some())
                .map_or(Value::Null, |reading| Value::from(reading.states)),
        ),
        ("state_names", Value::from(measured.states().join(", "))),
        ("standing", Value::from(status(measured))),
    ];
    let names = [
        ("upper_non_recoverable", Threshold::UpperNonRecoverable),
        ("upper_critical", Threshold::UpperCritical),
        ("upper_non_critical", Threshold::UpperNonCritical),
        ("lower_non_recoverable", Threshold::LowerNonRecoverable),
        ("lower_critical", Threshold::LowerCritical),
        ("lower_non_critical", Threshold::LowerNonCritical),
    ];
    row.extend(names.into_iter().map(|(name, threshold)| {
        let limit = thresholds.of(threshold).and_then(|raw| sensor.quantity(raw));
        (name, limit.map_or(Value::Null, |limit| Value::from(limit.to_f64())))
    }));
    row
}

/// Returns the status of a sensor in the terms of ipmitool.
fn status(measured: &Measured) -> &'static str {
    match measured.status() {
        SensorStatus::Unavailable => "ns",
        SensorStatus::Ok => "ok",
        SensorStatus::NonCritical => "nc",
        SensorStatus::Critical => "cr",
        SensorStatus::NonRecoverable => "nr",
    }
}
