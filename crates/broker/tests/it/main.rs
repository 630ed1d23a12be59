//! What a gateway gets from the broker, and what it does not get whatever it says.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod admission;
mod certificates;
mod corpus;
mod lies;
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

use quickconfig::{Answer, Outcome, Wish};
use sddl::{DomainSid, Sid, Token};
use telarch_broker::{Broker, CertificateWish, Denial, Denied, Duties, Link, NotMapped, Notice, Unchanged};

use auth::certificate_mapping::{Mapping, MappingChange, MappingChangeError};
use auth::ntlm::{self, HostNames};
use auth::{
    Accepted, Acceptor, Account, AccountList, AuthError, Authenticator, Identity, Oid, Peer, Scheme, Secret,
    Step, VerifierCost,
};

pub(crate) const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const MACHINE: DomainSid = DomainSid::new([1, 2, 3]);

/// A broker that serves, and the other end of its link.
pub(crate) struct Served {
    pub(crate) duties: Arc<Notebook>,
    pub(crate) broker: Arc<Broker>,
    serving: JoinHandle<io::Result<()>>,
}

impl Served {
    pub(crate) fn start() -> (Self, Link) {
        Self::judged_by(Arc::<Accounts>::default())
    }

    pub(crate) fn judged_by(authenticator: Arc<dyn Authenticator>) -> (Self, Link) {
        let (ours, theirs) = Link::pair().unwrap();
        let duties = Arc::<Notebook>::default();
        let broker = Broker::new(ours, authenticator, Arc::clone(&duties) as Arc<dyn Duties>);
        let serving = Arc::clone(&broker);
        let serving = std::thread::spawn(move || serving.serve());
        (Self { duties, broker, serving }, Link::given(theirs).unwrap())
    }

    /// How it ended.
    pub(crate) fn end(self) -> io::Result<()> {
        self.serving.join().unwrap()
    }
}

/// Two people: by password, and by NTLM.
#[derive(Default)]
pub(crate) struct Accounts {
    /// Whether alice may not sign in any more, and is to be noticed at once.
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
            return Ok(Box::new(Legs(3)));
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

/// Asks for so many tokens more, and is not convinced by any.
struct Legs(u8);

impl Acceptor for Legs {
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

/// Writes down what the broker was moved to do, and for whom.
#[derive(Default)]
pub(crate) struct Notebook(pub(crate) Mutex<Vec<String>>);

impl Notebook {
    fn write(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Duties for Notebook {
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

    fn change(&self, identity: &Identity, _: &Token, before: &str, after: &str) -> Result<(), Unchanged> {
        match (identity.account().name.as_str(), before) {
            ("alice", "now") => {
                self.write(format!("settings {after}"));
                Ok(())
            }
            ("alice", _) => Err(Unchanged::Outdated("now".to_owned())),
            _ => Err(Unchanged::Denied(Denied::new(Denial::Access, "only alice may"))),
        }
    }

    fn mappings(&self, identity: &Identity, _: &Token) -> Result<Vec<Mapping>, NotMapped> {
        match identity.account().name.as_str() {
            "alice" => Ok(Vec::new()),
            _ => Err(NotMapped::Denied(Denied::new(Denial::Access, "only alice may"))),
        }
    }

    fn change_mapping(
        &self,
        identity: &Identity,
        _: &Token,
        change: MappingChange,
        _: IpAddr,
    ) -> Result<(), NotMapped> {
        self.write(format!("{} changes {}", identity.account(), change.keys()));
        Err(NotMapped::Change(MappingChangeError::Missing(change.keys().clone())))
    }

    fn certificate(&self, wish: &CertificateWish) -> Result<Secret, Denied> {
        match wish {
            CertificateWish::Own(names) => Ok(Secret::new(format!("certificate of {}", names.join(" ")))),
            CertificateWish::Named(name) => Err(Denied::new(Denial::Failed, format!("there is no {name}"))),
        }
    }

    fn quick_config(&self, identity: &Identity, _: &Token, wish: &Wish) -> Result<Answer, Denied> {
        match identity.account().name.as_str() {
            "alice" => {
                self.write(format!("{wish:?}"));
                Ok(Answer::Done(Outcome::Already))
            }
            _ => Err(Denied::new(Denial::Access, "only alice may")),
        }
    }

    fn sid_of(&self, name: &str) -> Option<Sid> {
        (name == "alice").then(|| MACHINE.account(3_000))
    }

    fn name_of(&self, sid: Sid) -> Option<String> {
        (sid == MACHINE.account(3_000)).then(|| "alice".to_owned())
    }

    fn notice(&self, notice: Notice) {
        self.write(format!("{notice:?}"));
    }
}
