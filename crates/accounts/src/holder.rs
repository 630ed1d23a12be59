//! Authentication of a client by its certificate, and selection of its account.

mod certificate;
mod signature;
mod spent;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ::limits::Report;
use auth::account_file::UnixTime;
use auth::certificate_mapping::{CertificateFacts, Mapping};
use auth::{Account, AuthError, CertificateProof, CertificateRefused, ClientCertificates, Holder};

pub use self::certificate::ClientCertificate;
use self::spent::Fingerprint;
pub use self::spent::SpentProofs;
use crate::Attempts;

/// Certificate mappings, and the accounts they lead to.
pub trait MappedAccounts: Send + Sync {
    /// Returns the current mappings and authorities; may block on disk access.
    ///
    /// While nothing has changed, the same `Arc` is returned each time.
    ///
    /// # Errors
    /// [`AuthError::Unavailable`].
    fn current(&self) -> Result<Arc<ClientCertificates>, AuthError>;

    /// Verifies that the account of a mapping still has the password that is stored with the mapping.
    ///
    /// # Errors
    /// [`AuthError`], as for any password.
    fn verify(&self, mapping: &Mapping, from: IpAddr) -> Result<Account, AuthError>;

    /// Verifies that an account whose password was verified earlier may still sign in.
    ///
    /// # Errors
    /// [`AuthError`] if it may not.
    fn admits(&self, account: &Account, from: IpAddr) -> Result<(), AuthError>;
}

/// A client that has proven possession of the private key of a certificate, on one connection.
pub struct CertificateHolder {
    certificate: ClientCertificate,
    fingerprint: Fingerprint,
    accounts: Arc<dyn MappedAccounts>,
    limits: HolderLimits,
    from: IpAddr,
    evaluation: Option<Evaluation>,
    verified: Option<VerifiedAccount>,
    /// `true` if this holder has recorded its proof as used.
    is_recorded: bool,
}

/// Replay protection and failure limits that all holders share.
#[derive(Clone, Default)]
pub struct HolderLimits {
    /// Proofs that were used; each is accepted only once.
    pub spent: Arc<SpentProofs>,
    /// Record of failed attempts; `None` if failures are not counted.
    pub attempts: Option<Arc<Attempts>>,
}

impl HolderLimits {
    /// Returns the report to log for a refusal, or `None` if a later one includes it.
    fn report(&self, from: IpAddr) -> Option<Report> {
        match &self.attempts {
            Some(attempts) => attempts.refusal(from, Instant::now()),
            None => Some(Report::default()),
        }
    }
}

/// Facts of the certificate under one version of the mappings and authorities.
struct Evaluation {
    known: Arc<ClientCertificates>,
    facts: CertificateFacts,
    until: Instant,
}

/// An account whose password is not verified again for a while.
struct VerifiedAccount {
    /// Version of the mappings for which this is valid; compared by pointer.
    known: Arc<ClientCertificates>,
    mapping: Mapping,
    account: Account,
    until: Instant,
}

impl CertificateHolder {
    /// Verifies the signature of a TLS handshake with the key of the certificate shown in it.
    ///
    /// # Errors
    /// [`AuthError::Unproven`] if the signature is wrong.
    pub fn prove(
        proof: &CertificateProof,
        accounts: Arc<dyn MappedAccounts>,
        limits: HolderLimits,
        from: IpAddr,
    ) -> Result<Self, AuthError> {
        signature::verify(proof).map_err(|reason| {
            if let Some(Report { repeated, others }) = limits.report(from) {
                tracing::warn!(peer = %from, reason, repeated, others, "Invalid signature of a client certificate");
            }
            AuthError::Unproven
        })?;
        let certificate = ClientCertificate::of_proof(proof);
        let fingerprint = Fingerprint::of(proof);
        let (evaluation, verified, is_recorded) = (None, None, false);
        Ok(Self { certificate, fingerprint, accounts, limits, from, evaluation, verified, is_recorded })
    }

    /// Parses the certificate and verifies its chain, unless that was done recently for the current mappings and
    /// authorities.
    fn evaluate(&mut self) -> Result<Arc<ClientCertificates>, CertificateRefused> {
        let known = self.accounts.current()?;
        let is_current = |evaluation: &Evaluation| {
            evaluation.until > Instant::now() && Arc::ptr_eq(&evaluation.known, &known)
        };
        if !self.evaluation.as_ref().is_some_and(is_current) {
            self.evaluation = None;
            let facts = self.certificate.facts(&known, now()).map_err(|reason| self.refuse(&reason))?;
            let until = Instant::now() + REUSE_DURATION;
            self.evaluation = Some(Evaluation { known: Arc::clone(&known), facts, until });
        }
        Ok(known)
    }

    fn facts(&self) -> Result<&CertificateFacts, AuthError> {
        self.evaluation.as_ref().map(|evaluation| &evaluation.facts).ok_or(AuthError::Unavailable)
    }

    fn try_check_mapped(&mut self) -> Result<(), CertificateRefused> {
        let known = self.evaluate()?;
        let considered = known.mappings.check_mapped(self.facts()?, now());
        considered.map_err(|refusal| self.refuse(&refusal.to_string()))?;
        self.record_proof()
    }

    /// Records the proof as used. Only proofs of mapped certificates are recorded, so that unknown clients cannot fill
    /// the memory.
    fn record_proof(&mut self) -> Result<(), CertificateRefused> {
        if !self.is_recorded && !self.limits.spent.spend(self.fingerprint) {
            let claimed = self.claimed();
            tracing::error!(
                peer = %self.from, thumbprint = %self.certificate.thumbprint(),
                "Replayed proof of a client certificate rejected"
            );
            return Err(CertificateRefused { error: AuthError::Unproven, claimed });
        }
        self.is_recorded = true;
        Ok(())
    }

    fn claimed(&self) -> String {
        self.evaluation.as_ref().and_then(|evaluation| evaluation.facts.names.claimed()).unwrap_or_default()
    }

    /// Logs why the certificate is refused. The client learns only that it is.
    fn refuse(&self, reason: &str) -> CertificateRefused {
        if let Some(Report { repeated, others }) = self.limits.report(self.from) {
            let thumbprint = self.certificate.thumbprint();
            tracing::warn!(
                peer = %self.from, %thumbprint, reason, repeated, others, "Client certificate refused"
            );
        }
        CertificateRefused { error: AuthError::Unmapped, claimed: self.claimed() }
    }

    /// Logs why the account of a mapping is refused.
    fn refuse_account(&self, mapping: &Mapping, error: AuthError) -> CertificateRefused {
        let account = mapping.user.to_string();
        if let Some(Report { repeated, others }) = self.limits.report(self.from) {
            tracing::warn!(
                peer = %self.from, mapping = %mapping.keys(), account, %error, repeated, others,
                "Account of a certificate mapping refused; check whether its password has changed"
            );
        }
        CertificateRefused { error, claimed: account }
    }
}

impl Holder for CertificateHolder {
    fn check_mapped(&mut self) -> Result<(), CertificateRefused> {
        match self.limits.attempts.clone() {
            Some(attempts) => {
                let thumbprint = self.certificate.thumbprint();
                attempts.judge_certificate(thumbprint, self.from, Instant::now(), || self.try_check_mapped())
            }
            None => self.try_check_mapped(),
        }
    }

    fn account(&mut self, resource: &str) -> Result<Account, CertificateRefused> {
        let known = self.evaluate()?;
        let mapping = match known.mappings.choose(self.facts()?, resource, now()) {
            Ok(mapping) => mapping.clone(),
            Err(refusal) => return Err(self.refuse(&refusal.to_string())),
        };
        self.record_proof()?;
        if let Some(verified) = &self.verified
            && verified.until > Instant::now()
            && Arc::ptr_eq(&verified.known, &known)
            && verified.mapping == mapping
        {
            self.accounts
                .admits(&verified.account, self.from)
                .map_err(|error| self.refuse_account(&mapping, error))?;
            return Ok(verified.account.clone());
        }
        let account = self
            .accounts
            .verify(&mapping, self.from)
            .map_err(|error| self.refuse_account(&mapping, error))?;
        let until = Instant::now() + REUSE_DURATION;
        self.verified = Some(VerifiedAccount { known, mapping, account: account.clone(), until });
        Ok(account)
    }
}

fn now() -> UnixTime {
    UnixTime::new(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()))
}

/// Time for which the verification of a chain and of a password is reused.
const REUSE_DURATION: Duration = Duration::from_secs(120);
