//! What the controller is (IPMI 2.0, 20.1).

use super::Command;
use crate::octets::Octets;
use crate::{NetFn, Privilege, ProtoError, Request};

/// Get Device ID.
#[derive(Clone, Copy, Debug)]
pub struct GetDeviceId;

/// What a controller says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceId {
    /// The manufacturer's number for the device.
    pub id: u8,
    /// Its revision, 0 to 15.
    pub revision: u8,
    /// Whether the device itself has records of sensors, besides the repository.
    pub has_device_sdrs: bool,
    /// Whether the firmware is being updated, or the device is starting.
    pub is_updating: bool,
    /// The firmware's version: the part before the point.
    pub firmware_major: u8,
    /// The part behind the point, as two decimal digits.
    pub firmware_minor: u8,
    /// The version of IPMI, such as (2, 0).
    pub ipmi: (u8, u8),
    /// What it offers.
    pub support: Support,
    /// The manufacturer's number of a private enterprise (IANA).
    pub manufacturer: u32,
    /// The manufacturer's number for the product.
    pub product: u16,
    /// More about the firmware, if it says so.
    pub auxiliary: Option<[u8; 4]>,
}

/// What a controller offers, as the bits of Additional Device Support.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Support(pub u8);

impl Support {
    /// It has a repository of SDRs.
    #[must_use]
    pub fn has_sdr_repository(self) -> bool {
        self.0 & 0x02 != 0
    }

    /// The names of what it offers, in the order of their bits.
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
    fn the_digits_of_versions_stand_where_they_stand() {
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
