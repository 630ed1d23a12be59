//! The broker's end of the link to the gateway.

mod admission;
mod certificates;
mod local;
mod objects;
mod slots;

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use auth::basic::Login;
use auth::certificate_mapping::{Mapping, MappingChange};
use auth::{
    AuthError, Authenticator, Established, Handshake, Identity, Peer, Scheme, SealError, Secret,
    SecurityContext, Step,
};
use limits::{FoldedWarnings, Report};
use locks::Mutex;
use quickconfig::{MachineRequest, MachineResponse};
use sddl::{Sid, Token};
use zeroize::Zeroizing;

use self::admission::Admission;
use self::local::LocalPermits;
use self::objects::ObjectTable;
use self::slots::RequestSlots;
use crate::link::Link;
use crate::message::{
    BrokerMessage, CertificateRequest, ClaimedIdentity, ContextForm, DenialKind, Denied, GatewayRequest,
    MappingRequestError, PREFIX_LENGTH, SessionId, SettingsError, SignedIn, is_within_limit,
};
use crate::sessions::{Sessions, VerifiedUser};
use crate::workers::Workers;

/// Privileged operations that the broker's program provides. The broker calls them only for identities it has verified.
pub trait PrivilegedOperations: Send + Sync {
    /// Returns the current access token of a user; `None` if the account no longer exists.
    fn token(&self, identity: &Identity) -> Option<Token>;

    /// Returns the maximum number of open connections in the settings.
    fn max_connections(&self) -> usize;

    /// Called after every sign-in, since the user's groups or rights may have changed.
    fn on_sign_in(&self, _identity: &Identity) {}

    /// Returns a connection to the user's host process, and starts the process if necessary.
    ///
    /// # Errors
    /// [`Denied`] if the host cannot be started.
    fn host(&self, identity: &Identity, token: &Token) -> Result<OwnedFd, Denied>;

    /// Returns a connection to the process of a PowerShell endpoint that runs as another account, which serves this user
    /// only, and starts the process if necessary. The gateway has chosen the endpoint, so the settings must be read
    /// here: whether the endpoint runs as another account, as which, and whether the user may use it.
    ///
    /// # Errors
    /// [`Denied`] if the settings do not allow it, or the process cannot be started.
    fn run_as_host(&self, identity: &Identity, token: &Token, endpoint: &str) -> Result<OwnedFd, Denied>;

    /// Returns the names of the endpoints that run as another account, have a process for this user, and that the user
    /// may still use.
    fn run_as_hosts(&self, identity: &Identity, token: &Token) -> Vec<String>;

    /// Replaces the configuration file if it still holds the text `before`.
    ///
    /// # Errors
    /// [`SettingsError`] if the user may not change it, the file has changed meanwhile, or writing fails.
    fn change_settings(
        &self,
        identity: &Identity,
        token: &Token,
        before: &str,
        after: &str,
    ) -> Result<(), SettingsError>;

    /// Returns the client certificate mappings.
    ///
    /// # Errors
    /// [`MappingRequestError`] if the user may not read them, or reading fails.
    fn mappings(&self, identity: &Identity, token: &Token) -> Result<Vec<Mapping>, MappingRequestError>;

    /// Creates, changes or deletes a client certificate mapping.
    ///
    /// # Errors
    /// [`MappingRequestError`] if the user may not change mappings, or the change is invalid.
    fn change_mapping(
        &self,
        identity: &Identity,
        token: &Token,
        change: MappingChange,
        source: IpAddr,
    ) -> Result<(), MappingRequestError>;

    /// Returns certificate chain and key of a listener as PEM.
    ///
    /// # Errors
    /// [`Denied`] if the certificate does not exist or cannot be read.
    fn certificate(&self, request: &CertificateRequest) -> Result<Secret, Denied>;

    /// Inspects the machine or performs a quickconfig step.
    ///
    /// # Errors
    /// [`Denied`] if the user may not do this, or the step fails.
    fn quick_config(
        &self,
        identity: &Identity,
        token: &Token,
        request: &MachineRequest,
    ) -> Result<MachineResponse, Denied>;

    /// Returns the SID of a local user or group.
    fn sid_of(&self, name: &str) -> Option<Sid>;

    /// Returns the name of the local user or group with this SID.
    fn name_of(&self, sid: Sid) -> Option<String>;

    /// Returns the names of the PowerShell endpoints of this machine.
    fn endpoints(&self) -> Vec<String>;

    /// Handles a state report of the gateway.
    fn on_notice(&self, notice: Notice);
}

/// State report of the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The gateway accepts connections.
    Ready,
    /// State as a text for the service manager.
    Status(String),
    /// The gateway is alive; sent periodically for the watchdog.
    Alive,
}

/// Serves one gateway until it ends.
pub struct Broker {
    link: Link,
    authenticator: Arc<dyn Authenticator>,
    operations: Arc<dyn PrivilegedOperations>,
    sessions: Sessions,
    objects: Mutex<ObjectTable>,
    sign_ins: Admission,
    /// Total size of the sign-in attempts that are verified or wait.
    sign_in_slots: RequestSlots,
    /// Long-running requests other than sign-in attempts.
    slots: RequestSlots,
    workers: Workers,
    refused: Mutex<FoldedWarnings<()>>,
    /// Local connections that the gateway has open.
    locals: LocalPermits,
    /// Number of requests and local connections since the start.
    served: AtomicU64,
    announced_schemes: Mutex<Vec<Scheme>>,
}

impl Broker {
    /// Creates a broker for the gateway at the other end of a link.
    #[must_use]
    pub fn new(
        link: Link,
        authenticator: Arc<dyn Authenticator>,
        operations: Arc<dyn PrivilegedOperations>,
    ) -> Arc<Self> {
        Arc::new(Self {
            link,
            authenticator,
            operations,
            sessions: Sessions::default(),
            objects: Mutex::default(),
            sign_ins: Admission::default(),
            sign_in_slots: RequestSlots::default(),
            slots: RequestSlots::default(),
            workers: Workers::new("request", WORKER_IDLE_TIME),
            refused: Mutex::new(FoldedWarnings::new(LOG_INTERVAL, 1)),
            locals: LocalPermits::default(),
            served: AtomicU64::new(0),
            announced_schemes: Mutex::default(),
        })
    }

    /// Answers requests until the gateway closes the link.
    ///
    /// # Errors
    /// I/O errors, and [`io::ErrorKind::InvalidData`] if the gateway violates the protocol. The caller then terminates
    /// the gateway.
    pub fn serve(self: &Arc<Self>) -> io::Result<()> {
        // A gateway that does not read must not block threads of the broker.
        self.link.set_send_timeout(MAX_SEND_TIME)?;
        while let Some(frame) = self.link.receive_checked(PREFIX_LENGTH, is_within_limit)? {
            if !frame.descriptors.is_empty() || frame.has_lost_descriptors {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a gateway must not send descriptors",
                ));
            }
            let octets = frame.message.len();
            let decoded = GatewayRequest::decode(&frame.message);
            let (number, request) =
                decoded.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            drop(frame);
            self.receive(number, request, octets);
        }
        Ok(())
    }

    /// Answers quick requests at once and queues all others for a worker.
    fn receive(self: &Arc<Self>, number: u64, request: GatewayRequest, octets: usize) {
        self.served.fetch_add(1, Ordering::Relaxed);
        match request {
            GatewayRequest::ReportReady => self.operations.on_notice(Notice::Ready),
            GatewayRequest::ReportStatus(text) => self.operations.on_notice(Notice::Status(text)),
            GatewayRequest::ReportAlive => self.operations.on_notice(Notice::Alive),
            GatewayRequest::EndSession(session) => self.sessions.end(session),
            GatewayRequest::Release { handle } => self.objects.lock().release(handle),
            GatewayRequest::ReportLocalClosed { connection } => self.locals.close(connection),
            GatewayRequest::ListSchemes => {
                let schemes = self.schemes();
                self.announced_schemes.lock().clone_from(&schemes);
                self.respond(number, &BrokerMessage::Schemes(schemes), None);
            }
            GatewayRequest::SealMessage { context, message } => {
                let response = guarded(|| self.seal(context, message));
                self.respond(number, &response.unwrap_or(BrokerMessage::SealFailed(SealError::Failed)), None);
            }
            GatewayRequest::UnsealMessage { context, header, message } => {
                let response = guarded(|| self.unseal(context, &header, message));
                self.respond(number, &response.unwrap_or(BrokerMessage::SealFailed(SealError::Failed)), None);
            }
            request => match self.sign_in_source(&request) {
                Some(source) => self.admit(number, request, source, octets),
                None => self.work(number, request, octets),
            },
        }
    }

    /// Returns the number of requests and local connections since the start.
    pub fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }

    /// Sends an event to the gateway.
    pub fn announce(&self, event: &BrokerMessage, descriptors: &[BorrowedFd<'_>]) {
        if let Err(error) = self.link.send(&event.encode(0), descriptors) {
            tracing::debug!(%error, "Cannot send an event to the gateway");
        }
    }

    /// Sends the list of available schemes to the gateway if it has changed.
    pub fn announce_schemes(&self) {
        let now = self.schemes();
        let mut announced = self.announced_schemes.lock();
        if *announced != now {
            announced.clone_from(&now);
            self.announce(&BrokerMessage::Schemes(now), &[]);
        }
    }

    /// Closes the link, which ends all pending requests of the gateway.
    pub fn close(&self) {
        self.link.close();
    }

    /// Passes a request other than a sign-in attempt to a worker, or refuses it if too many are in progress. A panic
    /// results in a refusal, too.
    fn work(self: &Arc<Self>, number: u64, request: GatewayRequest, octets: usize) {
        let refusal = RefusalForm::of(&request);
        let Some(slot) = self.slots.take(MAX_PENDING_REQUESTS, octets) else {
            let report = self.refused.lock().note((), Instant::now());
            if let Some(Report { repeated, .. }) = report {
                tracing::warn!(repeated, "Request of the gateway refused: too many at the same time");
            }
            self.respond(number, &refusal.with("the service is busy; try again"), None);
            return;
        };
        let broker = Arc::clone(self);
        let job = move || {
            let (response, descriptor) = guarded(|| broker.answer(request))
                .unwrap_or_else(|| (refusal.with("internal error; see the log of the service"), None));
            broker.respond(number, &response, descriptor);
            drop(slot);
        };
        if let Err(error) = self.workers.run(Box::new(job)) {
            tracing::error!(%error, "Cannot start a thread to answer the gateway");
            self.respond(number, &refusal.with("the service cannot start a thread"), None);
        }
    }

    fn answer(&self, request: GatewayRequest) -> (BrokerMessage, Option<OwnedFd>) {
        let response = match request {
            GatewayRequest::VerifyPassword { user, password, source } => {
                let login = Login { user, password };
                Identity::by_password(&login, self.authenticator.as_ref(), source)
                    .and_then(|identity| self.open_session(identity, source, SignInKind::New))
                    .map_or_else(BrokerMessage::refused, BrokerMessage::SignedIn)
            }
            GatewayRequest::BeginHandshake { scheme, address, binding, token } => {
                let peer = Peer { address, binding };
                match Handshake::begin(scheme, self.authenticator.as_ref(), &peer) {
                    Ok(handshake) => self.step(handshake, Instant::now() + MAX_HANDSHAKE_TIME, &token),
                    Err(error) => BrokerMessage::refused(error),
                }
            }
            GatewayRequest::ContinueHandshake { handshake, token } => {
                // Not inside the `match`, which would hold the lock while the next step stores the handshake again.
                let taken = self.objects.lock().take_handshake(handshake);
                match taken {
                    Some((handshake, until)) => self.step(handshake, until, &token),
                    None => BrokerMessage::refused(AuthError::Malformed("unknown handshake")),
                }
            }
            GatewayRequest::VerifyCertificate { proof, source } => self.verify_certificate(&proof, source),
            GatewayRequest::CheckMapping { holder } => self.check_mapping(holder),
            GatewayRequest::ResolveAccount { holder, resource } => self.resolve_account(holder, &resource),
            GatewayRequest::ListMappings(session) => self.mappings(session),
            GatewayRequest::ChangeMapping { session, change, source } => {
                self.change_mapping(session, change, source)
            }
            GatewayRequest::RenewSession(session) => self.renew_session(session),
            GatewayRequest::ConnectHost(session) => {
                let user = self.current_user(session);
                return connected(user.and_then(|user| self.operations.host(&user.identity, &user.token)));
            }
            GatewayRequest::ConnectRunAsHost { session, endpoint } => {
                let user = self.current_user(session);
                return connected(
                    user.and_then(|user| self.operations.run_as_host(&user.identity, &user.token, &endpoint)),
                );
            }
            GatewayRequest::ListRunAsHosts(session) => self
                .current_user(session)
                .map(|user| self.operations.run_as_hosts(&user.identity, &user.token))
                .map_or_else(BrokerMessage::Denied, BrokerMessage::Endpoints),
            GatewayRequest::LookUpSid(name) => BrokerMessage::LookupResult(
                self.operations.sid_of(&name).map(|sid| sid.numeric().to_string()),
            ),
            GatewayRequest::LookUpName(sid) => BrokerMessage::LookupResult(self.operations.name_of(sid)),
            GatewayRequest::ListEndpoints => BrokerMessage::Endpoints(self.operations.endpoints()),
            GatewayRequest::LoadCertificate(request) => self
                .operations
                .certificate(&request)
                .map_or_else(BrokerMessage::Denied, BrokerMessage::CertificateLoaded),
            GatewayRequest::RunQuickConfig { session, request } => self
                .current_user(session)
                .and_then(|user| self.operations.quick_config(&user.identity, &user.token, &request))
                .map_or_else(BrokerMessage::Denied, BrokerMessage::QuickConfigResponse),
            GatewayRequest::ChangeSettings { session, before, after } => {
                let changed = self.current_user(session).map_err(SettingsError::Denied).and_then(|user| {
                    self.operations.change_settings(&user.identity, &user.token, &before, &after)
                });
                match changed {
                    Ok(()) => BrokerMessage::ChangeDone,
                    Err(SettingsError::Denied(denied)) => BrokerMessage::Denied(denied),
                    Err(SettingsError::Outdated(text)) => BrokerMessage::SettingsOutdated(text),
                }
            }
            // `receive` answers these itself.
            GatewayRequest::ListSchemes
            | GatewayRequest::SealMessage { .. }
            | GatewayRequest::UnsealMessage { .. }
            | GatewayRequest::Release { .. }
            | GatewayRequest::EndSession(_)
            | GatewayRequest::ReportLocalClosed { .. }
            | GatewayRequest::ReportReady
            | GatewayRequest::ReportStatus(_)
            | GatewayRequest::ReportAlive => {
                BrokerMessage::Denied(Denied::new(DenialKind::Failed, "the request has no response"))
            }
        };
        (response, None)
    }

    fn step(&self, mut handshake: Handshake, until: Instant, token: &[u8]) -> BrokerMessage {
        match handshake.step(token) {
            Err(error) => {
                tracing::debug!(%error, scheme = %handshake.scheme(), "Sign-in by tokens failed");
                let claim = ClaimedIdentity { mechanism: handshake.mechanism(), name: handshake.claimed() };
                BrokerMessage::SignInRefused { error, token: handshake.refusal(), claim }
            }
            Ok(Step::Continue(token)) => match self.objects.lock().insert_handshake(handshake, until) {
                Some(handshake) => BrokerMessage::HandshakeContinues { handshake, token },
                None => BrokerMessage::refused(AuthError::Unavailable),
            },
            Ok(Step::Done { token, outcome: Established { identity, context } }) => {
                let signed_in = match self.open_session(identity, handshake.address(), SignInKind::New) {
                    Ok(signed_in) => signed_in,
                    Err(error) => return BrokerMessage::refused(error),
                };
                match self.transfer_context(context) {
                    Some(context) => BrokerMessage::HandshakeDone { token, signed_in, context },
                    None => {
                        self.sessions.end(signed_in.session);
                        BrokerMessage::refused(AuthError::Unavailable)
                    }
                }
            }
        }
    }

    /// Exports a security context to the gateway if possible; otherwise stores it here under a handle.
    fn transfer_context(&self, context: Box<dyn SecurityContext>) -> Option<ContextForm> {
        if context.can_export() {
            let exported = context.export()?;
            return Some(ContextForm::Exported(Zeroizing::new(exported.expose().to_vec())));
        }
        let (can_seal, limit) = (context.can_seal(), context.largest_message());
        let max_message = limit.and_then(|bytes| u64::try_from(bytes).ok());
        let handle = self.objects.lock().insert_context(context)?;
        Some(ContextForm::Remote { handle, can_seal, max_message })
    }

    /// Opens a session for a verified identity.
    fn open_session(
        &self,
        identity: Identity,
        source: IpAddr,
        kind: SignInKind<'_>,
    ) -> Result<SignedIn, AuthError> {
        let token = self.current_token(&identity, kind)?;
        self.sessions
            .begin(identity, token, source, self.operations.max_connections())
            .ok_or(AuthError::Unavailable)
    }

    /// Returns the current access token of a user. Reports the sign-in first, unless the user is known with this
    /// token.
    fn current_token(&self, identity: &Identity, kind: SignInKind<'_>) -> Result<Token, AuthError> {
        let token = self.operations.token(identity).ok_or(AuthError::NotAllowed)?;
        match kind {
            SignInKind::New => {
                let (account, scheme) = (identity.account(), identity.scheme());
                tracing::debug!(%account, %scheme, "Signed in");
                self.operations.on_sign_in(identity);
            }
            SignInKind::Renewal { previous } if token != *previous => self.operations.on_sign_in(identity),
            SignInKind::Renewal { .. } | SignInKind::OtherResource => {}
        }
        Ok(token)
    }

    /// Opens another session for the identity of an existing one, or ends that one if its account is now disabled.
    fn renew_session(&self, session: SessionId) -> BrokerMessage {
        let Ok(user) = self.sessions.find(session) else {
            return BrokerMessage::refused(AuthError::NotAllowed);
        };
        let renewed = self.authenticator.admits(&user.identity, user.source).and_then(|()| {
            let kind = SignInKind::Renewal { previous: &user.token };
            self.open_session(user.identity.clone(), user.source, kind)
        });
        renewed.map_or_else(
            |error| {
                self.sessions.end(session);
                BrokerMessage::refused(error)
            },
            BrokerMessage::SignedIn,
        )
    }

    /// Returns the user of a session. Verifies the account again after a while, because the broker does not rely on
    /// the gateway to renew sessions.
    fn current_user(&self, session: SessionId) -> Result<Arc<VerifiedUser>, Denied> {
        let user = self.sessions.find(session)?;
        if user.verified_at.elapsed() < self.authenticator.verdict_lifetime() {
            return Ok(user);
        }
        let admitted = self.authenticator.admits(&user.identity, user.source);
        let kind = SignInKind::Renewal { previous: &user.token };
        match admitted.and_then(|()| self.current_token(&user.identity, kind)) {
            Ok(token) => Ok(self.sessions.renew(session, &user, token)),
            Err(error) => {
                self.sessions.end(session);
                let account = user.identity.account();
                tracing::warn!(%account, %error, "Session ended: the account is disabled or expired");
                Err(Denied::new(
                    DenialKind::Access,
                    format!("access is denied: the account {account} is disabled or expired"),
                ))
            }
        }
    }

    fn schemes(&self) -> Vec<Scheme> {
        let all = [Scheme::Negotiate, Scheme::Kerberos, Scheme::CredSsp, Scheme::Basic, Scheme::Certificate];
        all.into_iter().filter(|scheme| self.authenticator.supports(*scheme)).collect()
    }

    fn seal(&self, context: u64, mut message: Zeroizing<Vec<u8>>) -> BrokerMessage {
        self.with_context(context, |context| {
            let header = context.seal(&mut message)?;
            Ok(BrokerMessage::MessageSealed { header, message })
        })
    }

    fn unseal(&self, context: u64, header: &[u8], mut message: Zeroizing<Vec<u8>>) -> BrokerMessage {
        self.with_context(context, |context| {
            context.unseal(header, &mut message)?;
            Ok(BrokerMessage::MessageSealed { header: Vec::new(), message })
        })
    }

    /// Calls a function with a security context. The context is dropped after an error, which desynchronizes it.
    fn with_context(
        &self,
        handle: u64,
        call: impl FnOnce(&mut dyn SecurityContext) -> Result<BrokerMessage, SealError>,
    ) -> BrokerMessage {
        let mut objects = self.objects.lock();
        let result = match objects.context(handle) {
            Some(context) => call(context.as_mut()),
            None => Err(SealError::Failed),
        };
        result.unwrap_or_else(|error| {
            objects.release(handle);
            BrokerMessage::SealFailed(error)
        })
    }

    fn respond(&self, number: u64, response: &BrokerMessage, descriptor: Option<OwnedFd>) {
        let descriptors: Vec<BorrowedFd<'_>> = descriptor.iter().map(AsFd::as_fd).collect();
        let Err(error) = self.link.send(&response.encode(number), &descriptors) else { return };
        tracing::debug!(%error, "Cannot send a response to the gateway");
        if error.kind() == io::ErrorKind::InvalidInput {
            // The response exceeds the frame size. The gateway waits for one, so it gets an error.
            let denied = Denied::new(DenialKind::Failed, "the response is too long");
            let _ = self.link.send(&BrokerMessage::Denied(denied).encode(number), &[]);
        }
    }
}

/// Returns the response with a connection to a host.
fn connected(host: Result<OwnedFd, Denied>) -> (BrokerMessage, Option<OwnedFd>) {
    match host {
        Ok(descriptor) => (BrokerMessage::HostConnected, Some(descriptor)),
        Err(denied) => (BrokerMessage::Denied(denied), None),
    }
}

/// Reason why a session is opened, which decides whether the sign-in is reported.
#[derive(Clone, Copy)]
enum SignInKind<'a> {
    /// The user has proven the identity.
    New,
    /// A certificate holder uses another resource that is mapped to the same account.
    OtherResource,
    /// The account was verified again.
    Renewal { previous: &'a Token },
}

/// Calls a function and catches its panic: it may parse untrusted data or run PAM modules. Returns `None` after a
/// panic, which the panic hook has already reported.
fn guarded<T>(call: impl FnOnce() -> T) -> Option<T> {
    let result = catch_unwind(AssertUnwindSafe(call));
    result.inspect_err(|_| tracing::error!("Answering a request of the gateway panicked")).ok()
}

/// Form in which a request is refused.
#[derive(Clone, Copy)]
enum RefusalForm {
    /// With a reason for the user.
    Denied,
    /// As a sign-in that cannot be verified at present.
    SignIn,
}

impl RefusalForm {
    fn of(request: &GatewayRequest) -> Self {
        match request {
            GatewayRequest::ConnectHost(_)
            | GatewayRequest::ConnectRunAsHost { .. }
            | GatewayRequest::ListRunAsHosts(_)
            | GatewayRequest::ChangeSettings { .. }
            | GatewayRequest::LoadCertificate(_)
            | GatewayRequest::ListMappings(_)
            | GatewayRequest::ChangeMapping { .. }
            | GatewayRequest::RunQuickConfig { .. } => Self::Denied,
            _ => Self::SignIn,
        }
    }

    fn with(self, reason: &str) -> BrokerMessage {
        match self {
            Self::Denied => BrokerMessage::Denied(Denied::new(DenialKind::Failed, reason)),
            Self::SignIn => BrokerMessage::refused(AuthError::Unavailable),
        }
    }
}

/// Maximum number of requests in progress, sign-in attempts not included.
const MAX_PENDING_REQUESTS: usize = 256;
/// Time limit of a sign-in by tokens, equal to the gateway's limit for its client.
const MAX_HANDSHAKE_TIME: Duration = Duration::from_secs(30);
/// Send timeout. The gateway reads continuously, so it is hit only if the gateway hangs.
const MAX_SEND_TIME: Duration = Duration::from_secs(30);
/// How long an idle worker thread lives.
const WORKER_IDLE_TIME: Duration = Duration::from_secs(5);
/// Minimum interval between two log records about refused requests.
const LOG_INTERVAL: Duration = Duration::from_secs(10);
