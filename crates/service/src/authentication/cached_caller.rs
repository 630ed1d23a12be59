//! Callers that are trusted for a limited time without a new check of their account.

use std::sync::Arc;
use std::time::Instant;

use super::SignIn;
use crate::caller::Caller;

/// An authenticated caller and the time until which its account need not be checked again.
///
/// While a connection lasts, its account may be disabled, expire, or leave a group. A request that arrives after the
/// [lifetime](auth::Authenticator::stands_for) of the last check therefore repeats the check, without new
/// credentials. Idle connections are not checked.
pub(super) struct CachedCaller {
    caller: Arc<Caller>,
    until: Instant,
}

impl CachedCaller {
    /// Caches a caller whose account was just checked.
    pub(super) fn new(caller: Arc<Caller>, sign_in: &SignIn) -> Self {
        Self { caller, until: Instant::now() + sign_in.check_lifetime() }
    }

    /// Returns the caller as of the last check.
    pub(super) fn last(&self) -> &Arc<Caller> {
        &self.caller
    }

    /// Returns whether the last check is still valid.
    pub(super) fn is_fresh(&self) -> bool {
        self.until > Instant::now()
    }

    /// Returns the caller, after another check if the last one is too old. `None` if the account may not be used
    /// any more.
    pub(super) async fn current(&mut self, sign_in: &SignIn) -> Option<Arc<Caller>> {
        if !self.is_fresh() {
            // Boxed so that the future of an idle connection stays small.
            let caller = Box::pin(sign_in.recheck(&self.caller)).await?;
            *self = Self::new(caller, sign_in);
        }
        Some(Arc::clone(&self.caller))
    }
}
