//! The gateway's end of the link to the broker.

mod certificates;
mod requests;

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Weak, mpsc};
use std::time::{Duration, Instant};

use auth::{
    Accepted, Acceptor, Account, AuthError, Authenticator, CertificateProof, DirectorySids, Holder, Identity,
    MechListMic, Oid, Peer, Scheme, SealError, Secret, SecurityContext, Step, VerifierCost,
};
use locks::Mutex;
use quickconfig::{MachineRequest, MachineResponse};
use sddl::{Sid, Token};
use zeroize::Zeroizing;

use self::requests::{Waiting, denied};
use crate::link::Link;
use crate::message::{
    BrokerMessage, CertificateRequest, ClaimedIdentity, ContextForm, Denied, GatewayRequest, SessionId,
    SettingsError, SignedIn, is_within_limit,
};

/// Client of the broker: sends requests, waits for their responses, and passes on the broker's events.
pub struct Gateway {
    me: Weak<Self>,
    link: Arc<Link>,
    /// Queue of the thread that sends requests without a response, so that the receiving thread never blocks on a send.
    notifications: mpsc::Sender<Zeroizing<Vec<u8>>>,
    last_request: AtomicU64,
    waiting: Mutex<Waiting>,
    sessions: Mutex<HashMap<SessionKey, CachedSession>>,
    schemes: Mutex<Vec<Scheme>>,
}

/// Key of the session cache: account, scheme and mechanism. All three influence the access token.
type SessionKey = (String, Scheme, Option<Oid>);

/// A session at the broker. The broker ends it when the last reference is dropped.
pub struct Session {
    id: SessionId,
    token: Token,
    gateway: Weak<Gateway>,
}

impl Session {
    /// Returns the access token of the user.
    #[must_use]
    pub fn token(&self) -> &Token {
        &self.token
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(gateway) = self.gateway.upgrade() {
            gateway.notify(&GatewayRequest::EndSession(self.id));
        }
    }
}

/// Most recent session of a cache key.
struct CachedSession {
    session: Arc<Session>,
    since: Instant,
    /// Earlier sessions of the same key that connections still use.
    earlier: Vec<Weak<Session>>,
}

impl CachedSession {
    fn is_expired(&self, now: Instant) -> bool {
        let is_used = self.earlier.iter().any(|session| session.strong_count() > 0);
        now.duration_since(self.since) > CACHE_TIME && Arc::strong_count(&self.session) == 1 && !is_used
    }
}

/// Event that the broker reports without a request.
#[derive(Debug)]
pub enum BrokerEvent {
    /// A local program has connected.
    LocalConnected(LocalClient),
    /// Listening sockets that were inherited from the previous process or the service manager.
    ListeningSockets(Vec<OwnedFd>),
    /// The settings have changed. Holds the text of the configuration file.
    SettingsChanged(String),
    /// Effective policies, at start and after every change.
    PoliciesChanged(String),
    /// The service was asked to reload everything. Holds the text of the configuration file.
    Reload(String),
    /// State of the collector of events, at start and after every change.
    EventCollector {
        /// Whether the settings enable the collector.
        is_enabled: bool,
        /// Whether HTTPS clients are asked for certificates of event sources.
        requests_certificates: bool,
        /// Connection to the collector's process; `None` if the process is not running.
        connection: Option<OwnedFd>,
    },
    /// Another process sends the metrics of the service to a receiver. Holds the connection to it.
    MetricsExporter(OwnedFd),
    /// The service stops, or the broker has ended.
    Stop,
}

/// Connection of a local program.
#[derive(Debug)]
pub struct LocalClient {
    /// Socket of the connection.
    pub socket: OwnedFd,
    /// User ID of the program, as reported by the kernel.
    pub uid: u32,
    /// The account of that user.
    pub account: Account,
    /// Reports the end of the connection to the broker when dropped.
    pub guard: LocalGuard,
}

/// Held as long as a local connection is open: the broker counts it until this is dropped.
#[derive(Debug)]
pub struct LocalGuard {
    connection: u64,
    gateway: Weak<Gateway>,
}

impl Drop for LocalGuard {
    fn drop(&mut self) {
        if let Some(gateway) = self.gateway.upgrade() {
            gateway.notify(&GatewayRequest::ReportLocalClosed { connection: self.connection });
        }
    }
}

impl Gateway {
    /// Performs the handshake with the broker and starts the sending and the receiving thread.
    ///
    /// The receiving thread calls `on_event` for every event of the broker, and a last time with [`BrokerEvent::Stop`]
    /// when the link is closed.
    ///
    /// # Errors
    /// I/O errors, and [`io::ErrorKind::InvalidData`] if the broker sends anything but the list of schemes.
    pub fn connect(link: Link, on_event: impl FnMut(BrokerEvent) + Send + 'static) -> io::Result<Arc<Self>> {
        let link = Arc::new(link);
        let (notifications, queue) = mpsc::channel::<Zeroizing<Vec<u8>>>();
        let sender = Arc::clone(&link);
        std::thread::Builder::new().name("to broker".to_owned()).spawn(move || {
            // A failed send means that the broker has ended, which the receiving thread detects.
            while queue.recv().is_ok_and(|message| sender.send(&message, &[]).is_ok()) {}
        })?;
        let gateway = Arc::new_cyclic(|me| Self {
            me: me.clone(),
            link,
            notifications,
            last_request: AtomicU64::new(0),
            waiting: Mutex::new(Some(HashMap::new())),
            sessions: Mutex::default(),
            schemes: Mutex::default(),
        });
        let receiver = Arc::clone(&gateway);
        std::thread::Builder::new()
            .name("broker".to_owned())
            .spawn(move || receiver.receive_messages(on_event))?;
        match gateway.request(&GatewayRequest::ListSchemes) {
            Ok((BrokerMessage::Schemes(schemes), _)) => *gateway.schemes.lock() = schemes,
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
        Ok(gateway)
    }

    /// Returns the cached session of an identity that has just signed in.
    #[must_use]
    pub fn session(&self, identity: &Identity) -> Option<Arc<Session>> {
        let key = (identity.account().name.clone(), identity.scheme(), identity.mechanism().cloned());
        self.sessions.lock().get(&key).map(|found| Arc::clone(&found.session))
    }

    /// Returns a connection to the host process of a session's user. Blocks until the broker has answered.
    ///
    /// # Errors
    /// [`Denied`] if the session has ended, or the host cannot be started.
    pub fn host(&self, session: &Session) -> Result<OwnedFd, Denied> {
        match self.request(&GatewayRequest::ConnectHost(session.id)) {
            Ok((BrokerMessage::HostConnected, Some(descriptor))) => Ok(descriptor),
            other => Err(denied(other)),
        }
    }

    /// Returns a connection to the process of a PowerShell endpoint that runs as another account, for a session's user.
    /// Blocks until the broker has answered.
    ///
    /// # Errors
    /// [`Denied`] if the session has ended, the settings do not allow it, or the process cannot be started.
    pub fn run_as_host(&self, session: &Session, endpoint: &str) -> Result<OwnedFd, Denied> {
        let endpoint = endpoint.to_owned();
        match self.request(&GatewayRequest::ConnectRunAsHost { session: session.id, endpoint }) {
            Ok((BrokerMessage::HostConnected, Some(descriptor))) => Ok(descriptor),
            other => Err(denied(other)),
        }
    }

    /// Returns the names of the PowerShell endpoints that run as another account and have a process for a session's user.
    /// Blocks until the broker has answered.
    ///
    /// # Errors
    /// [`Denied`] if the session has ended, or the broker does not answer.
    pub fn run_as_hosts(&self, session: &Session) -> Result<Vec<String>, Denied> {
        match self.request(&GatewayRequest::ListRunAsHosts(session.id)) {
            Ok((BrokerMessage::Endpoints(names), _)) => Ok(names),
            other => Err(denied(other)),
        }
    }

    /// Returns the certificate chain and key of a listener as PEM. Blocks until the broker has answered.
    ///
    /// # Errors
    /// [`Denied`] if the certificate does not exist or cannot be read.
    pub fn certificate(&self, request: CertificateRequest) -> Result<Secret, Denied> {
        match self.request(&GatewayRequest::LoadCertificate(request)) {
            Ok((BrokerMessage::CertificateLoaded(pem), _)) => Ok(pem),
            other => Err(denied(other)),
        }
    }

    /// Returns the SID of a local user or group. Blocks until the broker has answered.
    #[must_use]
    pub fn sid_of(&self, name: &str) -> Option<Sid> {
        match self.request(&GatewayRequest::LookUpSid(name.to_owned())) {
            Ok((BrokerMessage::LookupResult(found), _)) => Sid::parse(&found?).ok(),
            _ => None,
        }
    }

    /// Returns the name of the local user or group with this SID. Blocks until the broker has answered.
    #[must_use]
    pub fn name_of(&self, sid: Sid) -> Option<String> {
        match self.request(&GatewayRequest::LookUpName(sid)) {
            Ok((BrokerMessage::LookupResult(found), _)) => found,
            _ => None,
        }
    }

    /// Returns the names of the PowerShell endpoints of this machine; none if the broker does not answer. Blocks until
    /// the broker has answered.
    #[must_use]
    pub fn endpoints(&self) -> Vec<String> {
        match self.request(&GatewayRequest::ListEndpoints) {
            Ok((BrokerMessage::Endpoints(names), _)) => names,
            _ => Vec::new(),
        }
    }

    /// Replaces the configuration file if it still holds the text `before`. Blocks until the broker has answered.
    ///
    /// # Errors
    /// [`SettingsError`] if the user may not change it, the file has changed meanwhile, or writing fails.
    pub fn change_settings(&self, session: &Session, before: &str, after: &str) -> Result<(), SettingsError> {
        let (before, after) = (before.to_owned(), after.to_owned());
        match self.request(&GatewayRequest::ChangeSettings { session: session.id, before, after }) {
            Ok((BrokerMessage::ChangeDone, _)) => Ok(()),
            Ok((BrokerMessage::SettingsOutdated(text), _)) => Err(SettingsError::Outdated(text)),
            other => Err(SettingsError::Denied(denied(other))),
        }
    }

    /// Inspects the machine or performs one quickconfig step. Blocks until the broker has answered.
    ///
    /// # Errors
    /// [`Denied`] if the user may not do this, or the step fails.
    pub fn quick_config(
        &self,
        session: &Session,
        request: &MachineRequest,
    ) -> Result<MachineResponse, Denied> {
        match self.request(&GatewayRequest::RunQuickConfig { session: session.id, request: request.clone() })
        {
            Ok((BrokerMessage::QuickConfigResponse(answer), _)) => Ok(answer),
            other => Err(denied(other)),
        }
    }

    /// Sends a request that has no response.
    pub fn notify(&self, request: &GatewayRequest) {
        let message = request.encode(0);
        if is_within_limit(&message, message.len()) {
            let _ = self.notifications.send(message);
        }
    }

    fn receive_messages(&self, mut on_event: impl FnMut(BrokerEvent)) {
        loop {
            let frame = match self.link.receive() {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error) => {
                    tracing::error!(%error, "Cannot read from the broker");
                    break;
                }
            };
            let (number, message) = match BrokerMessage::decode(&frame.message) {
                Ok(message) => message,
                Err(error) => {
                    tracing::error!(%error, "Invalid message from the broker");
                    break;
                }
            };
            let mut descriptors = frame.descriptors;
            if number > 0 {
                self.deliver(number, (message, descriptors.pop()));
                continue;
            }
            let event = match (message, descriptors.pop()) {
                (BrokerMessage::LocalConnected { connection, uid, signed_in }, socket) => {
                    let guard = LocalGuard { connection, gateway: self.me.clone() };
                    let Some(socket) = socket else {
                        tracing::error!(uid, "A local connection was lost: too many files are open");
                        self.notify(&GatewayRequest::EndSession(signed_in.session));
                        continue;
                    };
                    let account = Account { name: signed_in.account.clone() };
                    self.cache_session(signed_in, Scheme::Local);
                    BrokerEvent::LocalConnected(LocalClient { socket, uid, account, guard })
                }
                (BrokerMessage::ListeningSockets, last) => {
                    descriptors.extend(last);
                    BrokerEvent::ListeningSockets(descriptors)
                }
                (BrokerMessage::Schemes(schemes), _) => {
                    *self.schemes.lock() = schemes;
                    continue;
                }
                (BrokerMessage::SettingsChanged(text), _) => BrokerEvent::SettingsChanged(text),
                (BrokerMessage::PoliciesChanged(text), _) => BrokerEvent::PoliciesChanged(text),
                (BrokerMessage::Reload(settings), _) => BrokerEvent::Reload(settings),
                (BrokerMessage::EventCollector { is_enabled, requests_certificates }, connection) => {
                    BrokerEvent::EventCollector { is_enabled, requests_certificates, connection }
                }
                (BrokerMessage::MetricsExporter, Some(connection)) => {
                    BrokerEvent::MetricsExporter(connection)
                }
                (BrokerMessage::Stop, _) => BrokerEvent::Stop,
                _ => continue,
            };
            on_event(event);
        }
        // Wakes every request that still waits for a response.
        *self.waiting.lock() = None;
        on_event(BrokerEvent::Stop);
    }

    /// Caches a new session. Requests of existing connections continue with the earlier ones.
    fn cache_session(&self, signed_in: SignedIn, scheme: Scheme) {
        let SignedIn { session: id, account, mechanism, token } = signed_in;
        let session = Arc::new(Session { id, token, gateway: self.me.clone() });
        let now = Instant::now();
        let mut sessions = self.sessions.lock();
        let mut expired: Vec<CachedSession> = Vec::new();
        let key = (account, scheme, mechanism);
        let mut earlier = Vec::new();
        if let Some(mut previous) = sessions.remove(&key) {
            earlier.append(&mut previous.earlier);
            earlier.push(Arc::downgrade(&previous.session));
            expired.push(previous);
        }
        // The session that is being replaced still counts here; the next call removes it.
        earlier.retain(|session| session.strong_count() > 0);
        sessions.insert(key, CachedSession { session, since: now, earlier });
        expired.extend(sessions.extract_if(|_, cached| cached.is_expired(now)).map(|(_, cached)| cached));
        drop(sessions);
        // Dropped after the lock is released: each drop sends a request to the broker.
        drop(expired);
    }

    /// Sends a sign-in request and returns the response.
    fn authenticate(&self, request: &GatewayRequest) -> Result<BrokerMessage, AuthError> {
        self.request(request).map(|(message, _)| message).map_err(|_| AuthError::Unavailable)
    }
}

impl Authenticator for Gateway {
    fn supports(&self, scheme: Scheme) -> bool {
        self.schemes.lock().contains(&scheme)
    }

    fn password(&self, user: &str, password: &Secret, source: IpAddr) -> Result<Account, AuthError> {
        let request =
            GatewayRequest::VerifyPassword { user: user.to_owned(), password: password.clone(), source };
        match self.authenticate(&request)? {
            BrokerMessage::SignedIn(signed_in) => {
                let account = Account { name: signed_in.account.clone() };
                self.cache_session(signed_in, Scheme::Basic);
                Ok(account)
            }
            BrokerMessage::SignInRefused { error, .. } => Err(error),
            _ => Err(AuthError::Unavailable),
        }
    }

    fn acceptor(&self, scheme: Scheme, peer: &Peer) -> Result<Box<dyn Acceptor>, AuthError> {
        if !self.supports(scheme) {
            return Err(AuthError::NoMechanism);
        }
        let gateway = self.me.upgrade().ok_or(AuthError::Unavailable)?;
        Ok(Box::new(RemoteAcceptor {
            gateway,
            scheme,
            peer: peer.clone(),
            handshake: None,
            refusal: None,
            claim: ClaimedIdentity::default(),
        }))
    }

    fn cost(&self) -> VerifierCost {
        VerifierCost::Slow
    }

    fn holder(&self, proof: &CertificateProof, source: IpAddr) -> Result<Box<dyn Holder>, AuthError> {
        self.hold(proof, source)
    }

    /// The broker knows the source address itself. The new session replaces the cached one.
    fn admits(&self, identity: &Identity, _: IpAddr) -> Result<(), AuthError> {
        let session = self.session(identity).ok_or(AuthError::NotAllowed)?;
        match self.authenticate(&GatewayRequest::RenewSession(session.id))? {
            BrokerMessage::SignedIn(signed_in) => {
                self.cache_session(signed_in, identity.scheme());
                Ok(())
            }
            BrokerMessage::SignInRefused { error, .. } => Err(error),
            _ => Err(AuthError::Unavailable),
        }
    }
}

/// Token exchange that the broker verifies.
struct RemoteAcceptor {
    gateway: Arc<Gateway>,
    scheme: Scheme,
    peer: Peer,
    handshake: Option<u64>,
    refusal: Option<Vec<u8>>,
    claim: ClaimedIdentity,
}

impl Acceptor for RemoteAcceptor {
    fn step(&mut self, token: &[u8]) -> Result<Step<Accepted>, AuthError> {
        let token = token.to_vec();
        let request = match self.handshake.take() {
            Some(handshake) => GatewayRequest::ContinueHandshake { handshake, token },
            None => {
                let Peer { address, binding } = self.peer.clone();
                GatewayRequest::BeginHandshake { scheme: self.scheme, address, binding, token }
            }
        };
        match self.gateway.authenticate(&request)? {
            BrokerMessage::HandshakeContinues { handshake, token } => {
                self.handshake = Some(handshake);
                Ok(Step::Continue(token))
            }
            BrokerMessage::HandshakeDone { token, signed_in, context } => {
                let account = Account { name: signed_in.account.clone() };
                self.claim.mechanism.clone_from(&signed_in.mechanism);
                self.gateway.cache_session(signed_in, self.scheme);
                let context = self.context(context)?;
                // The token of the session has the SIDs.
                let directory = DirectorySids::default();
                Ok(Step::Done { token, outcome: Accepted { account, context, directory } })
            }
            BrokerMessage::SignInRefused { error, token, claim } => {
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

impl RemoteAcceptor {
    fn context(&self, form: ContextForm) -> Result<Box<dyn SecurityContext>, AuthError> {
        match form {
            ContextForm::Remote { handle, can_seal, max_message } => Ok(Box::new(RemoteContext {
                gateway: Arc::clone(&self.gateway),
                handle,
                can_seal,
                max_message: max_message.and_then(|bytes| usize::try_from(bytes).ok()),
            })),
            ContextForm::Exported(octets) => match kerberos::Context::resume(&octets) {
                Some(context) => Ok(Box::new(context)),
                None => Ok(Box::new(auth::ntlm::Context::import(&octets)?)),
            },
        }
    }
}

impl Drop for RemoteAcceptor {
    fn drop(&mut self) {
        if let Some(handle) = self.handshake {
            self.gateway.notify(&GatewayRequest::Release { handle });
        }
    }
}

/// Security context that stays in the broker: CredSSP's TLS connection, and Kerberos contexts without AES.
struct RemoteContext {
    gateway: Arc<Gateway>,
    handle: u64,
    can_seal: bool,
    max_message: Option<usize>,
}

impl RemoteContext {
    fn request(&self, request: &GatewayRequest) -> Result<(Vec<u8>, Zeroizing<Vec<u8>>), SealError> {
        match self.gateway.request(request) {
            Ok((BrokerMessage::MessageSealed { header, message }, _)) => Ok((header, message)),
            Ok((BrokerMessage::SealFailed(error), _)) => Err(error),
            _ => Err(SealError::Failed),
        }
    }
}

impl SecurityContext for RemoteContext {
    fn can_seal(&self) -> bool {
        self.can_seal
    }

    fn largest_message(&self) -> Option<usize> {
        self.max_message
    }

    fn seal(&mut self, message: &mut Vec<u8>) -> Result<Vec<u8>, SealError> {
        let plain = Zeroizing::new(std::mem::take(message));
        let (header, mut sealed) =
            self.request(&GatewayRequest::SealMessage { context: self.handle, message: plain })?;
        *message = std::mem::take(&mut *sealed);
        Ok(header)
    }

    fn unseal(&mut self, header: &[u8], message: &mut Vec<u8>) -> Result<(), SealError> {
        let sealed = Zeroizing::new(std::mem::take(message));
        let header = header.to_vec();
        let (_, mut opened) =
            self.request(&GatewayRequest::UnsealMessage { context: self.handle, header, message: sealed })?;
        *message = std::mem::take(&mut *opened);
        Ok(())
    }

    /// Signatures are needed during negotiation only, which the broker does itself.
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

impl Drop for RemoteContext {
    fn drop(&mut self) {
        self.gateway.notify(&GatewayRequest::Release { handle: self.handle });
    }
}

/// How long an unused session stays in the cache, so that a repeated Basic sign-in reuses the verified password.
const CACHE_TIME: Duration = Duration::from_secs(120);
