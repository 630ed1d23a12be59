//! `telarch ipmi hysteresis`: the hysteresis of a sensor.

use ipmi::proto::sdr::Sensor;
use ipmi::proto::threshold::Hysteresis as Raw;
use ipmi::proto::{Privilege, ProtoError};
use ipmi::{Connection, IpmiError};
use serde_json::Value;

use super::parallel::Operation;
use super::report::Answer;
use super::sensor_names::FoundSensor;

/// Shows or sets how far a reading must return before a threshold event ends.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hysteresis {
    sensor: String,
    /// Distance below upper thresholds and above lower thresholds, in the unit of the sensor.
    set: Option<(f64, f64)>,
}

impl Hysteresis {
    pub(super) fn parse(words: &[&str]) -> Result<Self, String> {
        match words {
            [sensor] => Ok(Self { sensor: (*sensor).to_owned(), set: None }),
            [sensor, positive, negative] => {
                let set = Some((distance(positive)?, distance(negative)?));
                Ok(Self { sensor: (*sensor).to_owned(), set })
            }
            _ => Err("hysteresis requires SENSOR, or SENSOR POSITIVE NEGATIVE".to_owned()),
        }
    }
}

fn distance(word: &str) -> Result<f64, String> {
    let parsed: Option<f64> = word.parse().ok();
    let distance = parsed.filter(|value| value.is_finite() && *value >= 0.0);
    distance.ok_or_else(|| format!("hysteresis: \"{word}\" is not a number of 0 or more"))
}

/// Converts a raw distance to the unit of the sensor.
fn span(sensor: &Sensor, counts: u8) -> Value {
    let span = sensor.factors.and_then(|factors| factors.span(counts));
    span.map_or(Value::Null, |span| Value::from(span.to_f64()))
}

/// Converts a distance in the unit of the sensor to a raw distance.
fn counts(sensor: &Sensor, distance: f64) -> Result<u8, ProtoError> {
    let counts = sensor.factors.and_then(|factors| factors.counts(distance));
    counts.ok_or_else(|| {
        let greatest = sensor.factors.and_then(|factors| factors.span(u8::MAX));
        let known = match greatest {
            Some(greatest) => format!("values from 0 to {greatest} {}", sensor.units.sign()),
            None => "none".to_owned(),
        };
        let what = "a hysteresis that the sensor supports";
        ProtoError::Word { what, word: distance.to_string(), known: known.trim_end().to_owned() }
    })
}

impl Operation for Hysteresis {
    fn privilege(&self) -> Privilege {
        if self.set.is_some() { Privilege::Operator } else { Privilege::User }
    }

    async fn run(&self, bmc: &Connection) -> Result<Answer, IpmiError> {
        let kind = "the name of a sensor with thresholds";
        let FoundSensor { sensor, destination } =
            FoundSensor::find(bmc, &self.sensor, kind, Sensor::is_threshold).await?;
        if let Some((positive, negative)) = self.set {
            let hysteresis =
                Raw { positive: counts(&sensor, positive)?, negative: counts(&sensor, negative)? };
            bmc.set_hysteresis(destination, sensor.number, hysteresis).await?;
        }
        let Raw { positive, negative } = bmc.hysteresis(destination, sensor.number).await?;
        Ok(Answer::fields([
            ("sensor", "Sensor", Value::from(sensor.name.clone())),
            ("unit", "Unit", Value::from(sensor.units.sign())),
            ("positive", "Positive Hysteresis", span(&sensor, positive)),
            ("negative", "Negative Hysteresis", span(&sensor, negative)),
            ("raw_positive", "Raw Positive Hysteresis", Value::from(positive)),
            ("raw_negative", "Raw Negative Hysteresis", Value::from(negative)),
        ]))
    }
}
