//! What only the kernel itself tells of links, and not its files (rtnetlink(7), `IFLA_*` of `linux/if_link.h`).

use super::netlink::{Kind, dump};
use crate::Machine;

/// A link, as the kernel tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct KernelLink {
    /// Its number.
    pub(super) index: u32,
    /// The address that its maker gave it.
    pub(super) permanent: Option<Vec<u8>>,
    /// How many want it to take what is not meant for it.
    pub(super) promiscuity: u32,
    /// The longest packet that it could have.
    pub(super) longest_packet: Option<u32>,
    /// Its number of IEEE 802.1Q, if it is one of these.
    pub(super) vlan: Option<u16>,
}

impl KernelLink {
    /// All of them.
    pub(super) fn all(machine: &Machine) -> Vec<Self> {
        let mut links = Vec::new();
        if !machine.is_this() {
            return links;
        }
        // Without an answer nothing is known.
        let _ = dump(Kind::GetLink, |message| {
            let attributes = message.attributes(16);
            // IFLA_LINKINFO, in it IFLA_INFO_KIND and IFLA_INFO_DATA.
            let made = attributes.within(18);
            let is_vlan = made.text(1) == Some("vlan");
            links.push(Self {
                index: message.number(4),
                // IFLA_PERM_ADDRESS.
                permanent: attributes.find(54).map(<[u8]>::to_vec),
                // IFLA_PROMISCUITY.
                promiscuity: attributes.number(30).unwrap_or_default(),
                // IFLA_MAX_MTU, which is 0 where there is no limit.
                longest_packet: attributes.number(51).filter(|octets| *octets > 0),
                // IFLA_VLAN_ID.
                vlan: made.within(2).short(1).filter(|_| is_vlan),
            });
        });
        links
    }

    /// The permanent address in capitals, with something between its octets.
    pub(super) fn permanent(&self, between: &str) -> Option<String> {
        let octets = self.permanent.as_ref().filter(|octets| octets.iter().any(|octet| *octet != 0))?;
        Some(octets.iter().map(|octet| format!("{octet:02X}")).collect::<Vec<_>>().join(between))
    }
}
