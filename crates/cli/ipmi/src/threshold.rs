//! `telarch ipmi threshold`: the thresholds of a sensor.

use std::sync::Arc;

use ipmi::proto::sdr::Sensor;
use ipmi::proto::threshold::Threshold;
use ipmi::proto::{Privilege, ProtoError, Quantity};
use ipmi::{Connection, IpmiError};
use serde_json::Value;

use super::parallel::Operation;
use super::report::Answer;
use super::sensor_names::FoundSensor;

/// Shows the thresholds of a sensor, or sets one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Thresholds {
    sensor: String,
    /// Threshold to set, and its value in the unit of the sensor.
    set: Option<(Threshold, f64)>,
}

impl Thresholds {
    pub(super) fn parse(words: &[&str]) -> Result<Self, String> {
        let (sensor, set) = match words {
            [sensor] => (sensor, None),
            [sensor, threshold, value] => {
                let threshold = threshold.parse().map_err(|error| format!("threshold: {error}"))?;
                let value: Option<f64> = value.parse().ok().filter(|value: &f64| value.is_finite());
                let value = value.ok_or("threshold: the value is not a number")?;
                (sensor, Some((threshold, value)))
            }
            _ => {
                return Err("threshold requires SENSOR, or SENSOR lnr|lcr|lnc|unc|ucr|unr VALUE".to_owned());
            }
        };
        Ok(Self { sensor: (*sensor).to_owned(), set })
    }
}

impl Operation for Thresholds {
    fn privilege(&self) -> Privilege {
        if self.set.is_some() { Privilege::Operator } else { Privilege::User }
    }

    async fn run(&self, bmc: &Connection) -> Result<Answer, IpmiError> {
        let kind = "the name of a sensor with thresholds";
        let FoundSensor { mut sensor, destination } =
            FoundSensor::find(bmc, &self.sensor, kind, Sensor::is_threshold).await?;
        if let Some((threshold, value)) = self.set {
            // A non-linear sensor has its own conversion factors for each raw value.
            bmc.learn_factors(Arc::make_mut(&mut sensor), 0..=u8::MAX).await?;
            let raw = sensor.nearest(value).ok_or_else(|| out_of_range(&sensor, value))?;
            bmc.set_threshold(&sensor, threshold, raw).await?;
        }
        let read = bmc.thresholds(destination, sensor.number).await?;
        let raws = Threshold::ALL.into_iter().filter_map(|threshold| read.of(threshold));
        bmc.learn_factors(Arc::make_mut(&mut sensor), raws).await?;
        let fields = Threshold::ALL.map(|threshold| {
            let value = read.of(threshold).and_then(|raw| sensor.quantity(raw));
            (
                threshold.name(),
                title(threshold),
                value.map_or(Value::Null, |value| Value::from(value.to_f64())),
            )
        });
        let named = [
            ("sensor", "Sensor", Value::from(sensor.name.clone())),
            ("unit", "Unit", Value::from(sensor.units.sign())),
        ];
        Ok(Answer::fields(named.into_iter().chain(fields)))
    }
}

/// Returns the error for a value outside the range of a sensor.
fn out_of_range(sensor: &Sensor, value: f64) -> ProtoError {
    let all = (0..=u8::MAX).filter_map(|raw| sensor.quantity(raw));
    let known = match (all.clone().min_by(compare), all.max_by(compare)) {
        (Some(least), Some(most)) => format!("values from {least} to {most} {}", sensor.units.sign()),
        _ => "none".to_owned(),
    };
    ProtoError::Word {
        what: "a value that the sensor can measure",
        word: value.to_string(),
        known: known.trim_end().to_owned(),
    }
}

fn compare(one: &Quantity, other: &Quantity) -> std::cmp::Ordering {
    one.to_f64().total_cmp(&other.to_f64())
}

fn title(threshold: Threshold) -> &'static str {
    match threshold {
        Threshold::LowerNonCritical => "Lower Non-Critical",
        Threshold::LowerCritical => "Lower Critical",
        Threshold::LowerNonRecoverable => "Lower Non-Recoverable",
        Threshold::UpperNonCritical => "Upper Non-Critical",
        Threshold::UpperCritical => "Upper Critical",
        Threshold::UpperNonRecoverable => "Upper Non-Recoverable",
    }
}
