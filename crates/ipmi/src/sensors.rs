//! What all sensors of a controller say now.

use ipmi_proto::codes::{self, Severity};
use ipmi_proto::sdr::{Body, Record, Sensor};
use ipmi_proto::sensor::{GetReading, Reading};
use ipmi_proto::{CompletionCode, Quantity};
use tokio::task::JoinSet;

use crate::{Connection, IpmiError};

/// A sensor with what it says.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The sensor.
    pub sensor: Sensor,
    /// What it says; none if it cannot be read now, or is another controller's.
    pub reading: Option<Reading>,
}

/// How a sensor stands to its thresholds (IPMI 2.0, 35.14), or how bad its worst state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// There is no reading.
    Unavailable,
    /// Within all thresholds, or in no state that is bad.
    Ok,
    /// Beyond a non-critical one, or in a state that somebody should look at.
    NonCritical,
    /// Beyond a critical one, or failed.
    Critical,
    /// Beyond a non-recoverable one, or failed for good.
    NonRecoverable,
}

impl Measured {
    /// What it measures; none if it has states only, or is not available.
    #[must_use]
    pub fn quantity(&self) -> Option<Quantity> {
        self.sensor.quantity(self.reading?.value?).filter(|_| self.sensor.is_threshold())
    }

    /// The names of the states it is in; none if it measures a quantity.
    #[must_use]
    pub fn states(&self) -> Vec<String> {
        if self.sensor.is_threshold() { Vec::new() } else { self.judged().0 }
    }

    fn judged(&self) -> (Vec<String>, Severity) {
        let set = self.reading.map_or(0, |reading| reading.states);
        codes::states(self.sensor.kind, self.sensor.event_kind, set)
    }

    /// How it stands to its thresholds, as the controller has judged it; states are judged by [`codes`].
    #[must_use]
    pub fn standing(&self) -> Standing {
        let Some(Reading { value: Some(_), states }) = self.reading else { return Standing::Unavailable };
        if !self.sensor.is_threshold() {
            return match self.judged().1 {
                Severity::Ok => Standing::Ok,
                Severity::Warning => Standing::NonCritical,
                Severity::Critical => Standing::Critical,
                Severity::Fatal => Standing::NonRecoverable,
            };
        }
        match states {
            states if states & 0b10_0100 != 0 => Standing::NonRecoverable,
            states if states & 0b01_0010 != 0 => Standing::Critical,
            states if states & 0b00_1001 != 0 => Standing::NonCritical,
            _ => Standing::Ok,
        }
    }
}

impl Connection {
    /// Reads every sensor that these records describe, several at a time, in the order of the records.
    ///
    /// # Errors
    /// When the controller does not answer any more; one sensor that cannot be read is no error.
    pub async fn measure(&self, records: &[Record]) -> Result<Vec<Measured>, IpmiError> {
        let sensors = records.iter().filter_map(|record| match &record.body {
            Body::Sensors(sensors) => Some(sensors),
            _ => None,
        });
        let mut measured: Vec<Measured> =
            sensors.flatten().map(|sensor| Measured { sensor: sensor.clone(), reading: None }).collect();
        let mut asked = JoinSet::new();
        for (place, Measured { sensor, .. }) in measured.iter().enumerate() {
            // Others are behind a bridge, or under another logical unit.
            if sensor.owner == CONTROLLER && sensor.unit == 0 {
                let (bmc, number) = (self.clone(), sensor.number);
                asked.spawn(async move { (place, bmc.reading(number).await) });
            }
        }
        while let Some(done) = asked.join_next().await {
            let Ok((place, reading)) = done else { continue };
            if let Some(measured) = measured.get_mut(place) {
                measured.reading = reading?;
            }
        }
        Ok(measured)
    }

    async fn reading(&self, number: u8) -> Result<Option<Reading>, IpmiError> {
        match self.run(&GetReading(number)).await {
            Ok(reading) => Ok(Some(reading)),
            // It is not there, or not to be read; the others are.
            Err(IpmiError::Completion(CompletionCode(0xc1 | 0xcb | 0xcd | 0xce | 0xd4..=0xd6 | 0xff))) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

const CONTROLLER: u8 = 0x20;
