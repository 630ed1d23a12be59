//! Tests of the protocol between gateway and broker, with honest and with compromised gateways.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod admission;
mod certificates;
mod compromised_gateway;
mod renewal;
mod sign_in;

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use quickconfig::{MachineRequest, MachineResponse, Outcome};
use sddl::{DomainSid, Sid, Token};
use telarch_broker::{
    Broker, CertificateRequest, DenialKind, Denied, Link, MappingRequestError, Notice, PrivilegedOperations,
    SettingsError,
};

use auth::certificate_mapping::{Mapping, MappingChange, MappingChangeError};
use auth::ntlm::{self, HostNames};
use auth::{
    Accepted, Acceptor, Account, AccountList, AuthError, Authenticator, Identity, Oid, Peer, Scheme, Secret,
    Step, VerifierCost,
};

pub(crate) const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const MACHINE: DomainSid = DomainSid::new([1, 2, 3]);

/// A running broker; the test has the other end of its link.
pub(crate) struct TestBroker {
    pub(crate) operations: Arc<RecordedOperations>,
    pub(crate) broker: Arc<Broker>,
    thread: JoinHandle<io::Result<()>>,
}

impl TestBroker {
    pub(crate) fn start() -> (Self, Link) {
        Self::with_authenticator(Arc::<Accounts>::default())
    }

    pub(crate) fn with_authenticator(authenticator: Arc<dyn Authenticator>) -> (Self, Link) {
        let (ours, theirs) = Link::pair().unwrap();
        let operations = Arc::<RecordedOperations>::default();
        let broker =
            Broker::new(ours, authenticator, Arc::clone(&operations) as Arc<dyn PrivilegedOperations>);
        let serving = Arc::clone(&broker);
        let thread = std::thread::spawn(move || serving.serve());
        (Self { operations, broker, thread }, Link::from_inherited(theirs).unwrap())
    }

    /// Waits for the end of the link and returns the result of the broker.
    pub(crate) fn end(self) -> io::Result<()> {
        self.thread.join().unwrap()
    }
}

/// Two accounts, alice and bob, with passwords and NTLM.
#[derive(Default)]
pub(crate) struct Accounts {
    /// Whether alice may no longer sign in.
    pub(crate) is_alice_disabled: AtomicBool,
}

impl Authenticator for Accounts {
    fn supports(&self, scheme: Scheme) -> bool {
        matches!(scheme, Scheme::Basic | Scheme::Negotiate | Scheme::CredSsp)
    }

    fn password(&self, user: &str, password: &Secret, _: IpAddr) -> Result<Account, AuthError> {
        match (user, password.expose()) {
            ("alice" | "ALICE", "correct horse") => Ok(Account { name: "alice".to_owned() }),
            ("bob", "battery") => Ok(Account { name: "bob".to_owned() }),
            _ => Err(AuthError::WrongPassword),
        }
    }

    fn acceptor(&self, scheme: Scheme, peer: &Peer) -> Result<Box<dyn Acceptor>, AuthError> {
        if scheme == Scheme::CredSsp {
            return Ok(Box::new(TokenExchange(3)));
        }
        let names = HostNames::of_host("node7.lab.example");
        let accounts = AccountList::parse("alice:correct horse\nbob:battery").unwrap().on_host(names.clone());
        let fresh = ntlm::AcceptorFresh { challenge: *b"\x01\x23\x45\x67\x89\xAB\xCD\xEF", now: now() };
        Ok(Box::new(ntlm::Acceptor::new(Arc::new(accounts), names, peer.binding.clone(), fresh)))
    }

    fn cost(&self) -> VerifierCost {
        VerifierCost::Slow
    }

    fn admits(&self, identity: &Identity, _: IpAddr) -> Result<(), AuthError> {
        let is_out = self.is_alice_disabled.load(Ordering::Relaxed) && identity.account().name == "alice";
        if is_out { Err(AuthError::NotAllowed) } else { Ok(()) }
    }

    fn verdict_lifetime(&self) -> Duration {
        Duration::ZERO
    }
}

/// Requests this number of further tokens, and refuses the last one.
struct TokenExchange(u8);

impl Acceptor for TokenExchange {
    fn step(&mut self, token: &[u8]) -> Result<Step<Accepted>, AuthError> {
        self.0 = self.0.checked_sub(1).ok_or(AuthError::WrongPassword)?;
        Ok(Step::Continue(token.to_vec()))
    }

    fn mechanism(&self) -> Option<Oid> {
        None
    }
}

/// 2025-11-21 10:00:00 UTC.
pub(crate) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_763_719_200)
}

/// Records the privileged operations that the broker performs.
#[derive(Default)]
pub(crate) struct RecordedOperations(pub(crate) Mutex<Vec<String>>);

impl RecordedOperations {
    fn write(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl PrivilegedOperations for RecordedOperations {
    fn max_connections(&self) -> usize {
        640
    }

    fn token(&self, identity: &Identity) -> Option<Token> {
        let rid = match identity.account().name.as_str() {
            "alice" => 3_000,
            "bob" => 3_002,
            _ => return None,
        };
        Some(Token::new(MACHINE.account(rid), [], MACHINE))
    }

    fn host(&self, identity: &Identity, _: &Token) -> Result<OwnedFd, Denied> {
        self.write(format!("host of {}", identity.account()));
        Ok(UnixStream::pair().unwrap().0.into())
    }

    fn run_as_host(&self, identity: &Identity, _: &Token, endpoint: &str) -> Result<OwnedFd, Denied> {
        self.write(format!("host of {} for {endpoint}", identity.account()));
        Ok(UnixStream::pair().unwrap().0.into())
    }

    fn run_as_hosts(&self, identity: &Identity, _: &Token) -> Vec<String> {
        vec![format!("backup of {}", identity.account())]
    }

    fn change_settings(
        &self,
        identity: &Identity,
        _: &Token,
        before: &str,
        after: &str,
    ) -> Result<(), SettingsError> {
        match (identity.account().name.as_str(), before) {
            ("alice", "now") => {
                self.write(format!("settings {after}"));
                Ok(())
            }
            ("alice", _) => Err(SettingsError::Outdated("now".to_owned())),
            _ => Err(SettingsError::Denied(Denied::new(DenialKind::Access, "only alice may do this"))),
        }
    }

    fn mappings(&self, identity: &Identity, _: &Token) -> Result<Vec<Mapping>, MappingRequestError> {
        match identity.account().name.as_str() {
            "alice" => Ok(Vec::new()),
            _ => Err(MappingRequestError::Denied(Denied::new(DenialKind::Access, "only alice may do this"))),
        }
    }

    fn change_mapping(
        &self,
        identity: &Identity,
        _: &Token,
        change: MappingChange,
        _: IpAddr,
    ) -> Result<(), MappingRequestError> {
        self.write(format!("{} changes {}", identity.account(), change.keys()));
        Err(MappingRequestError::Change(MappingChangeError::Missing(change.keys().clone())))
    }

    fn certificate(&self, request: &CertificateRequest) -> Result<Secret, Denied> {
        match request {
            CertificateRequest::SelfSigned(names) => {
                Ok(Secret::new(format!("certificate of {}", names.join(" "))))
            }
            CertificateRequest::ByThumbprint(name) => {
                Err(Denied::new(DenialKind::Failed, format!("unknown certificate {name}")))
            }
        }
    }

    fn quick_config(
        &self,
        identity: &Identity,
        _: &Token,
        request: &MachineRequest,
    ) -> Result<MachineResponse, Denied> {
        match identity.account().name.as_str() {
            "alice" => {
                self.write(format!("{request:?}"));
                Ok(MachineResponse::Done(Outcome::Already))
            }
            _ => Err(Denied::new(DenialKind::Access, "only alice may do this")),
        }
    }

    fn sid_of(&self, name: &str) -> Option<Sid> {
        (name == "alice").then(|| MACHINE.account(3_000))
    }

    fn name_of(&self, sid: Sid) -> Option<String> {
        (sid == MACHINE.account(3_000)).then(|| "alice".to_owned())
    }

    fn endpoints(&self) -> Vec<String> {
        vec!["Microsoft.PowerShell".to_owned(), "Backup".to_owned()]
    }

    fn on_notice(&self, notice: Notice) {
        self.write(format!("{notice:?}"));
    }
}
