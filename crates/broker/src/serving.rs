//! The broker's end of the link.

mod admission;
mod certificates;
mod kept;
mod local;
mod slots;

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use auth::basic::Login;
use auth::certificate_mapping::{Mapping, MappingChange};
use auth::{
    AuthError, Authenticator, Established, Handshake, Identity, Peer, Scheme, SealError, Secret,
    SecurityContext, Step,
};
use limits::{FoldedWarnings, Report};
use quickconfig::{Answer, Wish};
use sddl::{Sid, Token};
use zeroize::Zeroizing;

use self::admission::Admission;
use self::kept::Kept;
use self::local::LocalPermits;
use self::slots::RequestSlots;
use crate::link::Link;
use crate::message::{
    Ask, BEGINNING, CertificateWish, Claim, ContextForm, Denial, Denied, NotMapped, SessionId, SignedIn,
    Tell, Unchanged, may_be_so_long,
};
use crate::sessions::{Proven, Sessions};
use crate::workers::Workers;

/// What the program of the broker does for it. Each is asked about somebody whose proof was judged here.
pub trait Duties: Send + Sync {
    /// What access is decided with; none for somebody who has ceased to exist.
    fn token(&self, identity: &Identity) -> Option<Token>;

    /// Maximum number of open connections that the settings allow.
    fn max_connections(&self) -> usize;

    /// Somebody has signed in, and may have other groups or rights than the last time.
    fn signed_in(&self, _identity: &Identity) {}

    /// A connection to the process that works for somebody, which is started if it has to be.
    ///
    /// # Errors
    /// [`Denied`].
    fn host(&self, identity: &Identity, token: &Token) -> Result<OwnedFd, Denied>;

    /// Changes the file of the settings from one text to another.
    ///
    /// # Errors
    /// [`Unchanged`].
    fn change(&self, identity: &Identity, token: &Token, before: &str, after: &str) -> Result<(), Unchanged>;

    /// The mappings of client certificates, for somebody who may see them.
    ///
    /// # Errors
    /// [`NotMapped`].
    fn mappings(&self, identity: &Identity, token: &Token) -> Result<Vec<Mapping>, NotMapped>;

    /// Makes, changes or deletes one of them for somebody who may.
    ///
    /// # Errors
    /// [`NotMapped`].
    fn change_mapping(
        &self,
        identity: &Identity,
        token: &Token,
        change: MappingChange,
        from: IpAddr,
    ) -> Result<(), NotMapped>;

    /// The files of a certificate that the gateway needs for its listeners.
    ///
    /// # Errors
    /// [`Denied`].
    fn certificate(&self, wish: &CertificateWish) -> Result<Secret, Denied>;

    /// Looks at the machine, or makes it ready to be managed.
    ///
    /// # Errors
    /// [`Denied`].
    fn quick_config(&self, identity: &Identity, token: &Token, wish: &Wish) -> Result<Answer, Denied>;

    /// The SID of a user or a group of this machine.
    fn sid_of(&self, name: &str) -> Option<Sid>;

    /// The name of the user or the group of this machine that has a SID.
    fn name_of(&self, sid: Sid) -> Option<String>;

    /// The gateway says how it is.
    fn notice(&self, notice: Notice);
}

/// What a gateway says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// It serves.
    Ready,
    /// In words.
    Status(String),
    /// It still answers.
    Alive,
}

/// Serves one gateway, from its start to its end.
pub struct Broker {
    link: Link,
    authenticator: Arc<dyn Authenticator>,
    duties: Arc<dyn Duties>,
    sessions: Sessions,
    kept: Mutex<Kept>,
    sign_ins: Admission,
    /// Sizes of the sign-in attempts that are judged or wait.
    sign_in_slots: RequestSlots,
    /// Other requests in work that take long.
    slots: RequestSlots,
    workers: Workers,
    refused: Mutex<FoldedWarnings<()>>,
    /// Connections of programs of this machine that the gateway has open.
    locals: LocalPermits,
    /// Number of requests and local connections so far.
    served: AtomicU64,
    told_schemes: Mutex<Vec<Scheme>>,
}

impl Broker {
    /// For the gateway at the other end of a link.
    #[must_use]
    pub fn new(link: Link, authenticator: Arc<dyn Authenticator>, duties: Arc<dyn Duties>) -> Arc<Self> {
        Arc::new(Self {
            link,
            authenticator,
            duties,
            sessions: Sessions::default(),
            kept: Mutex::default(),
            sign_ins: Admission::default(),
            sign_in_slots: RequestSlots::default(),
            slots: RequestSlots::default(),
            workers: Workers::new("request", WORKER_IDLE_TIME),
            refused: Mutex::new(FoldedWarnings::new(ONE_RECORD_IN, 1)),
            locals: LocalPermits::default(),
            served: AtomicU64::new(0),
            told_schemes: Mutex::default(),
        })
    }

    /// Answers until the gateway is gone, or says what no gateway says.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::InvalidData`] for a message that is none. The gateway must be ended then.
    pub fn serve(self: &Arc<Self>) -> io::Result<()> {
        // A gateway that reads nothing must not hold threads of the broker.
        self.link.speak_at_most(LONGEST_SEND)?;
        while let Some(frame) = self.link.receive_judged(BEGINNING, may_be_so_long)? {
            if !frame.descriptors.is_empty() || frame.has_lost_descriptors {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a gateway hands nothing over"));
            }
            let octets = frame.message.len();
            let decoded = Ask::decode(&frame.message);
            let (number, ask) = decoded.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            drop(frame);
            self.receive(number, ask, octets);
        }
        Ok(())
    }

    /// Does at once what takes no time, and has the rest done by a worker.
    fn receive(self: &Arc<Self>, number: u64, ask: Ask, octets: usize) {
        self.served.fetch_add(1, Ordering::Relaxed);
        match ask {
            Ask::Ready => self.duties.notice(Notice::Ready),
            Ask::Status(text) => self.duties.notice(Notice::Status(text)),
            Ask::Alive => self.duties.notice(Notice::Alive),
            Ask::End(session) => self.sessions.end(session),
            Ask::Forget { number } => self.kept().forget(number),
            Ask::LocalClosed { number } => self.locals.close(number),
            Ask::Hello => {
                let schemes = self.schemes();
                self.told_schemes.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&schemes);
                self.tell(number, &Tell::Hello(schemes), None);
            }
            Ask::Seal { context, message } => {
                let told = guarded(|| self.seal(context, message));
                self.tell(number, &told.unwrap_or(Tell::NotSealed(SealError::Failed)), None);
            }
            Ask::Unseal { context, header, message } => {
                let told = guarded(|| self.unseal(context, &header, message));
                self.tell(number, &told.unwrap_or(Tell::NotSealed(SealError::Failed)), None);
            }
            ask => match self.sign_in_source(&ask) {
                Some(source) => self.admit(number, ask, source, octets),
                None => self.work(number, ask, octets),
            },
        }
    }

    /// Returns the number of requests and local connections so far.
    pub fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }

    /// Tells the gateway something it has not asked.
    pub fn announce(&self, tell: &Tell, descriptors: &[BorrowedFd<'_>]) {
        if let Err(error) = self.link.send(&tell.encode(0), descriptors) {
            tracing::debug!(%error, "The gateway cannot be told");
        }
    }

    /// Tells which schemes lead somewhere now, if that has changed.
    pub fn announce_schemes(&self) {
        let now = self.schemes();
        let mut told = self.told_schemes.lock().unwrap_or_else(PoisonError::into_inner);
        if *told != now {
            told.clone_from(&now);
            self.announce(&Tell::Hello(now), &[]);
        }
    }

    /// Ends the link, and with it everything that the gateway asks.
    pub fn close(&self) {
        self.link.close();
    }

    /// Has a worker answer a question of somebody who has signed in, or about nobody, unless there are too many at the
    /// same time. There is an answer also if that panics.
    fn work(self: &Arc<Self>, number: u64, ask: Ask, octets: usize) {
        let refusal = RefusalForm::of(&ask);
        let Some(slot) = self.slots.take(MOST_AT_ONCE, octets) else {
            let report = self.refused.lock().unwrap_or_else(PoisonError::into_inner).note((), Instant::now());
            if let Some(Report { repeated, .. }) = report {
                tracing::warn!(repeated, "Request of the gateway refused: too many at the same time");
            }
            self.tell(number, &refusal.with("the service is busy: ask again"), None);
            return;
        };
        let broker = Arc::clone(self);
        let answering = move || {
            let (told, descriptor) = guarded(|| broker.answer(ask)).unwrap_or_else(|| {
                (refusal.with("an internal error: the log of the service says more"), None)
            });
            broker.tell(number, &told, descriptor);
            drop(slot);
        };
        if let Err(error) = self.workers.run(Box::new(answering)) {
            tracing::error!(%error, "Cannot start a thread to answer the gateway");
            self.tell(number, &refusal.with("the service cannot start a thread"), None);
        }
    }

    fn answer(&self, ask: Ask) -> (Tell, Option<OwnedFd>) {
        let told = match ask {
            Ask::Password { user, password, from } => {
                let login = Login { user, password };
                Identity::by_password(&login, self.authenticator.as_ref(), from)
                    .and_then(|identity| self.sign_in(identity, from))
                    .map_or_else(Tell::refused, Tell::SignedIn)
            }
            Ask::Begin { scheme, address, binding, token } => {
                let peer = Peer { address, binding };
                match Handshake::begin(scheme, self.authenticator.as_ref(), &peer) {
                    Ok(handshake) => self.step(handshake, Instant::now() + LONGEST_HANDSHAKE, &token),
                    Err(error) => Tell::refused(error),
                }
            }
            Ask::Step { handshake, token } => {
                // Not in the `match`, which would hold what the next step has to be put into.
                let taken = self.kept().take_handshake(handshake);
                match taken {
                    Some((handshake, until)) => self.step(handshake, until, &token),
                    None => Tell::refused(AuthError::Malformed("no such sign-in")),
                }
            }
            Ask::Holder { proof, from } => self.hold(&proof, from),
            Ask::Consider { holder } => self.consider(holder),
            Ask::Account { holder, resource } => self.account(holder, &resource),
            Ask::Mappings(session) => self.mappings(session),
            Ask::ChangeMapping { session, change, from } => self.change_mapping(session, change, from),
            Ask::Renew(session) => self.renew(session),
            Ask::Host(session) => {
                let asked = self.proven(session);
                return match asked.and_then(|proven| self.duties.host(&proven.identity, &proven.token)) {
                    Ok(descriptor) => (Tell::Host, Some(descriptor)),
                    Err(denied) => (Tell::Denied(denied), None),
                };
            }
            Ask::SidOf(name) => Tell::Found(self.duties.sid_of(&name).map(|sid| sid.numeric().to_string())),
            Ask::NameOf(sid) => Tell::Found(self.duties.name_of(sid)),
            Ask::Certificate(wish) => {
                self.duties.certificate(&wish).map_or_else(Tell::Denied, Tell::Certificate)
            }
            Ask::QuickConfig { session, wish } => self
                .proven(session)
                .and_then(|proven| self.duties.quick_config(&proven.identity, &proven.token, &wish))
                .map_or_else(Tell::Denied, Tell::QuickConfig),
            Ask::Change { session, before, after } => {
                let done = self
                    .proven(session)
                    .map_err(Unchanged::Denied)
                    .and_then(|proven| self.duties.change(&proven.identity, &proven.token, &before, &after));
                match done {
                    Ok(()) => Tell::Changed,
                    Err(Unchanged::Denied(denied)) => Tell::Denied(denied),
                    Err(Unchanged::Outdated(text)) => Tell::Outdated(text),
                }
            }
            other => {
                tracing::debug!(?other, "Nothing has to be answered");
                Tell::Denied(Denied::new(Denial::Failed, "there is no answer to this"))
            }
        };
        (told, None)
    }

    fn step(&self, mut handshake: Handshake, until: Instant, token: &[u8]) -> Tell {
        match handshake.step(token) {
            Err(error) => {
                tracing::debug!(%error, scheme = %handshake.scheme(), "A sign-in by tokens failed");
                let claim = Claim { mechanism: handshake.mechanism(), name: handshake.claimed() };
                Tell::Refused { error, token: handshake.refusal(), claim }
            }
            Ok(Step::Continue(token)) => match self.kept().keep_handshake(handshake, until) {
                Some(handshake) => Tell::Continue { handshake, token },
                None => Tell::refused(AuthError::Unavailable),
            },
            Ok(Step::Done { token, outcome: Established { identity, context } }) => {
                let signed_in = match self.sign_in(identity, handshake.address()) {
                    Ok(signed_in) => signed_in,
                    Err(error) => return Tell::refused(error),
                };
                match self.hand_on(context) {
                    Some(context) => Tell::Done { token, signed_in, context },
                    None => {
                        self.sessions.end(signed_in.session);
                        Tell::refused(AuthError::Unavailable)
                    }
                }
            }
        }
    }

    /// The gateway goes on with what it can go on with; the rest is kept for it.
    fn hand_on(&self, context: Box<dyn SecurityContext>) -> Option<ContextForm> {
        if context.can_export() {
            let exported = context.export()?;
            return Some(ContextForm::Exported(Zeroizing::new(exported.expose().to_vec())));
        }
        let (can_seal, largest) = (context.can_seal(), context.largest_message());
        let largest = largest.and_then(|most| u64::try_from(most).ok());
        let number = self.kept().keep_context(context)?;
        Some(ContextForm::Kept { number, can_seal, largest })
    }

    fn sign_in(&self, identity: Identity, from: IpAddr) -> Result<SignedIn, AuthError> {
        let (account, scheme) = (identity.account().clone(), identity.scheme());
        let token = self.duties.token(&identity).ok_or(AuthError::NotAllowed)?;
        tracing::debug!(%account, %scheme, "Signed in");
        // First, so that nothing is asked for in this session before it is done.
        self.duties.signed_in(&identity);
        self.sessions
            .begin(identity, token, from, self.duties.max_connections())
            .ok_or(AuthError::Unavailable)
    }

    /// Begins one more session for somebody who has signed in.
    fn begin(&self, identity: Identity, from: IpAddr) -> Result<SignedIn, AuthError> {
        let token = self.duties.token(&identity).ok_or(AuthError::NotAllowed)?;
        self.sessions
            .begin(identity, token, from, self.duties.max_connections())
            .ok_or(AuthError::Unavailable)
    }

    /// Begins a session for the proof of another, if the account still lets in.
    fn renew(&self, session: SessionId) -> Tell {
        let Ok(proven) = self.sessions.find(session) else { return Tell::refused(AuthError::NotAllowed) };
        let admitted = self.authenticator.admits(&proven.identity, proven.from);
        let renewed = admitted.and_then(|()| {
            let token = self.duties.token(&proven.identity).ok_or(AuthError::NotAllowed)?;
            if token != proven.token {
                self.duties.signed_in(&proven.identity);
            }
            self.sessions
                .begin(proven.identity.clone(), token, proven.from, self.duties.max_connections())
                .ok_or(AuthError::Unavailable)
        });
        renewed.map_or_else(
            |error| {
                self.sessions.end(session);
                Tell::refused(error)
            },
            Tell::SignedIn,
        )
    }

    /// Whose session it is, judged again if that was a while ago: a gateway may have forgotten to ask.
    fn proven(&self, session: SessionId) -> Result<Arc<Proven>, Denied> {
        let proven = self.sessions.find(session)?;
        if proven.judged.elapsed() < self.authenticator.verdict_lifetime() {
            return Ok(proven);
        }
        let identity = &proven.identity;
        let admitted = self.authenticator.admits(identity, proven.from);
        match admitted.and_then(|()| self.duties.token(identity).ok_or(AuthError::NotAllowed)) {
            Ok(token) => {
                if token != proven.token {
                    self.duties.signed_in(identity);
                }
                Ok(self.sessions.renew(session, &proven, token))
            }
            Err(error) => {
                self.sessions.end(session);
                let account = identity.account();
                tracing::warn!(%account, %error, "A session is over: its account lets in no more");
                Err(Denied::new(
                    Denial::Access,
                    format!("access is denied: {account} may not sign in any more"),
                ))
            }
        }
    }

    fn schemes(&self) -> Vec<Scheme> {
        let all = [Scheme::Negotiate, Scheme::Kerberos, Scheme::CredSsp, Scheme::Basic, Scheme::Certificate];
        all.into_iter().filter(|scheme| self.authenticator.supports(*scheme)).collect()
    }

    fn seal(&self, context: u64, mut message: Zeroizing<Vec<u8>>) -> Tell {
        self.with_context(context, |context| {
            let header = context.seal(&mut message)?;
            Ok(Tell::Sealed { header, message })
        })
    }

    fn unseal(&self, context: u64, header: &[u8], mut message: Zeroizing<Vec<u8>>) -> Tell {
        self.with_context(context, |context| {
            context.unseal(header, &mut message)?;
            Ok(Tell::Sealed { header: Vec::new(), message })
        })
    }

    fn with_context(
        &self,
        number: u64,
        use_it: impl FnOnce(&mut dyn SecurityContext) -> Result<Tell, SealError>,
    ) -> Tell {
        let mut kept = self.kept();
        let done = match kept.context(number) {
            Some(context) => use_it(context.as_mut()),
            None => Err(SealError::Failed),
        };
        done.unwrap_or_else(|error| {
            // It is of no further use.
            kept.forget(number);
            Tell::NotSealed(error)
        })
    }

    fn tell(&self, number: u64, told: &Tell, descriptor: Option<OwnedFd>) {
        let descriptors: Vec<BorrowedFd<'_>> = descriptor.iter().map(AsFd::as_fd).collect();
        let Err(error) = self.link.send(&told.encode(number), &descriptors) else { return };
        tracing::debug!(%error, "The gateway cannot be answered");
        if error.kind() == io::ErrorKind::InvalidInput {
            // The gateway waits for an answer, and this one is too long for any frame.
            let denied = Denied::new(Denial::Failed, "the answer is too long");
            let _ = self.link.send(&Tell::Denied(denied).encode(number), &[]);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Calls something whose panic must not go further: parsers of what strangers sent, and modules of PAM. Returns none
/// after a panic, which the hook of the process has reported already.
fn guarded<T>(call: impl FnOnce() -> T) -> Option<T> {
    let done = catch_unwind(AssertUnwindSafe(call));
    done.inspect_err(|_| tracing::error!("Answering a request of the gateway panicked")).ok()
}

/// Form of the answer to a request that cannot be served.
#[derive(Clone, Copy)]
enum RefusalForm {
    /// With a sentence for the user.
    Denied,
    /// As a sign-in that could not be judged.
    SignIn,
}

impl RefusalForm {
    fn of(ask: &Ask) -> Self {
        match ask {
            Ask::Host(_)
            | Ask::Change { .. }
            | Ask::Certificate(_)
            | Ask::Mappings(_)
            | Ask::ChangeMapping { .. }
            | Ask::QuickConfig { .. } => Self::Denied,
            _ => Self::SignIn,
        }
    }

    fn with(self, reason: &str) -> Tell {
        match self {
            Self::Denied => Tell::Denied(Denied::new(Denial::Failed, reason)),
            Self::SignIn => Tell::refused(AuthError::Unavailable),
        }
    }
}

/// More questions at the same time are not answered.
const MOST_AT_ONCE: usize = 256;
/// As long as the gateway lets a client take.
const LONGEST_HANDSHAKE: Duration = Duration::from_secs(30);
/// How long the gateway may not read while the broker has something to send. It reads all the time.
const LONGEST_SEND: Duration = Duration::from_secs(30);
/// How long a thread waits for the next request before it ends.
const WORKER_IDLE_TIME: Duration = Duration::from_secs(5);
/// Interval between two records of refused requests.
const ONE_RECORD_IN: Duration = Duration::from_secs(10);
