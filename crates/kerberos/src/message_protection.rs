//! Sealing and signing of messages without the library (RFC 4121 4.2), with the keys of a context that the library
//! established.
//!
//! There is no I/O and no randomness here: random values are arguments. The tokens are those of `gss_wrap_iov`, so
//! either end may use the library.
//!
//! [`Context`](crate::Context) is the interface for established connections.

mod cipher;
mod encryption_type;
mod key_derivation;
mod mac;

use auth::SealError;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

pub use self::cipher::BLOCK_LENGTH;
use self::cipher::{Opener, Pieces, Sealer};
pub use self::encryption_type::EncryptionType;
use self::key_derivation::{Purpose, derived};
use self::mac::Mac;
pub use crate::message_token::MessageToken;
pub use crate::peer_sequence::PeerSequence;

/// Parameters that both ends agree on, and the sequence number of this end.
pub struct SessionParameters {
    /// Role of this end.
    pub side: Side,
    /// Owner of the key.
    pub owner: KeyOwner,
    /// Encryption type of the key.
    pub encryption_type: EncryptionType,
    /// Key of the length that the encryption type requires.
    pub key: Zeroizing<Vec<u8>>,
    /// Sequence number of the next message that this end sends.
    pub next_sent: u64,
}

/// Role of this end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The client.
    Initiator,
    /// The service.
    Acceptor,
}

/// Owner of the key that protects the messages (RFC 4121 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyOwner {
    /// The key of the ticket, or a subkey chosen by the initiator.
    Initiator,
    /// A subkey chosen by the acceptor.
    Acceptor,
}

/// Message protection of one end of an established context.
pub struct Protection {
    parameters: SessionParameters,
    sent: SendKeys,
    received: ReceiveKeys,
}

/// Keys for messages that this end sends.
struct SendKeys {
    sealer: Sealer,
    integrity: Mac,
    checksum: Mac,
}

/// Keys for messages that the other end sends.
struct ReceiveKeys {
    opener: Opener,
    integrity: Mac,
    checksum: Mac,
}

impl Protection {
    /// Derives the keys of both directions. Returns `None` if the key does not have the length of the encryption type.
    #[must_use]
    pub fn new(parameters: SessionParameters) -> Option<Self> {
        let (own, other) = (parameters.side, parameters.side.other());
        let sent = SendKeys {
            sealer: Sealer::new(&parameters.derive(own.seal_usage(), Purpose::Encryption)?)?,
            integrity: parameters.mac(own.seal_usage(), Purpose::Integrity)?,
            checksum: parameters.mac(own.sign_usage(), Purpose::Checksum)?,
        };
        let received = ReceiveKeys {
            opener: Opener::new(&parameters.derive(other.seal_usage(), Purpose::Encryption)?)?,
            integrity: parameters.mac(other.seal_usage(), Purpose::Integrity)?,
            checksum: parameters.mac(other.sign_usage(), Purpose::Checksum)?,
        };
        Some(Self { parameters, sent, received })
    }

    pub(crate) fn parameters(&self) -> &SessionParameters {
        &self.parameters
    }

    /// Seals in place and returns the header, in the form of `gss_wrap_iov` without a trailer buffer: the trailer is
    /// rotated to the front (RFC 4121 4.2.5).
    ///
    /// The confounder must be random and used once.
    pub fn seal(&mut self, mut confounder: [u8; BLOCK_LENGTH], message: &mut [u8]) -> Vec<u8> {
        let kind = self.parameters.encryption_type;
        let rotation = kind.mac_length().saturating_add(BLOCK_LENGTH);
        let flags = SEALED | self.flags_of(self.parameters.side);
        let sequence = self.next_sent();
        let mut last = wrap_head(flags, 0, sequence);
        let mut mac = kind.mac_over().start_mac(&self.sent.integrity);
        let pieces = Pieces { first: &mut confounder, middle: message, last: &mut last };
        self.sent.sealer.seal(pieces, kind.mac_over(), &mut mac);
        let mac = mac.tag();

        let mut header = Vec::with_capacity(rotation.saturating_add(2 * BLOCK_LENGTH));
        // The rotation is at most forty bytes.
        header.extend_from_slice(&wrap_head(flags, u16::try_from(rotation).unwrap_or_default(), sequence));
        header.extend_from_slice(&last);
        header.extend(mac.iter().take(kind.mac_length()));
        header.extend_from_slice(&confounder);
        header
    }

    /// Opens a token of the other end, divided into header and message at any position, and leaves the plain text in
    /// `message`.
    ///
    /// # Errors
    /// [`SealError::Forged`] if the token is not authentic or not the next one.
    pub fn open(
        &self,
        header: &[u8],
        message: &mut Vec<u8>,
        peer: &mut PeerSequence,
    ) -> Result<(), SealError> {
        let Some(split) = self.split_header(header) else { return self.open_whole(header, message, peer) };
        peer.check(split.head.sequence)?;
        let (mut first, mut last) = (*split.first, *split.last);
        let pieces = Pieces { first: &mut first, middle: message, last: &mut last };
        self.open_pieces(pieces, split.octets, split.mac)
    }

    /// Signs a message; its sequence number is part of the signature token.
    pub fn sign(&mut self, message: &[u8]) -> Vec<u8> {
        let flags = self.flags_of(self.parameters.side);
        let mut token = signature_head(flags, self.next_sent()).to_vec();
        let mac = mac_of_signed(&self.sent.checksum, message, &token);
        token.extend(mac.iter().take(self.parameters.encryption_type.mac_length()));
        token
    }

    /// Verifies the signature token of a message.
    ///
    /// # Errors
    /// [`SealError::Forged`] if the token is not authentic or not the next one.
    pub fn verify(&self, message: &[u8], signature: &[u8], peer: &mut PeerSequence) -> Result<(), SealError> {
        let (head, mac) = signature.split_first_chunk::<HEAD_LENGTH>().ok_or(SealError::Forged)?;
        let [_, _, flags, ..] = *head;
        let sequence = u64::from_be_bytes(*head.last_chunk().ok_or(SealError::Forged)?);
        if *head != signature_head(flags, sequence) || flags & KNOWN_FLAGS != self.flags_of(self.other()) {
            return Err(SealError::Forged);
        }
        peer.check(sequence)?;
        self.verify_mac(&mac_of_signed(&self.received.checksum, message, head), mac)
    }

    /// Splits a header of the form that [`seal`](Self::seal) and the library create, so that the message need not be
    /// moved.
    fn split_header<'a>(&self, header: &'a [u8]) -> Option<SplitHeader<'a>> {
        let mac_length = self.parameters.encryption_type.mac_length();
        let (octets, rest) = header.split_first_chunk::<HEAD_LENGTH>()?;
        let (last, rest) = rest.split_first_chunk::<BLOCK_LENGTH>()?;
        let (mac, rest) = rest.split_at_checked(mac_length)?;
        let first = rest.try_into().ok()?;
        let head = self.parse_header(octets)?;
        let is_usual = head.extra == 0 && head.rotation == BLOCK_LENGTH.saturating_add(mac_length);
        is_usual.then_some(SplitHeader { octets, head, first, last, mac })
    }

    fn open_whole(
        &self,
        header: &[u8],
        message: &mut Vec<u8>,
        peer: &mut PeerSequence,
    ) -> Result<(), SealError> {
        let mut token = [header, message].concat();
        let (octets, body) = token.split_first_chunk_mut::<HEAD_LENGTH>().ok_or(SealError::Forged)?;
        let head = self.parse_header(octets).ok_or(SealError::Forged)?;
        let rotation = head.rotation.checked_rem(body.len()).ok_or(SealError::Forged)?;
        body.rotate_left(rotation);
        let mac_at = body.len().checked_sub(self.parameters.encryption_type.mac_length());
        let (sealed, mac) = mac_at.and_then(|at| body.split_at_mut_checked(at)).ok_or(SealError::Forged)?;
        let (first, rest) = sealed.split_first_chunk_mut::<BLOCK_LENGTH>().ok_or(SealError::Forged)?;
        let (middle, last) = rest.split_last_chunk_mut::<BLOCK_LENGTH>().ok_or(SealError::Forged)?;
        let length = middle.len().checked_sub(head.extra).ok_or(SealError::Forged)?;
        peer.check(head.sequence)?;
        self.open_pieces(Pieces { first, middle: &mut *middle, last }, octets, mac)?;
        message.clear();
        message.extend(middle.iter().take(length));
        Ok(())
    }

    fn open_pieces(
        &self,
        pieces: Pieces<'_>,
        head: &[u8; HEAD_LENGTH],
        expected: &[u8],
    ) -> Result<(), SealError> {
        let over = self.parameters.encryption_type.mac_over();
        let mut mac = over.start_mac(&self.received.integrity);
        let Pieces { first, middle, last } = pieces;
        let pieces = Pieces { first, middle: &mut *middle, last: &mut *last };
        self.received.opener.open(pieces, over, &mut mac);
        let outcome = self.verify_mac(&mac.tag(), expected).and_then(|()| verify_header_copy(last, head));
        if outcome.is_err() {
            // A message that failed verification must not be used.
            middle.fill(0);
        }
        outcome
    }

    fn verify_mac(&self, tag: &[u8], mac: &[u8]) -> Result<(), SealError> {
        let expected = tag.get(..self.parameters.encryption_type.mac_length());
        let is_valid = expected.is_some_and(|expected| bool::from(expected.ct_eq(mac)));
        if is_valid { Ok(()) } else { Err(SealError::Forged) }
    }

    /// Parses the header of a message sealed for this end; `None` if it is invalid.
    fn parse_header(&self, octets: &[u8; HEAD_LENGTH]) -> Option<WrapHead> {
        let [0x05, 0x04, flags, 0xFF, extra_high, extra_low, rotation_high, rotation_low, ..] = *octets
        else {
            return None;
        };
        (flags & KNOWN_FLAGS == SEALED | self.flags_of(self.other())).then_some(WrapHead {
            extra: u16::from_be_bytes([extra_high, extra_low]).into(),
            rotation: u16::from_be_bytes([rotation_high, rotation_low]).into(),
            sequence: u64::from_be_bytes(*octets.last_chunk()?),
        })
    }

    fn flags_of(&self, sender: Side) -> u8 {
        let sender = if sender == Side::Acceptor { SENT_BY_ACCEPTOR } else { 0 };
        let owner = if self.parameters.owner == KeyOwner::Acceptor { ACCEPTOR_SUBKEY } else { 0 };
        sender | owner
    }

    fn other(&self) -> Side {
        self.parameters.side.other()
    }

    fn next_sent(&mut self) -> u64 {
        let sequence = self.parameters.next_sent;
        self.parameters.next_sent = sequence.wrapping_add(1);
        sequence
    }
}

impl SessionParameters {
    fn derive(&self, usage: u32, purpose: Purpose) -> Option<Zeroizing<Vec<u8>>> {
        derived(self.encryption_type, &self.key, usage, purpose)
    }

    fn mac(&self, usage: u32, purpose: Purpose) -> Option<Mac> {
        Mac::new(self.encryption_type, &self.derive(usage, purpose)?)
    }
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Initiator => Self::Acceptor,
            Self::Acceptor => Self::Initiator,
        }
    }

    /// Key usage number for sealing (RFC 4121 2).
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

/// Header of a sealed message (RFC 4121 4.2.6.2).
struct WrapHead {
    /// Number of filler bytes between the message and the copy of the header (EC).
    extra: usize,
    /// Number of bytes by which the data after the header was rotated to the right (RRC).
    rotation: usize,
    sequence: u64,
}

/// A header token, split into its parts.
struct SplitHeader<'a> {
    octets: &'a [u8; HEAD_LENGTH],
    head: WrapHead,
    first: &'a [u8; BLOCK_LENGTH],
    last: &'a [u8; BLOCK_LENGTH],
    mac: &'a [u8],
}

fn wrap_head(flags: u8, rotation: u16, sequence: u64) -> [u8; HEAD_LENGTH] {
    let [rotation_high, rotation_low] = rotation.to_be_bytes();
    head([0x05, 0x04, flags, 0xFF, 0, 0, rotation_high, rotation_low], sequence)
}

/// Returns the header of a signature token (RFC 4121 4.2.6.1).
fn signature_head(flags: u8, sequence: u64) -> [u8; HEAD_LENGTH] {
    head([0x04, 0x04, flags, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], sequence)
}

fn head(begin: [u8; 8], sequence: u64) -> [u8; HEAD_LENGTH] {
    let mut head = [0; HEAD_LENGTH];
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

/// Verifies the sealed copy of the header. The rotation count is not protected, and is zero in the copy (RFC 4121
/// 4.2.4).
fn verify_header_copy(copy: &[u8; HEAD_LENGTH], head: &[u8; HEAD_LENGTH]) -> Result<(), SealError> {
    if without_rotation(copy) == without_rotation(head) { Ok(()) } else { Err(SealError::Forged) }
}

fn without_rotation(head: &[u8; HEAD_LENGTH]) -> ([u8; 6], [u8; 8]) {
    let [a, b, c, d, e, f, _, _, rest @ ..] = *head;
    ([a, b, c, d, e, f], rest)
}

const HEAD_LENGTH: usize = 16;

const SENT_BY_ACCEPTOR: u8 = 1;
const SEALED: u8 = 2;
const ACCEPTOR_SUBKEY: u8 = 4;
/// Known flags; others are reserved and ignored (RFC 4121 4.2.2).
const KNOWN_FLAGS: u8 = SENT_BY_ACCEPTOR | SEALED | ACCEPTOR_SUBKEY;

#[cfg(test)]
mod tests;
