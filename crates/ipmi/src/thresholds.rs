//! Setting and verifying thresholds, hysteresis and event settings of a sensor (IPMI 2.0, 35.6 to 35.11).

use ipmi_proto::Destination;
use ipmi_proto::sdr::Sensor;
use ipmi_proto::threshold::{
    EventChange, EventEnables, GetEventEnables, GetHysteresis, GetThresholds, Hysteresis, SetEventEnables,
    SetHysteresis, SetThresholds, Threshold, Thresholds,
};

use crate::read_back::{or_nothing, verify};
use crate::{Connection, IpmiError};

impl Connection {
    /// Returns the readable raw thresholds of a sensor.
    ///
    /// # Errors
    /// If the controller does not respond, or the sensor has no thresholds.
    pub async fn thresholds(&self, destination: Destination, sensor: u8) -> Result<Thresholds, IpmiError> {
        self.run_at(destination, &GetThresholds(sensor)).await
    }

    /// Returns the thresholds in force of these sensors, in their order: those that the controllers report
    /// now, or those in the record if they cannot be read. Several sensors are asked in parallel.
    ///
    /// # Errors
    /// If the controller no longer responds. A sensor whose thresholds cannot be read now, or another
    /// controller that does not respond, is not an error: it has no thresholds.
    pub async fn thresholds_in_force<'s>(
        &self,
        sensors: impl ExactSizeIterator<Item = &'s Sensor> + Clone,
    ) -> Result<Vec<Thresholds>, IpmiError> {
        let readable = sensors.clone().enumerate().filter(|(_, sensor)| sensor.has_readable_thresholds());
        let requests = self.begin_for_sensors(readable, GetThresholds);
        let mut in_force: Vec<Thresholds> = sensors
            .map(|sensor| {
                let recorded = Threshold::ALL.into_iter().filter(|_| !sensor.has_readable_thresholds());
                recorded.fold(Thresholds::default(), |all, threshold| {
                    threshold.in_record(sensor).map_or(all, |raw| all.with(threshold, raw))
                })
            })
            .collect();
        let take = |index: usize, thresholds: Thresholds| {
            if let Some(slot) = in_force.get_mut(index) {
                *slot = thresholds;
            }
        };
        self.finish_for_sensors(requests, take).await?;
        Ok(in_force)
    }

    /// Sets a raw threshold, and reads it back: some controllers report success without a change.
    ///
    /// # Errors
    /// If the owner of the sensor cannot be addressed, or the controller does not respond or rejects the
    /// change; [`IpmiError::Unchanged`] if the change has no effect.
    pub async fn set_threshold(
        &self,
        sensor: &Sensor,
        threshold: Threshold,
        raw: u8,
    ) -> Result<(), IpmiError> {
        let (destination, number) = (sensor.destination()?, sensor.number);
        let thresholds = Thresholds::default().with(threshold, raw);
        self.run_at(destination, &SetThresholds { sensor: number, thresholds }).await?;
        let read = self.thresholds(destination, number).await?.of(threshold);
        if read == Some(raw) {
            return Ok(());
        }
        let shown = |raw: u8| match sensor.quantity(raw) {
            Some(quantity) => format!("{quantity} {}", sensor.units).trim_end().to_owned(),
            None => format!("raw value {raw}"),
        };
        Err(IpmiError::unchanged("the threshold", shown(raw), or_nothing(read.map(shown))))
    }

    /// Returns the hysteresis of a sensor in raw counts.
    ///
    /// # Errors
    /// If the controller does not respond, or the sensor has no hysteresis.
    pub async fn hysteresis(&self, destination: Destination, sensor: u8) -> Result<Hysteresis, IpmiError> {
        self.run_at(destination, &GetHysteresis(sensor)).await
    }

    /// Sets the hysteresis of a sensor, and reads it back.
    ///
    /// # Errors
    /// If the controller does not respond or rejects the change; [`IpmiError::Unchanged`] if the change has
    /// no effect.
    pub async fn set_hysteresis(
        &self,
        destination: Destination,
        sensor: u8,
        hysteresis: Hysteresis,
    ) -> Result<(), IpmiError> {
        self.run_at(destination, &SetHysteresis { sensor, hysteresis }).await?;
        verify("the hysteresis", &hysteresis, &self.hysteresis(destination, sensor).await?)
    }

    /// Returns the events that a sensor sends.
    ///
    /// # Errors
    /// If the controller does not respond, or rejects the request.
    pub async fn event_enables(
        &self,
        destination: Destination,
        sensor: u8,
    ) -> Result<EventEnables, IpmiError> {
        self.run_at(destination, &GetEventEnables(sensor)).await
    }

    /// Enables or disables the events selected in `events`, and reads the setting back.
    ///
    /// # Errors
    /// If the controller does not respond or rejects the change; [`IpmiError::Unchanged`] if the change has
    /// no effect.
    pub async fn set_event_enables(
        &self,
        destination: Destination,
        sensor: u8,
        change: EventChange,
        events: EventEnables,
    ) -> Result<(), IpmiError> {
        self.run_at(destination, &SetEventEnables { sensor, change, events }).await?;
        let read = self.event_enables(destination, sensor).await?;
        verify("the events that the sensor sends", &read.after(change, events), &read)
    }
}
