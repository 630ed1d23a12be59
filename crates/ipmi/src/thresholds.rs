//! Setting and verifying thresholds, hysteresis and event settings of a sensor (IPMI 2.0, 35.6 to 35.11).

use ipmi_proto::Destination;
use ipmi_proto::threshold::{
    EventChange, EventEnables, GetEventEnables, GetHysteresis, GetThresholds, Hysteresis, SetEventEnables,
    SetHysteresis, SetThresholds, Threshold, Thresholds,
};

use crate::{Connection, IpmiError};

impl Connection {
    /// Returns the readable raw thresholds of a sensor.
    ///
    /// # Errors
    /// If the controller does not respond, or the sensor has no thresholds.
    pub async fn thresholds(&self, destination: Destination, sensor: u8) -> Result<Thresholds, IpmiError> {
        self.run_at(destination, &GetThresholds(sensor)).await
    }

    /// Sets a raw threshold, and reads it back: some controllers report success without a change.
    ///
    /// # Errors
    /// If the controller does not respond or rejects the change; [`IpmiError::Unchanged`] if the change has
    /// no effect.
    pub async fn set_threshold(
        &self,
        destination: Destination,
        sensor: u8,
        threshold: Threshold,
        raw: u8,
    ) -> Result<(), IpmiError> {
        let thresholds = Thresholds::default().with(threshold, raw);
        self.run_at(destination, &SetThresholds { sensor, thresholds }).await?;
        let read = self.thresholds(destination, sensor).await?.of(threshold);
        unless_unchanged(read == Some(raw), "the threshold")
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
        unless_unchanged(self.hysteresis(destination, sensor).await? == hysteresis, "the hysteresis")
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
        let is_done = (read.sends_events, read.is_scanned) == (events.sends_events, events.is_scanned)
            && has_changed(change, read.asserted, events.asserted)
            && has_changed(change, read.deasserted, events.deasserted);
        unless_unchanged(is_done, "which events are sent")
    }
}

/// Returns whether a change of these event bits has taken effect.
fn has_changed(change: EventChange, now: u16, bits: u16) -> bool {
    match change {
        EventChange::Nothing => true,
        EventChange::Enable => now & bits == bits,
        EventChange::Disable => now & bits == 0,
    }
}

/// Returns [`IpmiError::Unchanged`] unless the change was verified.
pub(crate) fn unless_unchanged(is_done: bool, what: &'static str) -> Result<(), IpmiError> {
    if is_done { Ok(()) } else { Err(IpmiError::Unchanged { what }) }
}
