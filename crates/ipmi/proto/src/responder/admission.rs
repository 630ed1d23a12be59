//! Who may begin a login.
//!
//! Open Session and Get Session Challenge prove nothing, and what a console says afterwards, four octets and a code, is
//! too little to keep nothing until it has proven itself. So logins have a room of their own, which takes no session
//! from anybody, and where whoever fills it pushes out their own first.

use std::cmp::Reverse;
use std::net::{IpAddr, Ipv6Addr};

use super::Responder;

/// Where a datagram comes from, as far as one console can choose it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Source(IpAddr);

impl Source {
    /// Whoever has one address of IPv6 usually has all those of its network of 64 bits.
    pub(super) fn new(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
            address @ IpAddr::V4(_) => address,
        })
    }
}

impl Responder {
    /// The number of a login that begins now; none if all sessions are taken.
    pub(super) fn admit(&mut self, from: Source) -> Option<u32> {
        if self.is_full() {
            return None;
        }
        if self.slots.len() - self.established() >= MOST_LOGINS {
            self.push_one_out(from);
        }
        let Self { slots, entropy, .. } = self;
        std::iter::repeat_with(|| entropy.number())
            .take(MOST_DRAWS)
            .find(|id| slots.iter().all(|slot| slot.id != *id))
    }

    /// The oldest login of the source that has most of them; where several have as many, of the one that wants another.
    fn push_one_out(&mut self, from: Source) {
        let Self { slots, .. } = self;
        let of = |source: Source| slots.iter().filter(|slot| slot.from == source && slot.is_login()).count();
        let logins = slots.iter().enumerate().filter(|(_, slot)| slot.is_login());
        let oldest = logins
            .max_by_key(|(_, slot)| (of(slot.from), slot.from == from, Reverse(slot.heard_at)))
            .map(|(place, _)| place);
        if let Some(place) = oldest {
            slots.swap_remove(place);
        }
    }
}

/// Logins under way, whoever begins them: a console needs three round trips for one.
const MOST_LOGINS: usize = 64;
/// Two numbers of four octets are hardly ever the same.
const MOST_DRAWS: usize = 4;
