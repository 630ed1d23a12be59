//! The host's end: passes calls to the plug-in.

mod item_stream;

use std::collections::HashMap;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use auth::Identity;
use config::Config;
use locks::Mutex;
use sddl::Token;
use service::{
    AccessGranted, Answer, Call, Caller, Content, Delivered, EndReason, OpenObjects, Operation, Plugin,
};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;
use wsman::{Fault, Request, Subcode, code};
use xml::Bounds;

use self::item_stream::{ItemStream, serve_items};
use crate::message::{CallMessage, FromHost, MAX_ENVELOPE, ToHost, envelope_too_large};
use crate::stream::{self, Outgoing};

/// A plug-in in a process of one user.
pub struct Host {
    plugin: Arc<dyn Plugin>,
    identity: Identity,
    /// The user's access token, which may change.
    token: watch::Sender<Token>,
    activity: Arc<Activity>,
}

/// Activity of a host: calls in progress, and the time of the last one.
#[derive(Debug)]
pub struct Activity {
    state: Mutex<ActivityState>,
    /// Generation of the connections that are served. It increases when the host stops accepting calls.
    generation: watch::Sender<u64>,
}

#[derive(Debug)]
struct ActivityState {
    active: usize,
    last: Instant,
}

impl Default for Activity {
    fn default() -> Self {
        let state = Mutex::new(ActivityState { active: 0, last: Instant::now() });
        Self { state, generation: watch::Sender::new(0) }
    }
}

impl Activity {
    /// Stops accepting calls on the existing connections if the host is idle: no call is in progress, none was for the
    /// duration `idle`, and `is_unused` returns `true`. Returns whether it was idle.
    pub fn stop_if_idle(&self, idle: Duration, is_unused: impl FnOnce() -> bool) -> bool {
        // Under the lock, so that no call begins in between.
        let state = self.state.lock();
        let is_idle = state.active == 0 && state.last.elapsed() >= idle && is_unused();
        if is_idle {
            self.generation.send_modify(|generation| *generation = generation.wrapping_add(1));
        }
        is_idle
    }

    fn begin(self: &Arc<Self>, generation: u64) -> Option<ActiveCall> {
        let mut state = self.state.lock();
        if *self.generation.borrow() != generation {
            return None;
        }
        state.active = state.active.saturating_add(1);
        Some(ActiveCall(Arc::clone(self)))
    }
}

/// Counts a call or its items as active until it is dropped.
struct ActiveCall(Arc<Activity>);

impl Clone for ActiveCall {
    fn clone(&self) -> Self {
        let mut state = self.0.state.lock();
        state.active = state.active.saturating_add(1);
        Self(Arc::clone(&self.0))
    }
}

impl Drop for ActiveCall {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.last = Instant::now();
        state.active = state.active.saturating_sub(1);
    }
}

impl Host {
    /// Creates a host. The identity and token are those of the user of this process.
    #[must_use]
    pub fn new(plugin: Arc<dyn Plugin>, identity: Identity, token: Token) -> Arc<Self> {
        Arc::new(Self { plugin, identity, token: watch::Sender::new(token), activity: Arc::default() })
    }

    /// Replaces the user's access token. If it has changed, existing subscriptions end.
    pub fn update_token(&self, token: Token) {
        self.token.send_if_modified(|now| std::mem::replace(now, token.clone()) != token);
    }

    /// Returns the activity of the host.
    #[must_use]
    pub fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Serves a connection to the gateway until it is closed.
    ///
    /// # Errors
    /// The error of the system call, and [`io::ErrorKind::InvalidData`] for a malformed message.
    pub async fn serve(self: Arc<Self>, socket: UnixStream) -> io::Result<()> {
        let (mut incoming, outgoing) = stream::open(socket)?;
        let mut generation = self.activity.generation.subscribe();
        let born = *generation.borrow_and_update();
        let mut ticks = tokio::time::interval(COUNT_INTERVAL);
        // Dropped at the end, which cancels the calls of this connection.
        let mut connection = GatewayConnection {
            host: Arc::clone(&self),
            generation: born,
            outgoing,
            config: Arc::new(Config::default()),
            calls: JoinSet::new(),
            state: Arc::default(),
        };
        loop {
            tokio::select! {
                message = incoming.next() => match message? {
                    Some(message) => connection.handle(message.bytes())?,
                    None => return Ok(()),
                },
                Ok(()) = generation.changed() => connection.send(&FromHost::Leaving),
                Some(_) = connection.calls.join_next() => {}
                // Shells can end without a call.
                _ = ticks.tick() => self.send_with_count(&connection.outgoing, &mut connection.state.lock(), None),
            }
        }
    }

    /// Sends a message, preceded by the numbers of shells if they have changed.
    ///
    /// The numbers come first, so that the gateway counts a new shell before its response is visible.
    fn send_with_count(
        &self,
        outgoing: &Arc<Outgoing>,
        state: &mut ConnectionState,
        message: Option<&FromHost>,
    ) {
        let count = self.plugin.in_use();
        let is_new = std::mem::replace(&mut state.counted, count) != count;
        let counted = is_new.then_some(FromHost::InUse(count));
        let frames: Vec<_> = counted.iter().chain(message).map(FromHost::encode).collect();
        outgoing.send(&frames);
    }
}

/// A connection to the gateway.
struct GatewayConnection {
    host: Arc<Host>,
    generation: u64,
    outgoing: Arc<Outgoing>,
    config: Arc<Config>,
    calls: JoinSet<()>,
    state: Arc<Mutex<ConnectionState>>,
}

/// State of the calls of a connection, by number.
#[derive(Default)]
struct ConnectionState {
    calls: HashMap<u64, AbortHandle>,
    delivered: HashMap<u64, Delivered>,
    items: HashMap<u64, SentItems>,
    /// Numbers of shells last reported to the gateway.
    counted: OpenObjects,
}

/// Items of a call. Their task sends items whenever the channel receives a request.
struct SentItems {
    requests: mpsc::UnboundedSender<()>,
    /// Ends a push subscription.
    ended: watch::Sender<Option<EndReason>>,
    task: AbortHandle,
}

impl ConnectionState {
    /// Starts to send items on request. The host stays active while they are open.
    fn serve(&mut self, stream: ItemStream, number: u64, outgoing: &Arc<Outgoing>) {
        let (requests, queue) = mpsc::unbounded_channel();
        let ended = watch::Sender::new(None);
        let sending = serve_items(stream.until(ended.subscribe()), number, queue, Arc::clone(outgoing));
        let task = tokio::spawn(sending).abort_handle();
        self.items.insert(number, SentItems { requests, ended, task });
    }
}

impl GatewayConnection {
    fn send(&self, message: &FromHost) {
        self.outgoing.send(&[message.encode()]);
    }

    fn handle(&mut self, message: &[u8]) -> io::Result<()> {
        match ToHost::decode(message).map_err(invalid_data)? {
            ToHost::Settings(settings) => {
                let mut config = Config::default();
                for (name, value) in settings {
                    config.enforce(&name, &value).map_err(invalid_data)?;
                }
                self.config = Arc::new(config);
            }
            ToHost::Call(call) => self.call(call),
            ToHost::Cancel(number) => {
                if let Some(call) = self.state.lock().calls.remove(&number) {
                    call.abort();
                }
            }
            ToHost::Delivered(number) => {
                let callback = self.state.lock().delivered.remove(&number);
                if let Some(delivered) = callback {
                    delivered();
                }
            }
            ToHost::NotDelivered(number) => drop(self.state.lock().delivered.remove(&number)),
            ToHost::Next(number) => {
                if let Some(items) = self.state.lock().items.get(&number) {
                    let _ = items.requests.send(());
                }
            }
            ToHost::Release(number) => {
                if let Some(items) = self.state.lock().items.remove(&number) {
                    items.task.abort();
                }
            }
            // The task ends by itself.
            ToHost::End(number, reason) => {
                if let Some(items) = self.state.lock().items.remove(&number) {
                    items.ended.send_replace(Some(reason));
                }
            }
            ToHost::Close => {
                let (host, outgoing) = (Arc::clone(&self.host), Arc::clone(&self.outgoing));
                self.calls.spawn(async move {
                    host.plugin.close().await;
                    outgoing.send(&[FromHost::Closed.encode()]);
                });
            }
        }
        Ok(())
    }

    fn call(&mut self, message: CallMessage<'_>) {
        let number = message.number;
        let Some(active) = self.host.activity.begin(self.generation) else {
            return self.send(&FromHost::NotStarted(number));
        };
        // Subscribed before the token is read, so that no change is missed.
        let rights = self.host.token.subscribe();
        let call = match self.host.parse(message, &self.config) {
            Ok(call) => call,
            Err(fault) => return self.send(&FromHost::Fault { number, envelope: fault_envelope(&fault) }),
        };
        let rights = call.operation.subscribe().is_some().then_some(rights);
        let (host, outgoing, state) =
            (Arc::clone(&self.host), Arc::clone(&self.outgoing), Arc::clone(&self.state));
        // The lock is held until the call is registered, so that a cancellation finds it.
        let mut all = self.state.lock();
        let calling = self.calls.spawn(async move {
            let answered = host.plugin.call(call).await;
            // Wait if the gateway does not read its messages.
            outgoing.wait_for_room().await;
            // The call is complete; from here on it can no longer be cancelled.
            let mut state = state.lock();
            state.calls.remove(&number);
            let message = match answered.map(Answer::into_parts) {
                Ok((Content::Envelope(envelope), _)) if envelope.len() > MAX_ENVELOPE => {
                    FromHost::Fault { number, envelope: fault_envelope(&envelope_too_large()) }
                }
                Ok((Content::Envelope(envelope), delivered)) => {
                    let wants_delivery = delivered.is_some();
                    state.delivered.extend(delivered.map(|delivered| (number, delivered)));
                    FromHost::Envelope { number, envelope, wants_delivery }
                }
                Ok((Content::Items(items), _)) => {
                    let stream = ItemStream::new(items, rights, active.clone());
                    state.serve(stream, number, &outgoing);
                    FromHost::Items(number)
                }
                Ok((Content::Push(items), _)) => {
                    let stream = ItemStream::new(items, rights, active.clone());
                    state.serve(stream, number, &outgoing);
                    FromHost::Push(number)
                }
                Err(fault) => FromHost::Fault { number, envelope: fault_envelope(&fault) },
            };
            host.send_with_count(&outgoing, &mut state, Some(&message));
            drop(active);
        });
        all.calls.insert(number, calling);
    }
}

impl Host {
    /// Parses the envelope of a call.
    fn parse(&self, message: CallMessage<'_>, config: &Arc<Config>) -> Result<Call, Fault> {
        let CallMessage { number: _, address, location, reply_limit, timeout, message_id, envelope } =
            message;
        let bounds = Bounds { octets: broker::MAX_MESSAGE_LENGTH, ..Bounds::default() };
        let request = Request::parse(envelope.to_owned(), &bounds).map_err(|refused| refused.fault)?;
        let operation = Operation::of(&request)?;
        let caller =
            Caller::new(self.identity.clone(), self.token.borrow().clone(), address).with_location(location);
        let (caller, config) = (Arc::new(caller), Arc::clone(config));
        let access = AccessGranted::by_another_process();
        Ok(Call { access, caller, request, config, reply_limit, timeout, message_id, operation })
    }
}

impl Drop for GatewayConnection {
    fn drop(&mut self) {
        let state = std::mem::take(&mut *self.state.lock());
        for items in state.items.into_values() {
            items.task.abort();
        }
    }
}

fn invalid_data(error: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

/// Returns the envelope of a fault. Internal errors are logged.
fn fault_envelope(fault: &Fault) -> String {
    if *fault.subcode() == Subcode::InternalError && fault.code() == code::INTERNAL_ERROR {
        tracing::warn!(%fault, "Request failed with an internal error in the host");
    }
    fault.envelope(None, None, random::uuid())
}

/// Interval at which the number of shells is checked, since they can end without a call.
const COUNT_INTERVAL: Duration = Duration::from_secs(2);
