//! Basic authentication: every request carries a password (RFC 7617).

use std::sync::Arc;
use std::time::{Duration, Instant};

use auth::basic::Login;
use auth::{AuthError, Identity, Scheme, VerifierCost};
use aws_lc_rs::hmac;

use super::cached_caller::CachedCaller;
use super::{Authentication, FailedClient, SignIn};
use crate::caller::Caller;

/// Last `Authorization` header whose password was correct. Requests that repeat it need no new verification.
pub(super) struct AcceptedHeader {
    /// Keyed hash of the header.
    tag: hmac::Tag,
    cached: CachedCaller,
    until: Instant,
}

impl Authentication {
    /// Authenticates a request by the password in its header. Failures are recorded in the audit log.
    pub(super) async fn by_password(
        &mut self,
        header: &str,
        encoded: &str,
        sign_in: &SignIn,
    ) -> Option<Arc<Caller>> {
        if let Some(cached) = self.accepted_before(header, sign_in) {
            let caller = cached.current(sign_in).await;
            if caller.is_none() {
                // Verify the password of the next request again.
                self.accepted_header = None;
            }
            return caller;
        }
        let login = match Login::parse(encoded) {
            Ok(login) => login,
            Err(error) => {
                tracing::debug!(peer = %self.address, %error, "Malformed Basic credentials");
                return None;
            }
        };
        let user = login.user.clone();
        let address = self.address;
        let verified = match sign_in.authenticator.cost() {
            VerifierCost::Quick => Identity::by_password(&login, sign_in.authenticator.as_ref(), address),
            VerifierCost::Slow => {
                let authenticator = Arc::clone(&sign_in.authenticator);
                tokio::task::spawn_blocking(move || {
                    Identity::by_password(&login, authenticator.as_ref(), address)
                })
                .await
                .unwrap_or(Err(AuthError::Unavailable))
            }
        };
        let identity = verified
            .inspect_err(|error| {
                let client = FailedClient { address, account: &user, scheme: Scheme::Basic, mechanism: None };
                sign_in.record_failure(&client, *error);
            })
            .ok()?;
        let caller = self.caller(identity, sign_in)?;
        self.accepted_header = Some(AcceptedHeader {
            tag: hmac::sign(&sign_in.header_key, header.as_bytes()),
            cached: CachedCaller::new(Arc::clone(&caller), sign_in),
            until: Instant::now() + ACCEPTED_FOR,
        });
        Some(caller)
    }

    fn accepted_before(&mut self, header: &str, sign_in: &SignIn) -> Option<&mut CachedCaller> {
        let accepted = self.accepted_header.as_mut()?;
        if accepted.until <= Instant::now() {
            return None;
        }
        let is_same = hmac::verify(&sign_in.header_key, header.as_bytes(), accepted.tag.as_ref()).is_ok();
        is_same.then_some(&mut accepted.cached)
    }
}

/// Time after which a password is verified again.
const ACCEPTED_FOR: Duration = Duration::from_secs(120);
