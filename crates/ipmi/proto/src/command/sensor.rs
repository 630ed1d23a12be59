//! Sensor readings (IPMI 2.0, 35.14).

use super::Command;
use crate::octets::Octets;
use crate::{NetFn, Privilege, ProtoError, Request};

/// Get Sensor Reading, for a sensor of the controller's logical unit 0.
#[derive(Clone, Copy, Debug)]
pub struct GetReading(
    /// Sensor number.
    pub u8,
);

/// Reading of a sensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Raw value; `None` if it is not available or scanning is disabled.
    pub value: Option<u8>,
    /// Threshold states in bits 0 to 5, or discrete states in bits 0 to 14.
    pub states: u16,
}

impl Command for GetReading {
    type Reply = Reading;
    const PRIVILEGE: Privilege = Privilege::User;

    fn request(&self) -> Request {
        Request::new(NetFn::SENSOR, 0x2d, &[self.0])
    }

    fn reply(&self, octets: &[u8]) -> Result<Reading, ProtoError> {
        let mut octets = Octets::new("the answer to Get Sensor Reading", octets);
        let [value, flags] = octets.array()?;
        // Some controllers omit the state bytes if no state is set.
        let (low, high) = (octets.u8().unwrap_or(0), octets.u8().unwrap_or(0));
        let is_there = flags & 0x20 == 0 && flags & 0x40 != 0;
        let states = if is_there { u16::from_le_bytes([low, high & 0x7f]) } else { 0 };
        Ok(Reading { value: is_there.then_some(value), states })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unscanned_sensor_has_no_value() {
        let reading = |octets: &[u8]| GetReading(1).reply(octets).unwrap();
        assert_eq!(reading(&[0x2d, 0xc0, 0x81, 0x80]), Reading { value: Some(0x2d), states: 0x81 });
        assert_eq!(reading(&[0x2d, 0xe0, 1, 0]), Reading { value: None, states: 0 });
        assert_eq!(reading(&[0x2d, 0x80]), Reading { value: None, states: 0 });
        assert!(GetReading(1).reply(&[1]).is_err());
    }
}
