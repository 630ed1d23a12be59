//! Limits for logins in progress.
//!
//! Open Session and Get Session Challenge are unauthenticated, and state must be kept for each until the
//! console has authenticated. Logins therefore have their own limit, separate from sessions, and a source
//! that fills it displaces its own logins first.

use std::cmp::Reverse;
use std::net::{IpAddr, Ipv6Addr};

use super::Responder;

/// Source of a datagram: an IPv4 address, or an IPv6 network, because one console can choose addresses within
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Source(IpAddr);

impl Source {
    /// Returns the source of an address. For IPv6 it is the /64 network, which is usually assigned to one
    /// host as a whole.
    pub(super) fn new(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
            address @ IpAddr::V4(_) => address,
        })
    }
}

impl Responder {
    /// Returns the session id for a new login; `None` if all sessions are in use.
    pub(super) fn admit(&mut self, from: Source) -> Option<u32> {
        if self.is_full() {
            return None;
        }
        if self.slots.len() - self.established() >= MAX_LOGINS {
            self.evict_login(from);
        }
        let Self { slots, entropy, .. } = self;
        std::iter::repeat_with(|| entropy.number())
            .take(MAX_DRAWS)
            .find(|id| slots.iter().all(|slot| slot.id != *id))
    }

    /// Removes the oldest login of the source with the most logins; if several have equally many, that of the
    /// new login's own source is preferred.
    fn evict_login(&mut self, from: Source) {
        let Self { slots, .. } = self;
        let logins = slots.iter().enumerate().filter(|(_, slot)| slot.is_login());
        let oldest = logins
            .max_by_key(|(_, slot)| (logins_of(slots, slot.from), slot.from == from, Reverse(slot.heard_at)))
            .map(|(place, _)| place);
        if let Some(place) = oldest {
            slots.swap_remove(place);
        }
    }
}

fn logins_of(slots: &[super::Slot], source: Source) -> usize {
    slots.iter().filter(|slot| slot.from == source && slot.is_login()).count()
}

/// Maximum number of logins in progress, from all sources together. A login takes three round trips.
const MAX_LOGINS: usize = 64;
/// Maximum attempts to draw an unused 32-bit id; collisions are rare.
const MAX_DRAWS: usize = 4;
