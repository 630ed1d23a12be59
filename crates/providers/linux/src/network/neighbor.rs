//! Who is reached directly, and by which address of the link (rtnetlink(7), `struct ndmsg`).

use std::io;
use std::net::IpAddr;

use super::netlink::{Body, Kind, change, dump, family};
use crate::Machine;

/// Somebody on a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Neighbor {
    /// The number of the link.
    pub(super) link: u32,
    pub(super) address: IpAddr,
    /// The address on the link, if it is known.
    pub(super) hardware_address: Option<Vec<u8>>,
    /// What is known of it (`NUD_*`).
    pub(super) state: u16,
}

impl Neighbor {
    /// The state of one that the administrator has made (`NUD_PERMANENT`).
    pub(super) const PERMANENT: u16 = 0x80;
    /// The state of those that need no address of the link (`NUD_NOARP`), such as groups.
    const NEEDLESS: u16 = 0x40;

    /// All of them, without those that need no address of the link, as ip(8) shows them.
    pub(super) fn all(machine: &Machine) -> Vec<Self> {
        let mut neighbors = Vec::new();
        if !machine.is_this() {
            return neighbors;
        }
        // Without an answer nothing is known.
        let _ = dump(Kind::GetNeighbor, |message| {
            let attributes = message.attributes(12);
            let [low, high] = [message.octet(8), message.octet(9)];
            let state = u16::from_ne_bytes([low, high]);
            // NDA_DST and NDA_LLADDR; what a bridge has learnt has no address of the network.
            let Some(address) = attributes.address(1) else { return };
            if state != 0 && state & Self::NEEDLESS == 0 {
                let hardware_address = attributes.find(2).map(<[u8]>::to_vec);
                neighbors.push(Self { link: message.number(4), address, hardware_address, state });
            }
        });
        neighbors.sort_by_key(|neighbor| (neighbor.address.is_ipv6(), neighbor.link, neighbor.address));
        neighbors
    }

    /// Makes it known to the kernel, or known otherwise.
    ///
    /// # Errors
    /// What the kernel says.
    pub(super) fn keep(&self) -> io::Result<()> {
        let body = self.body();
        change(
            Kind::NewNeighbor,
            &self.hardware_address.iter().fold(body, |body, address| body.with(2, address)),
        )
    }

    /// Makes the kernel forget it.
    ///
    /// # Errors
    /// What the kernel says.
    pub(super) fn forget(&self) -> io::Result<()> {
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
