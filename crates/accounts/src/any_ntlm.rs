//! Several NTLM verifiers, tried in order.

use std::sync::Arc;

use auth::ntlm::{NtlmVerifier, Verified};
use auth::{AuthError, VerifierCost};

use crate::AccountSource;

/// Accepts an NTLM response that any of several verifiers accepts, unless the account store forbids the account.
///
/// So `telarch account disable alice` also rejects the winbind user `alice`. As in [`AnyOf`](crate::AnyOf), all
/// verifiers are tried for a wrong password, so that timing does not reveal which of them has the account.
pub struct AnyNtlm {
    sources: Vec<Arc<dyn NtlmVerifier>>,
    accounts: Arc<dyn AccountSource>,
}

impl AnyNtlm {
    /// Creates a verifier that tries the sources in this order and rejects accounts that `accounts` forbids.
    #[must_use]
    pub fn new(sources: Vec<Arc<dyn NtlmVerifier>>, accounts: Arc<dyn AccountSource>) -> Self {
        Self { sources, accounts }
    }
}

impl NtlmVerifier for AnyNtlm {
    fn verify(
        &self,
        domain: &str,
        user: &str,
        challenge: &[u8; 8],
        nt_response: &[u8],
    ) -> Result<Verified, AuthError> {
        let mut worst = AuthError::Unavailable;
        let mut is_degraded = !self.is_available();
        for source in self.sources.iter().filter(|source| source.is_available()) {
            match source.verify(domain, user, challenge, nt_response) {
                Ok(verified) => {
                    self.accounts.permits(&verified.account)?;
                    return Ok(verified);
                }
                // The failure counts as a guess even if another source is unavailable.
                Err(AuthError::WrongPassword) if source.covers(domain, user) => {
                    worst = AuthError::WrongPassword;
                }
                Err(AuthError::WrongPassword) => {}
                Err(AuthError::Unavailable) => is_degraded = true,
                Err(error) => return Err(error),
            }
        }
        Err(if is_degraded { worst } else { AuthError::WrongPassword })
    }

    fn cost(&self) -> VerifierCost {
        self.sources.iter().map(|source| source.cost()).max().unwrap_or(VerifierCost::Quick)
    }

    fn covers(&self, domain: &str, user: &str) -> bool {
        self.sources.iter().any(|source| source.covers(domain, user))
    }

    fn is_available(&self) -> bool {
        self.sources.iter().any(|source| source.is_available())
    }
}
