//! The host's end: gives calls to the plug-in.

use std::collections::HashMap;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use auth::Identity;
use config::Config;
use sddl::Token;
use service::{Answer, Call, Caller, Content, Delivered, Item, Items, Plugin, fresh_uuid};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;
use wsman::enumeration::Enumerate;
use wsman::eventing::Subscribe;
use wsman::{Action, Fault, Request, Subcode, code, namespace};
use xml::{Bounds, Writer};

use crate::message::{
    CallMessage, ENOUGH_OCTETS, FromHost, ItemMessage, LONGEST_ENVELOPE, MOST_ITEMS, ToHost, too_large,
};
use crate::stream::{self, Outgoing};

/// A plug-in that works for one user, in a process of that user.
pub struct Host {
    plugin: Arc<dyn Plugin>,
    identity: Identity,
    token: Token,
    activity: Arc<Activity>,
}

/// When something was last asked of a host.
#[derive(Debug)]
pub struct Activity {
    now: Mutex<Now>,
    /// Which connections are served: those that began since somebody last wanted to leave.
    generation: watch::Sender<u64>,
}

#[derive(Debug)]
struct Now {
    under_way: usize,
    last: Instant,
}

impl Default for Activity {
    fn default() -> Self {
        let now = Mutex::new(Now { under_way: 0, last: Instant::now() });
        Self { now, generation: watch::Sender::new(0) }
    }
}

impl Activity {
    /// Lets no more calls begin on the connections there are, if nothing was asked for this long; says whether that
    /// is so.
    pub fn leave(&self, idle: Duration, is_unused: impl FnOnce() -> bool) -> bool {
        // Under the lock, so that no call begins in between.
        let now = self.now();
        let leaves = now.under_way == 0 && now.last.elapsed() >= idle && is_unused();
        if leaves {
            self.generation.send_modify(|generation| *generation = generation.wrapping_add(1));
        }
        leaves
    }

    fn begin(self: &Arc<Self>, generation: u64) -> Option<UnderWay> {
        let mut now = self.now();
        if *self.generation.borrow() != generation {
            return None;
        }
        now.under_way = now.under_way.saturating_add(1);
        Some(UnderWay(Arc::clone(self)))
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct UnderWay(Arc<Activity>);

impl Clone for UnderWay {
    fn clone(&self) -> Self {
        let mut now = self.0.now();
        now.under_way = now.under_way.saturating_add(1);
        Self(Arc::clone(&self.0))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut now = self.0.now();
        now.last = Instant::now();
        now.under_way = now.under_way.saturating_sub(1);
    }
}

impl Host {
    /// A host of this plug-in; the identity and the SID are those of the user of this process.
    #[must_use]
    pub fn new(plugin: Arc<dyn Plugin>, identity: Identity, token: Token) -> Arc<Self> {
        Arc::new(Self { plugin, identity, token, activity: Arc::default() })
    }

    /// When something was last asked.
    #[must_use]
    pub fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Serves a gateway until it is gone.
    ///
    /// # Errors
    /// The system's, and [`io::ErrorKind::InvalidData`] for a message that is none.
    pub async fn serve(self: Arc<Self>, socket: UnixStream) -> io::Result<()> {
        let (mut incoming, outgoing) = stream::open(socket)?;
        let mut generation = self.activity.generation.subscribe();
        let born = *generation.borrow_and_update();
        let mut ticks = tokio::time::interval(COUNTED_EVERY);
        // Dropped at the end, with which calls and answers are dropped that nobody waits for.
        let mut served = Served {
            host: Arc::clone(&self),
            generation: born,
            outgoing,
            config: Arc::new(Config::default()),
            calls: JoinSet::new(),
            known: Arc::default(),
        };
        loop {
            tokio::select! {
                message = incoming.next() => match message? {
                    Some(message) => served.take(message.octets())?,
                    None => return Ok(()),
                },
                Ok(()) = generation.changed() => served.say(&FromHost::Leaving),
                Some(_) = served.calls.join_next() => {}
                // Some end by themselves.
                _ = ticks.tick() => self.say_counted(&served.outgoing, &mut locked(&served.known), None),
            }
        }
    }

    /// Says something together with the number of shells, where that has changed. It goes first, so that nobody is
    /// counted too late.
    fn say_counted(&self, outgoing: &Arc<Outgoing>, known: &mut Known, message: Option<&FromHost>) {
        let count = u32::try_from(self.plugin.in_use()).unwrap_or(u32::MAX);
        let is_new = std::mem::replace(&mut known.counted, count) != count;
        let counted = is_new.then_some(FromHost::InUse(count));
        let frames: Vec<_> = counted.iter().chain(message).map(FromHost::encode).collect();
        outgoing.say(&frames);
    }
}

/// One connection of a gateway.
struct Served {
    host: Arc<Host>,
    generation: u64,
    outgoing: Arc<Outgoing>,
    config: Arc<Config>,
    calls: JoinSet<()>,
    known: Arc<Mutex<Known>>,
}

/// What is known by its number.
#[derive(Default)]
struct Known {
    calls: HashMap<u64, AbortHandle>,
    promises: HashMap<u64, Delivered>,
    /// Each has a task that gives an item whenever it is asked to.
    items: HashMap<u64, (mpsc::UnboundedSender<()>, AbortHandle)>,
    /// How many shells the gateway knows of.
    counted: u32,
}

impl Served {
    fn say(&self, message: &FromHost) {
        self.outgoing.say(&[message.encode()]);
    }

    fn take(&mut self, message: &[u8]) -> io::Result<()> {
        let invalid =
            |error: &dyn std::fmt::Display| io::Error::new(io::ErrorKind::InvalidData, error.to_string());
        match ToHost::decode(message).map_err(|error| invalid(&error))? {
            ToHost::Settings(settings) => {
                let mut config = Config::default();
                for (name, value) in settings {
                    config.govern(&name, &value).map_err(|error| invalid(&error))?;
                }
                self.config = Arc::new(config);
            }
            ToHost::Call(call) => self.call(call),
            ToHost::Cancel(number) => {
                if let Some(call) = locked(&self.known).calls.remove(&number) {
                    call.abort();
                }
            }
            ToHost::Delivered(number) => {
                let promise = locked(&self.known).promises.remove(&number);
                if let Some(delivered) = promise {
                    delivered();
                }
            }
            ToHost::Withheld(number) => drop(locked(&self.known).promises.remove(&number)),
            ToHost::Next(number) => {
                if let Some((ask, _)) = locked(&self.known).items.get(&number) {
                    let _ = ask.send(());
                }
            }
            ToHost::Release(number) => {
                if let Some((_, giving)) = locked(&self.known).items.remove(&number) {
                    giving.abort();
                }
            }
            ToHost::Close => {
                let (host, outgoing) = (Arc::clone(&self.host), Arc::clone(&self.outgoing));
                self.calls.spawn(async move {
                    host.plugin.close().await;
                    outgoing.say(&[FromHost::Closed.encode()]);
                });
            }
        }
        Ok(())
    }

    fn call(&mut self, message: CallMessage<'_>) {
        let number = message.number;
        let Some(under_way) = self.host.activity.begin(self.generation) else {
            return self.say(&FromHost::NotTaken(number));
        };
        let call = match self.host.read(message, &self.config) {
            Ok(call) => call,
            Err(fault) => return self.say(&FromHost::Fault { number, envelope: written(&fault) }),
        };
        let (host, outgoing, known) =
            (Arc::clone(&self.host), Arc::clone(&self.outgoing), Arc::clone(&self.known));
        // Whoever cancels must find it, so it begins only once it is known.
        let mut all = locked(&self.known);
        let calling = self.calls.spawn(async move {
            let answered = host.plugin.call(call).await;
            // A gateway that does not read is given no more.
            outgoing.room().await;
            // It is over: what is done now is not to be cut short.
            let mut known = locked(&known);
            known.calls.remove(&number);
            let message = match answered.map(Answer::into_parts) {
                Ok((Content::Envelope(envelope), _)) if envelope.len() > LONGEST_ENVELOPE => {
                    FromHost::Fault { number, envelope: written(&too_large()) }
                }
                Ok((Content::Envelope(envelope), delivered)) => {
                    let is_promised = delivered.is_some();
                    known.promises.extend(delivered.map(|delivered| (number, delivered)));
                    FromHost::Envelope { number, envelope, is_promised }
                }
                Ok((Content::Items(items), _)) => {
                    let (ask, asked) = mpsc::unbounded_channel();
                    // The host is needed although nobody asks it anything just now.
                    let kept = under_way.clone();
                    let giving = give(items, number, asked, Arc::clone(&outgoing));
                    let giving = tokio::spawn(async move {
                        giving.await;
                        drop(kept);
                    });
                    known.items.insert(number, (ask, giving.abort_handle()));
                    FromHost::Items(number)
                }
                Err(fault) => FromHost::Fault { number, envelope: written(&fault) },
            };
            host.say_counted(&outgoing, &mut known, Some(&message));
            drop(under_way);
        });
        all.calls.insert(number, calling);
    }
}

impl Host {
    /// The call of a message.
    fn read(&self, message: CallMessage<'_>, config: &Arc<Config>) -> Result<Call, Fault> {
        let CallMessage { number: _, address, whence, reply_limit, timeout, message_id, envelope } = message;
        let bounds = Bounds { octets: broker::LONGEST, ..Bounds::default() };
        let request = Request::parse(envelope.to_owned(), &bounds).map_err(|refused| refused.fault)?;
        let enumerate = match request.head().action {
            Action::Enumerate => Some(Enumerate::parse(request.require_body("Enumerate")?)?),
            _ => None,
        };
        let subscribe = match request.head().action {
            Action::Subscribe => Some(Subscribe::parse(request.require_body("Subscribe")?)?),
            _ => None,
        };
        let caller = Caller::new(self.identity.clone(), self.token.clone(), address).with_whence(whence);
        let (caller, config) = (Arc::new(caller), Arc::clone(config));
        Ok(Call { caller, request, config, reply_limit, timeout, message_id, enumerate, subscribe })
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let known = std::mem::take(&mut *locked(&self.known));
        for (_, giving) in known.items.into_values() {
            giving.abort();
        }
    }
}

/// Gives items each time it is asked to: the next one, for which it waits, and those that are there by then.
async fn give(
    mut items: Box<dyn Items>,
    number: u64,
    mut asked: mpsc::UnboundedReceiver<()>,
    outgoing: Arc<Outgoing>,
) {
    // Known already, and not to be told before what came before it.
    let mut last = None;
    while asked.recv().await.is_some() {
        let mut together = Vec::new();
        let mut octets: usize = 0;
        while last.is_none() && together.len() < usize::from(MOST_ITEMS) && octets < ENOUGH_OCTETS {
            let next = match together.is_empty() {
                true => items.next().await,
                false => match now_or_never(items.next()) {
                    Some(next) => next,
                    None => break,
                },
            };
            match next {
                Some(Ok(item)) => {
                    let item = written_item(item);
                    octets = octets.saturating_add(item.object.len());
                    together.push(item);
                }
                Some(Err(fault)) => last = Some(FromHost::Fault { number, envelope: written(&fault) }),
                None => last = Some(FromHost::End(number)),
            }
        }
        let message = match (together.is_empty(), last.take()) {
            (true, Some(message)) => message,
            (_, kept) => {
                last = kept;
                FromHost::Some { number, items: together }
            }
        };
        outgoing.room().await;
        outgoing.say(&[message.encode()]);
    }
}

fn written_item(item: Item) -> ItemMessage {
    let reference = item.reference.map(|reference| {
        let mut writer = Writer::new();
        writer.start("x").namespace("a", namespace::ADDRESSING).namespace("w", namespace::WSMAN);
        reference.write(&mut writer, "a:EndpointReference");
        writer.finish()
    });
    ItemMessage { object: item.object.as_str().to_owned(), reference }
}

/// What a future has for those who do not wait. Only for one that loses nothing when it is dropped.
fn now_or_never<T>(future: impl Future<Output = T>) -> Option<T> {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// A fault as the envelope that says so.
fn written(fault: &Fault) -> String {
    if *fault.subcode() == Subcode::InternalError && fault.code() == code::INTERNAL_ERROR {
        tracing::warn!(%fault, "A request failed inside the host");
    }
    fault.envelope(None, None, fresh_uuid())
}

/// How soon it is known how many shells have ended by themselves.
const COUNTED_EVERY: Duration = Duration::from_secs(2);

fn locked(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}
