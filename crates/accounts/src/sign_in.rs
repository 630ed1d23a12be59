//! Authentication schemes of a service, built from its account stores.

mod counted;

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime};

use auth::certificate_mapping::{Mapping, MappingChange, MappingChangeError};
use auth::credssp::Version;
use auth::ntlm::{self, HostNames, NtlmVerifier};
use auth::spnego::Mechanism;
use auth::{
    Acceptor, Account, AuthError, Authenticator, Binding, CertificateProof, ClientCertificates, Holder,
    Identity, Oid, PasswordVerifier, Peer, Scheme, Secret, UserDomain, VerifierCost, negotiate,
};
use credssp::ServiceCertificate;
use kerberos::Acceptors;
use limits::{Claim, Origin, Priority, QueueLimits};

use self::counted::{CountedAcceptor, CountedNtlm, ProvenName};
use crate::holder::{CertificateHolder, HolderLimits, MappedAccounts};
use crate::lockout::{Attempt, Attempts};
use crate::verdict_queue::VerdictQueue;
use crate::{ClientCertificateFile, random};

/// Authenticator of a service. Each scheme is offered only if its verifier was configured.
pub struct SignIn {
    passwords: Passwords,
    /// Names of this machine, which may precede or follow the user names of Basic.
    names: HostNames,
    counting: HolderLimits,
    kerberos: Option<Acceptors>,
    ntlm: Option<Ntlm>,
    credssp: Option<CredSsp>,
    certificates: Option<ClientCertificateFile>,
}

/// Password verifier, the queue for its verdicts, and the record of failures, if failures are counted.
#[derive(Clone)]
struct Passwords {
    verifier: Arc<dyn PasswordVerifier>,
    queue: Arc<VerdictQueue>,
    attempts: Option<Arc<Attempts>>,
}

/// Accounts behind the certificate mappings of one file.
struct FileMappedAccounts {
    file: ClientCertificateFile,
    passwords: Passwords,
}

/// CredSSP with a certificate that is generated when the first client needs it, because key generation takes long.
struct CredSsp {
    certificate: OnceLock<ServiceCertificate>,
    make: Box<dyn Fn() -> Result<ServiceCertificate, String> + Send + Sync>,
}

#[derive(Clone)]
struct Ntlm {
    verifier: Arc<dyn NtlmVerifier>,
    /// NTLM has a queue of its own, because winbind may wait for another machine.
    queue: Arc<VerdictQueue>,
    names: HostNames,
}

impl SignIn {
    /// Creates an authenticator for clear-text passwords only, that is, for Basic.
    #[must_use]
    pub fn new(passwords: Arc<dyn PasswordVerifier>) -> Self {
        let queue = Arc::new(VerdictQueue::new(VERDICT_LIMITS));
        let passwords = Passwords { verifier: passwords, queue, attempts: None };
        let (names, counting) = (HostNames::default(), HolderLimits::default());
        Self { passwords, names, counting, kerberos: None, ntlm: None, credssp: None, certificates: None }
    }

    /// Accepts the accounts of Basic also as `HOST\user` and `user@host`, with these names of the machine.
    #[must_use]
    pub fn on_host(self, names: HostNames) -> Self {
        Self { names, ..self }
    }

    /// Counts failures over all schemes together, and locks accounts and sources after too many.
    #[must_use]
    pub fn counted(self, attempts: Arc<Attempts>) -> Self {
        let passwords = Passwords { attempts: Some(Arc::clone(&attempts)), ..self.passwords };
        let counting = HolderLimits { attempts: Some(attempts), ..self.counting };
        Self { passwords, counting, ..self }
    }

    /// Adds Kerberos with the keys of this machine.
    #[must_use]
    pub fn with_kerberos(self, acceptors: Acceptors) -> Self {
        Self { kerberos: Some(acceptors), ..self }
    }

    /// Adds NTLM on a host with these names. It is offered while the verifier [is
    /// available](NtlmVerifier::is_available).
    #[must_use]
    pub fn with_ntlm(self, verifier: Arc<dyn NtlmVerifier>, names: HostNames) -> Self {
        let queue = Arc::new(VerdictQueue::new(VERDICT_LIMITS));
        Self { ntlm: Some(Ntlm { verifier, queue, names }), ..self }
    }

    /// Adds CredSSP around the mechanisms of Negotiate. `make` generates its certificate when it is first needed.
    #[must_use]
    pub fn with_credssp(
        self,
        make: impl Fn() -> Result<ServiceCertificate, String> + Send + Sync + 'static,
    ) -> Self {
        Self { credssp: Some(CredSsp { certificate: OnceLock::new(), make: Box::new(make) }), ..self }
    }

    /// Adds client certificates with these mappings.
    #[must_use]
    pub fn with_certificates(self, certificates: ClientCertificateFile) -> Self {
        Self { certificates: Some(certificates), ..self }
    }

    /// Returns every mapping of a client certificate in the current file.
    ///
    /// # Errors
    /// [`MappingChangeError::Failed`] if certificate mappings are not configured or the file cannot be used.
    pub fn mappings(&self) -> Result<Vec<Mapping>, MappingChangeError> {
        self.mapping_file()?.all()
    }

    /// Creates, changes or deletes a mapping. The password of its account must be right; failures count as for a
    /// sign-in.
    ///
    /// # Errors
    /// [`MappingChangeError`] if the password is wrong, the mapping exists or is missing, or the file cannot be
    /// written.
    pub fn change_mapping(&self, change: MappingChange, from: IpAddr) -> Result<(), MappingChangeError> {
        self.mapping_file()?
            .apply(change, |user, password| self.passwords.judge(user.user(), password, from).is_ok())
    }

    fn mapping_file(&self) -> Result<&ClientCertificateFile, MappingChangeError> {
        self.certificates
            .as_ref()
            .ok_or_else(|| MappingChangeError::Failed("certificate mappings are not configured".to_owned()))
    }

    fn ntlm(&self) -> Option<&Ntlm> {
        self.ntlm.as_ref().filter(|ntlm| ntlm.verifier.is_available())
    }

    /// Returns the available mechanisms, strongest first, and the slot for the account name that NTLM proves.
    fn mechanisms(&self, address: IpAddr, binding: &Binding) -> (Vec<Arc<dyn Mechanism>>, ProvenName) {
        let proven = ProvenName::default();
        let mut mechanisms: Vec<Arc<dyn Mechanism>> = Vec::new();
        if let Some(acceptors) = &self.kerberos {
            mechanisms
                .push(Arc::new(KerberosMechanism { acceptors: acceptors.clone(), binding: binding.clone() }));
        }
        if let Some(ntlm) = self.ntlm() {
            let (names, binding) = (ntlm.names.clone(), binding.clone());
            let verifier: Arc<dyn NtlmVerifier> = match &self.passwords.attempts {
                Some(attempts) => Arc::new(CountedNtlm {
                    verifier: Arc::clone(&ntlm.verifier),
                    queue: Arc::clone(&ntlm.queue),
                    names: names.clone(),
                    attempts: Arc::clone(attempts),
                    address,
                    proven: proven.clone(),
                }),
                None => Arc::clone(&ntlm.verifier),
            };
            mechanisms.push(Arc::new(NtlmMechanism { verifier, names, binding }));
        }
        (mechanisms, proven)
    }

    /// Wraps an acceptor so that a success is counted only when the whole sign-in is complete.
    fn counted_acceptor(
        &self,
        acceptor: Box<dyn Acceptor>,
        address: IpAddr,
        proven: ProvenName,
    ) -> Box<dyn Acceptor> {
        match &self.passwords.attempts {
            Some(attempts) => {
                Box::new(CountedAcceptor { acceptor, attempts: Arc::clone(attempts), address, proven })
            }
            None => acceptor,
        }
    }
}

impl Authenticator for SignIn {
    fn supports(&self, scheme: Scheme) -> bool {
        match scheme {
            Scheme::Basic => true,
            Scheme::Negotiate => self.kerberos.is_some() || self.ntlm().is_some(),
            Scheme::Kerberos => self.kerberos.is_some(),
            Scheme::CredSsp => self.credssp.is_some() && self.supports(Scheme::Negotiate),
            Scheme::Certificate => self.certificates.is_some(),
            _ => false,
        }
    }

    fn password(&self, user: &str, password: &Secret, from: IpAddr) -> Result<Account, AuthError> {
        // The accounts of another domain keep their whole name, under which a module of PAM may know them.
        let user = self.names.local_account_of(user).unwrap_or(user);
        self.passwords.judge(user, password, from)
    }

    fn acceptor(&self, scheme: Scheme, peer: &Peer) -> Result<Box<dyn Acceptor>, AuthError> {
        let (acceptor, proven): (Box<dyn Acceptor>, ProvenName) = match (scheme, &self.credssp) {
            (Scheme::Negotiate, _) => {
                let (mechanisms, proven) = self.mechanisms(peer.address, &peer.binding);
                (Box::new(negotiate::Acceptor::negotiate(mechanisms)), proven)
            }
            (Scheme::Kerberos, _) => {
                let (mechanisms, proven) = self.mechanisms(peer.address, &peer.binding);
                (Box::new(negotiate::Acceptor::kerberos(mechanisms)), proven)
            }
            (Scheme::CredSsp, Some(credssp)) => {
                // CredSSP binds the inner mechanism to its own TLS connection (MS-CSSP 3.1.5).
                let (mechanisms, proven) = self.mechanisms(peer.address, &Binding::default());
                let inner = Box::new(negotiate::Acceptor::negotiate(mechanisms));
                (credssp.acceptor(inner)?, proven)
            }
            _ => return Err(AuthError::NoMechanism),
        };
        Ok(self.counted_acceptor(acceptor, peer.address, proven))
    }

    fn cost(&self) -> VerifierCost {
        PasswordVerifier::cost(&self.passwords.verifier)
    }

    fn holder(&self, proof: &CertificateProof, from: IpAddr) -> Result<Box<dyn Holder>, AuthError> {
        let file = self.certificates.clone().ok_or(AuthError::NoMechanism)?;
        let accounts = Arc::new(FileMappedAccounts { file, passwords: self.passwords.clone() });
        Ok(Box::new(CertificateHolder::prove(proof, accounts, self.counting.clone(), from)?))
    }

    fn admits(&self, identity: &Identity, from: IpAddr) -> Result<(), AuthError> {
        self.passwords.verifier.still_admits(identity.account(), from)
    }
}

impl Passwords {
    fn judge(&self, user: &str, password: &Secret, from: IpAddr) -> Result<Account, AuthError> {
        match &self.attempts {
            Some(attempts) => {
                let attempt = Attempt { user, from, now: Instant::now(), queue: Some(&self.queue) };
                attempts.judge_attempt(attempt, || self.verifier.verify(user, password, from))
            }
            None => {
                let claim = Claim { origin: Origin::of(from), account: None, priority: Priority::Unknown };
                let _slot = self.queue.enter(claim).ok_or(AuthError::Unavailable)?;
                self.verifier.verify(user, password, from)
            }
        }
    }
}

impl MappedAccounts for FileMappedAccounts {
    fn current(&self) -> Result<Arc<ClientCertificates>, AuthError> {
        self.file.current()
    }

    fn verify(&self, mapping: &Mapping, from: IpAddr) -> Result<Account, AuthError> {
        // A certificate must not give access to accounts of other machines or domains.
        let (UserDomain::Unspecified | UserDomain::ThisMachine) = mapping.user.domain() else {
            return Err(AuthError::NotAllowed);
        };
        let password = self.file.password(mapping)?;
        self.passwords.judge(mapping.user.user(), &password, from)
    }

    fn admits(&self, account: &Account, from: IpAddr) -> Result<(), AuthError> {
        self.passwords.verifier.still_admits(account, from)
    }
}

impl CredSsp {
    fn acceptor(&self, inner: Box<dyn Acceptor>) -> Result<Box<dyn Acceptor>, AuthError> {
        let certificate = self.certificate().map_err(credssp_unavailable)?;
        let acceptor = credssp::Acceptor::new(certificate, inner, Version::V5);
        Ok(Box::new(acceptor.map_err(credssp_unavailable)?))
    }

    fn certificate(&self) -> Result<&ServiceCertificate, String> {
        match self.certificate.get() {
            Some(certificate) => Ok(certificate),
            None => {
                let made = (self.make)()?;
                Ok(self.certificate.get_or_init(|| made))
            }
        }
    }
}

fn credssp_unavailable(error: impl fmt::Display) -> AuthError {
    tracing::error!(%error, "CredSSP setup failed");
    AuthError::Unavailable
}

/// Kerberos for one connection.
struct KerberosMechanism {
    acceptors: Acceptors,
    binding: Binding,
}

impl Mechanism for KerberosMechanism {
    fn oids(&self) -> &[Oid] {
        &[Oid::KERBEROS, Oid::MICROSOFT_KERBEROS]
    }

    fn acceptor(&self) -> Result<Box<dyn Acceptor>, AuthError> {
        Ok(Box::new(self.acceptors.acceptor(self.binding.clone())))
    }
}

/// NTLM for one connection.
struct NtlmMechanism {
    verifier: Arc<dyn NtlmVerifier>,
    names: HostNames,
    binding: Binding,
}

impl Mechanism for NtlmMechanism {
    fn oids(&self) -> &[Oid] {
        &[Oid::NTLM]
    }

    fn acceptor(&self) -> Result<Box<dyn Acceptor>, AuthError> {
        let challenge = random().map_err(|error| {
            tracing::error!(%error, "Cannot generate an NTLM challenge");
            AuthError::Unavailable
        })?;
        let fresh = ntlm::AcceptorFresh { challenge, now: SystemTime::now() };
        let (verifier, names) = (Arc::clone(&self.verifier), self.names.clone());
        Ok(Box::new(ntlm::Acceptor::new(verifier, names, self.binding.clone(), fresh)))
    }
}

/// Limit of verdicts of one kind that are running or waiting.
///
/// PAM delays the answer to a wrong password by about two seconds. Sources without a recent sign-in get at most half of
/// the slots.
const VERDICT_LIMITS: QueueLimits = QueueLimits { running: 8, waiting: 256 };
