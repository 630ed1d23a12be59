//! How long somebody who was let in stays so.

use std::sync::Arc;
use std::time::Instant;

use auth::AuthError;

use crate::access::Caller;
use crate::audit;
use crate::service::Service;

/// Somebody, as of some time.
///
/// Who has signed in may be disabled, expire, or leave a group while the connection lasts. So whoever uses it after the
/// verdict has [stood for long enough](auth::Authenticator::verdict_lifetime) is judged again, without a new proof; one that
/// is idle costs nothing.
pub(super) struct Verdict {
    caller: Arc<Caller>,
    until: Instant,
}

impl Verdict {
    /// One of just now.
    pub(super) fn new(caller: Arc<Caller>, service: &Service) -> Self {
        Self { caller, until: Instant::now() + service.authenticator.verdict_lifetime() }
    }

    /// Whose it was the last time.
    pub(super) fn last(&self) -> &Arc<Caller> {
        &self.caller
    }

    /// Whether nobody has to be asked now.
    pub(super) fn stands(&self) -> bool {
        self.until > Instant::now()
    }

    /// Who it is now; none if the account lets nobody in any more.
    pub(super) async fn caller(&mut self, service: &Arc<Service>) -> Option<Arc<Caller>> {
        if !self.stands() {
            // Apart, because the others have to have no memory for it.
            let caller = Box::pin(judged_again(&self.caller, service)).await?;
            *self = Self::new(caller, service);
        }
        Some(Arc::clone(&self.caller))
    }
}

/// The same somebody, with the groups of now; none if the account lets nobody in any more.
pub(crate) async fn judged_again(caller: &Arc<Caller>, service: &Service) -> Option<Arc<Caller>> {
    let before = Arc::clone(caller);
    let (authenticator, principals) = (Arc::clone(&service.authenticator), Arc::clone(&service.principals));
    // It may ask files and other processes.
    let judging = move || {
        let identity = before.identity();
        authenticator.admits(identity, before.address())?;
        let token = principals.token_of(identity).ok_or(AuthError::NotAllowed)?;
        let proof = principals.proof_of(identity);
        Ok(Arc::new(Caller::new(identity.clone(), token, before.address()).with_proof(proof)))
    };
    let judged = tokio::task::spawn_blocking(judging).await.unwrap_or(Err(AuthError::Unavailable));
    let refused = |error: &AuthError| {
        let (identity, peer) = (caller.identity(), caller.address());
        let account = identity.account();
        tracing::warn!(%peer, %account, %error, "A connection is nobody's any more");
        audit::not_signed_in(peer, &account.name, identity.scheme(), identity.mechanism(), *error);
    };
    judged.inspect_err(refused).ok()
}
