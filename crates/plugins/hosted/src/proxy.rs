//! The gateway's end: a plug-in that has the host of the caller answer.

use std::collections::HashMap;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use config::{Config, Setting};
use sddl::Sid;
use service::{Answer, BoxFuture, Call, Caller, Item, Items, Plugin, Resource};
use tokio::sync::{Notify, oneshot};
use wsman::{Action, EndpointReference, Fault, Response, ResponseError, Subcode, code};
use xml::{Bounds, Document, Fragment};

use crate::message::{CallMessage, FromHost, ItemMessage, LONGEST_ENVELOPE, ToHost, other_rights, too_large};
use crate::stream::{self, Outgoing};

/// Finds hosts, and has them started.
pub trait Hosts: Send + Sync {
    /// A connection to the host of a caller.
    fn connect(&self, caller: Arc<Caller>) -> BoxFuture<'static, Result<UnixStream, Fault>>;
}

/// A plug-in that runs in another process for each of its callers.
pub struct HostedPlugin {
    resources: Vec<Resource>,
    hosts: Arc<dyn Hosts>,
    quota: Option<UserQuota>,
    /// By SID and name: two accounts with the same number have the same SID, and hosts of their own.
    users: Mutex<HashMap<(Sid, String), Arc<User>>>,
}

/// What there is of one user.
#[derive(Default)]
struct User {
    connection: Mutex<Option<Arc<Connection>>>,
    /// Starting a host takes a moment, in which only its own user waits.
    connecting: tokio::sync::Mutex<()>,
    /// How many shells are being opened, which the host does not count yet.
    opening: AtomicU64,
}

impl User {
    /// The connection, if it can be used.
    fn connection(&self) -> Option<Arc<Connection>> {
        let connection = locked(&self.connection).clone();
        connection.filter(|connection| !connection.is_gone.load(Ordering::Acquire))
    }

    fn has_something(&self) -> bool {
        let in_use =
            || self.connection().is_some_and(|connection| connection.in_use.load(Ordering::Acquire) > 0);
        self.opening.load(Ordering::Acquire) > 0 || in_use()
    }
}

/// A shell that is being opened.
struct Opening(Arc<User>);

impl Drop for Opening {
    fn drop(&mut self) {
        self.0.opening.fetch_sub(1, Ordering::AcqRel);
    }
}

/// How many users may use the plug-in at the same time, which no single host can know.
#[derive(Clone, Copy)]
pub struct UserQuota {
    /// The most, by the settings.
    pub most: fn(&Config) -> u32,
    /// What is said to one who is too much.
    pub refusal: fn(u32) -> Fault,
}

impl HostedPlugin {
    /// Answers for these resources.
    #[must_use]
    pub fn new(resources: &[Resource], hosts: Arc<dyn Hosts>) -> Self {
        Self { resources: resources.to_vec(), hosts, quota: None, users: Mutex::default() }
    }

    /// Bounds how many users may have something open in it.
    #[must_use]
    pub fn with_users(self, quota: UserQuota) -> Self {
        Self { quota: Some(quota), ..self }
    }

    async fn answer(&self, call: Call) -> Result<Answer, Fault> {
        for _ in 0..MOST_ATTEMPTS {
            if let Some(answer) = self.attempt(&call).await? {
                return Ok(answer);
            }
        }
        Err(nonsense())
    }

    /// Has a host answer; none if it was about to end and has not begun.
    async fn attempt(&self, call: &Call) -> Result<Option<Answer>, Fault> {
        let (user, _opening) = self.admit(call)?;
        let connection = self.connection(call, &user).await?;
        let Some((number, told)) = connection.begin(call).await? else { return Ok(None) };
        let mut waiting = Waiting { connection: Arc::clone(&connection), number, is_over: false };
        let Ok(message) = told.await else { return Err(died()) };
        waiting.is_over = true;
        let answer = match message {
            FromHost::NotTaken(_) => {
                connection.leave();
                return Ok(None);
            }
            FromHost::Envelope { envelope, is_promised: false, .. } => Ok(Answer::new(envelope)),
            FromHost::Envelope { envelope, is_promised: true, .. } => {
                let promise = Promise(Some(connection), number);
                Ok(Answer::new(envelope).when_delivered(Box::new(move || promise.keep())))
            }
            FromHost::Items(_) => Ok(Answer::items(HostedItems::new(connection, number))),
            FromHost::Fault { envelope, .. } => Err(fault(envelope)),
            _ => Err(nonsense()),
        };
        answer.map(Some)
    }

    /// What there is of the caller, unless too many others have something open.
    fn admit(&self, call: &Call) -> Result<(Arc<User>, Option<Opening>), Fault> {
        let key = (call.caller.sid(), call.caller.identity().account().name.clone());
        let mut users = locked(&self.users);
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
        let others = users.iter().filter(|(other, user)| **other != key && user.has_something()).count();
        let most = (quota.most)(&call.config);
        if others >= usize::try_from(most).unwrap_or(usize::MAX) {
            return Err((quota.refusal)(most));
        }
        user.opening.fetch_add(1, Ordering::AcqRel);
        Ok((Arc::clone(&user), Some(Opening(user))))
    }

    /// The connection to the caller's host, which is made if there is none.
    async fn connection(&self, call: &Call, user: &User) -> Result<Arc<Connection>, Fault> {
        if let Some(connection) = user.connection() {
            return Ok(connection);
        }
        let _turn = user.connecting.lock().await;
        if let Some(connection) = user.connection() {
            return Ok(connection);
        }
        let socket = self.hosts.connect(Arc::clone(&call.caller)).await?;
        let connection = Connection::start(socket).map_err(|error| {
            tracing::error!(%error, "A host cannot be spoken to");
            nonsense()
        })?;
        *locked(&user.connection) = Some(Arc::clone(&connection));
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

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let users: Vec<_> = locked(&self.users).drain().map(|(_, user)| user).collect();
            let open: Vec<_> = users.iter().filter_map(|user| user.connection()).collect();
            for connection in &open {
                connection.say(&ToHost::Close);
            }
            for connection in open {
                let _ = tokio::time::timeout(LONGEST_CLOSING, connection.closed.notified()).await;
            }
        })
    }
}

/// A connection to one host.
struct Connection {
    outgoing: Arc<Outgoing>,
    /// Who waits for what comes next under a number; none once nothing more will come.
    waiting: Mutex<Option<HashMap<u64, oneshot::Sender<FromHost>>>>,
    /// The settings that the host has been told, held while a call is written: it must not overtake its settings.
    told: Mutex<Option<Arc<Config>>>,
    last: AtomicU64,
    /// No further calls.
    is_gone: AtomicBool,
    /// It has said so itself: what it has not answered it has not begun.
    has_left: AtomicBool,
    in_use: AtomicU64,
    closed: Notify,
}

impl Connection {
    fn start(socket: UnixStream) -> std::io::Result<Arc<Self>> {
        broker::verify_owner(&socket)?;
        let (mut incoming, outgoing) = stream::open(socket)?;
        let connection = Arc::new(Self {
            outgoing,
            waiting: Mutex::new(Some(HashMap::new())),
            told: Mutex::default(),
            last: AtomicU64::new(0),
            is_gone: AtomicBool::new(false),
            has_left: AtomicBool::new(false),
            in_use: AtomicU64::new(0),
            closed: Notify::new(),
        });
        let reader = Arc::clone(&connection);
        tokio::spawn(async move {
            loop {
                let message = match incoming.next().await {
                    Ok(Some(message)) => message,
                    Ok(None) => break,
                    Err(error) => {
                        tracing::debug!(%error, "A host is gone");
                        break;
                    }
                };
                match FromHost::decode(message.octets()) {
                    Ok(message) => reader.take(message),
                    Err(error) => {
                        tracing::warn!(%error, "A host is not understood");
                        break;
                    }
                }
            }
            reader.end();
        });
        Ok(connection)
    }

    /// Sends a call; none if the host has left.
    async fn begin(&self, call: &Call) -> Result<Option<(u64, oneshot::Receiver<FromHost>)>, Fault> {
        let envelope = call.request.source();
        if envelope.len() > LONGEST_ENVELOPE {
            return Err(too_large());
        }
        // A host that does not read is given no more.
        self.outgoing.room().await;
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let Some(asked) = self.listen(number) else {
            return if self.has_left.load(Ordering::Acquire) { Ok(None) } else { Err(died()) };
        };
        let message = ToHost::Call(CallMessage {
            number,
            address: call.caller.address(),
            whence: call.caller.whence(),
            reply_limit: call.reply_limit,
            timeout: call.timeout,
            message_id: call.message_id,
            envelope,
        });
        let mut told = locked(&self.told);
        if told.as_ref().is_some_and(|told| Arc::ptr_eq(told, &call.config)) {
            self.say(&message);
        } else {
            let shown = |setting: &Setting| (setting.path().to_owned(), setting.show(&call.config));
            let settings = call.config.differences(&Config::default()).map(shown).collect();
            self.outgoing.say(&[ToHost::Settings(settings).encode(), message.encode()]);
            *told = Some(Arc::clone(&call.config));
        }
        Ok(Some((number, asked)))
    }

    /// What comes next under a number; none if nothing more will come.
    fn listen(&self, number: u64) -> Option<oneshot::Receiver<FromHost>> {
        let (sender, told) = oneshot::channel();
        locked(&self.waiting).as_mut()?.insert(number, sender);
        Some(told)
    }

    fn say(&self, message: &ToHost<'_>) {
        // If it cannot be said, the host is gone, which whoever waits is told.
        self.outgoing.say(&[message.encode()]);
    }

    fn take(&self, message: FromHost) {
        match message.number() {
            Some(number) => {
                let waiting = locked(&self.waiting).as_mut().and_then(|waiting| waiting.remove(&number));
                if let Some(waiting) = waiting {
                    // Who has just ceased to wait says so.
                    let _ = waiting.send(message);
                } else if matches!(message, FromHost::Envelope { is_promised: true, .. }) {
                    // Its client has gone away while it was on its way.
                    self.say(&ToHost::Withheld(number));
                } else if matches!(message, FromHost::Items(_)) {
                    self.say(&ToHost::Release(number));
                }
            }
            None => match message {
                FromHost::InUse(count) => self.in_use.store(u64::from(count), Ordering::Release),
                FromHost::Leaving => self.leave(),
                _ => self.closed.notify_one(),
            },
        }
    }

    fn forget(&self, number: u64) {
        if let Some(waiting) = locked(&self.waiting).as_mut() {
            waiting.remove(&number);
        }
    }

    fn leave(&self) {
        self.has_left.store(true, Ordering::Release);
        self.is_gone.store(true, Ordering::Release);
    }

    fn end(&self) {
        self.is_gone.store(true, Ordering::Release);
        let waiting = locked(&self.waiting).take();
        if self.has_left.load(Ordering::Acquire) {
            for (number, waiting) in waiting.into_iter().flatten() {
                let _ = waiting.send(FromHost::NotTaken(number));
            }
        }
        self.closed.notify_one();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What each of them guards is whole at any moment.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A call that is waited for: dropped before its answer came, it is taken back.
struct Waiting {
    connection: Arc<Connection>,
    number: u64,
    is_over: bool,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.is_over {
            self.connection.forget(self.number);
            self.connection.say(&ToHost::Cancel(self.number));
            // The answer may be on its way already.
            self.connection.say(&ToHost::Withheld(self.number));
            self.connection.say(&ToHost::Release(self.number));
        }
    }
}

/// An answer whose arrival somebody waits to hear of.
struct Promise(Option<Arc<Connection>>, u64);

impl Promise {
    fn keep(mut self) {
        if let Some(connection) = self.0.take() {
            connection.say(&ToHost::Delivered(self.1));
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            connection.say(&ToHost::Withheld(self.1));
        }
    }
}

/// Items that the host has.
struct HostedItems {
    connection: Arc<Connection>,
    number: u64,
    /// Asked for and not yet there: a future that was dropped must not lose it.
    asked: Option<oneshot::Receiver<FromHost>>,
    /// There, and not yet given.
    here: std::vec::IntoIter<ItemMessage>,
}

impl HostedItems {
    fn new(connection: Arc<Connection>, number: u64) -> Self {
        Self { connection, number, asked: None, here: Vec::new().into_iter() }
    }
}

impl Items for HostedItems {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Item, Fault>>> {
        Box::pin(async {
            if let Some(item) = self.here.next() {
                return Some(read(item));
            }
            if self.asked.is_none() {
                self.asked = self.connection.listen(self.number);
                self.connection.say(&ToHost::Next(self.number));
            }
            let told = match &mut self.asked {
                Some(asked) => asked.await.ok(),
                None => None,
            };
            self.asked = None;
            match told {
                // It leaves although something is subscribed for one reason only.
                None | Some(FromHost::NotTaken(_)) if self.connection.has_left.load(Ordering::Acquire) => {
                    Some(Err(other_rights()))
                }
                None | Some(FromHost::NotTaken(_)) => Some(Err(died())),
                Some(FromHost::Some { items, .. }) => {
                    self.here = items.into_iter();
                    Some(self.here.next().ok_or_else(nonsense).and_then(read))
                }
                Some(FromHost::Fault { envelope, .. }) => Some(Err(fault(envelope))),
                Some(_) => None,
            }
        })
    }
}

impl Drop for HostedItems {
    fn drop(&mut self) {
        self.connection.forget(self.number);
        self.connection.say(&ToHost::Release(self.number));
    }
}

fn read(item: ItemMessage) -> Result<Item, Fault> {
    let object = Fragment::written_elsewhere(item.object);
    Ok(Item { object, reference: item.reference.map(endpoint).transpose()? })
}

fn endpoint(text: String) -> Result<EndpointReference, Fault> {
    let document = Document::parse(text, &Bounds::default()).map_err(|_| nonsense())?;
    let reference = document.root().children().next().ok_or_else(nonsense)?;
    EndpointReference::parse(reference)
}

/// The fault of an envelope.
fn fault(envelope: String) -> Fault {
    match Response::parse(envelope, &Bounds::default()) {
        Err(ResponseError::Fault(fault)) => fault,
        _ => nonsense(),
    }
}

fn died() -> Fault {
    Fault::new(
        Subcode::InternalError,
        code::INTERNAL_ERROR,
        "the process that works for this user has ended, and its shells with it: open a new one",
    )
}

fn nonsense() -> Fault {
    Fault::new(
        Subcode::InternalError,
        code::INTERNAL_ERROR,
        "the process that works for this user did not answer as it should",
    )
}

/// Hosts that end one after the other while a call is on its way.
const MOST_ATTEMPTS: usize = 3;

/// How long hosts may take to close their shells.
const LONGEST_CLOSING: Duration = Duration::from_secs(3);
