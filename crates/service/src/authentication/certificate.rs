//! Client certificates: requests name the scheme, and the requested resource determines the account
//! (MS-WSMV 3.1.4.1.35).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use auth::{AuthError, CertificateProof, CertificateRefused, Holder, Identity, Scheme};

use super::cached_caller::CachedCaller;
use super::{Authentication, ConnectionState, FailedClient, SignIn};
use crate::caller::Caller;

/// Client certificate of a connection with the results of previous checks.
pub(super) struct ClientCertificate {
    /// Certificates of the handshake, the client's own first.
    chain: Arc<[Vec<u8>]>,
    /// Proof of possession of the key. `None` once a [`Holder`] was created from it.
    proof: Option<Arc<CertificateProof>>,
    holder: Option<Box<dyn Holder>>,
    /// Time until which the certificate is known to have a mapping for some resource.
    mapped_until: Option<Instant>,
    /// Callers by requested resource, the latest at the end.
    callers: VecDeque<(String, CachedCaller)>,
}

/// Result of a query to a [`Holder`], which is returned for the next query.
type HolderAnswer<T> = Result<(Box<dyn Holder>, Result<T, CertificateRefused>), CertificateRefused>;

impl ClientCertificate {
    pub(super) fn new(proof: CertificateProof) -> Self {
        Self {
            chain: proof.certificates().into(),
            proof: Some(Arc::new(proof)),
            holder: None,
            mapped_until: None,
            callers: VecDeque::new(),
        }
    }
}

impl Authentication {
    /// Returns the certificates that the client has presented in the TLS handshake, its own first. The handshake has
    /// proven possession of its key; nothing else was verified.
    pub(crate) fn certificates(&self) -> Option<Arc<[Vec<u8>]>> {
        self.certificate.as_ref().map(|certificate| Arc::clone(&certificate.chain))
    }

    /// Checks that the certificate of this connection has a mapping for some resource, before the body is received.
    pub(super) async fn check_certificate(&mut self, sign_in: &SignIn) -> bool {
        self.state = ConnectionState::Anonymous;
        let checked = match &mut self.certificate {
            None => {
                tracing::debug!(peer = %self.address, "Client presented no certificate");
                Err(AuthError::Unproven.into())
            }
            Some(certificate) if certificate.mapped_until.is_some_and(|until| until > Instant::now()) => {
                return true;
            }
            Some(certificate) => {
                let authenticator = Arc::clone(&sign_in.authenticator);
                let (address, proof) = (self.address, certificate.proof.clone());
                certificate
                    .query(move |holder| {
                        let mut holder = match (holder, proof) {
                            (Some(holder), _) => holder,
                            (None, Some(proof)) => authenticator.holder(&proof, address)?,
                            (None, None) => return Err(AuthError::Unproven.into()),
                        };
                        let considered = holder.check_mapped();
                        Ok((holder, considered))
                    })
                    .await
            }
        };
        match checked {
            Ok(()) => {
                let until = Instant::now() + sign_in.check_lifetime();
                self.certificate.iter_mut().for_each(|certificate| certificate.mapped_until = Some(until));
                true
            }
            Err(refused) => {
                self.record_refused_certificate(sign_in, &refused);
                false
            }
        }
    }

    /// Returns the caller to which the certificate of this connection is mapped for a resource.
    ///
    /// A message that names no resource has the empty string, which matches only mappings for all resources.
    pub(crate) async fn by_certificate(&mut self, resource: &str, sign_in: &SignIn) -> Option<Arc<Caller>> {
        let certificate = self.certificate.as_mut()?;
        let before = certificate.callers.iter().find(|(requested, _)| requested == resource);
        if let Some((_, cached)) = before.filter(|(_, cached)| cached.is_fresh()) {
            return Some(Arc::clone(cached.last()));
        }
        let requested = resource.to_owned();
        let identity = certificate
            .query(move |holder| {
                let mut holder = holder.ok_or(AuthError::Unproven)?;
                let identity = Identity::by_certificate(&requested, holder.as_mut());
                Ok((holder, identity))
            })
            .await;
        let identity = match identity {
            Ok(identity) => identity,
            Err(refused) => {
                certificate.mapped_until = None;
                self.record_refused_certificate(sign_in, &refused);
                return None;
            }
        };
        let cached = certificate.callers.iter().map(|(_, cached)| cached);
        let mut same = cached.filter(|cached| *cached.last().identity() == identity);
        let caller = match same.clone().find(|cached| cached.is_fresh()) {
            // The same account was checked for another resource a moment ago.
            Some(cached) => Arc::clone(cached.last()),
            None => match same.next() {
                Some(_) => self.create_caller(identity, sign_in)?,
                None => self.caller(identity, sign_in)?,
            },
        };
        if let Some(certificate) = &mut self.certificate {
            certificate.callers.retain(|(requested, _)| requested != resource);
            let cached = CachedCaller::new(Arc::clone(&caller), sign_in);
            certificate.callers.push_back((resource.to_owned(), cached));
            if certificate.callers.len() > MAX_CACHED_RESOURCES {
                certificate.callers.pop_front();
            }
        }
        Some(caller)
    }

    /// Writes the reason to the audit log. The client learns only that it is not authenticated.
    fn record_refused_certificate(&self, sign_in: &SignIn, refused: &CertificateRefused) {
        let (address, scheme) = (self.address, Scheme::Certificate);
        let client = FailedClient { address, account: &refused.claimed, scheme, mechanism: None };
        sign_in.record_failure(&client, refused.error);
    }
}

impl ClientCertificate {
    /// Queries the holder on a thread that may block, because it may read files and ask another process.
    async fn query<T, Q>(&mut self, query: Q) -> Result<T, CertificateRefused>
    where
        T: Send + 'static,
        Q: FnOnce(Option<Box<dyn Holder>>) -> HolderAnswer<T> + Send + 'static,
    {
        let holder = self.holder.take();
        let answered = tokio::task::spawn_blocking(move || query(holder)).await;
        let (holder, answer) = answered.unwrap_or_else(|_| Err(AuthError::Unavailable.into()))?;
        self.holder = Some(holder);
        // The holder replaces the proof.
        self.proof = None;
        answer
    }
}

/// Maximum number of resources for which a connection remembers its caller.
const MAX_CACHED_RESOURCES: usize = 8;
