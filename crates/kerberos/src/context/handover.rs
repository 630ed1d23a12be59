//! A context as octets, for another process of this machine.

use std::time::{Duration, SystemTime};

use zeroize::Zeroizing;

use crate::message_protection::{Agreement, EncryptionType, KeyOwner, Side};
use crate::order::Order;

/// What comes out of the octets.
pub(super) enum Handover<'a> {
    OfLibrary {
        order: Order,
        /// The library's own.
        octets: &'a [u8],
    },
    Own {
        order: Order,
        flags: u32,
        end: Option<SystemTime>,
        agreement: Agreement,
    },
}

pub(super) fn of_library(order: Order, octets: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut exported = begun(order, OF_LIBRARY, octets.len());
    exported.extend_from_slice(octets);
    exported
}

pub(super) fn of_own(
    order: Order,
    flags: u32,
    end: Option<SystemTime>,
    agreement: &Agreement,
) -> Zeroizing<Vec<u8>> {
    let Agreement { side, owner, encryption_type, key, next_sent } = agreement;
    let mut exported = begun(order, OWN, OWN_OCTETS.saturating_add(key.len()));
    // All ones stand for never, which is later than any ticket ends.
    let end = end.map(|end| end.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs());
    exported.extend(flags.to_be_bytes());
    exported.extend(end.unwrap_or(u64::MAX).to_be_bytes());
    exported.extend(next_sent.to_be_bytes());
    exported.push(if *side == Side::Initiator { INITIATOR } else { ACCEPTOR });
    exported.push(if *owner == KeyOwner::Initiator { INITIATOR } else { ACCEPTOR });
    exported.push(encryption_type.number());
    exported.extend_from_slice(key);
    exported
}

/// Never moves while it grows, because that would leave keys behind.
fn begun(order: Order, kind: u8, octets: usize) -> Zeroizing<Vec<u8>> {
    let (tag, next) = match order {
        Order::NotBegun => (NOT_BEGUN, 0),
        Order::Next(next) => (NEXT, next),
    };
    let mut exported = Zeroizing::new(Vec::with_capacity(HEAD_OCTETS.saturating_add(octets)));
    exported.extend([tag, kind]);
    exported.extend(next.to_be_bytes());
    exported
}

impl<'a> Handover<'a> {
    pub(super) fn parse(octets: &'a [u8]) -> Option<Self> {
        let (head, octets) = octets.split_first_chunk::<HEAD_OCTETS>()?;
        let [tag, kind, next @ ..] = *head;
        let order = match tag {
            NOT_BEGUN => Order::NotBegun,
            NEXT => Order::Next(u64::from_be_bytes(next)),
            _ => return None,
        };
        match kind {
            OF_LIBRARY => Some(Self::OfLibrary { order, octets }),
            OWN => Self::own(order, octets),
            _ => None,
        }
    }

    fn own(order: Order, octets: &'a [u8]) -> Option<Self> {
        let (flags, octets) = octets.split_first_chunk()?;
        let (end, octets) = octets.split_first_chunk()?;
        let (next_sent, octets) = octets.split_first_chunk()?;
        let (&[side, owner, number], key) = octets.split_first_chunk()?;
        let encryption_type = EncryptionType::of_number(number.into())?;
        if key.len() != encryption_type.key_octets() {
            return None;
        }
        let end = match u64::from_be_bytes(*end) {
            u64::MAX => None,
            seconds => Some(SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?),
        };
        let side = match side {
            INITIATOR => Side::Initiator,
            ACCEPTOR => Side::Acceptor,
            _ => return None,
        };
        let owner = match owner {
            INITIATOR => KeyOwner::Initiator,
            ACCEPTOR => KeyOwner::Acceptor,
            _ => return None,
        };
        let key = Zeroizing::new(key.to_vec());
        let next_sent = u64::from_be_bytes(*next_sent);
        let agreement = Agreement { side, owner, encryption_type, key, next_sent };
        Some(Self::Own { order, flags: u32::from_be_bytes(*flags), end, agreement })
    }
}

/// Whether the other end has begun, who protects the messages, and the other end's next number.
const HEAD_OCTETS: usize = 10;
const NOT_BEGUN: u8 = 0;
const NEXT: u8 = 1;
const OF_LIBRARY: u8 = 0;
const OWN: u8 = 1;

/// What stands before the key.
const OWN_OCTETS: usize = 4 + 8 + 8 + 3;
const INITIATOR: u8 = 0;
const ACCEPTOR: u8 = 1;
