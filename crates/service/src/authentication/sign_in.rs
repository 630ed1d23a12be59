//! Shared state of authentication: verifiers, accounts, and the key of the password cache.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use auth::{AuthError, Authenticator, Oid, Scheme};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use config::Config;

use crate::audit;
use crate::caller::{Caller, Principals};
use crate::metrics::Metrics;

/// Everything that authentication needs from the service.
pub(crate) struct SignIn {
    pub(super) authenticator: Arc<dyn Authenticator>,
    pub(crate) principals: Arc<dyn Principals>,
    /// Key of the hashes under which connections remember accepted `Authorization` headers. Never leaves the process.
    pub(super) header_key: hmac::Key,
    metrics: Arc<Metrics>,
}

/// Client of a failed sign-in, as far as it is known.
pub(super) struct FailedClient<'f> {
    pub(super) address: IpAddr,
    /// Name that the client claimed, or empty.
    pub(super) account: &'f str,
    pub(super) scheme: Scheme,
    pub(super) mechanism: Option<&'f Oid>,
}

impl SignIn {
    /// Creates the state with a new random key.
    ///
    /// # Panics
    /// If the operating system provides no random numbers.
    pub(crate) fn new(
        authenticator: Arc<dyn Authenticator>,
        principals: Arc<dyn Principals>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let header_key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
            .expect("the operating system provides random numbers");
        Self { authenticator, principals, header_key, metrics }
    }

    /// Returns whether the settings enable a scheme and the authenticator supports it.
    pub(crate) fn is_enabled(&self, scheme: Scheme, config: &Config) -> bool {
        let switches = &config.service.auth;
        let is_switched_on = match scheme {
            Scheme::Negotiate => switches.negotiate,
            Scheme::Kerberos => switches.kerberos,
            Scheme::CredSsp => switches.credssp,
            Scheme::Basic => switches.basic,
            Scheme::Certificate => switches.certificate,
            // No header can select the others.
            _ => false,
        };
        is_switched_on && self.authenticator.supports(scheme)
    }

    /// Returns how long the check of an account remains valid.
    pub(crate) fn check_lifetime(&self) -> Duration {
        self.authenticator.verdict_lifetime()
    }

    /// Records a successful sign-in.
    pub(super) fn record_success(&self, caller: &Caller) {
        self.metrics.sign_in(caller.identity().scheme(), true);
        audit::signed_in(&caller.audit_subject());
    }

    /// Records a failed sign-in.
    pub(super) fn record_failure(&self, client: &FailedClient<'_>, error: AuthError) {
        self.metrics.sign_in(client.scheme, false);
        audit::not_signed_in(client.address, client.account, client.scheme, client.mechanism, error);
    }

    /// Verifies that the account of a caller may still be used, without new credentials.
    ///
    /// Returns the caller with its current groups, or `None` if the account is disabled, expired or deleted. That is
    /// logged and recorded in the audit log.
    pub(crate) async fn recheck(&self, caller: &Arc<Caller>) -> Option<Arc<Caller>> {
        let authenticator = Arc::clone(&self.authenticator);
        let (principals, before) = (Arc::clone(&self.principals), Arc::clone(caller));
        // The authenticator may read files and ask other processes.
        let checked = tokio::task::spawn_blocking(move || {
            let identity = before.identity();
            authenticator.admits(identity, before.address())?;
            let token = principals.token_of(identity).ok_or(AuthError::NotAllowed)?;
            let session = principals.session_handle(identity);
            Ok(Arc::new(Caller::new(identity.clone(), token, before.address()).with_session(session)))
        })
        .await;
        let checked = checked.unwrap_or(Err(AuthError::Unavailable));
        checked.inspect_err(|error| log_revoked(caller, *error)).ok()
    }
}

/// Reports that a caller who was signed in may no longer use its account.
fn log_revoked(caller: &Caller, error: AuthError) {
    let (identity, peer) = (caller.identity(), caller.address());
    let account = identity.account();
    tracing::warn!(%peer, %account, %error, "Sign-in of a connection revoked");
    audit::not_signed_in(peer, &account.name, identity.scheme(), identity.mechanism(), error);
}
