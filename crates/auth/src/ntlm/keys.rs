//! NTLMv2 key derivation, from the password to the session keys (MS-NLMP 3.3.2, 3.4.5).

use hmac::{Hmac, KeyInit as _, Mac as _};
use md4::{Digest as _, Md4};
use md5::Md5;
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use super::rc4::Rc4;
use super::text;
use crate::Secret;

/// NT hash of a password: MD4 of its UTF-16LE without salt (MS-NLMP 3.3.1, `NTOWFv1`).
///
/// It is equivalent to the password, so it is zeroed on drop, never printed and compared in constant time.
#[derive(Clone)]
pub struct NtHash(Zeroizing<[u8; 16]>);

impl NtHash {
    /// Computes the hash of a password.
    #[must_use]
    pub fn of_password(password: &Secret) -> Self {
        Self(Zeroizing::new(Md4::digest(text::utf16(password.expose())).into()))
    }

    /// Wraps a stored or imported hash.
    #[must_use]
    pub fn new(octets: [u8; 16]) -> Self {
        Self(Zeroizing::new(octets))
    }

    /// Returns the hash; for the code that stores it.
    #[must_use]
    pub fn expose(&self) -> &[u8; 16] {
        &self.0
    }

    /// Hash to compute with if the account does not exist.
    pub(super) fn decoy() -> Self {
        Self::new([0xA5; 16])
    }

    /// Computes the response key of a user (MS-NLMP 3.3.2, `NTOWFv2`). Both names must be exactly as sent.
    pub(super) fn response_key(&self, domain: &str, user: &str) -> ResponseKey {
        ResponseKey(hmac_md5(&self.0, &[&text::utf16(&text::upper_case(user)), &text::utf16(domain)]))
    }
}

impl ConstantTimeEq for NtHash {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(other.0.as_slice())
    }
}

/// Key of a user's responses (`ResponseKeyNT`).
pub(super) struct ResponseKey(Zeroizing<[u8; 16]>);

impl ResponseKey {
    /// Computes `NTProofStr` (MS-NLMP 3.3.2).
    pub(super) fn proof(&self, challenge: &[u8; 8], blob: &[u8]) -> Zeroizing<[u8; 16]> {
        hmac_md5(&self.0, &[challenge, blob])
    }

    pub(super) fn base_key(&self, proof: &[u8; 16]) -> SessionBaseKey {
        SessionBaseKey(hmac_md5(&self.0, &[proof]))
    }
}

/// Session base key of one authentication (MS-NLMP 3.3.2, `SessionBaseKey`).
///
/// It does not reveal the password. It is zeroed on drop and never printed.
pub struct SessionBaseKey(Zeroizing<[u8; 16]>);

impl SessionBaseKey {
    /// Wraps a key computed elsewhere, for example by a domain controller.
    #[must_use]
    pub fn new(octets: [u8; 16]) -> Self {
        Self(Zeroizing::new(octets))
    }

    /// Returns the key; for passing it to another process.
    #[must_use]
    pub fn expose(&self) -> &[u8; 16] {
        &self.0
    }

    /// Converts it into the session key, if the client does not send another.
    pub(super) fn into_session_key(self) -> SessionKey {
        SessionKey(self.0)
    }

    /// Encrypts or decrypts the session key that the client sends; RC4 is symmetric.
    pub(super) fn exchange(&self, mut key: Zeroizing<[u8; 16]>) -> Zeroizing<[u8; 16]> {
        Rc4::new(&self.0).apply(key.as_mut_slice());
        key
    }
}

/// Source of all session keys (MS-NLMP 3.1.5.1.2, `ExportedSessionKey`).
pub(super) struct SessionKey(Zeroizing<[u8; 16]>);

impl SessionKey {
    pub(super) fn new(octets: Zeroizing<[u8; 16]>) -> Self {
        Self(octets)
    }

    /// Computes the message integrity code over the three messages. The last one is passed in pieces around the MIC
    /// field (MS-NLMP 3.1.5.1.2).
    pub(super) fn mic(&self, messages: &[&[u8]]) -> Zeroizing<[u8; 16]> {
        hmac_md5(&self.0, messages)
    }

    pub(super) fn signing(&self, direction: Direction) -> Zeroizing<[u8; 16]> {
        self.derive(match direction {
            Direction::ToServer => b"session key to client-to-server signing key magic constant\0",
            Direction::ToClient => b"session key to server-to-client signing key magic constant\0",
        })
    }

    /// Derives the sealing key from all 128 bits; shorter keys are not negotiated.
    pub(super) fn sealing(&self, direction: Direction) -> Zeroizing<[u8; 16]> {
        self.derive(match direction {
            Direction::ToServer => b"session key to client-to-server sealing key magic constant\0",
            Direction::ToClient => b"session key to server-to-client sealing key magic constant\0",
        })
    }

    fn derive(&self, constant: &[u8; 59]) -> Zeroizing<[u8; 16]> {
        Zeroizing::new(Md5::new().chain_update(self.0.as_slice()).chain_update(constant).finalize().into())
    }
}

/// Direction of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    ToServer,
    ToClient,
}

/// Computes HMAC-MD5 (RFC 2104) over concatenated pieces.
pub(super) fn hmac_md5(key: &[u8; 16], pieces: &[&[u8]]) -> Zeroizing<[u8; 16]> {
    // Padding the key to a whole block with zeros is equivalent and cannot fail.
    let mut block = Zeroizing::new([0; 64]);
    for (octet, key) in block.iter_mut().zip(key) {
        *octet = *key;
    }
    let mut hmac = Hmac::<Md5>::new((&*block).into());
    for piece in pieces {
        hmac.update(piece);
    }
    Zeroizing::new(hmac.finalize().into_bytes().into())
}

/// Test vectors of MS-NLMP 4.2.1, 4.2.2 and 4.2.4, and of the underlying functions.
#[cfg(test)]
mod tests {
    use super::*;

    fn number(octets: impl AsRef<[u8]>) -> u128 {
        octets.as_ref().try_into().map(u128::from_be_bytes).expect("16 bytes")
    }

    #[test]
    fn md4_matches_rfc_1320() {
        for (text, expected) in [
            ("", 0x31D6_CFE0_D16A_E931_B73C_59D7_E0C0_89C0_u128),
            ("a", 0xBDE5_2CB3_1DE3_3E46_245E_05FB_DBD6_FB24),
            ("abc", 0xA448_017A_AF21_D852_5FC1_0AE8_7AA6_729D),
            ("message digest", 0xD913_0A81_6454_9FE8_1887_4806_E1C7_014B),
            ("abcdefghijklmnopqrstuvwxyz", 0xD79E_1C30_8AA5_BBCD_EEA8_ED63_DF41_2DA9),
            (
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
                0x043F_8582_F241_DB35_1CE6_27E1_53E7_F0E4,
            ),
            (&"1234567890".repeat(8), 0xE33B_4DDC_9C38_F219_9C3E_7B16_4FCC_0536),
        ] {
            assert_eq!(number(Md4::digest(text)), expected, "{text}");
        }
    }

    #[test]
    fn hmac_md5_matches_rfc_2104() {
        let mac = hmac_md5(&[0x0B; 16], &[b"Hi ", b"There"]);
        assert_eq!(number(*mac), 0x9294_727A_3638_BB1C_13F4_8EF8_158B_FC9D);
    }

    #[test]
    fn user_keys_match_the_specification() {
        let hash = NtHash::of_password(&Secret::new("Password".to_owned()));
        assert_eq!(number(hash.expose()), 0xA4F4_9C40_6510_BDCA_B682_4EE7_C30F_D852);
        let key = hash.response_key("Domain", "User");
        assert_eq!(number(*key.0), 0x0C86_8A40_3BFD_7A93_A300_1EF2_2EF0_2E3F);
        let proof = 0x68CD_0AB8_51E5_1C96_AABC_927B_EBEF_6A1C_u128.to_be_bytes();
        let base = key.base_key(&proof);
        assert_eq!(number(base.expose()), 0x8DE4_0CCA_DBC1_4A82_F15C_B0AD_0DE9_5CA3);
        let exchanged = base.exchange(Zeroizing::new([0x55; 16]));
        assert_eq!(number(*exchanged), 0xC5DA_D254_4FC9_7990_94CE_1CE9_0BC9_D03E);
        assert_eq!(*base.exchange(exchanged), [0x55; 16]);
    }

    /// MS-NLMP 4.2.4.1.3 and 4.2.4.2.2: `temp`, and the proof of it.
    #[test]
    fn the_proof_matches_the_specification() {
        let blob = [
            b"\x01\x01\0\0\0\0\0\0".as_slice(),
            &[0; 8],
            &[0xAA; 8],
            &[0; 4],
            b"\x02\0\x0C\0D\0o\0m\0a\0i\0n\0",
            b"\x01\0\x0C\0S\0e\0r\0v\0e\0r\0",
            &[0; 8],
        ]
        .concat();
        let key = NtHash::of_password(&Secret::new("Password".to_owned())).response_key("Domain", "User");
        let proof = key.proof(&0x0123_4567_89AB_CDEF_u64.to_be_bytes(), &blob);
        assert_eq!(number(*proof), 0x68CD_0AB8_51E5_1C96_AABC_927B_EBEF_6A1C);
    }

    #[test]
    fn session_keys_match_the_specification() {
        let key = SessionKey::new(Zeroizing::new([0x55; 16]));
        let sealing = key.sealing(Direction::ToServer);
        assert_eq!(number(*sealing), 0x59F6_0097_3CC4_960A_2548_0A7C_196E_4C58);
        let signing = key.signing(Direction::ToServer);
        assert_eq!(number(*signing), 0x4788_DC86_1B47_82F3_5D43_FD98_FE1A_2D39);
    }

    #[test]
    fn case_is_ignored_in_user_but_not_in_domain() {
        let hash = NtHash::of_password(&Secret::new("ü".to_owned()));
        let key = |domain, user| number(*hash.response_key(domain, user).0);
        assert_eq!(key("D", "jürgen"), key("D", "JÜRGEN"));
        assert_ne!(key("D", "jürgen"), key("d", "jürgen"));
        // The names are concatenated without a separator.
        assert_eq!(key("RGEN", "JÜ"), key("", "JÜRGEN"));
    }

    #[test]
    fn equal_passwords_have_equal_hashes() {
        let hash = |text: &str| NtHash::of_password(&Secret::new(text.to_owned()));
        assert!(bool::from(hash("a").ct_eq(&hash("a"))));
        assert!(!bool::from(hash("a").ct_eq(&hash("A"))));
    }
}
