//! Who holds a client certificate, and whose account that is.

mod certificate;
mod signature;
mod spent;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use auth::account_file::UnixTime;
use auth::certificate_mapping::{CertificateFacts, Mapping};
use auth::{Account, AuthError, CertificateProof, CertificateRefused, ClientCertificates, Holder};
use limits::Report;

pub(crate) use self::certificate::ClientCertificate;
use self::spent::Fingerprint;
pub use self::spent::SpentProofs;
use crate::Attempts;

/// By what certificates are judged, and where the accounts are that they are mapped to.
pub trait MappedAccounts: Send + Sync {
    /// Mappings and authorities; may wait for the disk.
    ///
    /// As long as nothing has changed, it is the same value each time, and not only an equal one.
    ///
    /// # Errors
    /// [`AuthError::Unavailable`].
    fn known(&self) -> Result<Arc<ClientCertificates>, AuthError>;

    /// Judges whether the account of a mapping still has the password that is kept with the mapping.
    ///
    /// # Errors
    /// [`AuthError`], as for any password.
    fn mapped(&self, mapping: &Mapping, from: IpAddr) -> Result<Account, AuthError>;

    /// Judges whether an account that had the password may still be used.
    ///
    /// # Errors
    /// [`AuthError`].
    fn admits(&self, account: &Account, from: IpAddr) -> Result<(), AuthError>;
}

/// Somebody who has proven to have the key of a certificate, on one connection.
pub struct CertificateHolder {
    certificate: ClientCertificate,
    fingerprint: Fingerprint,
    accounts: Arc<dyn MappedAccounts>,
    counting: Counting,
    from: IpAddr,
    judged: Option<Judged>,
    verdict: Option<Verdict>,
    /// Whether the proof is among those that are used up, by this holder.
    is_entered: bool,
}

/// What all holders have in common: what was used, and what went wrong.
#[derive(Clone, Default)]
pub struct Counting {
    /// The proofs that were used, none of which is taken a second time.
    pub spent: Arc<SpentProofs>,
    /// The failures of all sources.
    pub attempts: Option<Arc<Attempts>>,
}

impl Counting {
    /// Returns the report to log for a refusal, or `None` if a later one includes it.
    fn report(&self, from: IpAddr) -> Option<Report> {
        match &self.attempts {
            Some(attempts) => attempts.refusal(from, Instant::now()),
            None => Some(Report::default()),
        }
    }
}

/// What the certificate is worth by what was known at some time.
struct Judged {
    known: Arc<ClientCertificates>,
    facts: CertificateFacts,
    until: Instant,
}

/// An account whose password is not asked for again for a while.
struct Verdict {
    /// Whatever changes in the mappings makes another value of it.
    known: Arc<ClientCertificates>,
    mapping: Mapping,
    account: Account,
    until: Instant,
}

impl CertificateHolder {
    /// Verifies the signature of a handshake with the key of the certificate that was shown in it.
    ///
    /// # Errors
    /// [`AuthError::Unproven`] if it is not right.
    pub fn prove(
        proof: &CertificateProof,
        accounts: Arc<dyn MappedAccounts>,
        counting: Counting,
        from: IpAddr,
    ) -> Result<Self, AuthError> {
        signature::verify(proof).map_err(|reason| {
            if let Some(Report { repeated, others }) = counting.report(from) {
                tracing::warn!(peer = %from, reason, repeated, others, "Signature of a client certificate is wrong");
            }
            AuthError::Unproven
        })?;
        let certificate = ClientCertificate::shown_in(proof);
        let fingerprint = Fingerprint::of(proof);
        let (judged, verdict, is_entered) = (None, None, false);
        Ok(Self { certificate, fingerprint, accounts, counting, from, judged, verdict, is_entered })
    }

    /// Reads the certificate and looks for those who stand for it, unless that was done and is still so.
    fn judge(&mut self) -> Result<Arc<ClientCertificates>, CertificateRefused> {
        let known = self.accounts.known()?;
        let is_current =
            |judged: &Judged| judged.until > Instant::now() && Arc::ptr_eq(&judged.known, &known);
        if !self.judged.as_ref().is_some_and(is_current) {
            self.judged = None;
            let facts = self.certificate.facts(&known, now()).map_err(|reason| self.refuse(&reason))?;
            let until = Instant::now() + REMEMBERED_FOR;
            self.judged = Some(Judged { known: Arc::clone(&known), facts, until });
        }
        Ok(known)
    }

    fn facts(&self) -> Result<&CertificateFacts, AuthError> {
        self.judged.as_ref().map(|judged| &judged.facts).ok_or(AuthError::Unavailable)
    }

    fn try_consider(&mut self) -> Result<(), CertificateRefused> {
        let known = self.judge()?;
        let considered = known.mappings.consider(self.facts()?, now());
        considered.map_err(|refusal| self.refuse(&refusal.to_string()))?;
        self.enter()
    }

    /// Uses up the proof. Only one that leads somewhere is remembered, so that nobody else can fill the memory.
    fn enter(&mut self) -> Result<(), CertificateRefused> {
        if !self.is_entered && !self.counting.spent.spend(self.fingerprint) {
            let claimed = self.claimed();
            tracing::error!(
                peer = %self.from, thumbprint = %self.certificate.thumbprint(),
                "The proof of a client certificate comes a second time: it lets nobody in"
            );
            return Err(CertificateRefused { error: AuthError::Unproven, claimed });
        }
        self.is_entered = true;
        Ok(())
    }

    fn claimed(&self) -> String {
        self.judged.as_ref().and_then(|judged| judged.facts.names.claimed()).unwrap_or_default()
    }

    /// Logs why the certificate is refused. The peer learns only that it is.
    fn refuse(&self, reason: &str) -> CertificateRefused {
        if let Some(Report { repeated, others }) = self.counting.report(self.from) {
            let thumbprint = self.certificate.thumbprint();
            tracing::warn!(
                peer = %self.from, %thumbprint, reason, repeated, others, "Client certificate refused"
            );
        }
        CertificateRefused { error: AuthError::Unmapped, claimed: self.claimed() }
    }
}

impl Holder for CertificateHolder {
    fn consider(&mut self) -> Result<(), CertificateRefused> {
        match self.counting.attempts.clone() {
            Some(attempts) => {
                let thumbprint = self.certificate.thumbprint();
                attempts.judge_certificate(thumbprint, self.from, Instant::now(), || self.try_consider())
            }
            None => self.try_consider(),
        }
    }

    fn account(&mut self, resource: &str) -> Result<Account, CertificateRefused> {
        let known = self.judge()?;
        let mapping = match known.mappings.choose(self.facts()?, resource, now()) {
            Ok(mapping) => mapping.clone(),
            Err(refusal) => return Err(self.refuse(&refusal.to_string())),
        };
        self.enter()?;
        let user = mapping.user.to_string();
        let refused = |error: AuthError| {
            if let Some(Report { repeated, others }) = self.counting.report(self.from) {
                tracing::warn!(
                    peer = %self.from, mapping = %mapping.keys(), account = user, %error, repeated, others,
                    "Account of a certificate mapping refused: check that its password is still the same"
                );
            }
            CertificateRefused { error, claimed: user.clone() }
        };
        if let Some(verdict) = &self.verdict
            && verdict.until > Instant::now()
            && Arc::ptr_eq(&verdict.known, &known)
            && verdict.mapping == mapping
        {
            self.accounts.admits(&verdict.account, self.from).map_err(refused)?;
            return Ok(verdict.account.clone());
        }
        let account = self.accounts.mapped(&mapping, self.from).map_err(refused)?;
        let until = Instant::now() + REMEMBERED_FOR;
        self.verdict = Some(Verdict { known, mapping, account: account.clone(), until });
        Ok(account)
    }
}

fn now() -> UnixTime {
    UnixTime::new(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()))
}

/// How long a chain and a password stand before they are judged again.
const REMEMBERED_FOR: Duration = Duration::from_secs(120);
