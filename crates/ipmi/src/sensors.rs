//! Current readings of all sensors of a controller.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use ipmi_proto::codes::{self, Severity};
use ipmi_proto::device_sdr::GetReadingFactors;
use ipmi_proto::sdr::{Body, ByReading, Record, Sensor};
use ipmi_proto::sensor::{GetReading, Reading};
use ipmi_proto::{Command as _, Quantity};

use crate::connection::reply;
use crate::sensor_requests::{SensorRequests, if_available};
use crate::{Connection, IpmiError};

/// A sensor with its reading.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The sensor; controllers of one model may share it.
    pub sensor: Arc<Sensor>,
    /// Reading; `None` if it is not available now.
    pub reading: Option<Reading>,
}

/// Status of a sensor relative to its thresholds (IPMI 2.0, 35.14), or severity of its worst state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SensorStatus {
    /// There is no reading.
    Unavailable,
    /// Within all thresholds, or in no faulty state.
    Ok,
    /// Beyond a non-critical threshold, or in a state that needs attention.
    NonCritical,
    /// Beyond a critical threshold, or in a failed state.
    Critical,
    /// Beyond a non-recoverable threshold, or in a state that cannot be recovered from.
    NonRecoverable,
}

impl Measured {
    /// Returns the measured quantity; `None` if the sensor has only states or is not available.
    #[must_use]
    pub fn quantity(&self) -> Option<Quantity> {
        self.sensor.quantity(self.reading?.value?).filter(|_| self.sensor.is_threshold())
    }

    /// Returns the names of the current states; empty for a sensor with thresholds.
    #[must_use]
    pub fn states(&self) -> Vec<Cow<'static, str>> {
        let set = self.reading.filter(|_| !self.sensor.is_threshold()).map_or(0, |reading| reading.states);
        codes::states(self.sensor.kind, self.sensor.event_kind, set)
    }

    /// Returns the status relative to the thresholds, as determined by the controller; states are rated by
    /// [`codes`].
    #[must_use]
    pub fn status(&self) -> SensorStatus {
        let Some(Reading { value: Some(_), states }) = self.reading else { return SensorStatus::Unavailable };
        if !self.sensor.is_threshold() {
            return match codes::worst(self.sensor.kind, self.sensor.event_kind, states) {
                Severity::Ok => SensorStatus::Ok,
                Severity::Warning => SensorStatus::NonCritical,
                Severity::Critical => SensorStatus::Critical,
                Severity::Fatal => SensorStatus::NonRecoverable,
            };
        }
        match states {
            states if states & 0b10_0100 != 0 => SensorStatus::NonRecoverable,
            states if states & 0b01_0010 != 0 => SensorStatus::Critical,
            states if states & 0b00_1001 != 0 => SensorStatus::NonCritical,
            _ => SensorStatus::Ok,
        }
    }
}

/// Sensor readings in progress.
struct Measuring {
    measured: Vec<Measured>,
    requests: SensorRequests<GetReading>,
}

impl Connection {
    /// Reads every sensor of the controller, combining [`records`](Self::records) and
    /// [`measure`](Self::measure).
    ///
    /// Cached sensors are read at once, in parallel with the check whether the records have changed. If they
    /// have, the readings are discarded and repeated.
    ///
    /// # Errors
    /// As for these two.
    pub async fn sensors(&self) -> Result<Vec<Measured>, IpmiError> {
        let record_version = self.request_record_version();
        let controller = self.controller_id();
        let known = controller.and_then(|controller| self.cache().known(controller));
        let guess = known.map(|known| (self.begin_measuring(&known.records), Arc::clone(&known.records)));
        let records = self.records_of(self.record_version(record_version).await?).await?;
        match guess {
            Some((begun, of)) if Arc::ptr_eq(&of, &records) => {
                let measured = self.finish_measuring(begun).await;
                if let Some(controller) = controller {
                    self.cache().keep_request_limit(controller, self.request_limit());
                }
                measured
            }
            _ => self.measure(&records).await,
        }
    }

    /// Reads every sensor that these records describe, several in parallel, in the order of the records:
    /// sensors of the controller, of all its logical units, and of controllers behind it.
    ///
    /// # Errors
    /// If the controller no longer responds. A sensor that cannot be read, or another controller that does
    /// not respond, is not an error.
    pub async fn measure(&self, records: &[Record]) -> Result<Vec<Measured>, IpmiError> {
        self.finish_measuring(self.begin_measuring(records)).await
    }

    fn begin_measuring(&self, records: &[Record]) -> Measuring {
        let sensors = records.iter().filter_map(|record| match &record.body {
            Body::Sensors(sensors) => Some(sensors),
            _ => None,
        });
        let measured: Vec<Measured> =
            sensors.flatten().map(|sensor| Measured { sensor: Arc::clone(sensor), reading: None }).collect();
        let sensors = measured.iter().map(|measured| &*measured.sensor).enumerate();
        let requests = self.begin_for_sensors(sensors, GetReading);
        Measuring { measured, requests }
    }

    async fn finish_measuring(&self, begun: Measuring) -> Result<Vec<Measured>, IpmiError> {
        let Measuring { mut measured, requests } = begun;
        let take = |index: usize, reading: Reading| {
            if let Some(measured) = measured.get_mut(index) {
                measured.reading = Some(reading);
            }
        };
        self.finish_for_sensors(requests, take).await?;
        for Measured { sensor, reading } in measured.iter_mut().filter(|one| one.sensor.by_reading.is_some())
        {
            let reading = reading.as_ref().and_then(|reading| reading.value);
            let thresholds = sensor.thresholds;
            let raws = reading.into_iter().chain(thresholds.into_iter().flatten());
            self.learn_factors(Arc::make_mut(sensor), raws).await?;
        }
        Ok(measured)
    }

    /// Requests the conversion factors of a sensor that is not linear for these raw values, as far as they
    /// are not known. Linear sensors have theirs in their records.
    ///
    /// # Errors
    /// If the controller no longer responds. A value without factors is not an error.
    pub async fn learn_factors(
        &self,
        sensor: &mut Sensor,
        raws: impl IntoIterator<Item = u8> + Send,
    ) -> Result<(), IpmiError> {
        let Ok(destination) = sensor.destination() else { return Ok(()) };
        let Some(ByReading { format, factors }) = &mut sensor.by_reading else { return Ok(()) };
        let (number, format) = (sensor.number, *format);
        let wanted: BTreeSet<u8> = raws.into_iter().filter(|raw| !factors.contains_key(raw)).collect();
        let commands = wanted.into_iter().map(|raw| GetReadingFactors { sensor: number, raw, format });
        let pending: Vec<_> =
            commands.map(|command| (self.begin(destination, command.request()), command)).collect();
        for (pending, command) in pending {
            let found = if_available(reply(&command, &pending.answer().await?))?;
            factors.extend(found.map(|found| (command.raw, found)));
        }
        Ok(())
    }
}
