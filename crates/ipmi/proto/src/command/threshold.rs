//! Thresholds of sensors, how far readings must go back behind them, and which events are sent
//! (IPMI 2.0, 35.6 to 35.11).

use std::fmt;
use std::str::FromStr;

use super::Command;
use crate::octets::Octets;
use crate::{NetFn, Privilege, ProtoError, Request};

/// One of the six thresholds of a sensor, in the order of their bits (IPMI 2.0, 35.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Threshold {
    /// Somebody should look at it.
    LowerNonCritical,
    /// It is out of what is allowed.
    LowerCritical,
    /// It may be damaged.
    LowerNonRecoverable,
    /// Somebody should look at it.
    UpperNonCritical,
    /// It is out of what is allowed.
    UpperCritical,
    /// It may be damaged.
    UpperNonRecoverable,
}

impl Threshold {
    /// All of them, in the order of their bits.
    pub const ALL: [Self; 6] = [
        Self::LowerNonCritical,
        Self::LowerCritical,
        Self::LowerNonRecoverable,
        Self::UpperNonCritical,
        Self::UpperCritical,
        Self::UpperNonRecoverable,
    ];

    /// The word for it on command lines, which is that of ipmitool.
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

    /// The number of its bit.
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

/// Raw thresholds, those that there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Thresholds([Option<u8>; 6]);

impl Thresholds {
    /// The raw value of one.
    #[must_use]
    pub fn of(&self, threshold: Threshold) -> Option<u8> {
        self.0.get(usize::from(threshold.bit())).copied().flatten()
    }

    /// The same with this value of one.
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
    /// The sensor's number.
    pub u8,
);

impl Command for GetThresholds {
    /// Those that can be read.
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

/// Set Sensor Thresholds (IPMI 2.0, 35.8). A controller may say "done" and not do it: read them again.
#[derive(Clone, Copy, Debug)]
pub struct SetThresholds {
    /// The sensor's number.
    pub sensor: u8,
    /// Those that are changed.
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

/// How far, in raw steps, a reading must go back behind a threshold before its event is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hysteresis {
    /// Below thresholds that are crossed upwards.
    pub positive: u8,
    /// Above thresholds that are crossed downwards.
    pub negative: u8,
}

/// Get Sensor Hysteresis (IPMI 2.0, 35.7).
#[derive(Clone, Copy, Debug)]
pub struct GetHysteresis(
    /// The sensor's number.
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
    /// The sensor's number.
    pub sensor: u8,
    /// From now on.
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

/// Which events a sensor sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventEnables {
    /// Whether it sends any.
    pub sends_events: bool,
    /// Whether it is measured.
    pub is_scanned: bool,
    /// Of which states, or crossings of thresholds, that come; a bit each.
    pub asserted: u16,
    /// Of which that go.
    pub deasserted: u16,
}

/// Get Sensor Event Enable (IPMI 2.0, 35.11).
#[derive(Clone, Copy, Debug)]
pub struct GetEventEnables(
    /// The sensor's number.
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
        // The masks may be left away from the end on.
        let mut mask = || u16::from_le_bytes([octets.u8().unwrap_or(0), octets.u8().unwrap_or(0)]) & 0x7fff;
        Ok(EventEnables {
            sends_events: flags & 0x80 != 0,
            is_scanned: flags & 0x40 != 0,
            asserted: mask(),
            deasserted: mask(),
        })
    }
}

/// Set Sensor Event Enable (IPMI 2.0, 35.10), of the events that are named.
#[derive(Clone, Copy, Debug)]
pub struct SetEventEnables {
    /// The sensor's number.
    pub sensor: u8,
    /// What becomes of the events that are named.
    pub change: EventChange,
    /// The events. Whether the sensor sends events at all and is scanned counts in any case.
    pub events: EventEnables,
}

/// What becomes of events that are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventChange {
    /// Those that are named are left as they are: only whether it sends events at all, and is scanned, is changed.
    Nothing,
    /// They are sent from now on.
    Enable,
    /// They are sent no more.
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
    fn only_what_the_mask_names_is_there() {
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
