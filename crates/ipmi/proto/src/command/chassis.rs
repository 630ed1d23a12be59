//! Power state and chassis status (IPMI 2.0, 28).

use super::Command;
use crate::octets::Octets;
use crate::{NetFn, Privilege, ProtoError, Request};

/// Get Chassis Status.
#[derive(Clone, Copy, Debug)]
pub struct GetStatus;

/// Chassis status (IPMI 2.0, 28.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Whether the machine is powered on.
    pub power_is_on: bool,
    /// Power faults, as text.
    pub power_faults: Vec<&'static str>,
    /// Behaviour after a power failure.
    pub restore_policy: RestorePolicy,
    /// Causes of the last power change.
    pub last_event: Vec<&'static str>,
    /// Other faults and conditions.
    pub conditions: Vec<&'static str>,
    /// State of the identify LED, if the controller reports it.
    pub identify: Option<Identify>,
}

impl Status {
    /// Returns whether a drive has failed.
    #[must_use]
    pub fn has_drive_fault(&self) -> bool {
        self.conditions.contains(&DRIVE_FAULT)
    }

    /// Returns whether a fan or other cooling has failed.
    #[must_use]
    pub fn has_cooling_fault(&self) -> bool {
        self.conditions.contains(&COOLING_FAULT)
    }
}

const DRIVE_FAULT: &str = "drive fault";
const COOLING_FAULT: &str = "fan fault";

/// Behaviour when mains power returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestorePolicy {
    /// The machine stays off.
    AlwaysOff,
    /// The previous state is restored.
    Previous,
    /// The machine is powered on.
    AlwaysOn,
    /// The controller does not report the policy.
    Unknown,
}

impl RestorePolicy {
    /// Returns the name on the command line and in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AlwaysOff => "always-off",
            Self::Previous => "previous",
            Self::AlwaysOn => "always-on",
            Self::Unknown => "unknown",
        }
    }
}

/// State of the identify LED.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identify {
    /// Dark.
    Off,
    /// On for a limited time.
    Temporary,
    /// On until it is switched off.
    Indefinite,
}

impl Identify {
    /// Returns the name in tables and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Temporary => "on for a while",
            Self::Indefinite => "on",
        }
    }
}

impl Command for GetStatus {
    type Reply = Status;
    const PRIVILEGE: Privilege = Privilege::User;

    fn request(&self) -> Request {
        Request::new(NetFn::CHASSIS, 0x01, &[])
    }

    fn reply(&self, octets: &[u8]) -> Result<Status, ProtoError> {
        let [power, last, misc] = Octets::new("the answer to Get Chassis Status", octets).array()?;
        Ok(Status {
            power_is_on: power & 1 == 1,
            power_faults: named(
                power,
                &[(1, "overload"), (2, "interlock"), (3, "power fault"), (4, "control fault")],
            ),
            restore_policy: match power >> 5 & 3 {
                0 => RestorePolicy::AlwaysOff,
                1 => RestorePolicy::Previous,
                2 => RestorePolicy::AlwaysOn,
                _ => RestorePolicy::Unknown,
            },
            last_event: named(
                last,
                &[(0, "ac-failed"), (1, "overload"), (2, "interlock"), (3, "fault"), (4, "command")],
            ),
            conditions: named(
                misc,
                &[(0, "chassis intrusion"), (1, "front panel locked"), (2, DRIVE_FAULT), (3, COOLING_FAULT)],
            ),
            identify: match (misc & 0x40 != 0, misc >> 4 & 3) {
                (true, 0) => Some(Identify::Off),
                (true, 1) => Some(Identify::Temporary),
                (true, 2) => Some(Identify::Indefinite),
                _ => None,
            },
        })
    }
}

/// Chassis Control: changes the power state (IPMI 2.0, 28.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Powers off immediately, without shutting down the operating system.
    PowerDown,
    /// Powers on.
    PowerUp,
    /// Powers off and, after an interval, on again.
    PowerCycle,
    /// Resets the machine.
    HardReset,
    /// Sends a diagnostic interrupt (NMI), on which an operating system may write a dump.
    DiagnosticInterrupt,
    /// Requests an orderly shutdown of the operating system.
    SoftShutdown,
}

impl Command for Control {
    type Reply = ();
    const PRIVILEGE: Privilege = Privilege::Operator;

    fn request(&self) -> Request {
        let control = match self {
            Self::PowerDown => 0,
            Self::PowerUp => 1,
            Self::PowerCycle => 2,
            Self::HardReset => 3,
            Self::DiagnosticInterrupt => 4,
            Self::SoftShutdown => 5,
        };
        Request::new(NetFn::CHASSIS, 0x02, &[control])
    }

    fn reply(&self, _octets: &[u8]) -> Result<(), ProtoError> {
        Ok(())
    }
}

/// Chassis Identify: switches the identify LED (IPMI 2.0, 28.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetIdentify {
    /// On for this number of seconds; 0 switches it off.
    Seconds(u8),
    /// On until it is switched off.
    Indefinitely,
}

impl Command for SetIdentify {
    type Reply = ();
    const PRIVILEGE: Privilege = Privilege::Operator;

    fn request(&self) -> Request {
        match self {
            Self::Seconds(seconds) => Request::new(NetFn::CHASSIS, 0x04, &[*seconds]),
            Self::Indefinitely => Request::new(NetFn::CHASSIS, 0x04, &[0, 1]),
        }
    }

    fn reply(&self, _octets: &[u8]) -> Result<(), ProtoError> {
        Ok(())
    }
}

/// Returns the names of the bits that are set.
fn named(octet: u8, names: &[(u8, &'static str)]) -> Vec<&'static str> {
    names.iter().filter(|(bit, _)| octet >> bit & 1 == 1).map(|(_, name)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_bits_are_decoded() {
        let status = GetStatus.reply(&[0b0101_0011, 0b0001_0001, 0b0110_1001, 0xff]).unwrap();
        assert!(status.power_is_on);
        assert_eq!(status.power_faults, ["overload", "control fault"]);
        assert_eq!(status.restore_policy, RestorePolicy::AlwaysOn);
        assert_eq!(status.last_event, ["ac-failed", "command"]);
        assert_eq!(status.conditions, ["chassis intrusion", "fan fault"]);
        assert_eq!(status.identify, Some(Identify::Indefinite));
        assert!(GetStatus.reply(&[1, 0]).is_err());
        assert_eq!(GetStatus.reply(&[0, 0, 0x30]).unwrap().identify, None);
    }

    #[test]
    fn chassis_controls_have_the_numbers_of_the_specification() {
        assert_eq!(Control::SoftShutdown.request(), Request::new(NetFn::CHASSIS, 2, &[5]));
        assert_eq!(SetIdentify::Indefinitely.request().data, [0, 1]);
    }
}
