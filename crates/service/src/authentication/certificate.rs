//! Client certificates: each request names the scheme, and the certificate of its connection is judged by the
//! resource that it asks for (MS-WSMV 3.1.4.1.35).

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use auth::account_file::UnixTime;
use auth::certificate_mapping::{CertificateFacts, Mapping};
use auth::{AuthError, ClientCertificates, Identity, Scheme};

use super::{Authentication, Standing};
use crate::access::Caller;
use crate::audit;
use crate::client_certificate::ClientCertificate;
use crate::service::Service;

/// The certificate of a connection and what was made of it.
pub(super) struct Shown {
    certificate: ClientCertificate,
    judged: Option<Judged>,
    remembered: Option<Remembered>,
}

/// What a certificate is worth by what was known at some time.
struct Judged {
    known: Arc<ClientCertificates>,
    facts: CertificateFacts,
    until: Instant,
}

/// A verdict about an account that is not asked for again for a while.
struct Remembered {
    /// Whatever changes in the file of mappings makes another value of it.
    known: Arc<ClientCertificates>,
    mapping: Mapping,
    caller: Arc<Caller>,
    until: Instant,
}

impl Shown {
    pub(super) fn new(certificate: ClientCertificate) -> Self {
        Self { certificate, judged: None, remembered: None }
    }
}

impl Authentication {
    /// Whether the certificate of this connection leads anywhere: what needs neither the body nor an account.
    pub(super) async fn holds_certificate(&mut self, service: &Arc<Service>) -> bool {
        self.standing = Standing::Nobody;
        let Some(shown) = &mut self.shown else {
            tracing::debug!(peer = %self.address, "The connection has no client certificate");
            audit::not_signed_in(self.address, "", Scheme::Certificate, None, AuthError::Unproven);
            return false;
        };
        let refusal = match shown.judge(service).await {
            Ok(judged) => match judged.known.mappings.consider(&judged.facts, now()) {
                Ok(()) => return true,
                Err(refusal) => refusal.to_string(),
            },
            Err(reason) => reason,
        };
        self.refuse_certificate(&refusal);
        false
    }

    /// Whose account the certificate of this connection is where a resource is asked for.
    ///
    /// A message that names no resource asks for the empty one, which only mappings for everything fit.
    pub(crate) async fn by_certificate(
        &mut self,
        resource: &str,
        service: &Arc<Service>,
    ) -> Option<Arc<Caller>> {
        let judged = self.shown.as_ref()?.judged.as_ref()?;
        let known = Arc::clone(&judged.known);
        let mapping = match known.mappings.choose(&judged.facts, resource, now()) {
            Ok(mapping) => mapping.clone(),
            Err(refusal) => {
                self.refuse_certificate(&refusal.to_string());
                return None;
            }
        };
        if let Some(remembered) = self.shown.as_ref().and_then(|shown| shown.remembered.as_ref())
            && remembered.until > Instant::now()
            && Arc::ptr_eq(&remembered.known, &known)
            && remembered.mapping == mapping
        {
            return Some(Arc::clone(&remembered.caller));
        }
        let (authenticator, address, asked) =
            (Arc::clone(&service.authenticator), self.address, mapping.clone());
        let judging = move || Identity::by_certificate(&asked, authenticator.as_ref(), address);
        let verdict = tokio::task::spawn_blocking(judging).await.unwrap_or(Err(AuthError::Unavailable));
        let user = mapping.user.to_string();
        let refused = |error: &AuthError| {
            tracing::warn!(
                peer = %address, mapping = %mapping.keys(), account = %user, %error,
                "The account of a certificate mapping does not let in: is its password still the same?"
            );
            audit::not_signed_in(address, &user, Scheme::Certificate, None, *error);
        };
        let identity = verdict.inspect_err(refused).ok()?;
        let caller = self.caller(identity, service)?;
        if let Some(shown) = &mut self.shown {
            let until = Instant::now() + REMEMBERED_FOR;
            shown.remembered = Some(Remembered { known, mapping, caller: Arc::clone(&caller), until });
        }
        Some(caller)
    }

    /// Tells the log and the audit why; the peer learns that it is not let in.
    fn refuse_certificate(&self, reason: &str) {
        let thumbprint = self.shown.as_ref().map(|shown| shown.certificate.thumbprint());
        let judged = self.shown.as_ref().and_then(|shown| shown.judged.as_ref());
        let claimed = judged.and_then(|judged| judged.facts.names.claimed()).unwrap_or_default();
        tracing::warn!(
            peer = %self.address, thumbprint = thumbprint.map(tracing::field::display), reason,
            "A client certificate lets nobody in"
        );
        audit::not_signed_in(self.address, &claimed, Scheme::Certificate, None, AuthError::Unmapped);
    }
}

impl Shown {
    /// Reads the certificate and looks for those who stand for it, unless that was done and is still so.
    async fn judge(&mut self, service: &Arc<Service>) -> Result<&Judged, String> {
        let authenticator = Arc::clone(&service.authenticator);
        let certificate = self.certificate.clone();
        let before = self.judged.take().filter(|judged| judged.until > Instant::now());
        // It may wait for the disk, and chains take a while.
        let judging = move || {
            let known = authenticator.client_certificates().map_err(|error| error.to_string())?;
            match before {
                Some(judged) if Arc::ptr_eq(&judged.known, &known) => Ok(judged),
                _ => {
                    let facts = certificate.facts(&known, now())?;
                    Ok(Judged { known, facts, until: Instant::now() + REMEMBERED_FOR })
                }
            }
        };
        let judged = tokio::task::spawn_blocking(judging).await;
        let judged = judged.unwrap_or_else(|error| Err(error.to_string()))?;
        Ok(self.judged.insert(judged))
    }
}

fn now() -> UnixTime {
    UnixTime::new(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()))
}

/// How long a verdict stands before it is asked for again.
const REMEMBERED_FOR: Duration = Duration::from_secs(120);
