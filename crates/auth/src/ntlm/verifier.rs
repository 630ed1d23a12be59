//! Verification of NTLM responses against account stores.

use subtle::{Choice, ConstantTimeEq as _};

use super::keys::{NtHash, SessionBaseKey};
use super::response::NtResponse;
use crate::{Account, AuthError, VerifierCost};

/// A verifier of NTLM responses.
///
/// It returns the session base key of one authentication and never a hash, so that an account file, a more privileged
/// process and a domain controller are interchangeable.
pub trait NtlmVerifier: Send + Sync {
    /// Verifies a response to a challenge. Domain and user must be exactly as the client has sent them.
    ///
    /// A store of local accounts maps the name with [`HostNames::local_account`](super::HostNames::local_account) and
    /// verifies the response with [`judge`].
    ///
    /// # Errors
    /// [`AuthError`]; unknown names must take as long as wrong passwords, and only a client that has proven the
    /// password may learn that the account is disabled.
    fn verify(
        &self,
        domain: &str,
        user: &str,
        challenge: &[u8; 8],
        nt_response: &[u8],
    ) -> Result<Verified, AuthError>;

    /// Returns whether [`verify`](Self::verify) may be called on a thread that other work waits for.
    fn cost(&self) -> VerifierCost;

    /// Returns `true` if this verifier is responsible for such an account. For others, its verdict takes as long and is
    /// ignored.
    fn covers(&self, domain: &str, user: &str) -> bool {
        let _ = (domain, user);
        true
    }

    /// Returns `true` if any account could sign in; otherwise NTLM is not offered.
    ///
    /// It is called for every unauthenticated request, so it must be cheap.
    fn is_available(&self) -> bool {
        true
    }
}

/// Result of an [`NtlmVerifier`].
pub struct Verified {
    /// Authenticated account.
    pub account: Account,
    /// Session base key of this authentication.
    pub base_key: SessionBaseKey,
}

/// Verifies a response with the NT hash of the account. Without an account (`None`) it fails after the same time
/// (MS-NLMP 3.3.2).
///
/// Domain and user are those that the client has sent.
///
/// # Errors
/// [`AuthError::WrongPassword`] if the response is wrong, [`AuthError::Downgraded`] for an NTLMv1 response.
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
    fn unknown_accounts_are_rejected() {
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
    fn a_response_is_valid_for_one_challenge_and_name_only() {
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
