//! Neighbor table: IP and hardware addresses on a link (rtnetlink(7), `struct ndmsg`).

use std::io;
use std::net::IpAddr;

use super::netlink::{Body, Kind, change, dump, family};
use crate::Machine;

/// A neighbor on a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbor {
    /// Link index.
    pub link: u32,
    /// IP address of the neighbor.
    pub address: IpAddr,
    /// Hardware address, if known.
    pub hardware_address: Option<Vec<u8>>,
    /// State (`NUD_*`).
    pub state: u16,
}

impl Neighbor {
    /// State of a static entry (`NUD_PERMANENT`).
    pub const PERMANENT: u16 = 0x80;
    /// State of entries that need no hardware address (`NUD_NOARP`), such as multicast groups.
    const NEEDLESS: u16 = 0x40;

    /// Returns all neighbors, without entries that need no hardware address, as ip(8) does.
    pub fn all(machine: &Machine) -> Vec<Self> {
        let mut neighbors = Vec::new();
        if !machine.is_this() {
            return neighbors;
        }
        // If the kernel does not respond, the list stays empty.
        let _ = dump(Kind::GetNeighbor, |message| {
            let attributes = message.attributes(12);
            let [low, high] = [message.octet(8), message.octet(9)];
            let state = u16::from_ne_bytes([low, high]);
            // NDA_DST and NDA_LLADDR. Entries learnt by a bridge have no IP address.
            let Some(address) = attributes.address(1) else { return };
            if state != 0 && state & Self::NEEDLESS == 0 {
                let hardware_address = attributes.find(2).map(<[u8]>::to_vec);
                neighbors.push(Self { link: message.number(4), address, hardware_address, state });
            }
        });
        neighbors.sort_by_key(|neighbor| (neighbor.address.is_ipv6(), neighbor.link, neighbor.address));
        neighbors
    }

    /// Adds or replaces the entry in the kernel.
    ///
    /// # Errors
    /// Errors of the kernel.
    pub fn keep(&self) -> io::Result<()> {
        let body = self.body();
        change(
            Kind::NewNeighbor,
            &self.hardware_address.iter().fold(body, |body, address| body.with(2, address)),
        )
    }

    /// Removes the entry from the kernel.
    ///
    /// # Errors
    /// Errors of the kernel.
    pub fn forget(&self) -> io::Result<()> {
        change(Kind::DeleteNeighbor, &self.body())
    }

    fn body(&self) -> Body {
        let mut header = vec![family(self.address), 0, 0, 0];
        header.extend(self.link.to_ne_bytes());
        header.extend(self.state.to_ne_bytes());
        header.extend([0, 0]);
        Body::new(&header).with_address(1, self.address)
    }
}
