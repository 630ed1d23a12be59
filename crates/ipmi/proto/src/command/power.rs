//! Power restore policy, restart cause and power-on hours (IPMI 2.0, 28.8, 28.11 and 28.15).

use super::Command;
use super::chassis::RestorePolicy;
use crate::octets::Octets;
use crate::{NetFn, Privilege, ProtoError, Request};

/// Set Power Restore Policy: behaviour when mains power returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetRestorePolicy {
    /// Sets this policy.
    To(RestorePolicy),
    /// Changes nothing; only returns the supported policies.
    Ask,
}

impl Command for SetRestorePolicy {
    /// Policies supported by the machine.
    type Reply = Vec<RestorePolicy>;
    const PRIVILEGE: Privilege = Privilege::Operator;

    fn request(&self) -> Request {
        let policy = match self {
            Self::To(RestorePolicy::AlwaysOff) => 0,
            Self::To(RestorePolicy::Previous) => 1,
            Self::To(RestorePolicy::AlwaysOn) => 2,
            Self::Ask | Self::To(RestorePolicy::Unknown) => 3,
        };
        Request::new(NetFn::CHASSIS, 0x06, &[policy])
    }

    fn reply(&self, octets: &[u8]) -> Result<Vec<RestorePolicy>, ProtoError> {
        let known = Octets::new("the answer to Set Power Restore Policy", octets).u8()?;
        let all = [RestorePolicy::AlwaysOff, RestorePolicy::Previous, RestorePolicy::AlwaysOn];
        Ok((0..).zip(all).filter(|(bit, _)| known >> bit & 1 == 1).map(|(_, policy)| policy).collect())
    }
}

/// Get System Restart Cause: reason for the last start of the machine.
#[derive(Clone, Copy, Debug)]
pub struct GetRestartCause;

impl Command for GetRestartCause {
    type Reply = RestartCause;
    const PRIVILEGE: Privilege = Privilege::User;

    fn request(&self) -> Request {
        Request::new(NetFn::CHASSIS, 0x07, &[])
    }

    fn reply(&self, octets: &[u8]) -> Result<RestartCause, ProtoError> {
        let [cause, channel] = Octets::new("the answer to Get System Restart Cause", octets).array()?;
        Ok(RestartCause { number: cause & 0x0f, channel: channel & 0x0f })
    }
}

/// Reason for the last start of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestartCause {
    /// Number of the reason (IPMI 2.0, table 28-12).
    pub number: u8,
    /// Channel of the command that started the machine; only meaningful if [`number`](Self::number) is 1.
    pub channel: u8,
}

impl RestartCause {
    /// Returns the reason as text for display.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        let all = [
            "unknown",
            "a command of Chassis Control",
            "the reset button",
            "the power button",
            "the watchdog",
            "the manufacturer's own reason",
            "power came back, and the policy is always-on",
            "power came back, and the policy is previous",
            "a reset by an event filter",
            "a power cycle by an event filter",
            "a soft reset",
            "the clock of the machine",
        ];
        all.get(usize::from(self.number)).copied().unwrap_or("a reserved number")
    }
}

/// Get POH Counter: total power-on time of the machine.
#[derive(Clone, Copy, Debug)]
pub struct GetPowerOnHours;

impl Command for GetPowerOnHours {
    /// Total power-on time in minutes.
    type Reply = u64;
    const PRIVILEGE: Privilege = Privilege::User;

    fn request(&self) -> Request {
        Request::new(NetFn::CHASSIS, 0x0f, &[])
    }

    fn reply(&self, octets: &[u8]) -> Result<u64, ProtoError> {
        let mut octets = Octets::new("the answer to Get POH Counter", octets);
        let minutes = octets.u8()?;
        Ok(u64::from(minutes) * u64::from(octets.u32()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_and_causes_are_those_of_the_tables() {
        assert_eq!(SetRestorePolicy::To(RestorePolicy::AlwaysOn).request().data, [2]);
        let known = SetRestorePolicy::Ask.reply(&[0b101]).unwrap();
        assert_eq!(known, [RestorePolicy::AlwaysOff, RestorePolicy::AlwaysOn]);
        let cause = GetRestartCause.reply(&[0xf4, 0xf1]).unwrap();
        assert_eq!((cause.meaning(), cause.channel), ("the watchdog", 1));
        assert_eq!(RestartCause { number: 15, channel: 0 }.meaning(), "a reserved number");
        assert_eq!(GetPowerOnHours.reply(&[60, 0x10, 1, 0, 0]).unwrap(), 60 * 0x110);
        assert!(GetPowerOnHours.reply(&[60, 0, 0, 0]).is_err());
    }
}
