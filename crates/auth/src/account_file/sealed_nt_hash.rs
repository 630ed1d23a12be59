//! NT hash for NTLM, sealed with a key that is not in the file.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::field_text::decimal;

/// NT hash of a password, sealed with AES-256-GCM: `$aes-256-gcm$NONCE$SEALED`.
///
/// The hash of a Linux user's password is followed by `$linux$UID$FINGERPRINT`, see [`LinuxPassword`].
///
/// An NT hash is sufficient to sign in (MS-NLMP 5.1), so it is stored apart from its key. The caller seals and opens
/// it: with the key of the machine, and with the account's name and RID as associated data, so that it opens in no
/// other record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SealedNtHash {
    /// Nonce, used for this hash only.
    pub nonce: [u8; 12],
    /// Ciphertext of the 16-byte hash, followed by the 16-byte tag.
    pub sealed: [u8; 32],
    /// Password of a Linux user that was hashed; `None` if the hash is that of the account's own password.
    pub linux: Option<LinuxPassword>,
}

/// Password of a Linux user at the time when its NT hash was stored.
///
/// The fingerprint identifies the entry of the shadow file. It changes when the password is changed or locked, or when
/// a deleted user is created again, so that an outdated NT hash is recognized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinuxPassword {
    /// UID of the user.
    pub uid: u32,
    /// First half of the SHA-256 hash of name, UID and password field.
    fingerprint: [u8; 16],
}

impl LinuxPassword {
    /// Describes the password of a user. `field` is the second field of the line in the shadow file (shadow(5)): the
    /// salted password hash, with a leading `!` if it is locked.
    #[must_use]
    pub fn new(name: &str, uid: u32, field: &str) -> Self {
        let mut hasher = Sha256::new();
        // None of the parts can contain a colon, which separates the fields of the file.
        hasher.update(format!("telarch:linux-password:{name}:{uid}:"));
        hasher.update(field);
        let hash: [u8; 32] = hasher.finalize().into();
        let mut fingerprint = [0; 16];
        fingerprint.iter_mut().zip(hash).for_each(|(byte, hash)| *byte = hash);
        Self { uid, fingerprint }
    }

    fn parse(text: &str) -> Option<Self> {
        let (uid, fingerprint) = text.split_once('$')?;
        let uid = decimal(uid).and_then(|uid| u32::try_from(uid).ok())?;
        Some(Self { uid, fingerprint: octets(fingerprint)? })
    }
}

impl fmt::Display for LinuxPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}${}", self.uid, STANDARD_NO_PAD.encode(self.fingerprint))
    }
}

impl SealedNtHash {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (nonce, rest) = text.strip_prefix(SCHEME)?.split_once('$')?;
        let (sealed, linux) = match rest.split_once(LINUX) {
            Some((sealed, linux)) => (sealed, Some(LinuxPassword::parse(linux)?)),
            None => (rest, None),
        };
        Some(Self { nonce: octets(nonce)?, sealed: octets(sealed)?, linux })
    }
}

fn octets<const N: usize>(text: &str) -> Option<[u8; N]> {
    STANDARD_NO_PAD.decode(text).ok()?.try_into().ok()
}

impl fmt::Display for SealedNtHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (nonce, sealed) = (STANDARD_NO_PAD.encode(self.nonce), STANDARD_NO_PAD.encode(self.sealed));
        write!(f, "{SCHEME}{nonce}${sealed}")?;
        self.linux.map_or(Ok(()), |linux| write!(f, "{LINUX}{linux}"))
    }
}

impl fmt::Debug for SealedNtHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedNtHash(…)")
    }
}

const SCHEME: &str = "$aes-256-gcm$";
/// Separates the sealed hash from the password of a Linux user.
const LINUX: &str = "$linux$";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_hash_round_trips_and_changes_are_rejected() {
        let sealed = SealedNtHash { nonce: [1; 12], sealed: [255; 32], linux: None };
        let text = sealed.to_string();
        assert_eq!(text, "$aes-256-gcm$AQEBAQEBAQEBAQEB$//////////////////////////////////////////8");
        assert_eq!(SealedNtHash::parse(&text), Some(sealed));
        for wrong in [
            String::new(),
            text.replace("256", "128"),
            text.replace("EB$", "E$"),
            text.replace("EB$", "EBAQ$"),
            text.replace("$//", "$"),
            text.replace("8", "9"),
            format!("{text}="),
            format!("{text}$"),
        ] {
            assert_eq!(SealedNtHash::parse(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_hash_of_a_linux_password_round_trips_and_changes_are_rejected() {
        let linux = LinuxPassword::new("ann", 1000, "$y$j9T$salt$hash");
        let sealed = SealedNtHash { nonce: [1; 12], sealed: [255; 32], linux: Some(linux) };
        let text = sealed.to_string();
        assert!(text.contains("8$linux$1000$"), "{text}");
        assert_eq!(SealedNtHash::parse(&text), Some(sealed));
        for wrong in [
            text.replace("$1000$", "$"),
            text.replace("$1000$", "$4294967296$"),
            text.replace("$1000$", "$+1000$"),
            text.replace("$linux$", "$windows$"),
            text.replace("$linux$", "$"),
            format!("{text}$"),
            format!("{text}AA"),
        ] {
            assert_eq!(SealedNtHash::parse(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_fingerprint_depends_on_name_uid_and_password() {
        let first = LinuxPassword::new("ann", 1000, "$y$j9T$salt$hash");
        assert_eq!(first, LinuxPassword::new("ann", 1000, "$y$j9T$salt$hash"));
        for (name, uid, field) in [
            ("Ann", 1000, "$y$j9T$salt$hash"),
            ("ann", 1001, "$y$j9T$salt$hash"),
            ("ann", 1000, "!$y$j9T$salt$hash"),
            ("ann", 1000, "$y$j9T$salt$hash2"),
        ] {
            let other = LinuxPassword::new(name, uid, field);
            assert_ne!(
                first.to_string().split_once('$').unwrap().1,
                other.to_string().split_once('$').unwrap().1
            );
        }
    }
}
