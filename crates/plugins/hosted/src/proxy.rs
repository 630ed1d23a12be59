//! The gateway's end: a plug-in that forwards calls to the host of the caller.

use std::collections::HashMap;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use config::Config;
use locks::Mutex;
use sddl::Sid;
use service::{
    Answer, BoxFuture, Call, Caller, EndReason, Item, Items, OpenObjects, Plugin, Resource, ResourceKind,
};
use tokio::sync::{Notify, oneshot};
use wsman::{Action, EndpointReference, Fault, Omission, Response, ResponseError, Subcode, code};
use xml::{Bounds, Document, Fragment};

use crate::message::{
    CallMessage, FromHost, ItemMessage, MAX_ENVELOPE, MAX_OMISSIONS, ToHost, envelope_too_large,
    rights_changed,
};
use crate::stream::{self, Outgoing};

/// Starts host processes and connects to them.
pub trait Hosts: Send + Sync {
    /// Returns a connection to the host of a caller, starting the host if necessary.
    fn connect(&self, caller: Arc<Caller>) -> BoxFuture<'static, Result<UnixStream, Fault>>;
}

/// A plug-in that runs in a separate process for each of its callers.
pub struct HostedPlugin {
    resources: Vec<Resource>,
    hosts: Arc<dyn Hosts>,
    quota: Option<UserQuota>,
    /// Users by SID and name: accounts with the same UID have the same SID, but separate hosts.
    users: Mutex<HashMap<(Sid, String), Arc<UserState>>>,
}

/// State of one user.
#[derive(Default)]
struct UserState {
    connection: Mutex<Option<Arc<Connection>>>,
    /// Held while a host is started, so that only calls of the same user wait.
    connecting: tokio::sync::Mutex<()>,
    /// Number of shells that are being created and that the host does not count yet.
    opening: AtomicU64,
}

impl UserState {
    /// Returns the connection, if it is open.
    fn connection(&self) -> Option<Arc<Connection>> {
        let connection = self.connection.lock().clone();
        connection.filter(|connection| !connection.is_closed.load(Ordering::Acquire))
    }

    fn has_open_objects(&self) -> bool {
        self.opening.load(Ordering::Acquire) > 0
            || self.connection().is_some_and(|connection| connection.in_use.lock().total() > 0)
    }
}

/// Counts a shell that is being created until it is dropped.
struct OpeningShell(Arc<UserState>);

impl Drop for OpeningShell {
    fn drop(&mut self) {
        self.0.opening.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Limit of the users that have open shells at the same time, which no single host can enforce.
#[derive(Clone, Copy)]
pub struct UserQuota {
    /// Returns the limit from the settings.
    pub limit: fn(&Config) -> u32,
    /// Returns the fault for users beyond the limit.
    pub fault: fn(u32) -> Fault,
}

impl HostedPlugin {
    /// Creates a plug-in for these resources.
    #[must_use]
    pub fn new(resources: &[Resource], hosts: Arc<dyn Hosts>) -> Self {
        Self { resources: resources.to_vec(), hosts, quota: None, users: Mutex::default() }
    }

    /// Sets the limit of users with open shells.
    #[must_use]
    pub fn with_users(self, quota: UserQuota) -> Self {
        Self { quota: Some(quota), ..self }
    }

    async fn answer(&self, call: Call) -> Result<Answer, Fault> {
        for _ in 0..MAX_ATTEMPTS {
            if let Some(answer) = self.attempt(&call).await? {
                return Ok(answer);
            }
        }
        Err(protocol_error())
    }

    /// Forwards a call to a host. Returns `None` if the host is about to end and has not started it.
    async fn attempt(&self, call: &Call) -> Result<Option<Answer>, Fault> {
        let (user, _opening) = self.admit(call)?;
        let connection = self.connection(call, &user).await?;
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

    /// Returns the state of the caller. Creating a shell counts towards the limit of users.
    ///
    /// # Errors
    /// The fault of the quota, if too many other users have open shells.
    fn admit(&self, call: &Call) -> Result<(Arc<UserState>, Option<OpeningShell>), Fault> {
        let key = (call.caller.sid(), call.caller.identity().account().name.clone());
        let mut users = self.users.lock();
        let user = match users.get(&key) {
            Some(user) => Arc::clone(user),
            None => {
                users.retain(|_, user| Arc::strong_count(user) > 1 || user.connection().is_some());
                Arc::clone(users.entry(key.clone()).or_default())
            }
        };
        let (Some(quota), Action::Create) = (self.quota, &call.request.head().action) else {
            return Ok((user, None));
        };
        let others = users.iter().filter(|(other, user)| **other != key && user.has_open_objects()).count();
        let limit = (quota.limit)(&call.config);
        if others >= usize::try_from(limit).unwrap_or(usize::MAX) {
            return Err((quota.fault)(limit));
        }
        user.opening.fetch_add(1, Ordering::AcqRel);
        Ok((Arc::clone(&user), Some(OpeningShell(user))))
    }

    /// Returns the connection to the caller's host, which is opened if necessary.
    async fn connection(&self, call: &Call, user: &UserState) -> Result<Arc<Connection>, Fault> {
        if let Some(connection) = user.connection() {
            return Ok(connection);
        }
        let _guard = user.connecting.lock().await;
        if let Some(connection) = user.connection() {
            return Ok(connection);
        }
        let socket = self.hosts.connect(Arc::clone(&call.caller)).await?;
        let connection = Connection::start(socket).map_err(|error| {
            tracing::error!(%error, "Cannot connect to host process");
            protocol_error()
        })?;
        *user.connection.lock() = Some(Arc::clone(&connection));
        Ok(connection)
    }
}

impl Plugin for HostedPlugin {
    fn resources(&self) -> &[Resource] {
        &self.resources
    }

    fn call(&self, call: Call) -> BoxFuture<'_, Result<Answer, Fault>> {
        Box::pin(self.answer(call))
    }

    /// Returns the numbers that the hosts have reported. Those of a host that has ended do not count, because its
    /// connection is closed.
    fn in_use(&self) -> OpenObjects {
        // A host reports everything on each of its connections; one plug-in of the gateway has the shells.
        if !self.resources.iter().any(|resource| resource.kind == ResourceKind::Shells) {
            return OpenObjects::default();
        }
        let users = self.users.lock();
        users.values().filter_map(|user| user.connection()).map(|open| *open.in_use.lock()).sum()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let users: Vec<_> = self.users.lock().drain().map(|(_, user)| user).collect();
            let open: Vec<_> = users.iter().filter_map(|user| user.connection()).collect();
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

/// Items that are read from the host.
struct HostedItems {
    connection: Arc<Connection>,
    number: u64,
    /// A requested page that has not arrived yet. It is kept here so that dropping a future does not lose it.
    requested: Option<oneshot::Receiver<FromHost>>,
    /// Items of the last page that were not returned yet.
    received: std::vec::IntoIter<ItemMessage>,
    /// Missing sources that were not returned yet.
    omissions: Vec<Omission>,
}

impl HostedItems {
    fn new(connection: Arc<Connection>, number: u64) -> Self {
        Self { connection, number, requested: None, received: Vec::new().into_iter(), omissions: Vec::new() }
    }

    /// Requests the next page, unless that is already done, and waits for it. Cancel-safe.
    async fn request_page(&mut self) -> Option<FromHost> {
        if self.requested.is_none() {
            self.requested = self.connection.listen(self.number);
            self.connection.send(&ToHost::Next(self.number));
        }
        let message = match &mut self.requested {
            Some(receiver) => receiver.await.ok(),
            None => None,
        };
        self.requested = None;
        message
    }
}

impl Items for HostedItems {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Item, Fault>>> {
        Box::pin(async {
            loop {
                if let Some(item) = self.received.next() {
                    return Some(read(item));
                }
                match self.request_page().await {
                    // A host with a subscription ends only if the user's rights have changed.
                    None | Some(FromHost::NotStarted(_))
                        if self.connection.is_leaving.load(Ordering::Acquire) =>
                    {
                        return Some(Err(rights_changed()));
                    }
                    None | Some(FromHost::NotStarted(_)) => return Some(Err(host_ended())),
                    Some(FromHost::Page { items, omissions, .. }) => {
                        if items.is_empty() && omissions.is_empty() {
                            return Some(Err(protocol_error()));
                        }
                        self.received = items.into_iter();
                        let room = usize::from(MAX_OMISSIONS).saturating_sub(self.omissions.len());
                        self.omissions.extend(omissions.into_iter().take(room));
                    }
                    Some(FromHost::Fault { envelope, .. }) => return Some(Err(fault(envelope))),
                    Some(_) => return None,
                }
            }
        })
    }

    fn take_omissions(&mut self) -> Vec<Omission> {
        std::mem::take(&mut self.omissions)
    }

    fn end(&mut self, reason: EndReason) {
        self.connection.send(&ToHost::End(self.number, reason));
    }
}

impl Drop for HostedItems {
    fn drop(&mut self) {
        self.connection.forget(self.number);
        self.connection.send(&ToHost::Release(self.number));
    }
}

fn read(item: ItemMessage) -> Result<Item, Fault> {
    let object = Fragment::written_elsewhere(item.object);
    let bookmark = item.bookmark.map(Arc::from);
    Ok(Item { object, reference: item.reference.map(endpoint).transpose()?, bookmark })
}

fn endpoint(text: String) -> Result<EndpointReference, Fault> {
    let document = Document::parse(text, &Bounds::default()).map_err(|_| protocol_error())?;
    let reference = document.root().children().next().ok_or_else(protocol_error)?;
    EndpointReference::parse(reference)
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
