//! Client certificates: each request names the scheme, and the certificate of its connection is judged by the
//! resource that it asks for (MS-WSMV 3.1.4.1.35).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use auth::{AuthError, CertificateProof, CertificateRefused, Holder, Identity, Scheme};

use super::verdict::Verdict;
use super::{Authentication, Standing};
use crate::access::Caller;
use crate::audit;
use crate::service::Service;

/// The certificate of a connection and what was made of it.
pub(super) struct Shown {
    /// None once somebody has judged it.
    proof: Option<Arc<CertificateProof>>,
    holder: Option<Box<dyn Holder>>,
    /// Until when it is known to lead somewhere.
    leads_until: Option<Instant>,
    /// Who it was, by the resource that was asked for; the last at the end.
    callers: VecDeque<(String, Verdict)>,
}

impl Shown {
    pub(super) fn new(proof: CertificateProof) -> Self {
        Self { proof: Some(Arc::new(proof)), holder: None, leads_until: None, callers: VecDeque::new() }
    }
}

impl Authentication {
    /// Whether the certificate of this connection leads anywhere: what needs neither the body nor an account.
    pub(super) async fn holds_certificate(&mut self, service: &Arc<Service>) -> bool {
        self.standing = Standing::Nobody;
        let considered = match &mut self.shown {
            None => {
                tracing::debug!(peer = %self.address, "The connection has no client certificate");
                Err(AuthError::Unproven.into())
            }
            Some(shown) if shown.leads_until.is_some_and(|until| until > Instant::now()) => return true,
            Some(shown) => {
                let (authenticator, address, proof) =
                    (Arc::clone(&service.authenticator), self.address, shown.proof.clone());
                let considering = move |holder: Option<Box<dyn Holder>>| {
                    let mut holder = match (holder, proof) {
                        (Some(holder), _) => holder,
                        (None, Some(proof)) => authenticator.holder(&proof, address)?,
                        (None, None) => return Err(AuthError::Unproven.into()),
                    };
                    let considered = holder.check_mapped();
                    Ok((holder, considered))
                };
                shown.ask(considering).await
            }
        };
        match considered {
            Ok(()) => {
                let until = Instant::now() + service.authenticator.verdict_lifetime();
                self.shown.iter_mut().for_each(|shown| shown.leads_until = Some(until));
                true
            }
            Err(refused) => {
                self.refuse_certificate(&refused);
                false
            }
        }
    }

    /// Whose account the certificate of this connection is where a resource is asked for.
    ///
    /// A message that names no resource asks for the empty one, which only mappings for everything fit.
    pub(crate) async fn by_certificate(
        &mut self,
        resource: &str,
        service: &Arc<Service>,
    ) -> Option<Arc<Caller>> {
        let shown = self.shown.as_mut()?;
        let before = shown.callers.iter().find(|(asked, _)| asked == resource);
        if let Some((_, verdict)) = before.filter(|(_, verdict)| verdict.stands()) {
            return Some(Arc::clone(verdict.last()));
        }
        let asked = resource.to_owned();
        let asking = move |holder: Option<Box<dyn Holder>>| {
            let mut holder = holder.ok_or(AuthError::Unproven)?;
            let identity = Identity::by_certificate(&asked, holder.as_mut());
            Ok((holder, identity))
        };
        let identity = match shown.ask(asking).await {
            Ok(identity) => identity,
            Err(refused) => {
                shown.leads_until = None;
                self.refuse_certificate(&refused);
                return None;
            }
        };
        let known = shown.callers.iter().map(|(_, verdict)| verdict);
        let mut known = known.filter(|verdict| *verdict.last().identity() == identity);
        let caller = match known.clone().find(|verdict| verdict.stands()) {
            // For another resource, a moment ago.
            Some(verdict) => Arc::clone(verdict.last()),
            None => match known.next() {
                Some(_) => self.make_caller(identity, service)?,
                None => self.caller(identity, service)?,
            },
        };
        if let Some(shown) = &mut self.shown {
            shown.callers.retain(|(asked, _)| asked != resource);
            shown.callers.push_back((resource.to_owned(), Verdict::new(Arc::clone(&caller), service)));
            if shown.callers.len() > MOST_RESOURCES {
                shown.callers.pop_front();
            }
        }
        Some(caller)
    }

    /// Tells the audit; the peer learns that it is not let in.
    fn refuse_certificate(&self, refused: &CertificateRefused) {
        audit::not_signed_in(self.address, &refused.claimed, Scheme::Certificate, None, refused.error);
    }
}

impl Shown {
    /// Lets the holder answer on a thread that may wait: for the disk, and for another process.
    async fn ask<T: Send + 'static>(
        &mut self,
        question: impl FnOnce(
            Option<Box<dyn Holder>>,
        )
            -> Result<(Box<dyn Holder>, Result<T, CertificateRefused>), CertificateRefused>
        + Send
        + 'static,
    ) -> Result<T, CertificateRefused> {
        let holder = self.holder.take();
        let asked = tokio::task::spawn_blocking(move || question(holder)).await;
        let (holder, answer) = asked.unwrap_or_else(|_| Err(AuthError::Unavailable.into()))?;
        self.holder = Some(holder);
        // It was used up by that.
        self.proof = None;
        answer
    }
}

/// Resources of which a connection is remembered as somebody's.
const MOST_RESOURCES: usize = 8;
