//! `telarch ipmi threshold`.

use std::sync::Arc;

use ipmi::proto::sdr::Sensor;
use ipmi::proto::threshold::Threshold;
use ipmi::proto::{Privilege, ProtoError, Quantity};
use ipmi::{Connection, IpmiError};
use serde_json::Value;

use super::many::Question;
use super::named::Named;
use super::report::Answer;

/// The thresholds of a sensor, or a new one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Thresholds {
    sensor: String,
    /// Which is set, and to what quantity, in the sensor's unit.
    set: Option<(Threshold, f64)>,
}

impl Thresholds {
    pub(super) fn parse(words: &[&str]) -> Result<Self, String> {
        let (sensor, set) = match words {
            [sensor] => (sensor, None),
            [sensor, threshold, value] => {
                let threshold = threshold.parse().map_err(|error| format!("threshold: {error}"))?;
                let value: Option<f64> = value.parse().ok().filter(|value: &f64| value.is_finite());
                let value = value.ok_or("threshold: the value is no number")?;
                (sensor, Some((threshold, value)))
            }
            _ => {
                return Err("threshold: SENSOR, or SENSOR lnr|lcr|lnc|unc|ucr|unr VALUE".to_owned());
            }
        };
        Ok(Self { sensor: (*sensor).to_owned(), set })
    }
}

impl Question for Thresholds {
    fn privilege(&self) -> Privilege {
        if self.set.is_some() { Privilege::Operator } else { Privilege::User }
    }

    async fn ask(&self, bmc: &Connection) -> Result<Answer, IpmiError> {
        let what = "the name of a sensor with thresholds";
        let Named { mut sensor, place } = Named::find(bmc, &self.sensor, what, Sensor::is_threshold).await?;
        if let Some((threshold, value)) = self.set {
            // Of one that is not linear each raw value has to be asked for.
            bmc.learn_factors(Arc::make_mut(&mut sensor), 0..=u8::MAX).await?;
            let raw = sensor.nearest(value).ok_or_else(|| not_measured(&sensor, value))?;
            bmc.set_threshold(place, sensor.number, threshold, raw).await?;
        }
        let read = bmc.thresholds(place, sensor.number).await?;
        let raws = Threshold::ALL.into_iter().filter_map(|one| read.of(one));
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

/// A value that no sensor of this kind can have, and those that it can.
fn not_measured(sensor: &Sensor, value: f64) -> ProtoError {
    let all = (0..=u8::MAX).filter_map(|raw| sensor.quantity(raw));
    let order = |one: &Quantity, other: &Quantity| one.to_f64().total_cmp(&other.to_f64());
    let known = match (all.clone().min_by(order), all.max_by(order)) {
        (Some(least), Some(most)) => format!("those from {least} to {most} {}", sensor.units.sign()),
        _ => "none".to_owned(),
    };
    ProtoError::Word {
        what: "a value that the sensor can measure",
        word: value.to_string(),
        known: known.trim_end().to_owned(),
    }
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
