//! Several sources of NTLM, asked one after the other.

use std::sync::Arc;

use auth::ntlm::{NtlmVerifier, Verified};
use auth::{AuthError, VerifierCost};

use crate::AccountSource;

/// Lets in whoever one of several sources knows, unless a store of accounts has something against it.
///
/// So `telarch account disable alice` also shuts out the user `alice` whom winbind knows. As with
/// [`AnyOf`](crate::AnyOf), every source is asked until one is satisfied, so that the time it takes does not tell
/// which of them knows a name.
pub struct AnyNtlm {
    sources: Vec<Arc<dyn NtlmVerifier>>,
    accounts: Arc<dyn AccountSource>,
}

impl AnyNtlm {
    /// Asks in this order; what `accounts` does not permit is refused.
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
        let mut is_out_of_order = !self.is_available();
        for source in self.sources.iter().filter(|source| source.is_available()) {
            match source.verify(domain, user, challenge, nt_response) {
                Ok(verified) => {
                    self.accounts.permits(&verified.account)?;
                    return Ok(verified);
                }
                // It counts as a guess even if another source is out of order.
                Err(AuthError::WrongPassword) if source.covers(domain, user) => {
                    worst = AuthError::WrongPassword;
                }
                Err(AuthError::WrongPassword) => {}
                Err(AuthError::Unavailable) => is_out_of_order = true,
                Err(error) => return Err(error),
            }
        }
        Err(if is_out_of_order { worst } else { AuthError::WrongPassword })
    }

    fn cost(&self) -> VerifierCost {
        let is_slow = self.sources.iter().any(|source| source.cost() == VerifierCost::Slow);
        if is_slow { VerifierCost::Slow } else { VerifierCost::Quick }
    }

    fn covers(&self, domain: &str, user: &str) -> bool {
        self.sources.iter().any(|source| source.covers(domain, user))
    }

    fn is_available(&self) -> bool {
        self.sources.iter().any(|source| source.is_available())
    }
}
