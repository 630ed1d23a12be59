//! `telarch ipmi hysteresis`.

use ipmi::proto::sdr::Sensor;
use ipmi::proto::threshold::Hysteresis as Raw;
use ipmi::proto::{Privilege, ProtoError};
use ipmi::{Connection, IpmiError};
use serde_json::Value;

use super::many::Question;
use super::named::Named;
use super::report::Answer;

/// How far a reading of a sensor must go back behind a threshold, or a new distance.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hysteresis {
    sensor: String,
    /// Below thresholds that are crossed upwards, and above the others, in the sensor's unit.
    set: Option<(f64, f64)>,
}

impl Hysteresis {
    pub(super) fn parse(words: &[&str]) -> Result<Self, String> {
        let distance = |word: &str| {
            let parsed: Option<f64> =
                word.parse().ok().filter(|value: &f64| value.is_finite() && *value >= 0.0);
            parsed.ok_or_else(|| format!("hysteresis: {word:?} is no distance"))
        };
        match words {
            [sensor] => Ok(Self { sensor: (*sensor).to_owned(), set: None }),
            [sensor, positive, negative] => {
                let set = Some((distance(positive)?, distance(negative)?));
                Ok(Self { sensor: (*sensor).to_owned(), set })
            }
            _ => Err("hysteresis: SENSOR, or SENSOR POSITIVE NEGATIVE".to_owned()),
        }
    }
}

impl Question for Hysteresis {
    fn privilege(&self) -> Privilege {
        if self.set.is_some() { Privilege::Operator } else { Privilege::User }
    }

    async fn ask(&self, bmc: &Connection) -> Result<Answer, IpmiError> {
        let what = "the name of a sensor with thresholds";
        let Named { sensor, place } = Named::find(bmc, &self.sensor, what, Sensor::is_threshold).await?;
        if let Some((positive, negative)) = self.set {
            let counts = |distance: f64| {
                let counts = sensor.factors.and_then(|factors| factors.counts(distance));
                counts
                    .ok_or(ProtoError::Absent { what: "a raw distance for this, which the sensor can keep," })
            };
            let hysteresis = Raw { positive: counts(positive)?, negative: counts(negative)? };
            bmc.set_hysteresis(place, sensor.number, hysteresis).await?;
        }
        let Raw { positive, negative } = bmc.hysteresis(place, sensor.number).await?;
        let distance = |counts: u8| {
            let span = sensor.factors.and_then(|factors| factors.span(counts));
            span.map_or(Value::Null, |span| Value::from(span.to_f64()))
        };
        Ok(Answer::fields([
            ("sensor", "Sensor", Value::from(sensor.name.clone())),
            ("unit", "Unit", Value::from(sensor.units.sign())),
            ("positive", "Positive Hysteresis", distance(positive)),
            ("negative", "Negative Hysteresis", distance(negative)),
            ("raw_positive", "Raw Positive Hysteresis", Value::from(positive)),
            ("raw_negative", "Raw Negative Hysteresis", Value::from(negative)),
        ]))
    }
}
