//! User names, passwords and session keys (IPMI 2.0, 13.28 to 13.33).

use aes::Aes128;
use aes::cipher::KeyInit as _;
use subtle::{Choice, ConstantTimeEq as _};
use zeroize::Zeroizing;

use crate::ProtoError;
use crate::mac::{Code, Hash, Mac, MacKey, md5};
use crate::suite::{CipherSuite, Integrity};

/// Name of a user of the controller, at most 16 bytes; the empty name is the anonymous user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserName(Vec<u8>);

impl UserName {
    /// Creates a user name.
    ///
    /// # Errors
    /// If the name is longer than 16 bytes or contains a NUL.
    pub fn new(name: &str) -> Result<Self, ProtoError> {
        let what = "the name of the user";
        check_text(what, name.as_bytes(), 16)?;
        Ok(Self(name.as_bytes().to_vec()))
    }

    /// Creates a user name from the bytes of a login, which need not be UTF-8.
    pub(crate) fn from_octets(octets: &[u8]) -> Result<Self, ProtoError> {
        check_text("the name of the user", octets, 16)?;
        Ok(Self(octets.to_vec()))
    }

    pub(crate) fn octets(&self) -> &[u8] {
        &self.0
    }

    /// Returns the name for display: invalid UTF-8 and control characters are replaced.
    #[must_use]
    pub fn to_text(&self) -> String {
        String::from_utf8_lossy(&self.0).replace(|letter: char| letter.is_control(), "\u{fffd}")
    }
}

/// Password of a user, at most 20 bytes (IPMI 2.0, 22.30).
#[derive(Clone)]
pub struct Password(Zeroizing<[u8; 20]>);

impl Password {
    /// Creates a password. A longer one is rejected rather than truncated, because that would be a different
    /// password.
    ///
    /// # Errors
    /// If it is longer than 20 bytes or contains a NUL.
    pub fn new(password: &[u8]) -> Result<Self, ProtoError> {
        check_text("the password", password, 20)?;
        Ok(Self(padded(password)))
    }

    /// Returns a random password that no user has.
    pub(crate) fn from_random(octets: &[u8; 16]) -> Self {
        let mut password = Zeroizing::new([0; 20]);
        password.iter_mut().zip(octets).for_each(|(to, from)| *to = *from);
        Self(password)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|octet| *octet == 0)
    }

    /// Returns the first 16 bytes, all that IPMI 1.5 uses.
    pub(crate) fn first_16(&self) -> Zeroizing<[u8; 16]> {
        Zeroizing::new(self.0.first_chunk().copied().unwrap_or_default())
    }

    /// Returns whether the password fits into the 16 bytes of IPMI 1.5.
    pub(crate) fn fits_16(&self) -> bool {
        self.0.iter().skip(16).all(|octet| *octet == 0)
    }

    /// Returns the password padded with zeros to 20 bytes, as controllers store it.
    pub(crate) fn padded(&self) -> &[u8] {
        &*self.0
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(..)")
    }
}

/// Key of the controller (`K_g`), which two-key logins need in addition to the password (IPMI 2.0, 13.33).
#[derive(Clone)]
pub struct GroupKey(Zeroizing<[u8; 20]>);

impl GroupKey {
    /// Creates a key of up to 20 arbitrary bytes.
    ///
    /// # Errors
    /// If it is longer than 20 bytes.
    pub fn new(key: &[u8]) -> Result<Self, ProtoError> {
        check_length("the key K_g", key, 20)?;
        Ok(Self(padded(key)))
    }

    /// Creates a key from its stored form: zero-padded, with any bytes.
    pub(crate) fn stored(octets: [u8; 20]) -> Self {
        Self(Zeroizing::new(octets))
    }

    /// Returns the key padded with zeros to 20 bytes, as controllers store it.
    pub(crate) fn octets(&self) -> &[u8] {
        &*self.0
    }

    /// Compares two keys in constant time.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        same(self.octets(), other.octets())
    }

    /// Returns whether the key is all zeros: controllers then use the password in its place.
    #[must_use]
    pub fn is_unset(&self) -> bool {
        self.octets().iter().all(|octet| *octet == 0)
    }
}

impl std::fmt::Debug for GroupKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GroupKey(..)")
    }
}

/// Values exchanged up to RAKP 2, from which all codes and keys are computed.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) suite: CipherSuite,
    /// `SIDm`, the session id of the console.
    pub(crate) console_id: u32,
    /// `SIDc`, the session id of the controller.
    pub(crate) controller_id: u32,
    /// `Rm`, the random number of the console.
    pub(crate) console_random: [u8; 16],
    /// `Rc`, the random number of the controller.
    pub(crate) controller_random: [u8; 16],
    pub(crate) guid: [u8; 16],
    /// Requested privilege level, as encoded in RAKP 1.
    pub(crate) role: u8,
    pub(crate) user: UserName,
}

impl Exchange {
    /// Returns the code of RAKP 2, with which the controller proves that it knows the password.
    pub(crate) fn rakp2(&self, password: &Password) -> Mac {
        self.mac(
            &self.key(&*password.0),
            &[
                &self.console_id.to_le_bytes(),
                &self.controller_id.to_le_bytes(),
                &self.console_random,
                &self.controller_random,
                &self.guid,
                &self.role(),
                self.user.octets(),
            ],
        )
    }

    /// Returns the code of RAKP 3, with which the console proves that it knows the password.
    pub(crate) fn rakp3(&self, password: &Password) -> Mac {
        self.mac(
            &self.key(&*password.0),
            &[&self.controller_random, &self.console_id.to_le_bytes(), &self.role(), self.user.octets()],
        )
    }

    /// Derives the session keys. They include expanded key schedules, which are large, hence the box.
    pub(crate) fn keys(&self, password: &Password, group: Option<&GroupKey>) -> Box<SessionKeys> {
        let group = group.filter(|group| !group.is_unset()).map_or(password.padded(), GroupKey::octets);
        let group = self.key(group);
        let randoms: [&[u8]; 4] =
            [&self.console_random, &self.controller_random, &self.role(), self.user.octets()];
        let sik = self.key(&self.mac(&group, &randoms));
        let proof = match self.suite.integrity() {
            Some(Integrity::Keyed(hash, _)) => Some(Proof::Keyed(hash.key(&self.mac(&sik, &[&[1; 20]])))),
            Some(Integrity::Password) => Some(Proof::Password(password.clone())),
            None => None,
        };
        let cipher = (!self.suite.is_in_clear()).then(|| self.mac(&sik, &[&[2; 20]]));
        let cipher = cipher.as_deref().and_then(<[u8]>::first_chunk::<16>);
        let cipher = cipher.map(|key| Aes128::new(key.into()));
        Box::new(SessionKeys { suite: self.suite, sik, proof, cipher })
    }

    /// Returns the code of RAKP 4, with which the controller proves that it has the same keys.
    pub(crate) fn rakp4(&self, keys: &SessionKeys) -> Mac {
        let parts: [&[u8]; 3] = [&self.console_random, &self.controller_id.to_le_bytes(), &self.guid];
        self.mac(&keys.sik, &parts).truncated(self.suite.rakp4_octets())
    }

    /// Returns the role as sent, and the length of the user name.
    fn role(&self) -> [u8; 2] {
        [self.role, u8::try_from(self.user.octets().len()).unwrap_or(u8::MAX)]
    }

    /// Returns the HMAC key; `None` in suite 0, which has no authentication.
    fn key(&self, key: &[u8]) -> Option<MacKey> {
        self.suite.authentication().map(|hash: Hash| hash.key(key))
    }

    fn mac(&self, key: &Option<MacKey>, parts: &[&[u8]]) -> Mac {
        key.as_ref().map_or_else(Mac::none, |key| key.mac(parts))
    }
}

/// Keys that authenticate and encrypt the packets of a session.
pub(crate) struct SessionKeys {
    pub(crate) suite: CipherSuite,
    /// Session integrity key (`SIK`); `None` in suite 0.
    sik: Option<MacKey>,
    /// Integrity key; `None` in suites without integrity.
    proof: Option<Proof>,
    /// AES cipher with its key; `None` in suites without encryption.
    pub(crate) cipher: Option<Aes128>,
}

/// Key material for the authentication code of a packet.
enum Proof {
    /// HMAC key `K1`.
    Keyed(MacKey),
    /// Password for MD5-128: MD5 over the password, the packet and the password again.
    Password(Password),
}

impl SessionKeys {
    /// Returns the untruncated authentication code of a packet; `None` in suites without integrity.
    pub(crate) fn code(&self, covered: &[u8]) -> Option<Code> {
        Some(match self.proof.as_ref()? {
            Proof::Keyed(key) => key.code(covered),
            Proof::Password(password) => {
                let mut code = Code::default();
                let hash = md5(&[password.padded(), covered, password.padded()]);
                code.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
                code
            }
        })
    }
}

impl std::fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionKeys").field("suite", &self.suite).finish_non_exhaustive()
    }
}

/// Compares two codes in constant time.
pub(crate) fn same(ours: &[u8], theirs: &[u8]) -> bool {
    // Compares 16 bytes at a time; most codes are not longer.
    let ((ours, our_rest), (theirs, their_rest)) = (ours.as_chunks::<16>(), theirs.as_chunks::<16>());
    let mut are_same = Choice::from(u8::from(ours.len() == theirs.len())) & our_rest.ct_eq(their_rest);
    for (ours, theirs) in ours.iter().zip(theirs) {
        are_same &= u128::from_ne_bytes(*ours).ct_eq(&u128::from_ne_bytes(*theirs));
    }
    are_same.into()
}

/// Checks that a value is not longer than `limit` and contains no NUL, which would end a text.
pub(crate) fn check_text(what: &'static str, octets: &[u8], limit: usize) -> Result<(), ProtoError> {
    check_length(what, octets, limit)?;
    if octets.contains(&0) { Err(ProtoError::Nul { what }) } else { Ok(()) }
}

fn check_length(what: &'static str, octets: &[u8], limit: usize) -> Result<(), ProtoError> {
    if octets.len() <= limit {
        Ok(())
    } else {
        Err(ProtoError::TooLong { what, octets: octets.len(), limit })
    }
}

fn padded(octets: &[u8]) -> Zeroizing<[u8; 20]> {
    let mut padded = Zeroizing::new([0; 20]);
    padded.iter_mut().zip(octets).for_each(|(to, from)| *to = *from);
    padded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_equal_only_if_every_byte_is() {
        for length in 0..40 {
            let code: Vec<u8> = (0..length).collect();
            assert!(same(&code, &code));
            for place in 0..code.len() {
                let mut other = code.clone();
                other[place] ^= 0x80;
                assert!(!same(&code, &other) && !same(&other, &code), "octet {place} of {length}");
                assert!(!same(&code, &code[..place]) && !same(&code[..place], &code), "{place} of {length}");
            }
        }
    }

    #[test]
    fn an_unset_key_equals_no_key_and_a_key_may_contain_any_byte() {
        let exchange = Exchange {
            suite: CipherSuite::SHA256,
            console_id: 1,
            controller_id: 2,
            console_random: [3; 16],
            controller_random: [4; 16],
            guid: [5; 16],
            role: 0x14,
            user: UserName::new("admin").unwrap(),
        };
        let password = Password::new(b"secret").unwrap();
        let code = |key: Option<GroupKey>| exchange.rakp4(&exchange.keys(&password, key.as_ref())).to_vec();
        let with = |octets: &[u8]| code(Some(GroupKey::new(octets).unwrap()));
        assert_eq!(with(&[]), code(None));
        assert_eq!(with(&[0; 20]), code(None));
        assert_ne!(with(&[7, 0, 9]), code(None));
        assert_ne!(with(&[7, 0, 9]), with(&[7]));
        assert!(GroupKey::new(&[1; 21]).is_err());
    }

    #[test]
    fn a_long_password_is_rejected_and_passwords_are_never_shown() {
        assert!(Password::new(&[b'x'; 20]).is_ok());
        assert!(matches!(Password::new(&[b'x'; 21]), Err(ProtoError::TooLong { octets: 21, limit: 20, .. })));
        assert!(matches!(Password::new(b"a\0b"), Err(ProtoError::Nul { .. })));
        assert!(GroupKey::new(b"a\0b").is_ok() && GroupKey::new(&[0xff; 21]).is_err());
        assert!(UserName::new("seventeen letters").is_err());
        assert_eq!(format!("{:?}", Password::new(b"hidden").unwrap()), "Password(..)");
    }
}
