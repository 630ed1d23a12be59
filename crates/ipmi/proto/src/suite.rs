//! Cipher suites and their algorithms (IPMI 2.0, table 22-19).

use std::fmt;
use std::str::FromStr;

use crate::ProtoError;
use crate::mac::Hash;

/// A supported cipher suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CipherSuite(
    /// INVARIANT: one of [`SUITES`].
    u8,
);

/// Integrity algorithm of packets (IPMI 2.0, table 13-18).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Integrity {
    /// HMAC with this hash, truncated to this number of bytes.
    Keyed(Hash, usize),
    /// MD5-128: a plain MD5 hash with the password as key.
    Password,
}

impl CipherSuite {
    /// Suite 3: HMAC-SHA1, HMAC-SHA1-96 and AES-CBC-128, which every controller supports.
    pub const SHA1: Self = Self(3);
    /// Suite 17: HMAC-SHA256, HMAC-SHA256-128 and AES-CBC-128.
    pub const SHA256: Self = Self(17);

    /// Returns the suite with this number.
    ///
    /// # Errors
    /// If the number is not defined, or the suite uses RC4.
    pub fn new(number: u8) -> Result<Self, ProtoError> {
        let known = SUITES.iter().any(|(suite, ..)| *suite == number);
        if known { Ok(Self(number)) } else { Err(ProtoError::Suite(number.into())) }
    }

    /// Returns the number of the suite.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }

    /// Returns whether packets are not encrypted.
    #[must_use]
    pub fn is_in_clear(self) -> bool {
        self.confidentiality() == 0
    }

    /// Returns whether packets are authenticated.
    #[must_use]
    pub fn is_authenticated(self) -> bool {
        self.integrity().is_some()
    }

    /// Returns the hash of the login; `None` in suite 0, which has no authentication.
    pub(crate) fn authentication(self) -> Option<Hash> {
        match self.row().1 {
            1 => Some(Hash::Sha1),
            2 => Some(Hash::Md5),
            3 => Some(Hash::Sha256),
            _ => None,
        }
    }

    /// Returns the integrity algorithm of packets; `None` if the suite does not protect their integrity.
    pub(crate) fn integrity(self) -> Option<Integrity> {
        match self.row().2 {
            1 => Some(Integrity::Keyed(Hash::Sha1, 12)),
            2 => Some(Integrity::Keyed(Hash::Md5, 16)),
            3 => Some(Integrity::Password),
            4 => Some(Integrity::Keyed(Hash::Sha256, 16)),
            _ => None,
        }
    }

    /// Returns the length in bytes of the authentication code of a packet.
    pub(crate) fn code_octets(self) -> usize {
        match self.integrity() {
            Some(Integrity::Keyed(_, octets)) => octets,
            Some(Integrity::Password) => 16,
            None => 0,
        }
    }

    /// Returns the length in bytes of the code of RAKP 4 (IPMI 2.0, 13.28.1 and 13.28.1b).
    pub(crate) fn rakp4_octets(self) -> usize {
        match self.authentication() {
            None => 0,
            Some(Hash::Sha1) => 12,
            Some(Hash::Md5 | Hash::Sha256) => 16,
        }
    }

    /// Returns the numbers of the three algorithms, as in Open Session.
    pub(crate) fn algorithms(self) -> [u8; 3] {
        let (_, authentication, integrity, confidentiality) = self.row();
        [authentication, integrity, confidentiality]
    }

    fn confidentiality(self) -> u8 {
        self.row().3
    }

    fn row(self) -> (u8, u8, u8, u8) {
        SUITES.iter().copied().find(|(suite, ..)| *suite == self.0).unwrap_or((0, 0, 0, 0))
    }
}

impl fmt::Display for CipherSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for CipherSuite {
    type Err = ProtoError;

    fn from_str(text: &str) -> Result<Self, ProtoError> {
        let number: u32 = text.parse().map_err(|_| ProtoError::Word {
            what: "the number of a cipher suite",
            word: text.to_owned(),
            known: SUITES.iter().map(|(suite, ..)| suite.to_string()).collect::<Vec<_>>().join(", "),
        })?;
        Self::new(u8::try_from(number).map_err(|_| ProtoError::Suite(number))?)
    }
}

/// Suite number, and numbers of the authentication, integrity and confidentiality algorithms.
const SUITES: &[(u8, u8, u8, u8)] = &[
    (0, 0, 0, 0),
    (1, 1, 0, 0),
    (2, 1, 1, 0),
    (3, 1, 1, 1),
    (6, 2, 0, 0),
    (7, 2, 2, 0),
    (8, 2, 2, 1),
    (11, 2, 3, 0),
    (12, 2, 3, 1),
    (15, 3, 0, 0),
    (16, 3, 4, 0),
    (17, 3, 4, 1),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_with_rc4_are_none() {
        for number in [4, 5, 9, 10, 13, 14, 18, 255] {
            assert_eq!(CipherSuite::new(number), Err(ProtoError::Suite(number.into())));
        }
        assert_eq!("17".parse(), Ok(CipherSuite::SHA256));
        assert!("x".parse::<CipherSuite>().is_err() && "300".parse::<CipherSuite>().is_err());
    }

    #[test]
    fn suites_without_encryption_are_recognised() {
        let clear: Vec<u8> = SUITES
            .iter()
            .filter_map(|row| CipherSuite::new(row.0).ok())
            .filter(|suite| suite.is_in_clear())
            .map(CipherSuite::number)
            .collect();
        assert_eq!(clear, [0, 1, 2, 6, 7, 11, 15, 16]);
    }
}
