//! Thresholds, hysteresis and event settings of sensors (IPMI 2.0, 35.6 to 35.11).

use std::fmt;
use std::str::FromStr;

use super::Command;
use crate::octets::Octets;
use crate::sdr::Sensor;
use crate::{NetFn, Privilege, ProtoError, Request};

/// Threshold of a sensor, in bit order (IPMI 2.0, 35.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Threshold {
    /// Lower bound for attention.
    LowerNonCritical,
    /// Lower bound of the permitted range.
    LowerCritical,
    /// Lower bound beyond which damage is possible.
    LowerNonRecoverable,
    /// Upper bound for attention.
    UpperNonCritical,
    /// Upper bound of the permitted range.
    UpperCritical,
    /// Upper bound beyond which damage is possible.
    UpperNonRecoverable,
}

impl Threshold {
    /// All thresholds, in bit order.
    pub const ALL: [Self; 6] = [
        Self::LowerNonCritical,
        Self::LowerCritical,
        Self::LowerNonRecoverable,
        Self::UpperNonCritical,
        Self::UpperCritical,
        Self::UpperNonRecoverable,
    ];

    /// Returns the name on the command line, the same as in ipmitool.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LowerNonCritical => "lnc",
            Self::LowerCritical => "lcr",
            Self::LowerNonRecoverable => "lnr",
            Self::UpperNonCritical => "unc",
            Self::UpperCritical => "ucr",
            Self::UpperNonRecoverable => "unr",
        }
    }

    /// Returns the raw threshold in the record of a sensor; `None` if it has none. It is the one in force only if
    /// the thresholds of the sensor cannot be read.
    #[must_use]
    pub fn in_record(self, sensor: &Sensor) -> Option<u8> {
        // The bits start with lower non-critical, the record starts with upper non-recoverable.
        let place = 5_usize.checked_sub(usize::from(self.bit()))?;
        sensor.thresholds.get(place).copied().flatten()
    }

    /// Returns the bit number.
    #[must_use]
    pub fn bit(self) -> u8 {
        match self {
            Self::LowerNonCritical => 0,
            Self::LowerCritical => 1,
            Self::LowerNonRecoverable => 2,
            Self::UpperNonCritical => 3,
            Self::UpperCritical => 4,
            Self::UpperNonRecoverable => 5,
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Threshold {
    type Err = ProtoError;

    fn from_str(text: &str) -> Result<Self, ProtoError> {
        let known = Self::ALL.into_iter().find(|threshold| threshold.name() == text);
        known.ok_or_else(|| ProtoError::Word {
            what: "a threshold",
            word: text.to_owned(),
            known: Self::ALL.map(Self::name).join(", "),
        })
    }
}

/// Raw values of thresholds; absent ones are `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Thresholds([Option<u8>; 6]);

impl Thresholds {
    /// Returns the raw value of a threshold, or `None`.
    #[must_use]
    pub fn of(&self, threshold: Threshold) -> Option<u8> {
        self.0.get(usize::from(threshold.bit())).copied().flatten()
    }

    /// Returns the thresholds with one value replaced.
    #[must_use]
    pub fn with(mut self, threshold: Threshold, raw: u8) -> Self {
        if let Some(place) = self.0.get_mut(usize::from(threshold.bit())) {
            *place = Some(raw);
        }
        self
    }

    fn mask(&self) -> u8 {
        Threshold::ALL
            .into_iter()
            .filter(|threshold| self.of(*threshold).is_some())
            .fold(0, |mask, threshold| mask | 1 << threshold.bit())
    }
}

/// Get Sensor Thresholds (IPMI 2.0, 35.9).
#[derive(Clone, Copy, Debug)]
pub struct GetThresholds(
    /// Sensor number.
    pub u8,
);

impl Command for GetThresholds {
    /// Readable thresholds.
    type Reply = Thresholds;
    const PRIVILEGE: Privilege = Privilege::User;

    fn request(&self) -> Request {
        Request::new(NetFn::SENSOR, 0x27, &[self.0])
    }

    fn reply(&self, octets: &[u8]) -> Result<Thresholds, ProtoError> {
        let mut octets = Octets::new("the answer to Get Sensor Thresholds", octets);
        let mask = octets.u8()?;
        let values: [u8; 6] = octets.array()?;
        let present =
            |(threshold, value): (Threshold, u8)| (mask >> threshold.bit() & 1 == 1, threshold, value);
        let all = Threshold::ALL.into_iter().zip(values).map(present);
        Ok(all
            .filter(|(is_there, ..)| *is_there)
            .fold(Thresholds::default(), |all, (_, threshold, value)| all.with(threshold, value)))
    }
}

/// Set Sensor Thresholds (IPMI 2.0, 35.8). Read them back: some controllers report success without a change.
#[derive(Clone, Copy, Debug)]
pub struct SetThresholds {
    /// Sensor number.
    pub sensor: u8,
    /// Thresholds to change.
    pub thresholds: Thresholds,
}

impl Command for SetThresholds {
    type Reply = ();
    const PRIVILEGE: Privilege = Privilege::Operator;

    fn request(&self) -> Request {
        let mut data = vec![self.sensor, self.thresholds.mask()];
        data.extend(Threshold::ALL.map(|threshold| self.thresholds.of(threshold).unwrap_or(0)));
        Request { net_fn: NetFn::SENSOR, command: 0x26, data: data.into() }
    }

    fn reply(&self, _octets: &[u8]) -> Result<(), ProtoError> {
        Ok(())
    }
}

/// Hysteresis in raw counts: how far a reading must return past a threshold before the event is deasserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hysteresis {
    /// For thresholds crossed upwards.
    pub positive: u8,
    /// For thresholds crossed downwards.
    pub negative: u8,
}

impl fmt::Display for Hysteresis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { positive, negative } = self;
        write!(f, "{positive} and {negative} raw counts")
    }
}

/// Get Sensor Hysteresis (IPMI 2.0, 35.7).
#[derive(Clone, Copy, Debug)]
pub struct GetHysteresis(
    /// Sensor number.
    pub u8,
);

impl Command for GetHysteresis {
    type Reply = Hysteresis;
    const PRIVILEGE: Privilege = Privilege::User;

    fn request(&self) -> Request {
        Request::new(NetFn::SENSOR, 0x25, &[self.0, 0xff])
    }

    fn reply(&self, octets: &[u8]) -> Result<Hysteresis, ProtoError> {
        let [positive, negative] = Octets::new("the answer to Get Sensor Hysteresis", octets).array()?;
        Ok(Hysteresis { positive, negative })
    }
}

/// Set Sensor Hysteresis (IPMI 2.0, 35.6).
#[derive(Clone, Copy, Debug)]
pub struct SetHysteresis {
    /// Sensor number.
    pub sensor: u8,
    /// New hysteresis.
    pub hysteresis: Hysteresis,
}

impl Command for SetHysteresis {
    type Reply = ();
    const PRIVILEGE: Privilege = Privilege::Operator;

    fn request(&self) -> Request {
        let Hysteresis { positive, negative } = self.hysteresis;
        Request::new(NetFn::SENSOR, 0x24, &[self.sensor, 0xff, positive, negative])
    }

    fn reply(&self, _octets: &[u8]) -> Result<(), ProtoError> {
        Ok(())
    }
}

/// Events that a sensor sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventEnables {
    /// Whether the sensor sends events at all.
    pub sends_events: bool,
    /// Whether the sensor is scanned.
    pub is_scanned: bool,
    /// Assertion events that are enabled; one bit for each state or threshold crossing.
    pub asserted: u16,
    /// Deassertion events that are enabled; same bits.
    pub deasserted: u16,
}

impl fmt::Display for EventEnables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = |is_on: bool| if is_on { "on" } else { "off" };
        let Self { sends_events, is_scanned, asserted, deasserted } = *self;
        let (events, scanning) = (state(sends_events), state(is_scanned));
        write!(f, "events {events}, scanning {scanning}, masks {asserted:04x}h and {deasserted:04x}h")
    }
}

impl EventEnables {
    /// Returns the setting after a change of the selected events.
    #[must_use]
    pub fn after(self, change: EventChange, selected: Self) -> Self {
        let masks = |now: u16, bits: u16| match change {
            EventChange::Nothing => now,
            EventChange::Enable => now | bits,
            EventChange::Disable => now & !bits,
        };
        Self {
            sends_events: selected.sends_events,
            is_scanned: selected.is_scanned,
            asserted: masks(self.asserted, selected.asserted),
            deasserted: masks(self.deasserted, selected.deasserted),
        }
    }
}

/// Get Sensor Event Enable (IPMI 2.0, 35.11).
#[derive(Clone, Copy, Debug)]
pub struct GetEventEnables(
    /// Sensor number.
    pub u8,
);

impl Command for GetEventEnables {
    type Reply = EventEnables;
    const PRIVILEGE: Privilege = Privilege::User;

    fn request(&self) -> Request {
        Request::new(NetFn::SENSOR, 0x29, &[self.0])
    }

    fn reply(&self, octets: &[u8]) -> Result<EventEnables, ProtoError> {
        let mut octets = Octets::new("the answer to Get Sensor Event Enable", octets);
        let flags = octets.u8()?;
        // Trailing mask bytes may be omitted.
        let mut mask = || u16::from_le_bytes([octets.u8().unwrap_or(0), octets.u8().unwrap_or(0)]) & 0x7fff;
        Ok(EventEnables {
            sends_events: flags & 0x80 != 0,
            is_scanned: flags & 0x40 != 0,
            asserted: mask(),
            deasserted: mask(),
        })
    }
}

/// Set Sensor Event Enable (IPMI 2.0, 35.10), for selected events.
#[derive(Clone, Copy, Debug)]
pub struct SetEventEnables {
    /// Sensor number.
    pub sensor: u8,
    /// Change to the selected events.
    pub change: EventChange,
    /// Selected events. `sends_events` and `is_scanned` are always applied.
    pub events: EventEnables,
}

/// Change to the selected events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventChange {
    /// No change; only `sends_events` and `is_scanned` are applied.
    Nothing,
    /// Enables them.
    Enable,
    /// Disables them.
    Disable,
}

impl Command for SetEventEnables {
    type Reply = ();
    const PRIVILEGE: Privilege = Privilege::Operator;

    fn request(&self) -> Request {
        let EventEnables { sends_events, is_scanned, asserted, deasserted } = self.events;
        let mut flags = match self.change {
            EventChange::Nothing => 0,
            EventChange::Enable => 0x10,
            EventChange::Disable => 0x20,
        };
        flags |= if sends_events { 0x80 } else { 0 } | if is_scanned { 0x40 } else { 0 };
        let mut data = vec![self.sensor, flags];
        if self.change != EventChange::Nothing {
            data.extend(asserted.to_le_bytes());
            data.extend(deasserted.to_le_bytes());
        }
        Request { net_fn: NetFn::SENSOR, command: 0x28, data: data.into() }
    }

    fn reply(&self, _octets: &[u8]) -> Result<(), ProtoError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_thresholds_in_the_mask_are_decoded() {
        let thresholds = GetThresholds(1).reply(&[0b01_1001, 1, 2, 3, 4, 5, 6]).unwrap();
        let all = Threshold::ALL.map(|threshold| thresholds.of(threshold));
        assert_eq!(all, [Some(1), None, None, Some(4), Some(5), None]);
        let set = SetThresholds { sensor: 9, thresholds };
        assert_eq!(set.request().data, [9, 0b01_1001, 1, 0, 0, 4, 5, 0]);
        assert!(GetThresholds(1).reply(&[1, 1]).is_err());
        assert_eq!("unc".parse(), Ok(Threshold::UpperNonCritical));
        assert!("uncc".parse::<Threshold>().is_err());
    }

    #[test]
    fn masks_of_events_may_be_missing() {
        let events = GetEventEnables(1).reply(&[0xc0, 0x80, 0x8a]).unwrap();
        let wanted = EventEnables { sends_events: true, is_scanned: true, asserted: 0x0a80, deasserted: 0 };
        assert_eq!(events, wanted);
        let set = SetEventEnables { sensor: 1, change: EventChange::Disable, events };
        assert_eq!(set.request().data, [1, 0xe0, 0x80, 0x0a, 0, 0]);
        assert_eq!(
            SetEventEnables { change: EventChange::Nothing, ..set }.request().data,
            [1, 0xc0],
            "masks would be read as a change"
        );
    }
}
