//! NT hash for NTLM, sealed with a key that is not in the file.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// NT hash of a password, sealed with AES-256-GCM: `$aes-256-gcm$NONCE$SEALED`.
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
}

impl SealedNtHash {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (nonce, sealed) = text.strip_prefix(SCHEME)?.split_once('$')?;
        Some(Self { nonce: octets(nonce)?, sealed: octets(sealed)? })
    }
}

fn octets<const N: usize>(text: &str) -> Option<[u8; N]> {
    STANDARD_NO_PAD.decode(text).ok()?.try_into().ok()
}

impl fmt::Display for SealedNtHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (nonce, sealed) = (STANDARD_NO_PAD.encode(self.nonce), STANDARD_NO_PAD.encode(self.sealed));
        write!(f, "{SCHEME}{nonce}${sealed}")
    }
}

impl fmt::Debug for SealedNtHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedNtHash(…)")
    }
}

const SCHEME: &str = "$aes-256-gcm$";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_hash_round_trips_and_changes_are_rejected() {
        let sealed = SealedNtHash { nonce: [1; 12], sealed: [255; 32] };
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
}
