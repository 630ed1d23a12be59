//! The broker's end of the link.

mod admission;
mod certificates;
mod kept;

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use auth::basic::Login;
use auth::certificate_mapping::{Mapping, MappingChange};
use auth::{
    AuthError, Authenticator, Established, Handshake, Identity, LocalUsers, Peer, Scheme, SealError, Secret,
    SecurityContext, Step,
};
use quickconfig::{Answer, Wish};
use rustix::net::sockopt;
use sddl::{Sid, Token};
use zeroize::Zeroizing;

use self::admission::Admission;
use self::kept::Kept;
use crate::link::Link;
use crate::message::{
    Ask, CertificateWish, Claim, ContextForm, Denial, Denied, NotMapped, SessionId, SignedIn, Tell, Unchanged,
};
use crate::sessions::{Proven, Sessions};

/// What the program of the broker does for it. Each is asked about somebody whose proof was judged here.
pub trait Duties: Send + Sync {
    /// What access is decided with; none for somebody who has ceased to exist.
    fn token(&self, identity: &Identity) -> Option<Token>;

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
    /// Number of other questions that are being answered and take long.
    busy: AtomicUsize,
    told_schemes: Mutex<Vec<Scheme>>,
}

impl Broker {
    /// For the gateway at the other end of a link.
    #[must_use]
    pub fn new(link: Link, authenticator: Arc<dyn Authenticator>, duties: Arc<dyn Duties>) -> Arc<Self> {
        let (sessions, kept, busy) = (Sessions::default(), Mutex::default(), AtomicUsize::new(0));
        let (sign_ins, told_schemes) = (Admission::default(), Mutex::default());
        Arc::new(Self { link, authenticator, duties, sessions, kept, sign_ins, busy, told_schemes })
    }

    /// Answers until the gateway is gone, or says what no gateway says.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::InvalidData`] for a message that is none. The gateway must be ended then.
    pub fn serve(self: &Arc<Self>) -> io::Result<()> {
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        while let Some(frame) = self.link.receive()? {
            if !frame.descriptors.is_empty() {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a gateway hands nothing over"));
            }
            let (number, ask) = Ask::decode(&frame.message).map_err(invalid)?;
            match ask {
                Ask::Ready => self.duties.notice(Notice::Ready),
                Ask::Status(text) => self.duties.notice(Notice::Status(text)),
                Ask::Alive => self.duties.notice(Notice::Alive),
                Ask::End(session) => self.sessions.end(session),
                Ask::Forget { number } => self.kept().forget(number),
                Ask::Hello => {
                    let schemes = self.schemes();
                    self.told_schemes.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&schemes);
                    self.tell(number, &Tell::Hello(schemes), None);
                }
                Ask::Seal { context, message } => self.tell(number, &self.seal(context, message), None),
                Ask::Unseal { context, header, message } => {
                    self.tell(number, &self.unseal(context, &header, message), None);
                }
                ask => match self.sign_in_source(&ask) {
                    Some(source) => self.admit(number, ask, source),
                    None => self.work(number, ask),
                },
            }
        }
        Ok(())
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

    /// Hands over a connection of a program of this machine, whose user the kernel names (unix(7), `SO_PEERCRED`).
    ///
    /// The socket must have been accepted by this process: on one that somebody else has made, such as one that is
    /// connected to another service, the kernel names whoever listens there.
    pub fn hand_over(&self, accepted: &UnixStream, users: &dyn LocalUsers) {
        let credentials = match sockopt::socket_peercred(accepted) {
            Ok(credentials) => credentials,
            Err(error) => {
                tracing::warn!(%error, "The kernel does not say who connects to the local socket");
                return;
            }
        };
        let uid = credentials.uid.as_raw();
        let signed_in =
            Identity::by_peer_credentials(uid, users).and_then(|identity| self.sign_in(identity, HERE));
        match signed_in {
            Ok(signed_in) => self.announce(&Tell::Local { uid, signed_in }, &[accepted.as_fd()]),
            Err(error) => tracing::warn!(uid, %error, "Local connection refused"),
        }
    }

    /// Ends the link, and with it everything that the gateway asks.
    pub fn close(&self) {
        self.link.close();
    }

    /// Answers a question of somebody who has signed in, or about nobody, on a thread of its own, unless there are too
    /// many at the same time.
    fn work(self: &Arc<Self>, number: u64, ask: Ask) {
        if self.busy.fetch_add(1, Ordering::AcqRel) >= MOST_AT_ONCE {
            self.busy.fetch_sub(1, Ordering::AcqRel);
            tracing::warn!("Too much is asked of the broker at the same time");
            self.tell(number, &too_busy(&ask), None);
            return;
        }
        let broker = Arc::clone(self);
        let answering = move || {
            let (told, descriptor) = broker.answer(ask);
            broker.tell(number, &told, descriptor);
            broker.busy.fetch_sub(1, Ordering::AcqRel);
        };
        if let Err(error) = std::thread::Builder::new().name("asked".to_owned()).spawn(answering) {
            tracing::error!(%error, "Nobody can answer the gateway");
            self.busy.fetch_sub(1, Ordering::AcqRel);
            self.tell(number, &Tell::refused(AuthError::Unavailable), None);
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
                    None => Tell::refused(AuthError::Unavailable),
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
        self.sessions.begin(identity, token, from).ok_or(AuthError::Unavailable)
    }

    /// Begins one more session for somebody who has signed in.
    fn begin(&self, identity: Identity, from: IpAddr) -> Result<SignedIn, AuthError> {
        let token = self.duties.token(&identity).ok_or(AuthError::NotAllowed)?;
        self.sessions.begin(identity, token, from).ok_or(AuthError::Unavailable)
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
            self.sessions.begin(proven.identity.clone(), token, proven.from).ok_or(AuthError::Unavailable)
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
        if proven.judged.elapsed() < self.authenticator.stands_for() {
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
        all.into_iter().filter(|scheme| self.authenticator.knows(*scheme)).collect()
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
        if let Err(error) = self.link.send(&told.encode(number), &descriptors) {
            tracing::debug!(%error, "The gateway cannot be answered");
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is told when nobody can see to it.
fn too_busy(ask: &Ask) -> Tell {
    match ask {
        Ask::Host(_)
        | Ask::Change { .. }
        | Ask::Certificate(_)
        | Ask::Mappings(_)
        | Ask::ChangeMapping { .. }
        | Ask::QuickConfig { .. } => {
            Tell::Denied(Denied::new(Denial::Failed, "the service is busy: ask again"))
        }
        _ => Tell::refused(AuthError::Unavailable),
    }
}

/// More questions at the same time are not answered.
const MOST_AT_ONCE: usize = 256;
/// Where programs of this machine are.
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// As long as the gateway lets a client take.
const LONGEST_HANDSHAKE: Duration = Duration::from_secs(30);
