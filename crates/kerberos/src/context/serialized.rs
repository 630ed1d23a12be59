//! Serialized contexts, for another process of this machine.

use std::time::{Duration, SystemTime};

use zeroize::Zeroizing;

use crate::message_protection::{EncryptionType, KeyOwner, SessionParameters, Side};
use crate::peer_sequence::PeerSequence;

/// Parsed form of a serialized context.
pub(super) enum Serialized<'a> {
    OfLibrary {
        sequence: PeerSequence,
        /// Format of the library.
        octets: &'a [u8],
    },
    Own {
        sequence: PeerSequence,
        flags: u32,
        end: Option<SystemTime>,
        parameters: SessionParameters,
    },
}

pub(super) fn of_library(sequence: PeerSequence, octets: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut exported = start(sequence, OF_LIBRARY, octets.len());
    exported.extend_from_slice(octets);
    exported
}

pub(super) fn of_own(
    sequence: PeerSequence,
    flags: u32,
    end: Option<SystemTime>,
    parameters: &SessionParameters,
) -> Zeroizing<Vec<u8>> {
    let SessionParameters { side, owner, encryption_type, key, next_sent } = parameters;
    let mut exported = start(sequence, OWN, OWN_LENGTH.saturating_add(key.len()));
    // All ones mean unlimited, which is later than any lifetime.
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

/// Starts a buffer with full capacity, so that growing leaves no copies of keys in memory.
fn start(sequence: PeerSequence, kind: u8, octets: usize) -> Zeroizing<Vec<u8>> {
    let (tag, next) = match sequence {
        PeerSequence::Unknown => (UNKNOWN, 0),
        PeerSequence::Next(next) => (NEXT, next),
    };
    let mut exported = Zeroizing::new(Vec::with_capacity(HEAD_LENGTH.saturating_add(octets)));
    exported.extend([tag, kind]);
    exported.extend(next.to_be_bytes());
    exported
}

impl<'a> Serialized<'a> {
    pub(super) fn parse(octets: &'a [u8]) -> Option<Self> {
        let (head, octets) = octets.split_first_chunk::<HEAD_LENGTH>()?;
        let [tag, kind, next @ ..] = *head;
        let sequence = match tag {
            UNKNOWN => PeerSequence::Unknown,
            NEXT => PeerSequence::Next(u64::from_be_bytes(next)),
            _ => return None,
        };
        match kind {
            OF_LIBRARY => Some(Self::OfLibrary { sequence, octets }),
            OWN => Self::own(sequence, octets),
            _ => None,
        }
    }

    fn own(sequence: PeerSequence, octets: &'a [u8]) -> Option<Self> {
        let (flags, octets) = octets.split_first_chunk()?;
        let (end, octets) = octets.split_first_chunk()?;
        let (next_sent, octets) = octets.split_first_chunk()?;
        let (&[side, owner, number], key) = octets.split_first_chunk()?;
        let encryption_type = EncryptionType::of_number(number.into())?;
        if key.len() != encryption_type.key_length() {
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
        let parameters = SessionParameters { side, owner, encryption_type, key, next_sent };
        Some(Self::Own { sequence, flags: u32::from_be_bytes(*flags), end, parameters })
    }
}

/// Length of the header: whether the peer has sent a message, the implementation, and the peer's next sequence number.
const HEAD_LENGTH: usize = 10;
const UNKNOWN: u8 = 0;
const NEXT: u8 = 1;
const OF_LIBRARY: u8 = 0;
const OWN: u8 = 1;

/// Length of the data before the key.
const OWN_LENGTH: usize = 4 + 8 + 8 + 3;
const INITIATOR: u8 = 0;
const ACCEPTOR: u8 = 1;
