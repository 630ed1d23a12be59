//! Basic: each request proves itself (RFC 7617).

use std::sync::Arc;
use std::time::{Duration, Instant};

use auth::basic::Login;
use auth::{AuthError, Identity, Scheme, VerifierCost};
use aws_lc_rs::hmac;

use super::Authentication;
use super::verdict::Verdict;
use crate::access::Caller;
use crate::audit;
use crate::service::Service;

/// A verdict that is not asked for again for a while.
pub(super) struct Remembered {
    /// Of the header, under a key that dies with the process.
    tag: hmac::Tag,
    verdict: Verdict,
    until: Instant,
}

impl Authentication {
    pub(super) async fn by_password(
        &mut self,
        header: &str,
        encoded: &str,
        service: &Arc<Service>,
    ) -> Option<Arc<Caller>> {
        if let Some(verdict) = self.remembered(header, service) {
            let caller = verdict.caller(service).await;
            if caller.is_none() {
                // The next request is judged by its password again.
                self.remembered = None;
            }
            return caller;
        }
        let login = match Login::parse(encoded) {
            Ok(login) => login,
            Err(error) => {
                tracing::debug!(peer = %self.address, %error, "Credentials cannot be read");
                return None;
            }
        };
        let user = login.user.clone();
        let address = self.address;
        let verdict = match service.authenticator.cost() {
            VerifierCost::Quick => Identity::by_password(&login, service.authenticator.as_ref(), address),
            VerifierCost::Slow => {
                let authenticator = Arc::clone(&service.authenticator);
                let judge = move || Identity::by_password(&login, authenticator.as_ref(), address);
                tokio::task::spawn_blocking(judge).await.unwrap_or(Err(AuthError::Unavailable))
            }
        };
        let identity = verdict
            .inspect_err(|error| audit::not_signed_in(address, &user, Scheme::Basic, None, *error))
            .ok()?;
        let caller = self.caller(identity, service)?;
        self.remembered = Some(Remembered {
            tag: hmac::sign(service.header_key(), header.as_bytes()),
            verdict: Verdict::new(Arc::clone(&caller), service),
            until: Instant::now() + REMEMBERED_FOR,
        });
        Some(caller)
    }

    fn remembered(&mut self, header: &str, service: &Service) -> Option<&mut Verdict> {
        let remembered = self.remembered.as_mut()?;
        if remembered.until <= Instant::now() {
            return None;
        }
        let same = hmac::verify(service.header_key(), header.as_bytes(), remembered.tag.as_ref()).is_ok();
        same.then_some(&mut remembered.verdict)
    }
}

/// How long a verdict stands before the verifier is asked again.
const REMEMBERED_FOR: Duration = Duration::from_secs(120);
