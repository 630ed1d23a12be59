//! Keys of users (nkeys): Ed25519 seeds in base32 with a prefix and a checksum.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::error::NatsError;

/// Key of a user.
pub(crate) struct UserKey(Ed25519KeyPair);

impl UserKey {
    /// Parses the seed of a user, which begins with `SU`.
    pub(crate) fn parse(seed: &str) -> Result<Self, NatsError> {
        let invalid = NatsError::Credentials(
            "the seed is not that of a user\n  use the text that begins with SU and that nsc or nk has written",
        );
        let Some(bytes) = decode_base32(seed) else { return Err(invalid) };
        let [first, second, key @ .., low, high] = bytes.as_slice() else { return Err(invalid) };
        let is_user = (*first, *second) == (SEED | (USER >> 5), (USER & 31) << 3);
        let checked = bytes.get(..bytes.len().saturating_sub(2)).unwrap_or_default();
        if !is_user || key.len() != 32 || checksum(checked) != u16::from_le_bytes([*low, *high]) {
            return Err(invalid);
        }
        Ed25519KeyPair::from_seed_unchecked(key).map(Self).map_err(|_| invalid)
    }

    /// Returns the public key in the form that servers know, which begins with `U`.
    pub(crate) fn public(&self) -> String {
        let mut bytes = vec![USER];
        bytes.extend_from_slice(self.0.public_key().as_ref());
        bytes.extend_from_slice(&checksum(&bytes).to_le_bytes());
        encode_base32(&bytes)
    }

    /// Returns the signature of a nonce of the server.
    pub(crate) fn sign(&self, nonce: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.0.sign(nonce.as_bytes()).as_ref())
    }
}

/// Returns the checksum CRC-16/XMODEM.
fn checksum(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum, byte| {
        (0..8).fold(sum ^ (u16::from(*byte) << 8), |sum, _| {
            if sum & 0x8000 == 0 { sum << 1 } else { (sum << 1) ^ 0x1021 }
        })
    })
}

/// Decodes base32 (RFC 4648 6) without padding, of at most 256 characters.
fn decode_base32(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    if text.len() > 256 {
        return None;
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(160));
    let (mut buffer, mut bits) = (0u16, 0u8);
    for character in text.bytes() {
        let value = ALPHABET.iter().position(|known| *known == character)?;
        buffer = (buffer << 5) | u16::try_from(value).ok()?;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((buffer >> bits) & 0xFF).ok()?);
        }
    }
    Some(bytes)
}

fn encode_base32(bytes: &[u8]) -> String {
    let mut text = String::new();
    let (mut buffer, mut bits) = (0u16, 0u8);
    for byte in bytes {
        buffer = (buffer << 8) | u16::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(character((buffer >> bits) & 31));
        }
    }
    if bits > 0 {
        text.push(character((buffer << (5 - bits)) & 31));
    }
    text
}

fn character(value: u16) -> char {
    ALPHABET.get(usize::from(value)).map_or('A', |byte| char::from(*byte))
}

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// Prefix of seeds, the letter S.
const SEED: u8 = 18 << 3;
/// Prefix of users, the letter U.
const USER: u8 = 20 << 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_leads_to_its_public_key() {
        let mut seed = vec![SEED | (USER >> 5), (USER & 31) << 3];
        seed.extend_from_slice(&[7; 32]);
        seed.extend_from_slice(&checksum(&seed).to_le_bytes());
        let text = encode_base32(&seed);
        assert!(text.starts_with("SU"), "{text}");
        assert_eq!(decode_base32(&text).as_deref(), Some(&seed));
        let key = UserKey::parse(&text).unwrap();
        let public = key.public();
        assert!(public.starts_with('U') && public.len() == 56, "{public}");
        assert_eq!(key.sign("nonce").len(), 86);
        let wrong = text.replace("SU", "SA");
        for invalid in ["", "SU", "SUA", &wrong, &text[1..], &format!("{}A", &text[..57]), "SU\u{e4}"] {
            assert!(UserKey::parse(invalid).is_err(), "{invalid}");
        }
    }
}
