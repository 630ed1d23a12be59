//! Capabilities of adapters, reported by their drivers (kernel documentation, networking/ethtool-netlink).

use std::sync::OnceLock;

use super::netlink::{Attributes, Body, ask_generic};
use crate::Machine;

/// Link modes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modes {
    /// Whether autonegotiation is enabled.
    pub is_automatic: Option<bool>,
    /// Maximum speed of all supported modes in bits per second.
    pub most: Option<u64>,
    /// Whether the current mode is full duplex.
    pub is_full_duplex: Option<bool>,
}

/// Messages and attributes of the family (`linux/ethtool_netlink.h`).
const LINKMODES_GET: u8 = 4;
const HEADER: u16 = 1;
const HEADER_DEV_INDEX: u16 = 1;
const LINKMODES_AUTONEG: u16 = 2;
const LINKMODES_OURS: u16 = 3;
const LINKMODES_DUPLEX: u16 = 6;
const BITSET_BITS: u16 = 3;
const BITSET_BITS_BIT: u16 = 1;
const BITSET_BIT_NAME: u16 = 2;

impl Modes {
    /// Returns the modes of a link; empty if its driver does not report them.
    pub fn of(machine: &Machine, index: u32) -> Self {
        let Some(family) = family().filter(|_| machine.is_this()) else { return Self::default() };
        let mut modes = Self::default();
        let which = Body::new(&[]).with(HEADER_DEV_INDEX, &index.to_ne_bytes());
        let request = Body::new(&[LINKMODES_GET, 1, 0, 0]).with_within(HEADER, &which);
        // An error means that nothing is known.
        let _ = ask_generic(family, &request, |message| modes = Self::parse(message.attributes(4)));
        modes
    }

    /// Parses the attributes of a response.
    pub fn parse(attributes: Attributes<'_>) -> Self {
        let bits = attributes.within(LINKMODES_OURS).within(BITSET_BITS).into_iter();
        let names = bits
            .filter(|(kind, _)| kind & 0x3FFF == BITSET_BITS_BIT)
            .filter_map(|(_, bit)| Attributes::new(bit).text(BITSET_BIT_NAME));
        Self {
            is_automatic: attributes.octet(LINKMODES_AUTONEG).map(|says| says == 1),
            most: names.filter_map(speed).max(),
            // 0 is half duplex, 1 full, 255 unknown.
            is_full_duplex: match attributes.octet(LINKMODES_DUPLEX) {
                Some(0) => Some(false),
                Some(1) => Some(true),
                _ => None,
            },
        }
    }
}

/// Returns the speed of a mode such as `1000baseT/Full` in bits per second; `None` for bits that are not
/// modes.
fn speed(mode: &str) -> Option<u64> {
    let (mbits, _) = mode.split_once("base")?;
    mbits.parse::<u64>().ok()?.checked_mul(1_000_000)
}

/// Returns the number of the netlink family `ethtool`, assigned at boot; `None` on kernels before 5.6.
fn family() -> Option<u16> {
    static FAMILY: OnceLock<Option<u16>> = OnceLock::new();
    *FAMILY.get_or_init(|| {
        // GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, CTRL_ATTR_FAMILY_ID.
        let request = Body::new(&[3, 1, 0, 0]).with(2, b"ethtool\0");
        let mut found = None;
        ask_generic(16, &request, |message| found = message.attributes(4).short(1)).ok()?;
        found
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_read_by_their_names() {
        for (name, mbits) in
            [("10baseT/Half", Some(10)), ("2500baseX/Full", Some(2_500)), ("Autoneg", None), ("xbase", None)]
        {
            assert_eq!(speed(name), mbits.map(|mbits: u64| mbits * 1_000_000), "{name}");
        }
    }

    #[test]
    fn unknown_link_has_no_modes() {
        assert_eq!(Modes::of(&Machine::this(), u32::MAX >> 1), Modes::default());
    }
}
