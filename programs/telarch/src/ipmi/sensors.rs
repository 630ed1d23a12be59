//! `telarch ipmi sensors`.

use ipmi::proto::sensor::GetReading;
use ipmi::proto::{Command as _, Privilege, codes};
use ipmi::{Connection, IpmiError, Measured, Standing};
use serde_json::Value;

use super::many::Question;
use super::named::{Titles, number};
use super::report::{Answer, Format, Row};
use crate::pattern::fits;

/// What is printed is all that is worked out: there may be a hundred thousand sensors.
#[derive(Clone, Debug)]
pub(super) struct Sensors {
    pub(super) format: Format,
    /// Those that are told; all if nothing is said.
    pub(super) wanted: Vec<Wanted>,
}

/// Which sensors are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Those beyond a threshold, or in a state as bad.
    Bad,
    /// Those whose name or type is like this, in small letters.
    Like(String),
}

impl Wanted {
    pub(super) fn parse(word: &str) -> Self {
        match word {
            "bad" => Self::Bad,
            // In the names of types, words are put together on command lines.
            word => Self::Like(word.to_lowercase().replace('_', " ")),
        }
    }

    fn is(&self, measured: &Measured) -> bool {
        match self {
            Self::Bad => !matches!(measured.standing(), Standing::Ok | Standing::Unavailable),
            Self::Like(pattern) => {
                let kind = codes::sensor_type(measured.sensor.kind).unwrap_or_default();
                let name = measured.sensor.name.to_lowercase().replace('_', " ");
                fits(pattern, &name) || fits(pattern, kind)
            }
        }
    }
}

impl Question for Sensors {
    fn privilege(&self) -> Privilege {
        GetReading::PRIVILEGE
    }

    async fn ask(&self, bmc: &Connection) -> Result<Answer, IpmiError> {
        let mut measured = bmc.sensors().await?;
        let titles = Titles::of(measured.iter().map(|measured| &measured.sensor));
        if !self.wanted.is_empty() {
            measured.retain(|measured| self.wanted.iter().any(|wanted| wanted.is(measured)));
        }
        if measured.is_empty() && self.wanted.iter().any(|wanted| *wanted != Wanted::Bad) {
            return Ok(Answer::failed("sensors", "no sensor has such a name or type"));
        }
        let mut answer = Answer::new(String::new(), Vec::new());
        match self.format {
            Format::Text => answer.text = measured.iter().map(|measured| line(measured, &titles)).collect(),
            Format::Table | Format::Json | Format::Csv => answer.rows = measured.iter().map(row).collect(),
            Format::Prometheus => {
                measured.iter().for_each(|measured| answer.metrics.add_sensor(measured));
            }
        }
        Ok(answer)
    }
}

fn line(measured: &Measured, titles: &Titles) -> String {
    let Measured { sensor, reading } = measured;
    let value = match (measured.quantity(), reading) {
        (Some(quantity), _) => format!("{quantity} {}", sensor.units.sign()).trim_end().to_owned(),
        (None, Some(reading)) if reading.value.is_some() => Some(measured.states().join(", "))
            .filter(|states| !states.is_empty())
            .unwrap_or_else(|| "no state".to_owned()),
        _ => "no reading".to_owned(),
    };
    let standing = standing(measured);
    format!("{:<16} | {} | {value:<17} | {standing}\n", titles.title(sensor), number(sensor))
}

fn row(measured: &Measured) -> Row {
    let Measured { sensor, reading } = measured;
    let text = |text: Option<String>| text.map_or(Value::Null, Value::from);
    let limits = sensor.thresholds.map(|raw| raw.and_then(|raw| sensor.quantity(raw)));
    let mut row = vec![
        ("name", Value::from(sensor.name.clone())),
        ("number", Value::from(sensor.number)),
        ("entity", Value::from(format!("{}.{}", sensor.entity.0, sensor.entity.1))),
        ("type", Value::from(sensor.kind)),
        ("reading", measured.quantity().map_or(Value::Null, |quantity| Value::from(quantity.to_f64()))),
        ("unit", text(sensor.is_threshold().then(|| sensor.units.sign()))),
        (
            "states",
            reading
                .filter(|reading| reading.value.is_some())
                .map_or(Value::Null, |reading| Value::from(reading.states)),
        ),
        ("state_names", Value::from(measured.states().join(", "))),
        ("standing", Value::from(standing(measured))),
    ];
    let names = [
        "upper_non_recoverable",
        "upper_critical",
        "upper_non_critical",
        "lower_non_recoverable",
        "lower_critical",
        "lower_non_critical",
    ];
    row.extend(
        names
            .into_iter()
            .zip(limits.map(|limit| limit.map_or(Value::Null, |limit| Value::from(limit.to_f64())))),
    );
    row
}

/// In the words of ipmitool.
fn standing(measured: &Measured) -> &'static str {
    match measured.standing() {
        Standing::Unavailable => "ns",
        Standing::Ok => "ok",
        Standing::NonCritical => "nc",
        Standing::Critical => "cr",
        Standing::NonRecoverable => "nr",
    }
}
