//! Messages sealed and signed without the library (RFC 4121 4.2), with the keys of a context that it established.
//!
//! There is no I/O here, and no randomness: what must be random is an argument.
//! Tokens are those that `gss_wrap_iov` makes, so either end may be the library's.

mod cipher;
mod encryption_type;
mod mac;

use auth::SealError;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

pub(crate) use self::cipher::BLOCK_OCTETS;
use self::cipher::{Opener, Pieces, Sealer};
pub(crate) use self::encryption_type::EncryptionType;
use self::encryption_type::{Purpose, derived};
use self::mac::Mac;
use crate::order::Order;

/// What both ends have agreed upon, and how far one of them is in its messages.
pub(crate) struct Agreement {
    pub(crate) side: Side,
    pub(crate) owner: KeyOwner,
    pub(crate) encryption_type: EncryptionType,
    /// As long as the encryption type has it.
    pub(crate) key: Zeroizing<Vec<u8>>,
    /// The number of the next message that this end sends.
    pub(crate) next_sent: u64,
}

/// Which end this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Initiator,
    Acceptor,
}

/// Whose key protects the messages (RFC 4121 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyOwner {
    /// That of the ticket, or one that the initiator has chosen.
    Initiator,
    /// One that the acceptor has chosen.
    Acceptor,
}

/// One end of an established context.
pub(crate) struct Protection {
    agreement: Agreement,
    sent: Sent,
    received: Received,
}

/// The keys for what this end sends.
struct Sent {
    sealer: Sealer,
    integrity: Mac,
    checksum: Mac,
}

/// The keys for what the other end sends.
struct Received {
    opener: Opener,
    integrity: Mac,
    checksum: Mac,
}

impl Protection {
    /// None if the key does not have the length of the encryption type.
    pub(crate) fn new(agreement: Agreement) -> Option<Self> {
        let Agreement { side, encryption_type: kind, ref key, .. } = agreement;
        let key_of = |usage, purpose| derived(kind, key, usage, purpose);
        let mac_of = |usage, purpose| Mac::new(kind, &key_of(usage, purpose)?);
        let (own, other) = (side, side.other());
        let sent = Sent {
            sealer: Sealer::new(&key_of(own.seal_usage(), Purpose::Encryption)?)?,
            integrity: mac_of(own.seal_usage(), Purpose::Integrity)?,
            checksum: mac_of(own.sign_usage(), Purpose::Checksum)?,
        };
        let received = Received {
            opener: Opener::new(&key_of(other.seal_usage(), Purpose::Encryption)?)?,
            integrity: mac_of(other.seal_usage(), Purpose::Integrity)?,
            checksum: mac_of(other.sign_usage(), Purpose::Checksum)?,
        };
        Some(Self { agreement, sent, received })
    }

    pub(crate) fn agreement(&self) -> &Agreement {
        &self.agreement
    }

    /// Seals in place and returns what goes before the message, as `gss_wrap_iov` does without a buffer for a
    /// trailer: what would be in it is turned to the front (RFC 4121 4.2.5).
    ///
    /// The confounder must be new and random.
    pub(crate) fn seal(&mut self, mut confounder: [u8; BLOCK_OCTETS], message: &mut [u8]) -> Vec<u8> {
        let kind = self.agreement.encryption_type;
        let turn = kind.mac_octets().saturating_add(BLOCK_OCTETS);
        let flags = SEALED | self.flags_of(self.agreement.side);
        let sequence = self.next_sent();
        let mut last = wrap_head(flags, 0, sequence);
        let mut mac = kind.mac_over().begun(&self.sent.integrity);
        let pieces = Pieces { first: &mut confounder, middle: message, last: &mut last };
        self.sent.sealer.seal(pieces, kind.mac_over(), &mut mac);
        let mac = mac.tag();

        let mut header = Vec::with_capacity(turn.saturating_add(2 * BLOCK_OCTETS));
        // A turn is no more than forty octets.
        header.extend_from_slice(&wrap_head(flags, u16::try_from(turn).unwrap_or_default(), sequence));
        header.extend_from_slice(&last);
        header.extend(mac.iter().take(kind.mac_octets()));
        header.extend_from_slice(&confounder);
        header
    }

    /// Opens what the other end has sealed, wherever it was cut in two, and leaves the message.
    pub(crate) fn open(
        &self,
        header: &[u8],
        message: &mut Vec<u8>,
        order: &mut Order,
    ) -> Result<(), SealError> {
        let Some(cut) = self.cut_as_usual(header) else { return self.open_whole(header, message, order) };
        order.take_turn(cut.head.sequence)?;
        let (mut first, mut last) = (*cut.first, *cut.last);
        let pieces = Pieces { first: &mut first, middle: message, last: &mut last };
        self.open_pieces(pieces, cut.octets, cut.mac)
    }

    /// The number of the message is in it, whoever changes it.
    pub(crate) fn sign(&mut self, message: &[u8]) -> Vec<u8> {
        let flags = self.flags_of(self.agreement.side);
        let mut token = signature_head(flags, self.next_sent()).to_vec();
        let mac = mac_of_signed(&self.sent.checksum, message, &token);
        token.extend(mac.iter().take(self.agreement.encryption_type.mac_octets()));
        token
    }

    pub(crate) fn verify(
        &self,
        message: &[u8],
        signature: &[u8],
        order: &mut Order,
    ) -> Result<(), SealError> {
        let (head, mac) = signature.split_first_chunk::<HEAD_OCTETS>().ok_or(SealError::Forged)?;
        let [_, _, flags, ..] = *head;
        let sequence = u64::from_be_bytes(*head.last_chunk().ok_or(SealError::Forged)?);
        if *head != signature_head(flags, sequence) || flags & KNOWN != self.flags_of(self.other()) {
            return Err(SealError::Forged);
        }
        order.take_turn(sequence)?;
        self.is_mac(&mac_of_signed(&self.received.checksum, message, head), mac)
    }

    /// As [`seal`](Self::seal) and the library leave it, so that the message need not be moved.
    fn cut_as_usual<'a>(&self, header: &'a [u8]) -> Option<Cut<'a>> {
        let mac_octets = self.agreement.encryption_type.mac_octets();
        let (octets, rest) = header.split_first_chunk::<HEAD_OCTETS>()?;
        let (last, rest) = rest.split_first_chunk::<BLOCK_OCTETS>()?;
        let (mac, rest) = rest.split_at_checked(mac_octets)?;
        let first = rest.try_into().ok()?;
        let head = self.judged(octets)?;
        let is_usual = head.extra == 0 && head.turn == BLOCK_OCTETS.saturating_add(mac_octets);
        is_usual.then_some(Cut { octets, head, first, last, mac })
    }

    fn open_whole(&self, header: &[u8], message: &mut Vec<u8>, order: &mut Order) -> Result<(), SealError> {
        let mut token = [header, message].concat();
        let (octets, body) = token.split_first_chunk_mut::<HEAD_OCTETS>().ok_or(SealError::Forged)?;
        let head = self.judged(octets).ok_or(SealError::Forged)?;
        let turn = head.turn.checked_rem(body.len()).ok_or(SealError::Forged)?;
        body.rotate_left(turn);
        let mac_at = body.len().checked_sub(self.agreement.encryption_type.mac_octets());
        let (sealed, mac) = mac_at.and_then(|at| body.split_at_mut_checked(at)).ok_or(SealError::Forged)?;
        let (first, rest) = sealed.split_first_chunk_mut::<BLOCK_OCTETS>().ok_or(SealError::Forged)?;
        let (middle, last) = rest.split_last_chunk_mut::<BLOCK_OCTETS>().ok_or(SealError::Forged)?;
        let length = middle.len().checked_sub(head.extra).ok_or(SealError::Forged)?;
        order.take_turn(head.sequence)?;
        self.open_pieces(Pieces { first, middle: &mut *middle, last }, octets, mac)?;
        message.clear();
        message.extend(middle.iter().take(length));
        Ok(())
    }

    fn open_pieces(
        &self,
        pieces: Pieces<'_>,
        head: &[u8; HEAD_OCTETS],
        expected: &[u8],
    ) -> Result<(), SealError> {
        let over = self.agreement.encryption_type.mac_over();
        let mut mac = over.begun(&self.received.integrity);
        let Pieces { first, middle, last } = pieces;
        let pieces = Pieces { first, middle: &mut *middle, last: &mut *last };
        self.received.opener.open(pieces, over, &mut mac);
        let outcome = self.is_mac(&mac.tag(), expected).and_then(|()| is_copy(last, head));
        if outcome.is_err() {
            // Nobody is to see what nobody has vouched for.
            middle.fill(0);
        }
        outcome
    }

    fn is_mac(&self, tag: &[u8], mac: &[u8]) -> Result<(), SealError> {
        let expected = tag.get(..self.agreement.encryption_type.mac_octets());
        let is_mac = expected.is_some_and(|expected| bool::from(expected.ct_eq(mac)));
        if is_mac { Ok(()) } else { Err(SealError::Forged) }
    }

    /// The head of what the other end has sealed for this one.
    fn judged(&self, octets: &[u8; HEAD_OCTETS]) -> Option<WrapHead> {
        let [0x05, 0x04, flags, 0xFF, extra_high, extra_low, turn_high, turn_low, ..] = *octets else {
            return None;
        };
        (flags & KNOWN == SEALED | self.flags_of(self.other())).then_some(WrapHead {
            extra: u16::from_be_bytes([extra_high, extra_low]).into(),
            turn: u16::from_be_bytes([turn_high, turn_low]).into(),
            sequence: u64::from_be_bytes(*octets.last_chunk()?),
        })
    }

    fn flags_of(&self, sender: Side) -> u8 {
        let sender = if sender == Side::Acceptor { SENT_BY_ACCEPTOR } else { 0 };
        let owner = if self.agreement.owner == KeyOwner::Acceptor { ACCEPTOR_SUBKEY } else { 0 };
        sender | owner
    }

    fn other(&self) -> Side {
        self.agreement.side.other()
    }

    fn next_sent(&mut self) -> u64 {
        let sequence = self.agreement.next_sent;
        self.agreement.next_sent = sequence.wrapping_add(1);
        sequence
    }
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Initiator => Self::Acceptor,
            Self::Acceptor => Self::Initiator,
        }
    }

    /// RFC 4121 2
    fn seal_usage(self) -> u32 {
        match self {
            Self::Initiator => 24,
            Self::Acceptor => 22,
        }
    }

    fn sign_usage(self) -> u32 {
        match self {
            Self::Initiator => 25,
            Self::Acceptor => 23,
        }
    }
}

/// The head of a sealed message (RFC 4121 4.2.6.2).
struct WrapHead {
    /// How many octets between the message and the copy of the head are none of it (EC).
    extra: usize,
    /// By how many octets what follows the head was turned to the right (RRC).
    turn: usize,
    sequence: u64,
}

/// A header whose parts are all there.
struct Cut<'a> {
    octets: &'a [u8; HEAD_OCTETS],
    head: WrapHead,
    first: &'a [u8; BLOCK_OCTETS],
    last: &'a [u8; BLOCK_OCTETS],
    mac: &'a [u8],
}

fn wrap_head(flags: u8, turn: u16, sequence: u64) -> [u8; HEAD_OCTETS] {
    let [turn_high, turn_low] = turn.to_be_bytes();
    head([0x05, 0x04, flags, 0xFF, 0, 0, turn_high, turn_low], sequence)
}

/// RFC 4121 4.2.6.1
fn signature_head(flags: u8, sequence: u64) -> [u8; HEAD_OCTETS] {
    head([0x04, 0x04, flags, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], sequence)
}

fn head(begin: [u8; 8], sequence: u64) -> [u8; HEAD_OCTETS] {
    let mut head = [0; HEAD_OCTETS];
    let octets = begin.into_iter().chain(sequence.to_be_bytes());
    head.iter_mut().zip(octets).for_each(|(octet, value)| *octet = value);
    head
}

fn mac_of_signed(key: &Mac, message: &[u8], head: &[u8]) -> Vec<u8> {
    let mut mac = key.clone();
    mac.update(message);
    mac.update(head);
    mac.tag()
}

/// Whether the copy of the head that was sealed is that of the head; how far the whole was turned does not matter,
/// and is zero in the copy (RFC 4121 4.2.4).
fn is_copy(copy: &[u8; HEAD_OCTETS], head: &[u8; HEAD_OCTETS]) -> Result<(), SealError> {
    let without_turn = |octets: &[u8; HEAD_OCTETS]| {
        let [a, b, c, d, e, f, _, _, rest @ ..] = *octets;
        ([a, b, c, d, e, f], rest)
    };
    if without_turn(copy) == without_turn(head) { Ok(()) } else { Err(SealError::Forged) }
}

const HEAD_OCTETS: usize = 16;

const SENT_BY_ACCEPTOR: u8 = 1;
const SEALED: u8 = 2;
const ACCEPTOR_SUBKEY: u8 = 4;
/// Others are for later versions, and left alone (RFC 4121 4.2.2).
const KNOWN: u8 = SENT_BY_ACCEPTOR | SEALED | ACCEPTOR_SUBKEY;

#[cfg(test)]
mod tests;
