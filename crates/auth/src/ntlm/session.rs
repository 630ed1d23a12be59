//! Session security of NTLM (MS-NLMP 3.4).

use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

use super::flags::Flags;
use super::keys::{Direction, SessionKey, hmac_md5};
use super::one_pass;
use super::rc4::Rc4;
use crate::{AuthError, Exported, MechListMic, SealError, SecurityContext};

/// Security context of NTLM with extended session security and 128-bit keys; weaker ones are not supported.
pub struct Context {
    protection: Protection,
    outgoing: Channel,
    incoming: Channel,
    /// `true` after a forged or reordered message: the RC4 streams of the two ends no longer match.
    is_broken: bool,
}

/// Negotiated protection.
#[derive(Clone, Copy)]
struct Protection {
    signs: bool,
    seals: bool,
    /// `NTLMSSP_NEGOTIATE_KEY_EXCH`: a session key was exchanged, so checksums are encrypted too.
    exchanged_key: bool,
    had_mic: bool,
}

impl Context {
    pub(super) fn new(key: &SessionKey, flags: Flags, outgoing: Direction, mic: MechListMic) -> Self {
        let incoming = match outgoing {
            Direction::ToServer => Direction::ToClient,
            Direction::ToClient => Direction::ToServer,
        };
        let protection = Protection {
            signs: flags.contains(Flags::SIGN),
            seals: flags.contains(Flags::SIGN | Flags::SEAL),
            exchanged_key: flags.contains(Flags::KEY_EXCH),
            had_mic: mic == MechListMic::Required,
        };
        let (outgoing, incoming) = (Channel::of(key, outgoing), Channel::of(key, incoming));
        Self { protection, outgoing, incoming, is_broken: false }
    }

    /// Imports a context exported with [`export`](SecurityContext::export) by another process.
    ///
    /// # Errors
    /// [`AuthError::Malformed`] for invalid data, or for data of another version.
    pub fn import(exported: &[u8]) -> Result<Self, AuthError> {
        Self::decode(exported).ok_or(AuthError::Malformed("not an exported NTLM context"))
    }

    fn decode(exported: &[u8]) -> Option<Self> {
        let rest = exported.strip_prefix(EXPORT_VERSION)?;
        let ([protection], rest) = rest.split_first_chunk::<1>()?;
        let (outgoing, rest) = rest.split_first_chunk()?;
        let (incoming, rest) = rest.split_first_chunk()?;
        let protection = Protection::from_bits(*protection)?;
        let (outgoing, incoming) = (Channel::import(outgoing)?, Channel::import(incoming)?);
        rest.is_empty().then_some(Self { protection, outgoing, incoming, is_broken: false })
    }

    fn require_usable(&self, is_negotiated: bool) -> Result<(), SealError> {
        match (self.is_broken, is_negotiated) {
            (true, _) => Err(SealError::Failed),
            (false, false) => Err(SealError::Unavailable),
            (false, true) => Ok(()),
        }
    }

    fn break_with_forged(&mut self) -> SealError {
        self.is_broken = true;
        SealError::Forged
    }
}

impl SecurityContext for Context {
    fn can_seal(&self) -> bool {
        self.protection.seals
    }

    fn seal(&mut self, message: &mut Vec<u8>) -> Result<Vec<u8>, SealError> {
        self.require_usable(self.protection.seals)?;
        // The checksum is that of the plain text, and is encrypted with the stream after the message.
        let checksum = self.outgoing.encrypt(message);
        let signature = self.outgoing.sign(checksum, self.protection)?;
        Ok(signature.to_vec())
    }

    fn unseal(&mut self, header: &[u8], message: &mut Vec<u8>) -> Result<(), SealError> {
        self.require_usable(self.protection.seals)?;
        let checksum = self.incoming.decrypt(message);
        let verdict = match self.incoming.sign(checksum, self.protection) {
            Ok(signature) if bool::from(signature.ct_eq(header)) => return Ok(()),
            Ok(_) => self.break_with_forged(),
            Err(error) => error,
        };
        // A message that failed verification must not be used.
        message.zeroize();
        Err(verdict)
    }

    fn sign(&mut self, message: &[u8]) -> Result<Vec<u8>, SealError> {
        self.require_usable(self.protection.signs)?;
        let checksum = self.outgoing.checksum(message);
        Ok(self.outgoing.sign(checksum, self.protection)?.to_vec())
    }

    fn verify(&mut self, message: &[u8], signature: &[u8]) -> Result<(), SealError> {
        self.require_usable(self.protection.signs)?;
        let checksum = self.incoming.checksum(message);
        let expected = self.incoming.sign(checksum, self.protection)?;
        if bool::from(expected.ct_eq(signature)) { Ok(()) } else { Err(self.break_with_forged()) }
    }

    fn mech_list_mic(&self) -> MechListMic {
        if self.protection.had_mic { MechListMic::Required } else { MechListMic::Optional }
    }

    /// Resets the cipher but not the sequence number.
    fn mech_list_mic_made(&mut self) {
        self.outgoing.reset_cipher();
    }

    /// Resets the cipher of the other direction.
    fn mech_list_mic_checked(&mut self) {
        self.incoming.reset_cipher();
    }

    fn can_export(&self) -> bool {
        !self.is_broken
    }

    fn export(self: Box<Self>) -> Option<Exported> {
        if self.is_broken {
            return None;
        }
        let mut octets = Vec::with_capacity(EXPORT_VERSION.len() + 1 + 2 * Channel::EXPORTED);
        octets.extend_from_slice(EXPORT_VERSION);
        octets.push(self.protection.bits());
        self.outgoing.export(&mut octets);
        self.incoming.export(&mut octets);
        Some(Exported::new(octets))
    }
}

/// State of one direction: two keys, a cipher stream and a sequence number.
struct Channel {
    signing_key: Zeroizing<[u8; 16]>,
    sealing_key: Zeroizing<[u8; 16]>,
    cipher: Rc4,
    sequence: u32,
}

impl Channel {
    fn of(key: &SessionKey, direction: Direction) -> Self {
        Self::new(key.signing(direction), key.sealing(direction))
    }

    fn new(signing_key: Zeroizing<[u8; 16]>, sealing_key: Zeroizing<[u8; 16]>) -> Self {
        let cipher = Rc4::new(&sealing_key);
        Self { signing_key, sealing_key, cipher, sequence: 0 }
    }

    fn reset_cipher(&mut self) {
        self.cipher = Rc4::new(&self.sealing_key);
    }

    /// Computes the checksum of the next message in plain text (MS-NLMP 3.4.4.2).
    fn checksum(&self, message: &[u8]) -> [u8; 8] {
        let mac = hmac_md5(&self.signing_key, &[&self.sequence.to_le_bytes(), message]);
        mac.first_chunk().copied().unwrap_or_default()
    }

    /// Encrypts the next message; returns the checksum of the plain text.
    fn encrypt(&mut self, message: &mut [u8]) -> [u8; 8] {
        let mac = one_pass::seal(&self.signing_key, self.sequence, &mut self.cipher, message);
        mac.first_chunk().copied().unwrap_or_default()
    }

    /// Decrypts the next message; returns the checksum of the plain text.
    fn decrypt(&mut self, message: &mut [u8]) -> [u8; 8] {
        let mac = one_pass::unseal(&self.signing_key, self.sequence, &mut self.cipher, message);
        mac.first_chunk().copied().unwrap_or_default()
    }

    /// Creates the signature of the next message and advances the sequence number (MS-NLMP 2.2.2.9.2).
    fn sign(&mut self, mut checksum: [u8; 8], protection: Protection) -> Result<[u8; 16], SealError> {
        if protection.exchanged_key {
            self.cipher.apply(&mut checksum);
        }
        let [a, b, c, d] = SIGNATURE_VERSION;
        let [e, f, g, h, i, j, k, l] = checksum;
        let [m, n, o, p] = self.sequence.to_le_bytes();
        // A sequence number that wrapped around would allow replay of old messages.
        self.sequence = self.sequence.checked_add(1).ok_or(SealError::Failed)?;
        Ok([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
    }

    fn export(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(self.signing_key.as_slice());
        into.extend_from_slice(self.sealing_key.as_slice());
        into.extend(self.sequence.to_le_bytes());
        self.cipher.write(into);
    }

    fn import(octets: &[u8; Self::EXPORTED]) -> Option<Self> {
        let (signing_key, rest) = octets.split_first_chunk()?;
        let (sealing_key, rest) = rest.split_first_chunk()?;
        let (sequence, rest) = rest.split_first_chunk()?;
        Some(Self {
            signing_key: Zeroizing::new(*signing_key),
            sealing_key: Zeroizing::new(*sealing_key),
            cipher: Rc4::resume(rest.try_into().ok()?)?,
            sequence: u32::from_le_bytes(*sequence),
        })
    }

    const EXPORTED: usize = 16 + 16 + 4 + Rc4::WRITTEN;
}

impl Protection {
    fn bits(self) -> u8 {
        [self.signs, self.seals, self.exchanged_key, self.had_mic]
            .into_iter()
            .fold(0, |bits, bit| (bits << 1) | u8::from(bit))
    }

    fn from_bits(bits: u8) -> Option<Self> {
        let [signs, seals, exchanged_key, had_mic] = [8, 4, 2, 1].map(|bit: u8| bits & bit != 0);
        let this = Self { signs, seals, exchanged_key, had_mic };
        let is_possible = this.signs || !this.seals;
        (bits < 16 && is_possible).then_some(this)
    }
}

const SIGNATURE_VERSION: [u8; 4] = [1, 0, 0, 0];

/// Mechanism and version at the beginning of an exported context.
const EXPORT_VERSION: &[u8] = b"NTLM\x01";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn pair(flags: Flags) -> (Context, Context) {
        let key = SessionKey::new(Zeroizing::new([0x55; 16]));
        let [client, server] = [Direction::ToServer, Direction::ToClient]
            .map(|direction| Context::new(&key, flags, direction, MechListMic::Required));
        (client, server)
    }

    /// Example of MS-NLMP 4.2.4.4.
    #[test]
    fn the_sealed_message_matches_the_specification() {
        let (mut client, mut server) = pair(Flags::WANTED);
        let plain = super::super::text::utf16("Plaintext").to_vec();
        assert_eq!(u64::from_be_bytes(client.outgoing.checksum(&plain)), 0x7035_2851_F256_4309);
        let mut message = plain.clone();
        let header = client.seal(&mut message).unwrap();
        assert_eq!(header, b"\x01\0\0\0\x7F\xB3\x8E\xC5\xC5\x5D\x49\x76\0\0\0\0");
        assert_eq!(message, b"\x54\xE5\x01\x65\xBF\x19\x36\xDC\x99\x60\x20\xC1\x81\x1B\x0F\x06\xFB\x5F");
        server.unseal(&header, &mut message).unwrap();
        assert_eq!(message, plain);
    }

    #[test]
    fn without_key_exchange_the_checksum_is_not_encrypted() {
        let (mut client, mut server) = pair(Flags::SIGN | Flags::SEAL);
        let checksum = client.outgoing.checksum(b"x");
        let signature = client.sign(b"x").unwrap();
        assert!(signature.windows(8).any(|octets| octets == checksum));
        server.verify(b"x", &signature).unwrap();
    }

    #[test]
    fn the_last_sequence_number_is_not_used() {
        let (mut client, _) = pair(Flags::WANTED);
        client.outgoing.sequence = u32::MAX - 1;
        assert!(client.sign(b"x").is_ok());
        assert_eq!(client.sign(b"x"), Err(SealError::Failed));
        assert_eq!(client.seal(&mut b"x".to_vec()), Err(SealError::Failed));
    }

    #[test]
    fn invalid_exported_bits_are_rejected() {
        for bits in 0..=u8::MAX {
            let read = Protection::from_bits(bits).map(Protection::bits);
            let is_possible = bits < 16 && bits & 0b1100 != 0b0100;
            assert_eq!(read, is_possible.then_some(bits));
        }
    }
}
