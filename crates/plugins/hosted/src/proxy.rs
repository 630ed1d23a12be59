//! The gateway's end: a plug-in that forwards calls to the host of the caller.

mod items;
mod listing;

use std::collections::{HashMap, HashSet};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use config::Config;
use locks::Mutex;
use sddl::Sid;
use service::{Answer, BoxFuture, Call, Caller, OpenObjects, Plugin, Resource, ResourceKind};
use tokio::sync::{Notify, oneshot};
use wsman::{Action, Fault, Response, ResponseError, Subcode, code};
use xml::Bounds;

use self::items::HostedItems;
use crate::message::{CallMessage, FromHost, MAX_ENVELOPE, ToHost, envelope_too_large};
use crate::stream::{self, Outgoing};

/// Starts host processes and connects to them.
pub trait Hosts: Send + Sync {
    /// Returns a connection to the host of a caller, starting the host if necessary. With an endpoint, it is the host
    /// that runs as the account of the endpoint, and serves this caller and this endpoint only.
    fn connect(
        &self,
        caller: Arc<Caller>,
        endpoint: Option<String>,
    ) -> BoxFuture<'static, Result<UnixStream, Fault>>;

    /// Returns the endpoints that run as another account and for which this caller has a host.
    fn run_as_hosts(&self, _caller: Arc<Caller>) -> BoxFuture<'static, Result<Vec<String>, Fault>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// Returns the name of the endpoint with this URI if it runs as another account than its caller. Names that differ
    /// in case only are one endpoint, and one name is returned for them.
    fn run_as_endpoint(&self, _uri: &str) -> Option<String> {
        None
    }
}

/// A plug-in that runs in a separate process for each of its callers.
pub struct HostedPlugin {
    resources: Vec<Resource>,
    /// Resources that list the objects of all hosts of a caller.
    listings: Vec<Resource>,
    hosts: Arc<dyn Hosts>,
    quota: Option<UserQuota>,
    hosts_in_use: Mutex<HashMap<HostKey, Arc<HostState>>>,
}

/// Key of a host: its caller, and the endpoint if that runs as another account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct HostKey {
    user: UserKey,
    endpoint: Option<String>,
}

/// User by SID and name: accounts with the same UID have the same SID, but separate hosts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct UserKey {
    sid: Sid,
    account: String,
}

/// State of one host.
#[derive(Default)]
struct HostState {
    connection: Mutex<Option<Arc<Connection>>>,
    /// Held while a host is started, so that only calls of the same user wait.
    connecting: tokio::sync::Mutex<()>,
    /// Number of shells that are being created and that the host does not count yet.
    opening: AtomicU64,
}

impl HostState {
    /// Returns the connection, if it is open.
    fn connection(&self) -> Option<Arc<Connection>> {
        let connection = self.connection.lock().clone();
        connection.filter(|connection| !connection.is_closed.load(Ordering::Acquire))
    }

    /// Returns the numbers of objects that the host has reported.
    fn in_use(&self) -> OpenObjects {
        self.connection().map_or_else(OpenObjects::default, |connection| *connection.in_use.lock())
    }

    /// Returns the number of shells of all kinds, including those that are being created.
    fn open_shells(&self) -> u64 {
        let OpenObjects { shells, runspace_pools, .. } = self.in_use();
        let opening = self.opening.load(Ordering::Acquire);
        opening.saturating_add(u64::from(shells)).saturating_add(u64::from(runspace_pools))
    }

    fn has_open_objects(&self) -> bool {
        self.opening.load(Ordering::Acquire) > 0 || self.in_use().total() > 0
    }
}

/// Counts a shell that is being created until it is dropped.
struct OpeningShell(Arc<HostState>);

impl Drop for OpeningShell {
    fn drop(&mut self) {
        self.0.opening.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Limits that no single host can enforce: of the users that have open shells at the same time, and of the shells of a
/// user with several hosts.
#[derive(Clone, Copy)]
pub struct UserQuota {
    /// Returns the limit of users from the settings.
    pub limit: fn(&Config) -> u32,
    /// Returns the fault for users beyond the limit.
    pub fault: fn(u32) -> Fault,
    /// Returns the limit of shells of one user from the settings; `None` for no limit.
    pub shells: fn(&Config) -> Option<u32>,
    /// Returns the fault for shells beyond the limit.
    pub shells_fault: fn(u32) -> Fault,
}

impl HostedPlugin {
    /// Creates a plug-in for these resources.
    #[must_use]
    pub fn new(resources: &[Resource], hosts: Arc<dyn Hosts>) -> Self {
        Self {
            resources: resources.to_vec(),
            listings: Vec::new(),
            hosts,
            quota: None,
            hosts_in_use: Mutex::default(),
        }
    }

    /// Sets the resources that list the objects of all hosts of a caller: Enumerate returns those of the caller's own
    /// host and of endpoints that run as another account, and Get finds the object in one of them.
    #[must_use]
    pub fn with_listings(self, listings: &[Resource]) -> Self {
        Self { listings: listings.to_vec(), ..self }
    }

    /// Sets the limit of users with open shells.
    #[must_use]
    pub fn with_users(self, quota: UserQuota) -> Self {
        Self { quota: Some(quota), ..self }
    }

    async fn answer(&self, call: Call) -> Result<Answer, Fault> {
        if self.is_listing(&call) {
            return self.list(&call).await;
        }
        let resource = call.request.head().resource.as_ref();
        let endpoint = resource.and_then(|uri| self.hosts.run_as_endpoint(uri.as_str()));
        self.forward(&call, endpoint).await
    }

    /// Forwards a call to the caller's own host, or to that of an endpoint.
    async fn forward(&self, call: &Call, endpoint: Option<String>) -> Result<Answer, Fault> {
        for _ in 0..MAX_ATTEMPTS {
            if let Some(answer) = self.attempt(call, endpoint.clone()).await? {
                return Ok(answer);
            }
        }
        Err(protocol_error())
    }

    /// Forwards a call to a host. Returns `None` if the host is about to end and has not started it.
    async fn attempt(&self, call: &Call, endpoint: Option<String>) -> Result<Option<Answer>, Fault> {
        let Admitted { key, host, _opening } = self.admit(call, endpoint)?;
        let connection = self.connection(call, key.endpoint, &host).await?;
        let Some((number, response)) = connection.begin(call).await? else { return Ok(None) };
        let mut pending = PendingCall { connection: Arc::clone(&connection), number, is_complete: false };
        let Ok(message) = response.await else { return Err(host_ended()) };
        pending.is_complete = true;
        let answer = match message {
            FromHost::NotStarted(_) => {
                connection.leave();
                return Ok(None);
            }
            FromHost::Envelope { envelope, wants_delivery: false, .. } => Ok(Answer::new(envelope)),
            FromHost::Envelope { envelope, wants_delivery: true, .. } => {
                let report = DeliveryReport(Some(connection), number);
                Ok(Answer::new(envelope).when_delivered(Box::new(move || report.confirm())))
            }
            FromHost::Items(_) => Ok(Answer::items(HostedItems::new(connection, number))),
            FromHost::Push(_) => Ok(Answer::push(HostedItems::new(connection, number))),
            FromHost::Fault { envelope, .. } => Err(fault(envelope)),
            _ => Err(protocol_error()),
        };
        answer.map(Some)
    }

    /// Returns the state of the caller's host. Creating a shell counts towards the limits of users and of their shells.
    ///
    /// # Errors
    /// The fault of a quota, if too many other users have open shells, or the caller has too many in all its hosts.
    fn admit(&self, call: &Call, endpoint: Option<String>) -> Result<Admitted, Fault> {
        let user = UserKey { sid: call.caller.sid(), account: call.caller.identity().account().name.clone() };
        let key = HostKey { user, endpoint };
        let mut hosts = self.hosts_in_use.lock();
        let host = match hosts.get(&key) {
            Some(host) => Arc::clone(host),
            None => {
                hosts.retain(|_, host| Arc::strong_count(host) > 1 || host.connection().is_some());
                Arc::clone(hosts.entry(key.clone()).or_default())
            }
        };
        let (Some(quota), Action::Create) = (self.quota, &call.request.head().action) else {
            return Ok(Admitted { key, host, _opening: None });
        };
        require_room(&hosts, &key, quota, &call.config)?;
        host.opening.fetch_add(1, Ordering::AcqRel);
        drop(hosts);
        Ok(Admitted { key, _opening: Some(OpeningShell(Arc::clone(&host))), host })
    }

    /// Returns the connection to the caller's host, which is opened if necessary.
    async fn connection(
        &self,
        call: &Call,
        endpoint: Option<String>,
        host: &HostState,
    ) -> Result<Arc<Connection>, Fault> {
        if let Some(connection) = host.connection() {
            return Ok(connection);
        }
        let _guard = host.connecting.lock().await;
        if let Some(connection) = host.connection() {
            return Ok(connection);
        }
        let socket = self.hosts.connect(Arc::clone(&call.caller), endpoint).await?;
        let connection = Connection::start(socket).map_err(|error| {
            tracing::error!(%error, "Cannot connect to host process");
            protocol_error()
        })?;
        *host.connection.lock() = Some(Arc::clone(&connection));
        Ok(connection)
    }
}

/// Host for a call, and a count of the shell that the call creates.
struct Admitted {
    key: HostKey,
    host: Arc<HostState>,
    _opening: Option<OpeningShell>,
}

/// Requires that a user may create another shell.
///
/// # Errors
/// The fault of the quota.
fn require_room(
    hosts: &HashMap<HostKey, Arc<HostState>>,
    key: &HostKey,
    quota: UserQuota,
    config: &Config,
) -> Result<(), Fault> {
    let mut others = HashSet::new();
    let (mut own, mut elsewhere) = (0_u64, 0_u64);
    for (other, host) in hosts {
        if other.user != key.user {
            if host.has_open_objects() {
                others.insert(&other.user);
            }
            continue;
        }
        let open = host.open_shells();
        own = own.saturating_add(open);
        if other != key {
            elsewhere = elsewhere.saturating_add(open);
        }
    }
    let limit = (quota.limit)(config);
    if others.len() >= usize::try_from(limit).unwrap_or(usize::MAX) {
        return Err((quota.fault)(limit));
    }
    // A host limits its own shells itself.
    match (quota.shells)(config) {
        Some(limit) if elsewhere > 0 && own >= u64::from(limit) => Err((quota.shells_fault)(limit)),
        _ => Ok(()),
    }
}

impl Plugin for HostedPlugin {
    fn resources(&self) -> &[Resource] {
        &self.resources
    }

    fn call(&self, call: Call) -> BoxFuture<'_, Result<Answer, Fault>> {
        Box::pin(self.answer(call))
    }

    fn can_run_as(&self) -> bool {
        true
    }

    /// Returns the numbers that the hosts have reported. Those of a host that has ended do not count, because its
    /// connection is closed.
    fn in_use(&self) -> OpenObjects {
        // A host reports everything on each of its connections; one plug-in of the gateway has the shells.
        if !self.resources.iter().any(|resource| resource.kind == ResourceKind::Shells) {
            return OpenObjects::default();
        }
        let hosts = self.hosts_in_use.lock();
        hosts.values().filter_map(|host| host.connection()).map(|open| *open.in_use.lock()).sum()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let hosts: Vec<_> = self.hosts_in_use.lock().drain().map(|(_, host)| host).collect();
            let open: Vec<_> = hosts.iter().filter_map(|host| host.connection()).collect();
            for connection in &open {
                connection.send(&ToHost::Close);
            }
            for connection in open {
                let _ = tokio::time::timeout(CLOSE_TIMEOUT, connection.closed.notified()).await;
            }
        })
    }
}

/// A connection to one host.
struct Connection {
    outgoing: Arc<Outgoing>,
    /// Receivers of the next message, by call; `None` once the connection is closed.
    receivers: Mutex<Option<HashMap<u64, oneshot::Sender<FromHost>>>>,
    /// Settings last sent to the host. Locked while a call is sent, because its settings must precede it.
    sent_config: Mutex<Option<Arc<Config>>>,
    last: AtomicU64,
    /// No further calls can be sent.
    is_closed: AtomicBool,
    /// The host has announced its end. Calls it has not answered were not started.
    is_leaving: AtomicBool,
    /// Shells and similar objects of the host, as it last reported them.
    in_use: Mutex<OpenObjects>,
    closed: Notify,
}

impl Connection {
    fn start(socket: UnixStream) -> std::io::Result<Arc<Self>> {
        broker::verify_owner(&socket)?;
        let (mut incoming, outgoing) = stream::open(socket)?;
        let connection = Arc::new(Self {
            outgoing,
            receivers: Mutex::new(Some(HashMap::new())),
            sent_config: Mutex::default(),
            last: AtomicU64::new(0),
            is_closed: AtomicBool::new(false),
            is_leaving: AtomicBool::new(false),
            in_use: Mutex::default(),
            closed: Notify::new(),
        });
        let reader = Arc::clone(&connection);
        tokio::spawn(async move {
            loop {
                let message = match incoming.next().await {
                    Ok(Some(message)) => message,
                    Ok(None) => break,
                    Err(error) => {
                        tracing::debug!(%error, "Connection to host failed");
                        break;
                    }
                };
                match FromHost::decode(message.bytes()) {
                    Ok(message) => reader.handle(message),
                    Err(error) => {
                        tracing::warn!(%error, "Malformed message from host");
                        break;
                    }
                }
            }
            reader.end();
        });
        Ok(connection)
    }

    /// Sends a call. Returns `None` if the host is about to end.
    async fn begin(&self, call: &Call) -> Result<Option<(u64, oneshot::Receiver<FromHost>)>, Fault> {
        let envelope = call.request.source();
        if envelope.len() > MAX_ENVELOPE {
            return Err(envelope_too_large());
        }
        // Wait if the host does not read its messages.
        self.outgoing.wait_for_room().await;
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let Some(response) = self.listen(number) else {
            return if self.is_leaving.load(Ordering::Acquire) { Ok(None) } else { Err(host_ended()) };
        };
        let message = ToHost::Call(CallMessage {
            number,
            address: call.caller.address(),
            location: call.caller.location(),
            reply_limit: call.reply_limit,
            timeout: call.timeout,
            message_id: call.message_id,
            envelope,
        });
        let mut sent_config = self.sent_config.lock();
        if sent_config.as_ref().is_some_and(|sent| Arc::ptr_eq(sent, &call.config)) {
            self.send(&message);
        } else {
            let defaults = Config::default();
            let settings = call.config.differences(&defaults);
            let settings = settings
                .map(|setting| (setting.path().to_owned(), setting.show(&call.config).into_owned()))
                .collect();
            self.outgoing.send(&[ToHost::Settings(settings).encode(), message.encode()]);
            *sent_config = Some(Arc::clone(&call.config));
        }
        Ok(Some((number, response)))
    }

    /// Returns a receiver for the next message of a call; `None` if the connection is closed.
    fn listen(&self, number: u64) -> Option<oneshot::Receiver<FromHost>> {
        let (sender, receiver) = oneshot::channel();
        self.receivers.lock().as_mut()?.insert(number, sender);
        Some(receiver)
    }

    fn send(&self, message: &ToHost<'_>) {
        // An error closes the connection, which the receivers notice.
        self.outgoing.send(&[message.encode()]);
    }

    fn handle(&self, message: FromHost) {
        match message.number() {
            Some(number) => {
                let receiver = self.receivers.lock().as_mut().and_then(|receivers| receivers.remove(&number));
                if let Some(receiver) = receiver {
                    // A call that was just dropped sends its cancellation itself.
                    let _ = receiver.send(message);
                } else if matches!(message, FromHost::Envelope { wants_delivery: true, .. }) {
                    // The client has disconnected while the response was on its way.
                    self.send(&ToHost::NotDelivered(number));
                } else if matches!(message, FromHost::Items(_) | FromHost::Push(_)) {
                    self.send(&ToHost::Release(number));
                }
            }
            None => match message {
                FromHost::InUse(count) => *self.in_use.lock() = count,
                FromHost::Leaving => self.leave(),
                _ => self.closed.notify_one(),
            },
        }
    }

    fn forget(&self, number: u64) {
        if let Some(receivers) = self.receivers.lock().as_mut() {
            receivers.remove(&number);
        }
    }

    fn leave(&self) {
        self.is_leaving.store(true, Ordering::Release);
        self.is_closed.store(true, Ordering::Release);
    }

    fn end(&self) {
        self.is_closed.store(true, Ordering::Release);
        let receivers = self.receivers.lock().take();
        if self.is_leaving.load(Ordering::Acquire) {
            for (number, receiver) in receivers.into_iter().flatten() {
                let _ = receiver.send(FromHost::NotStarted(number));
            }
        }
        self.closed.notify_one();
    }
}

/// A call in progress. Dropping it before its response arrives cancels it.
struct PendingCall {
    connection: Arc<Connection>,
    number: u64,
    is_complete: bool,
}

impl Drop for PendingCall {
    fn drop(&mut self) {
        if !self.is_complete {
            self.connection.forget(self.number);
            self.connection.send(&ToHost::Cancel(self.number));
            // The response may be on its way already.
            self.connection.send(&ToHost::NotDelivered(self.number));
            self.connection.send(&ToHost::Release(self.number));
        }
    }
}

/// A response whose delivery the host must learn about. Dropping it reports that the response was lost.
struct DeliveryReport(Option<Arc<Connection>>, u64);

impl DeliveryReport {
    fn confirm(mut self) {
        if let Some(connection) = self.0.take() {
            connection.send(&ToHost::Delivered(self.1));
        }
    }
}

impl Drop for DeliveryReport {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            connection.send(&ToHost::NotDelivered(self.1));
        }
    }
}

/// Returns the fault in an envelope.
fn fault(envelope: String) -> Fault {
    match Response::parse(envelope, &Bounds::default()) {
        Err(ResponseError::Fault(fault)) => fault,
        _ => protocol_error(),
    }
}

fn host_ended() -> Fault {
    Fault::new(
        Subcode::InternalError,
        code::INTERNAL_ERROR,
        "the host process of the user has ended, and its shells with it; open a new shell",
    )
}

fn protocol_error() -> Fault {
    Fault::new(
        Subcode::InternalError,
        code::INTERNAL_ERROR,
        "the host process of the user sent an invalid response; retry, and see the log of the service",
    )
}

/// Maximum number of hosts to try when they end while a call is sent.
const MAX_ATTEMPTS: usize = 3;

/// Time limit for hosts to close their shells.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);
