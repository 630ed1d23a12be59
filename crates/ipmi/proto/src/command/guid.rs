//! GUIDs of machines and controllers (IPMI 2.0, 20.8 and 22.14).

use std::fmt;

use super::Command;
use crate::octets::Octets;
use crate::{NetFn, Privilege, ProtoError, Request};

/// Get System GUID: the GUID of the machine.
#[derive(Clone, Copy, Debug)]
pub struct GetSystemGuid;

/// Get Device GUID: the GUID of the controller.
#[derive(Clone, Copy, Debug)]
pub struct GetDeviceGuid;

/// A GUID as received. Manufacturers use different byte orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Guid(pub [u8; 16]);

/// Byte order of a GUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuidOrder {
    /// All bytes reversed, as IPMI specifies (IPMI 2.0, 20.8).
    Ipmi,
    /// The first three fields little-endian, as in SMBIOS tables, which most controllers copy.
    Smbios,
    /// Network byte order (RFC 4122).
    Rfc4122,
}

impl GuidOrder {
    /// Returns the name of the order.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ipmi => "IPMI",
            Self::Smbios => "SMBIOS",
            Self::Rfc4122 => "RFC 4122",
        }
    }
}

impl Guid {
    /// Returns the byte order in which the GUID has a valid version and variant; SMBIOS order if several
    /// match or none does.
    #[must_use]
    pub fn order(&self) -> GuidOrder {
        let all = [GuidOrder::Smbios, GuidOrder::Ipmi, GuidOrder::Rfc4122];
        let has_version = all.into_iter().filter(|order| self.has_valid_version(*order));
        let mut has_both = has_version.clone().filter(|order| self.has_valid_variant(*order));
        // Some GUIDs have a valid version but an invalid variant.
        has_both.next().or_else(|| has_version.clone().next()).unwrap_or(GuidOrder::Smbios)
    }

    /// Returns whether the version is 1 to 5 (RFC 4122, 4.1.3).
    fn has_valid_version(&self, order: GuidOrder) -> bool {
        let [_, _, _, _, _, _, version, ..] = self.sorted(order);
        (1..=5).contains(&(version >> 4))
    }

    /// Returns whether the variant is that of RFC 4122 (4.1.1).
    fn has_valid_variant(&self, order: GuidOrder) -> bool {
        let [_, _, _, _, _, _, _, _, variant, ..] = self.sorted(order);
        variant >> 6 == 0b10
    }

    /// Formats the GUID, read in this byte order.
    #[must_use]
    pub fn written(&self, order: GuidOrder) -> String {
        let digits: String = self.sorted(order).iter().map(|octet| format!("{octet:02x}")).collect();
        let mut parts = Vec::new();
        let mut rest = digits.as_str();
        for length in [8, 4, 4, 4, 12] {
            let (part, more) = rest.split_at_checked(length).unwrap_or((rest, ""));
            parts.push(part);
            rest = more;
        }
        parts.join("-")
    }

    /// Returns the bytes in network byte order.
    fn sorted(&self, order: GuidOrder) -> [u8; 16] {
        let mut octets = self.0;
        match order {
            GuidOrder::Rfc4122 => {}
            GuidOrder::Ipmi => octets.reverse(),
            GuidOrder::Smbios => {
                let [a, b, c, d, e, f, g, h, rest @ ..] = octets;
                let [i, j, k, l, m, n, o, p] = rest;
                octets = [d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p];
            }
        }
        octets
    }
}

/// Formats the GUID in the most likely byte order.
impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written(self.order()))
    }
}

impl Command for GetSystemGuid {
    type Reply = Guid;
    const PRIVILEGE: Privilege = Privilege::User;

    fn request(&self) -> Request {
        Request::new(NetFn::APP, 0x37, &[])
    }

    fn reply(&self, octets: &[u8]) -> Result<Guid, ProtoError> {
        Octets::new("the answer to Get System GUID", octets).array().map(Guid)
    }
}

impl Command for GetDeviceGuid {
    type Reply = Guid;
    const PRIVILEGE: Privilege = Privilege::User;

    fn request(&self) -> Request {
        Request::new(NetFn::APP, 0x08, &[])
    }

    fn reply(&self, octets: &[u8]) -> Result<Guid, ProtoError> {
        Octets::new("the answer to Get Device GUID", octets).array().map(Guid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_found_by_version_and_variant() {
        let text = "31303043-534d-2500-90d8-7a5100000000";
        let in_order = [0x31, 0x30, 0x30, 0x43, 0x53, 0x4d, 0x25, 0, 0x90, 0xd8, 0x7a, 0x51, 0, 0, 0, 0];
        let smbios = [0x43, 0x30, 0x30, 0x31, 0x4d, 0x53, 0, 0x25, 0x90, 0xd8, 0x7a, 0x51, 0, 0, 0, 0];
        let mut reversed = in_order;
        reversed.reverse();
        for (octets, order) in
            [(smbios, GuidOrder::Smbios), (reversed, GuidOrder::Ipmi), (in_order, GuidOrder::Rfc4122)]
        {
            assert_eq!(Guid(octets).order(), order);
            assert_eq!(Guid(octets).to_string(), text);
        }
        assert_eq!(Guid([0; 16]).order(), GuidOrder::Smbios);
        assert!(GetSystemGuid.reply(&[0; 15]).is_err() && GetDeviceGuid.reply(&in_order).is_ok());
    }
}
