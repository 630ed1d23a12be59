//! The gateway's end of the link.

mod asking;
mod certificates;

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, mpsc};
use std::time::{Duration, Instant};

use auth::{
    Accepted, Acceptor, Account, AuthError, Authenticator, CertificateProof, Holder, Identity, MechListMic,
    Oid, Peer, Scheme, SealError, Secret, SecurityContext, Step, VerifierCost,
};
use quickconfig::{Answer, Wish};
use sddl::{Sid, Token};
use zeroize::Zeroizing;

use self::asking::{Waiting, denied};
use crate::link::Link;
use crate::message::{
    Ask, CertificateWish, Claim, ContextForm, Denied, SessionId, SignedIn, Tell, Unchanged, may_be_so_long,
};

/// The broker, as the gateway sees it.
pub struct Gateway {
    me: Weak<Self>,
    link: Arc<Link>,
    /// What is told without an answer goes through a thread: whoever hears the broker must never wait for it.
    teller: mpsc::Sender<Zeroizing<Vec<u8>>>,
    last: AtomicU64,
    waiting: Mutex<Waiting>,
    sessions: Mutex<HashMap<Way, Remembered>>,
    schemes: Mutex<Vec<Scheme>>,
}

/// Whose session, and how it was proven: both decide what access is decided with.
type Way = (String, Scheme, Option<Oid>);

/// Somebody who has signed in. When the last one that holds it lets go, the broker forgets it.
pub struct Session {
    id: SessionId,
    token: Token,
    gateway: Weak<Gateway>,
}

impl Session {
    /// What access is decided with.
    #[must_use]
    pub fn token(&self) -> &Token {
        &self.token
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(gateway) = self.gateway.upgrade() {
            gateway.tell(&Ask::End(self.id));
        }
    }
}

struct Remembered {
    session: Arc<Session>,
    since: Instant,
    /// Those in whose place it came, and on which somebody still acts.
    earlier: Vec<Weak<Session>>,
}

impl Remembered {
    fn is_over(&self, now: Instant) -> bool {
        let is_used = self.earlier.iter().any(|session| session.strong_count() > 0);
        now.duration_since(self.since) > REMEMBERED_FOR && Arc::strong_count(&self.session) == 1 && !is_used
    }
}

/// What the broker tells without being asked.
#[derive(Debug)]
pub enum Unasked {
    /// A program of this machine has connected.
    Local(Local),
    /// These listen on the network already.
    Sockets(Vec<OwnedFd>),
    /// The settings have changed.
    Settings(String),
    /// What policy demands, at the beginning and whenever it has changed.
    Policies(String),
    /// Everything is to be read again. Holds the settings.
    Reload(String),
    /// The end.
    Stop,
}

/// A program of this machine.
#[derive(Debug)]
pub struct Local {
    /// The connection.
    pub socket: OwnedFd,
    /// Its user.
    pub uid: u32,
    /// The account of that user.
    pub account: Account,
    /// Reports the end of the connection to the broker when dropped.
    pub guard: LocalGuard,
}

/// Held as long as a local connection is open: the broker counts it until this is dropped.
#[derive(Debug)]
pub struct LocalGuard {
    number: u64,
    gateway: Weak<Gateway>,
}

impl Drop for LocalGuard {
    fn drop(&mut self) {
        if let Some(gateway) = self.gateway.upgrade() {
            gateway.tell(&Ask::LocalClosed { number: self.number });
        }
    }
}

impl Gateway {
    /// Begins to listen to the broker; `unasked` is called with what it tells by itself, from a thread of its own, and
    /// a last time with [`Unasked::Stop`] when it is gone.
    ///
    /// # Errors
    /// The system's, and [`io::ErrorKind::InvalidData`] for a broker that does not answer as one.
    pub fn connect(link: Link, unasked: impl FnMut(Unasked) + Send + 'static) -> io::Result<Arc<Self>> {
        let link = Arc::new(link);
        let (teller, told) = mpsc::channel::<Zeroizing<Vec<u8>>>();
        let telling = Arc::clone(&link);
        std::thread::Builder::new().name("to broker".to_owned()).spawn(move || {
            // If it cannot be told, it is gone, and the other thread notices.
            while told.recv().is_ok_and(|message| telling.send(&message, &[]).is_ok()) {}
        })?;
        let gateway = Arc::new_cyclic(|me| Self {
            me: me.clone(),
            link,
            teller,
            last: AtomicU64::new(0),
            waiting: Mutex::new(Some(HashMap::new())),
            sessions: Mutex::default(),
            schemes: Mutex::default(),
        });
        let listening = Arc::clone(&gateway);
        std::thread::Builder::new().name("broker".to_owned()).spawn(move || listening.listen(unasked))?;
        match gateway.ask(&Ask::Hello) {
            Ok((Tell::Hello(schemes), _)) => *lock(&gateway.schemes) = schemes,
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
        Ok(gateway)
    }

    /// The session of somebody who has just signed in.
    #[must_use]
    pub fn session(&self, identity: &Identity) -> Option<Arc<Session>> {
        let key = (identity.account().name.clone(), identity.scheme(), identity.mechanism().cloned());
        lock(&self.sessions).get(&key).map(|found| Arc::clone(&found.session))
    }

    /// A connection to the process that works for the user of a session. Waits for the broker.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn host(&self, session: &Session) -> Result<OwnedFd, Denied> {
        match self.ask(&Ask::Host(session.id)) {
            Ok((Tell::Host, Some(descriptor))) => Ok(descriptor),
            other => Err(denied(other)),
        }
    }

    /// The files of a certificate. Waits for the broker.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn certificate(&self, wish: CertificateWish) -> Result<Secret, Denied> {
        match self.ask(&Ask::Certificate(wish)) {
            Ok((Tell::Certificate(pem), _)) => Ok(pem),
            other => Err(denied(other)),
        }
    }

    /// The SID of a user or a group of this machine. Waits for the broker.
    #[must_use]
    pub fn sid_of(&self, name: &str) -> Option<Sid> {
        match self.ask(&Ask::SidOf(name.to_owned())) {
            Ok((Tell::Found(found), _)) => Sid::parse(&found?).ok(),
            _ => None,
        }
    }

    /// The name of the user or the group of this machine that has a SID. Waits for the broker.
    #[must_use]
    pub fn name_of(&self, sid: Sid) -> Option<String> {
        match self.ask(&Ask::NameOf(sid)) {
            Ok((Tell::Found(found), _)) => found,
            _ => None,
        }
    }

    /// Has the settings changed. Waits for the broker.
    ///
    /// # Errors
    /// [`Unchanged`].
    pub fn change(&self, session: &Session, before: &str, after: &str) -> Result<(), Unchanged> {
        let (before, after) = (before.to_owned(), after.to_owned());
        match self.ask(&Ask::Change { session: session.id, before, after }) {
            Ok((Tell::Changed, _)) => Ok(()),
            Ok((Tell::Outdated(text), _)) => Err(Unchanged::Outdated(text)),
            other => Err(Unchanged::Denied(denied(other))),
        }
    }

    /// Has the machine looked at, or made ready to be managed. Waits for the broker.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn quick_config(&self, session: &Session, wish: &Wish) -> Result<Answer, Denied> {
        match self.ask(&Ask::QuickConfig { session: session.id, wish: wish.clone() }) {
            Ok((Tell::QuickConfig(answer), _)) => Ok(answer),
            other => Err(denied(other)),
        }
    }

    /// Tells the broker something that it does not answer.
    pub fn tell(&self, ask: &Ask) {
        let message = ask.encode(0);
        if may_be_so_long(&message, message.len()) {
            let _ = self.teller.send(message);
        }
    }

    fn listen(&self, mut unasked: impl FnMut(Unasked)) {
        loop {
            let frame = match self.link.receive() {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error) => {
                    tracing::error!(%error, "The broker cannot be heard");
                    break;
                }
            };
            let (number, told) = match Tell::decode(&frame.message) {
                Ok(told) => told,
                Err(error) => {
                    tracing::error!(%error, "The broker is not understood");
                    break;
                }
            };
            let mut descriptors = frame.descriptors;
            if number > 0 {
                self.deliver(number, (told, descriptors.pop()));
                continue;
            }
            let told = match (told, descriptors.pop()) {
                (Tell::Local { number, uid, signed_in }, socket) => {
                    let guard = LocalGuard { number, gateway: self.me.clone() };
                    let Some(socket) = socket else {
                        tracing::error!(uid, "A local connection was lost: too many files are open");
                        self.tell(&Ask::End(signed_in.session));
                        continue;
                    };
                    let account = Account { name: signed_in.account.clone() };
                    self.remember(signed_in, Scheme::Local);
                    Unasked::Local(Local { socket, uid, account, guard })
                }
                (Tell::Sockets, last) => {
                    descriptors.extend(last);
                    Unasked::Sockets(descriptors)
                }
                (Tell::Hello(schemes), _) => {
                    *lock(&self.schemes) = schemes;
                    continue;
                }
                (Tell::Settings(text), _) => Unasked::Settings(text),
                (Tell::Policies(text), _) => Unasked::Policies(text),
                (Tell::Reload(settings), _) => Unasked::Reload(settings),
                (Tell::Stop, _) => Unasked::Stop,
                _ => continue,
            };
            unasked(told);
        }
        // Whoever waits for an answer gets none.
        *lock(&self.waiting) = None;
        unasked(Unasked::Stop);
    }

    fn remember(&self, signed_in: SignedIn, scheme: Scheme) {
        let SignedIn { session: id, account, mechanism, token } = signed_in;
        let session = Arc::new(Session { id, token, gateway: self.me.clone() });
        let now = Instant::now();
        let mut sessions = lock(&self.sessions);
        let mut over: Vec<Remembered> = Vec::new();
        let way = (account, scheme, mechanism);
        let mut earlier = Vec::new();
        if let Some(mut before) = sessions.remove(&way) {
            earlier.append(&mut before.earlier);
            earlier.push(Arc::downgrade(&before.session));
            over.push(before);
        }
        // The one that goes now is still counted, and is gone the next time.
        earlier.retain(|session| session.strong_count() > 0);
        sessions.insert(way, Remembered { session, since: now, earlier });
        over.extend(sessions.extract_if(|_, one| one.is_over(now)).map(|(_, one)| one));
        drop(sessions);
        // Dropped only now: the broker is told.
        drop(over);
    }

    /// Asks for a verdict.
    fn verdict(&self, ask: &Ask) -> Result<Tell, AuthError> {
        self.ask(ask).map(|(told, _)| told).map_err(|_| AuthError::Unavailable)
    }
}

impl Authenticator for Gateway {
    fn supports(&self, scheme: Scheme) -> bool {
        lock(&self.schemes).contains(&scheme)
    }

    fn password(&self, user: &str, password: &Secret, from: IpAddr) -> Result<Account, AuthError> {
        let ask = Ask::Password { user: user.to_owned(), password: password.clone(), from };
        match self.verdict(&ask)? {
            Tell::SignedIn(signed_in) => {
                let account = Account { name: signed_in.account.clone() };
                self.remember(signed_in, Scheme::Basic);
                Ok(account)
            }
            Tell::Refused { error, .. } => Err(error),
            _ => Err(AuthError::Unavailable),
        }
    }

    fn acceptor(&self, scheme: Scheme, peer: &Peer) -> Result<Box<dyn Acceptor>, AuthError> {
        if !self.supports(scheme) {
            return Err(AuthError::NoMechanism);
        }
        let gateway = self.me.upgrade().ok_or(AuthError::Unavailable)?;
        Ok(Box::new(Remote {
            gateway,
            scheme,
            peer: peer.clone(),
            under_way: None,
            refusal: None,
            claim: Claim::default(),
        }))
    }

    fn cost(&self) -> VerifierCost {
        VerifierCost::Slow
    }

    fn holder(&self, proof: &CertificateProof, from: IpAddr) -> Result<Box<dyn Holder>, AuthError> {
        self.hold(proof, from)
    }

    /// The broker knows from where it was; the session that follows takes the place of the one there was.
    fn admits(&self, identity: &Identity, _: IpAddr) -> Result<(), AuthError> {
        let session = self.session(identity).ok_or(AuthError::NotAllowed)?;
        match self.verdict(&Ask::Renew(session.id))? {
            Tell::SignedIn(signed_in) => {
                self.remember(signed_in, identity.scheme());
                Ok(())
            }
            Tell::Refused { error, .. } => Err(error),
            _ => Err(AuthError::Unavailable),
        }
    }
}

/// A sign-in that the broker judges.
struct Remote {
    gateway: Arc<Gateway>,
    scheme: Scheme,
    peer: Peer,
    under_way: Option<u64>,
    refusal: Option<Vec<u8>>,
    claim: Claim,
}

impl Acceptor for Remote {
    fn step(&mut self, token: &[u8]) -> Result<Step<Accepted>, AuthError> {
        let token = token.to_vec();
        let ask = match self.under_way.take() {
            Some(handshake) => Ask::Step { handshake, token },
            None => {
                let Peer { address, binding } = self.peer.clone();
                Ask::Begin { scheme: self.scheme, address, binding, token }
            }
        };
        match self.gateway.verdict(&ask)? {
            Tell::Continue { handshake, token } => {
                self.under_way = Some(handshake);
                Ok(Step::Continue(token))
            }
            Tell::Done { token, signed_in, context } => {
                let account = Account { name: signed_in.account.clone() };
                self.claim.mechanism.clone_from(&signed_in.mechanism);
                self.gateway.remember(signed_in, self.scheme);
                let context = self.context(context)?;
                Ok(Step::Done { token, outcome: Accepted { account, context } })
            }
            Tell::Refused { error, token, claim } => {
                self.refusal = token;
                self.claim = claim;
                Err(error)
            }
            _ => Err(AuthError::Unavailable),
        }
    }

    fn refusal(&mut self) -> Option<Vec<u8>> {
        self.refusal.take()
    }

    fn mechanism(&self) -> Option<Oid> {
        self.claim.mechanism.clone()
    }

    fn claimed(&self) -> Option<String> {
        self.claim.name.clone()
    }
}

impl Remote {
    fn context(&self, form: ContextForm) -> Result<Box<dyn SecurityContext>, AuthError> {
        match form {
            ContextForm::Kept { number, can_seal, largest } => Ok(Box::new(Kept {
                gateway: Arc::clone(&self.gateway),
                number,
                can_seal,
                largest: largest.and_then(|most| usize::try_from(most).ok()),
            })),
            ContextForm::Exported(octets) => match kerberos::Context::resume(&octets) {
                Some(context) => Ok(Box::new(context)),
                None => Ok(Box::new(auth::ntlm::Context::import(&octets)?)),
            },
        }
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        if let Some(number) = self.under_way {
            self.gateway.tell(&Ask::Forget { number });
        }
    }
}

/// What seals messages and stays with the broker: CredSSP's TLS and the contexts of Kerberos.
struct Kept {
    gateway: Arc<Gateway>,
    number: u64,
    can_seal: bool,
    largest: Option<usize>,
}

impl Kept {
    fn ask(&self, ask: &Ask) -> Result<(Vec<u8>, Zeroizing<Vec<u8>>), SealError> {
        match self.gateway.ask(ask) {
            Ok((Tell::Sealed { header, message }, _)) => Ok((header, message)),
            Ok((Tell::NotSealed(error), _)) => Err(error),
            _ => Err(SealError::Failed),
        }
    }
}

impl SecurityContext for Kept {
    fn can_seal(&self) -> bool {
        self.can_seal
    }

    fn largest_message(&self) -> Option<usize> {
        self.largest
    }

    fn seal(&mut self, message: &mut Vec<u8>) -> Result<Vec<u8>, SealError> {
        let asked = Zeroizing::new(std::mem::take(message));
        let (header, mut sealed) = self.ask(&Ask::Seal { context: self.number, message: asked })?;
        *message = std::mem::take(&mut *sealed);
        Ok(header)
    }

    fn unseal(&mut self, header: &[u8], message: &mut Vec<u8>) -> Result<(), SealError> {
        let asked = Zeroizing::new(std::mem::take(message));
        let header = header.to_vec();
        let (_, mut opened) = self.ask(&Ask::Unseal { context: self.number, header, message: asked })?;
        *message = std::mem::take(&mut *opened);
        Ok(())
    }

    /// It is for negotiating, which is over.
    fn sign(&mut self, _: &[u8]) -> Result<Vec<u8>, SealError> {
        Err(SealError::Unavailable)
    }

    fn verify(&mut self, _: &[u8], _: &[u8]) -> Result<(), SealError> {
        Err(SealError::Unavailable)
    }

    fn mech_list_mic(&self) -> MechListMic {
        MechListMic::Optional
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.gateway.tell(&Ask::Forget { number: self.number });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What each of them guards is whole at any moment.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As long as a verdict on a password stands without being asked for again.
const REMEMBERED_FOR: Duration = Duration::from_secs(120);
