//! Packets of IPMI 2.0 sessions (IPMI 2.0, 13.6).

use aes::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, InnerIvInit as _};
use aes::{Aes128, Block};

use crate::ProtoError;
use crate::keys::{SessionKeys, same};
use crate::octets::Octets;
use crate::rmcp::IPMI_HEADER;

/// Payload type of a packet (IPMI 2.0, table 13-16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    Ipmi,
    SerialOverLan,
    OpenSessionRequest,
    OpenSessionResponse,
    Rakp1,
    Rakp2,
    Rakp3,
    Rakp4,
}

impl Payload {
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Ipmi => 0,
            Self::SerialOverLan => 1,
            Self::OpenSessionRequest => 0x10,
            Self::OpenSessionResponse => 0x11,
            Self::Rakp1 => 0x12,
            Self::Rakp2 => 0x13,
            Self::Rakp3 => 0x14,
            Self::Rakp4 => 0x15,
        }
    }

    fn parse(number: u8) -> Result<Self, ProtoError> {
        Ok(match number {
            0 => Self::Ipmi,
            1 => Self::SerialOverLan,
            0x10 => Self::OpenSessionRequest,
            0x11 => Self::OpenSessionResponse,
            0x12 => Self::Rakp1,
            0x13 => Self::Rakp2,
            0x14 => Self::Rakp3,
            0x15 => Self::Rakp4,
            other => {
                return Err(ProtoError::Unexpected { what: "the type of a payload", value: other.into() });
            }
        })
    }
}

/// A packet whose frame is decoded but whose authentication code is not verified yet.
#[derive(Debug)]
pub(crate) struct Packet<'o> {
    pub(crate) payload: Payload,
    is_encrypted: bool,
    is_authenticated: bool,
    /// Session id of the receiver; 0 outside a session.
    pub(crate) session_id: u32,
    pub(crate) number: u32,
    content: &'o [u8],
    /// Authenticated part of the packet, and the trailer after the payload.
    body: &'o [u8],
    trailer: &'o [u8],
}

impl<'o> Packet<'o> {
    /// Decodes the bytes after the RMCP header.
    pub(crate) fn decode(body: &'o [u8]) -> Result<Self, ProtoError> {
        let mut octets = Octets::new("an IPMI packet", body);
        let [format, kind] = octets.array()?;
        if format != RMCP_PLUS {
            return Err(ProtoError::Unexpected { what: "the format of a packet", value: format.into() });
        }
        let (session_id, number, length) = (octets.u32()?, octets.u32()?, octets.u16()?);
        let content = octets.take(length.into())?;
        Ok(Self {
            payload: Payload::parse(kind & 0x3f)?,
            is_encrypted: kind & ENCRYPTED != 0,
            is_authenticated: kind & AUTHENTICATED != 0,
            session_id,
            number,
            content,
            body,
            trailer: octets.rest(),
        })
    }

    /// Returns the payload of a packet outside a session.
    pub(crate) fn in_clear(&self) -> Result<&'o [u8], ProtoError> {
        let is_outside = self.session_id == 0 && !self.is_encrypted && !self.is_authenticated;
        if is_outside { Ok(self.content) } else { Err(ProtoError::Unauthentic) }
    }

    /// Verifies and decrypts a packet of the session and writes its payload to `plain`, replacing the
    /// previous content.
    pub(crate) fn open(&self, keys: &SessionKeys, plain: &mut Vec<u8>) -> Result<(), ProtoError> {
        if self.is_authenticated != keys.suite.is_authenticated()
            || self.is_encrypted == keys.suite.is_in_clear()
        {
            return Err(ProtoError::Unauthentic);
        }
        if keys.suite.is_authenticated() && !self.is_proven(keys) {
            return Err(ProtoError::Unauthentic);
        }
        plain.clear();
        match &keys.cipher {
            None => plain.extend_from_slice(self.content),
            Some(cipher) => decrypt(cipher, self.content, plain)?,
        }
        Ok(())
    }

    fn is_proven(&self, keys: &SessionKeys) -> bool {
        let octets = keys.suite.code_octets();
        let Some((covered, theirs)) = self.body.split_at_checked(self.body.len().saturating_sub(octets))
        else {
            return false;
        };
        let Some(ours) = keys.code(covered) else { return false };
        // The trailer contains at least the pad length, the next header, and the code.
        self.trailer.len() >= octets + 2 && ours.get(..octets).is_some_and(|ours| same(ours, theirs))
    }
}

/// Returns a packet outside a session.
pub(crate) fn in_clear(payload: Payload, content: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    begin(payload.number(), 0, 0, content.len(), &mut packet);
    packet.extend_from_slice(content);
    packet
}

/// Appends a packet of a session. The initial vector must be unpredictable.
pub(crate) fn seal(
    keys: &SessionKeys,
    session_id: u32,
    number: u32,
    payload: Payload,
    content: &[u8],
    initial_vector: [u8; 16],
    out: &mut Vec<u8>,
) {
    let start = out.len();
    let proven = if keys.suite.is_authenticated() { AUTHENTICATED } else { 0 };
    match &keys.cipher {
        None => {
            begin(payload.number() | proven, session_id, number, content.len(), out);
            out.extend_from_slice(content);
        }
        Some(cipher) => {
            let kind = payload.number() | ENCRYPTED | proven;
            begin(kind, session_id, number, encrypted_octets(content.len()), out);
            encrypt(cipher, initial_vector, content, out);
        }
    }
    if proven != 0 {
        let covered = out.len() - start - IPMI_HEADER.len() + 2;
        let padding = covered.next_multiple_of(4) - covered;
        out.extend(std::iter::repeat_n(0xff, padding));
        out.extend([u8::try_from(padding).unwrap_or_default(), NEXT_HEADER]);
        if let Some(code) = keys.code(out.get(start + IPMI_HEADER.len()..).unwrap_or_default()) {
            out.extend_from_slice(code.get(..keys.suite.code_octets()).unwrap_or_default());
        }
    }
}

/// Appends the headers of a packet with this payload length. Reserves space for the whole packet first,
/// because growing the buffer would leave a copy of the plain text behind.
fn begin(kind: u8, session_id: u32, number: u32, length: usize, out: &mut Vec<u8>) {
    out.reserve(IPMI_HEADER.len() + 12 + length + 3 + 2 + 16);
    let [a, b, c, d] = IPMI_HEADER;
    let [e, f, g, h] = session_id.to_le_bytes();
    let [i, j, k, l] = number.to_le_bytes();
    let [m, n] = u16::try_from(length).unwrap_or(u16::MAX).to_le_bytes();
    out.extend_from_slice(&[a, b, c, d, RMCP_PLUS, kind, e, f, g, h, i, j, k, l, m, n]);
}

/// Returns the encrypted length, with the initial vector, the padding and the pad length byte.
fn encrypted_octets(length: usize) -> usize {
    16 + (length + 1).next_multiple_of(16)
}

/// Encrypts with AES-CBC-128; the padding is 1, 2, 3 … followed by its length (IPMI 2.0, 13.29).
fn encrypt(cipher: &Aes128, initial_vector: [u8; 16], content: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&initial_vector);
    let start = out.len();
    out.extend_from_slice(content);
    let padding = 15 - content.len() % 16;
    out.extend_from_slice(PAD.get(..padding).unwrap_or_default());
    out.push(u8::try_from(padding).unwrap_or_default());
    let mut chain = cbc::Encryptor::inner_iv_init(cipher, (&initial_vector).into());
    let (blocks, _none) = out.get_mut(start..).unwrap_or_default().as_chunks_mut();
    chain.encrypt_blocks(Block::cast_slice_from_core_mut(blocks));
}

/// Decrypts and appends the plain text.
fn decrypt(cipher: &Aes128, sealed: &[u8], plain: &mut Vec<u8>) -> Result<(), ProtoError> {
    let (initial_vector, sealed) = sealed.split_first_chunk::<16>().ok_or(DAMAGED)?;
    if !sealed.len().is_multiple_of(16) {
        return Err(DAMAGED);
    }
    let start = plain.len();
    plain.extend_from_slice(sealed);
    let (blocks, _none) = plain.get_mut(start..).unwrap_or_default().as_chunks_mut();
    let mut chain = cbc::Decryptor::inner_iv_init(cipher, initial_vector.into());
    chain.decrypt_blocks(Block::cast_slice_from_core_mut(blocks));
    let (padding, padded) = plain.get(start..).and_then(<[u8]>::split_last).ok_or(DAMAGED)?;
    let length = padded.len().checked_sub((*padding).into()).ok_or(DAMAGED)?;
    if padded.get(length..) != PAD.get(..(*padding).into()) {
        return Err(DAMAGED);
    }
    plain.truncate(start + length);
    Ok(())
}

const DAMAGED: ProtoError = ProtoError::Damaged { what: "an encrypted payload" };
/// Padding bytes, as many as are missing in the last block before the pad length.
const PAD: [u8; 15] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
/// Value in the authentication type field that marks an RMCP+ packet.
pub(crate) const RMCP_PLUS: u8 = 6;
const ENCRYPTED: u8 = 0x80;
const AUTHENTICATED: u8 = 0x40;
const NEXT_HEADER: u8 = 7;

#[cfg(test)]
mod tests {
    use aes::cipher::KeyInit as _;

    use super::*;

    #[test]
    fn wrong_padding_is_rejected() {
        let key = Aes128::new(&[7; 16].into());
        for length in 0..40 {
            let content = vec![0xab; length];
            let mut sealed = Vec::new();
            encrypt(&key, [9; 16], &content, &mut sealed);
            assert_eq!(sealed.len(), encrypted_octets(length));
            let mut plain = vec![0x11];
            assert_eq!(decrypt(&key, &sealed, &mut plain), Ok(()));
            assert_eq!(plain, [&[0x11], &content[..]].concat());
        }
        for damaged in [&[0; 32][..], &[0; 16], &[0; 33], &[]] {
            assert!(decrypt(&key, damaged, &mut Vec::new()).is_err());
        }
    }
}
