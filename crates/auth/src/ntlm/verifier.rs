//! Judging a response: where accounts are asked.

use subtle::{Choice, ConstantTimeEq as _};

use super::keys::{NtHash, SessionBaseKey};
use super::response::NtResponse;
use crate::{Account, AuthError, VerifierCost};

/// Something that can judge the responses of clients.
///
/// It gives away the key of one sign-in and never a hash, so that a file of accounts, a process with more
/// privileges and a domain controller can take each other's place.
pub trait NtlmVerifier: Send + Sync {
    /// Judges a response to a challenge; domain and user exactly as the client has sent them.
    ///
    /// A store of local accounts finds out with [`HostNames::local_account`](super::HostNames::local_account) which
    /// one is meant, and judges with [`judge`].
    ///
    /// # Errors
    /// [`AuthError`]; unknown names must take as long as wrong passwords, and only who has proven the password may
    /// learn that the account is disabled.
    fn verify(
        &self,
        domain: &str,
        user: &str,
        challenge: &[u8; 8],
        nt_response: &[u8],
    ) -> Result<Verified, AuthError>;

    /// Whether [`verify`](Self::verify) may be called where others wait.
    fn cost(&self) -> VerifierCost;

    /// Whether such an account would be one that is known here. What is said of others, and takes as long, means
    /// nothing.
    fn covers(&self, domain: &str, user: &str) -> bool {
        let _ = (domain, user);
        true
    }

    /// Whether there is anybody who could be let in; otherwise NTLM is not offered.
    ///
    /// It is asked with every request that has not been authenticated, so it must be cheap.
    fn is_available(&self) -> bool {
        true
    }
}

/// What an [`NtlmVerifier`] finds out.
pub struct Verified {
    /// Whose response it is.
    pub account: Account,
    /// The key of this sign-in.
    pub base_key: SessionBaseKey,
}

/// Judges a response by the hash of the account that is meant, or of none where there is no such account, which
/// takes as long (MS-NLMP 3.3.2).
///
/// Domain and user are those that the client has sent.
///
/// # Errors
/// [`AuthError::WrongPassword`], and [`AuthError::Downgraded`] for a response of NTLMv1.
pub fn judge(
    hash: Option<&NtHash>,
    domain: &str,
    user: &str,
    challenge: &[u8; 8],
    nt_response: &[u8],
) -> Result<SessionBaseKey, AuthError> {
    let response = NtResponse::decode(nt_response)?;
    let (decoy, is_known) = (NtHash::decoy(), Choice::from(u8::from(hash.is_some())));
    let key = hash.unwrap_or(&decoy).response_key(domain, user);
    let is_right = key.proof(challenge, response.blob).ct_eq(response.proof);
    let base_key = key.base_key(response.proof);
    if bool::from(is_right & is_known) { Ok(base_key) } else { Err(AuthError::WrongPassword) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;

    #[test]
    fn nobody_signs_in_to_an_account_that_does_not_exist() {
        let (challenge, blob) = ([1; 8], [0; 32]);
        let response = |hash: &NtHash| {
            let key = hash.response_key("D", "u");
            [key.proof(&challenge, &blob).as_slice(), &blob].concat()
        };
        let ask = |hash: Option<&NtHash>, response: &[u8]| judge(hash, "D", "u", &challenge, response).err();
        let hash = NtHash::of_password(&Secret::new("s3cret".to_owned()));
        assert_eq!(ask(Some(&hash), &response(&hash)), None);
        assert_eq!(ask(None, &response(&hash)), Some(AuthError::WrongPassword));
        assert_eq!(ask(None, &response(&NtHash::decoy())), Some(AuthError::WrongPassword));
        assert_eq!(ask(Some(&hash), &response(&NtHash::decoy())), Some(AuthError::WrongPassword));
        assert_eq!(ask(Some(&hash), &[0; 24]), Some(AuthError::Downgraded("NTLMv2")));
    }

    #[test]
    fn a_response_is_to_one_challenge_and_of_one_name_only() {
        let hash = NtHash::of_password(&Secret::new("s3cret".to_owned()));
        let blob = [0; 32];
        let response = [hash.response_key("D", "u").proof(&[1; 8], &blob).as_slice(), &blob].concat();
        for (domain, user, challenge, error) in [
            ("D", "U", [1; 8], None),
            ("D", "u", [2; 8], Some(AuthError::WrongPassword)),
            ("d", "u", [1; 8], Some(AuthError::WrongPassword)),
            ("D", "v", [1; 8], Some(AuthError::WrongPassword)),
        ] {
            assert_eq!(judge(Some(&hash), domain, user, &challenge, &response).err(), error);
        }
    }
}
