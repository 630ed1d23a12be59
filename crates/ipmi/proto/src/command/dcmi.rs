//! DCMI power reading of the whole machine (DCMI 1.5, 6.6.1).

use super::Command;
use crate::message::DCMI;
use crate::octets::Octets;
use crate::{NetFn, Privilege, ProtoError, Request};

/// Get Power Reading, of the whole machine.
#[derive(Clone, Copy, Debug)]
pub struct GetPowerReading;

/// Power consumption of the machine, in watts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PowerReading {
    /// Current power.
    pub current: u16,
    /// Minimum over the sampling period.
    pub minimum: u16,
    /// Maximum over the sampling period.
    pub maximum: u16,
    /// Average over the sampling period.
    pub average: u16,
    /// Sampling period in milliseconds.
    pub period: u32,
    /// Whether power measurement is active.
    pub is_active: bool,
}

impl Command for GetPowerReading {
    type Reply = PowerReading;
    const PRIVILEGE: Privilege = Privilege::User;

    fn request(&self) -> Request {
        Request::new(NetFn::GROUP, 0x02, &[DCMI, 1, 0, 0])
    }

    fn reply(&self, octets: &[u8]) -> Result<PowerReading, ProtoError> {
        let mut octets = Octets::new("the answer to Get Power Reading", octets);
        let group = octets.u8()?;
        if group != DCMI {
            return Err(ProtoError::Unexpected { what: "the group of the answer", value: group.into() });
        }
        let [current, minimum, maximum, average] =
            [octets.u16()?, octets.u16()?, octets.u16()?, octets.u16()?];
        let (_time, period, state) = (octets.u32()?, octets.u32()?, octets.u8()?);
        Ok(PowerReading { current, minimum, maximum, average, period, is_active: state & 0x40 != 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_is_read_in_watts() {
        let mut answer = vec![DCMI, 0x2c, 1, 0x10, 0, 0x90, 1, 0, 1, 0, 0, 0, 0x65, 0xe8, 3, 0, 0, 0x40];
        let reading = PowerReading {
            current: 300,
            minimum: 16,
            maximum: 400,
            average: 256,
            period: 1_000,
            is_active: true,
        };
        assert_eq!(GetPowerReading.reply(&answer), Ok(reading));
        assert!(answer.get(..17).is_some_and(|cut| GetPowerReading.reply(cut).is_err()));
        answer.iter_mut().take(1).for_each(|group| *group = 0);
        assert!(GetPowerReading.reply(&answer).is_err());
    }
}
