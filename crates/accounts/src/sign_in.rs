//! Every way of signing in to a service, from the stores of accounts there are.

mod counted;

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime};

use auth::certificate_mapping::{Mapping, MappingChange, MappingChangeError};
use auth::credssp::Version;
use auth::ntlm::{self, HostNames, NtlmVerifier};
use auth::spnego::Mechanism;
use auth::{
    Acceptor, Account, AuthError, Authenticator, Binding, CertificateProof, ClientCertificates, Holder,
    Identity, Oid, PasswordVerifier, Peer, Scheme, Secret, UserName, VerifierCost, Whose, negotiate,
};
use credssp::ServiceCertificate;
use kerberos::Acceptors;
use limits::{Claim, Origin, Priority, QueueLimits};

use self::counted::{CountedAcceptor, CountedNtlm, ProvenName};
use crate::holder::{CertificateHolder, Counting, MappedAccounts};
use crate::lockout::{Attempt, Attempts};
use crate::verdict_queue::VerdictQueue;
use crate::{ClientCertificateFile, random};

/// What the schemes of a service come from; what it is not given is not offered.
pub struct SignIn {
    passwords: Passwords,
    counting: Counting,
    kerberos: Option<Acceptors>,
    ntlm: Option<Ntlm>,
    credssp: Option<CredSsp>,
    certificates: Option<ClientCertificateFile>,
}

/// Verifier of passwords, the queue for its verdicts, and the count of failures, if there is one.
#[derive(Clone)]
struct Passwords {
    verifier: Arc<dyn PasswordVerifier>,
    queue: Arc<VerdictQueue>,
    attempts: Option<Arc<Attempts>>,
}

/// The accounts that the mappings of a file lead to.
struct OfFile {
    file: ClientCertificateFile,
    passwords: Passwords,
}

/// A key takes a while to make, so it is made when the first client asks.
struct CredSsp {
    certificate: OnceLock<ServiceCertificate>,
    make: Box<dyn Fn() -> Result<ServiceCertificate, String> + Send + Sync>,
}

#[derive(Clone)]
struct Ntlm {
    verifier: Arc<dyn NtlmVerifier>,
    /// winbind may wait for another machine, so its verdicts have a queue of their own.
    queue: Arc<VerdictQueue>,
    names: HostNames,
}

impl SignIn {
    /// With passwords in the clear only, which is Basic.
    #[must_use]
    pub fn new(passwords: Arc<dyn PasswordVerifier>) -> Self {
        let queue = Arc::new(VerdictQueue::new(VERDICTS));
        let passwords = Passwords { verifier: passwords, queue, attempts: None };
        let counting = Counting::default();
        Self { passwords, counting, kerberos: None, ntlm: None, credssp: None, certificates: None }
    }

    /// With failures counted, over all schemes together, so that nobody can guess for long.
    #[must_use]
    pub fn counted(self, attempts: Arc<Attempts>) -> Self {
        let passwords = Passwords { attempts: Some(Arc::clone(&attempts)), ..self.passwords };
        let counting = Counting { attempts: Some(attempts), ..self.counting };
        Self { passwords, counting, ..self }
    }

    /// With Kerberos as well, by the keys of this machine.
    #[must_use]
    pub fn with_kerberos(self, acceptors: Acceptors) -> Self {
        Self { kerberos: Some(acceptors), ..self }
    }

    /// With NTLM as well, on a machine with these names, whenever the verifier
    /// [is available](NtlmVerifier::is_available).
    #[must_use]
    pub fn with_ntlm(self, verifier: Arc<dyn NtlmVerifier>, names: HostNames) -> Self {
        let queue = Arc::new(VerdictQueue::new(VERDICTS));
        Self { ntlm: Some(Ntlm { verifier, queue, names }), ..self }
    }

    /// With CredSSP as well, around the mechanisms there are; its certificate is made when it is first needed.
    #[must_use]
    pub fn with_credssp(
        self,
        make: impl Fn() -> Result<ServiceCertificate, String> + Send + Sync + 'static,
    ) -> Self {
        Self { credssp: Some(CredSsp { certificate: OnceLock::new(), make: Box::new(make) }), ..self }
    }

    /// With client certificates as well, by these mappings.
    #[must_use]
    pub fn with_certificates(self, certificates: ClientCertificateFile) -> Self {
        Self { certificates: Some(certificates), ..self }
    }

    /// Every mapping of a client certificate, as the file has it now.
    ///
    /// # Errors
    /// [`MappingChangeError::Failed`] while there is none that can be used.
    pub fn mappings(&self) -> Result<Vec<Mapping>, MappingChangeError> {
        self.mapping_file()?.all()
    }

    /// Makes, changes or deletes a mapping. The password of its account must be right; failures are counted as of
    /// anybody who signs in.
    ///
    /// # Errors
    /// [`MappingChangeError`].
    pub fn change_mapping(&self, change: MappingChange, from: IpAddr) -> Result<(), MappingChangeError> {
        let is_right =
            |user: &UserName, password: &Secret| self.passwords.judge(user.user(), password, from).is_ok();
        self.mapping_file()?.apply(change, is_right)
    }

    fn mapping_file(&self) -> Result<&ClientCertificateFile, MappingChangeError> {
        let nowhere = || MappingChangeError::Failed("client certificates lead nowhere here".to_owned());
        self.certificates.as_ref().ok_or_else(nowhere)
    }

    fn ntlm(&self) -> Option<&Ntlm> {
        self.ntlm.as_ref().filter(|ntlm| ntlm.verifier.is_available())
    }

    /// Returns the mechanisms that are available, the stronger first, and the name that one of them proves.
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

    /// Counts the success of an acceptor once it is complete, and not earlier.
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
    fn knows(&self, scheme: Scheme) -> bool {
        match scheme {
            Scheme::Basic => true,
            Scheme::Negotiate => self.kerberos.is_some() || self.ntlm().is_some(),
            Scheme::Kerberos => self.kerberos.is_some(),
            Scheme::CredSsp => self.credssp.is_some() && self.knows(Scheme::Negotiate),
            Scheme::Certificate => self.certificates.is_some(),
            _ => false,
        }
    }

    fn password(&self, user: &str, password: &Secret, from: IpAddr) -> Result<Account, AuthError> {
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
                // CredSSP binds the mechanism inside to its own TLS connection.
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
        let accounts = Arc::new(OfFile { file, passwords: self.passwords.clone() });
        Ok(Box::new(CertificateHolder::prove(proof, accounts, self.counting.clone(), from)?))
    }

    fn admits(&self, identity: &Identity, from: IpAddr) -> Result<(), AuthError> {
        self.passwords.verifier.still_admits(identity.account(), from)
    }
}

impl Passwords {
    fn judge(&self, user: &str, password: &Secret, from: IpAddr) -> Result<Account, AuthError> {
        let verdict = || self.verifier.verify(user, password, from);
        match &self.attempts {
            Some(attempts) => {
                let attempt = Attempt { user, from, now: Instant::now(), queue: Some(&self.queue) };
                attempts.judge_attempt(attempt, verdict)
            }
            None => {
                let claim = Claim { origin: Origin::of(from), account: None, priority: Priority::Unknown };
                let _slot = self.queue.enter(claim).ok_or(AuthError::Unavailable)?;
                verdict()
            }
        }
    }
}

impl MappedAccounts for OfFile {
    fn known(&self) -> Result<Arc<ClientCertificates>, AuthError> {
        self.file.known()
    }

    fn mapped(&self, mapping: &Mapping, from: IpAddr) -> Result<Account, AuthError> {
        // A certificate is never a way into another machine or domain.
        let (Whose::Unsaid | Whose::ThisMachine) = mapping.user.whose() else {
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
        let failed = |error: &dyn std::fmt::Display| {
            tracing::error!(%error, "CredSSP cannot begin");
            AuthError::Unavailable
        };
        let certificate = self.certificate().map_err(|error| failed(&error))?;
        let acceptor = credssp::Acceptor::new(certificate, inner, Version::V5);
        Ok(Box::new(acceptor.map_err(|error| failed(&error))?))
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
            tracing::error!(%error, "There is no randomness for a challenge");
            AuthError::Unavailable
        })?;
        let fresh = ntlm::AcceptorFresh { challenge, now: SystemTime::now() };
        let (verifier, names) = (Arc::clone(&self.verifier), self.names.clone());
        Ok(Box::new(ntlm::Acceptor::new(verifier, names, self.binding.clone(), fresh)))
    }
}

/// Verdicts of one kind that are under way or wait.
///
/// PAM delays the answer to a wrong password by about two seconds, and these have at most half of the slots.
const VERDICTS: QueueLimits = QueueLimits { running: 8, waiting: 256 };
