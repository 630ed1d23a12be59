//! Packets of IPMI 2.0 sessions (IPMI 2.0, 13.6).

use aes::Aes128;
use aes::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, InnerIvInit as _};

use crate::ProtoError;
use crate::keys::{SessionKeys, same};
use crate::octets::Octets;
use crate::rmcp::{Class, IPMI_HEADER, unwrap_frame};

/// What a packet carries (IPMI 2.0, table 13-16).
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

/// A packet whose frame was read, but whose proof was not looked at.
#[derive(Debug)]
pub(crate) struct Packet<'o> {
    pub(crate) payload: Payload,
    is_encrypted: bool,
    is_authenticated: bool,
    /// The session of the one it is sent to; 0 is outside of one.
    pub(crate) session_id: u32,
    pub(crate) number: u32,
    content: &'o [u8],
    /// Everything that the code is made over but the pad, and what follows it.
    body: &'o [u8],
    trailer: &'o [u8],
}

impl<'o> Packet<'o> {
    pub(crate) fn decode(frame: &'o [u8]) -> Result<Self, ProtoError> {
        let (Class::Ipmi, body) = unwrap_frame(frame)? else {
            return Err(ProtoError::Unexpected { what: "the class of an RMCP frame", value: 6 });
        };
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

    /// What a packet outside of a session carries.
    pub(crate) fn in_clear(&self) -> Result<&'o [u8], ProtoError> {
        let is_outside = self.session_id == 0 && !self.is_encrypted && !self.is_authenticated;
        if is_outside { Ok(self.content) } else { Err(ProtoError::Unauthentic) }
    }

    /// What a packet of the session carries, if it proves that it comes from the other end.
    pub(crate) fn open(&self, keys: &SessionKeys) -> Result<Vec<u8>, ProtoError> {
        if self.is_authenticated != keys.suite.is_authenticated()
            || self.is_encrypted == keys.suite.is_in_clear()
        {
            return Err(ProtoError::Unauthentic);
        }
        if keys.suite.is_authenticated() && !self.is_proven(keys) {
            return Err(ProtoError::Unauthentic);
        }
        match &keys.cipher {
            None => Ok(self.content.to_vec()),
            Some(cipher) => decrypt(cipher, self.content),
        }
    }

    fn is_proven(&self, keys: &SessionKeys) -> bool {
        let octets = keys.suite.code_octets();
        let Some((covered, theirs)) = self.body.split_at_checked(self.body.len().saturating_sub(octets))
        else {
            return false;
        };
        let Some(ours) = keys.code(covered) else { return false };
        // The trailer has at least the length of the pad, the next header, and the code.
        self.trailer.len() >= octets + 2 && ours.get(..octets).is_some_and(|ours| same(ours, theirs))
    }
}

/// A packet outside of a session.
pub(crate) fn in_clear(payload: Payload, content: &[u8]) -> Vec<u8> {
    let mut packet = begun(payload.number(), (0, 0), content.len());
    packet.extend(content);
    packet
}

/// A packet of a session. The initial vector must not be foreseeable.
pub(crate) fn seal(
    keys: &SessionKeys,
    head: (u32, u32),
    (payload, content): (Payload, &[u8]),
    initial_vector: [u8; 16],
) -> Vec<u8> {
    let proven = if keys.suite.is_authenticated() { AUTHENTICATED } else { 0 };
    let mut packet = match &keys.cipher {
        None => {
            let mut packet = begun(payload.number() | proven, head, content.len());
            packet.extend(content);
            packet
        }
        Some(cipher) => {
            let kind = payload.number() | ENCRYPTED | proven;
            let mut packet = begun(kind, head, encrypted_octets(content.len()));
            encrypt(cipher, initial_vector, content, &mut packet);
            packet
        }
    };
    if proven != 0 {
        let mut padding: u8 = 0;
        while !(packet.len() - IPMI_HEADER.len() + 2).is_multiple_of(4) {
            packet.push(0xff);
            padding += 1;
        }
        packet.extend([padding, NEXT_HEADER]);
        let code = keys.code(packet.get(IPMI_HEADER.len()..).unwrap_or_default());
        packet.extend(code.iter().flat_map(|code| code.iter()).take(keys.suite.code_octets()));
    }
    packet
}

/// The headers of a packet that carries so many octets, with room for all that follows.
fn begun(kind: u8, (session_id, number): (u32, u32), length: usize) -> Vec<u8> {
    let mut octets = Vec::with_capacity(IPMI_HEADER.len() + 12 + length + 3 + 2 + 16);
    octets.extend(IPMI_HEADER);
    octets.extend([RMCP_PLUS, kind]);
    octets.extend(session_id.to_le_bytes());
    octets.extend(number.to_le_bytes());
    octets.extend(u16::try_from(length).unwrap_or(u16::MAX).to_le_bytes());
    octets
}

/// With the initial vector, and a pad that has at least its length.
fn encrypted_octets(length: usize) -> usize {
    16 + (length + 1).next_multiple_of(16)
}

/// AES-CBC-128 with a pad of 1, 2, 3 … and its length (IPMI 2.0, 13.29).
fn encrypt(cipher: &Aes128, initial_vector: [u8; 16], content: &[u8], sealed: &mut Vec<u8>) {
    let mut chain = cbc::Encryptor::inner_iv_init(cipher, (&initial_vector).into());
    sealed.extend(initial_vector);
    let (blocks, rest) = content.as_chunks::<16>();
    // The last block is the rest, the pad, and its length.
    let mut last = [0; 16];
    let padding = 15 - u8::try_from(rest.len()).unwrap_or(15);
    let pad = (1..=padding).chain([padding]);
    last.iter_mut().zip(rest.iter().copied().chain(pad)).for_each(|(to, from)| *to = from);
    for block in blocks.iter().chain([&last]) {
        let mut block = (*block).into();
        chain.encrypt_block(&mut block);
        sealed.extend(block);
    }
}

fn decrypt(cipher: &Aes128, sealed: &[u8]) -> Result<Vec<u8>, ProtoError> {
    let damaged = || ProtoError::Damaged { what: "an encrypted payload" };
    let (initial_vector, sealed) = sealed.split_first_chunk::<16>().ok_or_else(damaged)?;
    let (blocks, []) = sealed.as_chunks::<16>() else { return Err(damaged()) };
    let mut chain = cbc::Decryptor::inner_iv_init(cipher, initial_vector.into());
    let mut plain = Vec::with_capacity(sealed.len());
    for block in blocks {
        let mut block = (*block).into();
        chain.decrypt_block(&mut block);
        plain.extend(block);
    }
    let padding = plain.pop().ok_or_else(damaged)?;
    let length = plain.len().checked_sub(padding.into()).ok_or_else(damaged)?;
    let is_in_order = padding < 16 && plain.iter().skip(length).copied().eq(1..=padding);
    if !is_in_order {
        return Err(damaged());
    }
    plain.truncate(length);
    Ok(plain)
}

/// In the place of the authentication type of IPMI 1.5.
pub(crate) const RMCP_PLUS: u8 = 6;
const ENCRYPTED: u8 = 0x80;
const AUTHENTICATED: u8 = 0x40;
const NEXT_HEADER: u8 = 7;

#[cfg(test)]
mod tests {
    use aes::cipher::KeyInit as _;

    use super::*;

    #[test]
    fn padding_that_does_not_count_up_is_damage() {
        let key = Aes128::new(&[7; 16].into());
        for length in 0..40 {
            let content = vec![0xab; length];
            let mut sealed = Vec::new();
            encrypt(&key, [9; 16], &content, &mut sealed);
            assert_eq!(sealed.len(), encrypted_octets(length));
            assert_eq!(decrypt(&key, &sealed).as_deref(), Ok(&content[..]));
        }
        assert!(decrypt(&key, &[0; 32]).is_err());
        assert!(decrypt(&key, &[0; 16]).is_err());
        assert!(decrypt(&key, &[0; 33]).is_err());
        assert!(decrypt(&key, &[]).is_err());
    }
}
