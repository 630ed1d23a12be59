//! Link properties that are only available through netlink (rtnetlink(7), `IFLA_*` of `linux/if_link.h`).

use super::netlink::{Kind, dump};
use crate::Machine;

/// A link as reported by the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelLink {
    /// Link index.
    pub index: u32,
    /// Permanent hardware address.
    pub permanent: Option<Vec<u8>>,
    /// Number of users of promiscuous mode.
    pub promiscuity: u32,
    /// Maximum supported MTU.
    pub longest_packet: Option<u32>,
    /// VLAN id (IEEE 802.1Q), if it is a VLAN link.
    pub vlan: Option<u16>,
}

impl KernelLink {
    /// Returns all links.
    pub fn all(machine: &Machine) -> Vec<Self> {
        let mut links = Vec::new();
        if !machine.is_this() {
            return links;
        }
        // If the kernel does not respond, the list stays empty.
        let _ = dump(Kind::GetLink, |message| {
            let attributes = message.attributes(16);
            // IFLA_LINKINFO, which contains IFLA_INFO_KIND and IFLA_INFO_DATA.
            let made = attributes.within(18);
            let is_vlan = made.text(1) == Some("vlan");
            links.push(Self {
                index: message.number(4),
                // IFLA_PERM_ADDRESS.
                permanent: attributes.find(54).map(<[u8]>::to_vec),
                // IFLA_PROMISCUITY.
                promiscuity: attributes.number(30).unwrap_or_default(),
                // IFLA_MAX_MTU; 0 means no limit.
                longest_packet: attributes.number(51).filter(|octets| *octets > 0),
                // IFLA_VLAN_ID.
                vlan: made.within(2).short(1).filter(|_| is_vlan),
            });
        });
        links
    }

    /// Returns the permanent address in upper case, with a separator between its bytes.
    pub fn permanent(&self, between: &str) -> Option<String> {
        let octets = self.permanent.as_ref().filter(|octets| octets.iter().any(|octet| *octet != 0))?;
        Some(octets.iter().map(|octet| format!("{octet:02X}")).collect::<Vec<_>>().join(between))
    }
}
