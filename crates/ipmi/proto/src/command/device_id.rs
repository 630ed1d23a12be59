//! Identification of the controller (IPMI 2.0, 20.1).

use super::Command;
use crate::octets::Octets;
use crate::{NetFn, Privilege, ProtoError, Request};

/// Get Device ID.
#[derive(Clone, Copy, Debug)]
pub struct GetDeviceId;

/// Identification of a controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceId {
    /// Device id, assigned by the manufacturer.
    pub id: u8,
    /// Device revision, 0 to 15.
    pub revision: u8,
    /// Whether the controller has device SDRs in addition to the repository.
    pub has_device_sdrs: bool,
    /// Whether the firmware is being updated, or the device is initialising.
    pub is_updating: bool,
    /// Major firmware version.
    pub firmware_major: u8,
    /// Minor firmware version, as two decimal digits.
    pub firmware_minor: u8,
    /// IPMI version, such as (2, 0).
    pub ipmi: (u8, u8),
    /// Supported device types.
    pub support: Support,
    /// IANA enterprise number of the manufacturer.
    pub manufacturer: u32,
    /// Product id, assigned by the manufacturer.
    pub product: u16,
    /// Auxiliary firmware revision, if reported.
    pub auxiliary: Option<[u8; 4]>,
}

/// Supported device types: the bits of Additional Device Support.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Support(pub u8);

impl Support {
    /// Returns whether the controller has an SDR repository.
    #[must_use]
    pub fn has_sdr_repository(self) -> bool {
        self.0 & 0x02 != 0
    }

    /// Returns the names of the set bits, in bit order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let all = [
            "Sensor Device",
            "SDR Repository Device",
            "SEL Device",
            "FRU Inventory Device",
            "IPMB Event Receiver",
            "IPMB Event Generator",
            "Bridge",
            "Chassis Device",
        ];
        (0..).zip(all).filter(move |(bit, _)| self.0 >> bit & 1 == 1).map(|(_, name)| name)
    }
}

impl Command for GetDeviceId {
    type Reply = DeviceId;
    const PRIVILEGE: Privilege = Privilege::User;

    fn request(&self) -> Request {
        Request::new(NetFn::APP, 0x01, &[])
    }

    fn reply(&self, octets: &[u8]) -> Result<DeviceId, ProtoError> {
        let mut octets = Octets::new("the answer to Get Device ID", octets);
        let [id, revision, major, minor, version, support] = octets.array()?;
        let (manufacturer, product) = (octets.u24()? & 0x0f_ffff, octets.u16()?);
        Ok(DeviceId {
            id,
            revision: revision & 0x0f,
            has_device_sdrs: revision & 0x80 != 0,
            is_updating: major & 0x80 != 0,
            firmware_major: major & 0x7f,
            firmware_minor: (minor >> 4) * 10 + (minor & 0x0f).min(9),
            ipmi: (version & 0x0f, version >> 4),
            support: Support(support),
            manufacturer,
            product,
            auxiliary: octets.array().ok(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_digits_are_decoded() {
        let octets = [0, 0x83, 0x09, 0x42, 0x51, 0x9f, 0x91, 0x12, 0, 2, 0x0f];
        let id = GetDeviceId.reply(&octets).unwrap();
        assert_eq!((id.revision, id.has_device_sdrs, id.firmware_major, id.firmware_minor), (3, true, 9, 42));
        assert_eq!((id.ipmi, id.manufacturer, id.product, id.auxiliary), ((1, 5), 0x1291, 0x0f02, None));
        assert_eq!(id.support.names().count(), 6);
        for length in 0..octets.len() {
            assert!(GetDeviceId.reply(&octets[..length]).is_err(), "{length}");
        }
    }
}
