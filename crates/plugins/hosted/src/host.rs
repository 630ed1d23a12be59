//! The host's end: gives calls to the plug-in.

mod giving;

use std::collections::HashMap;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use auth::Identity;
use config::Config;
use sddl::Token;
use service::{Answer, Call, Caller, Content, Delivered, Plugin, fresh_uuid};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;
use wsman::enumeration::Enumerate;
use wsman::eventing::Subscribe;
use wsman::{Action, Fault, Request, Subcode, code};
use xml::Bounds;

use self::giving::{Given, give};
use crate::message::{CallMessage, FromHost, LONGEST_ENVELOPE, ToHost, too_large};
use crate::stream::{self, Outgoing};

/// A plug-in that works for one user, in a process of that user.
pub struct Host {
    plugin: Arc<dyn Plugin>,
    identity: Identity,
    /// What access is decided with, which may change.
    token: watch::Sender<Token>,
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
        Arc::new(Self { plugin, identity, token: watch::Sender::new(token), activity: Arc::default() })
    }

    /// The user has other rights from now on. Whoever is subscribed with the rights from before is told no more.
    pub fn renew(&self, token: Token) {
        self.token.send_if_modified(|now| std::mem::replace(now, token.clone()) != token);
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
        // From before the rights are looked at, so that no change of them is missed.
        let rights = self.host.token.subscribe();
        let call = match self.host.read(message, &self.config) {
            Ok(call) => call,
            Err(fault) => return self.say(&FromHost::Fault { number, envelope: written(&fault) }),
        };
        let rights = call.subscribe.is_some().then_some(rights);
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
                    let given = Given::new(items, rights, under_way.clone());
                    let giving = tokio::spawn(give(given, number, asked, Arc::clone(&outgoing)));
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
        let bounds = Bounds { octets: broker::MAX_MESSAGE_LENGTH, ..Bounds::default() };
        let request = Request::parse(envelope.to_owned(), &bounds).map_err(|refused| refused.fault)?;
        let enumerate = match request.head().action {
            Action::Enumerate => Some(Enumerate::parse(request.require_body("Enumerate")?)?),
            _ => None,
        };
        let subscribe = match request.head().action {
            Action::Subscribe => Some(Subscribe::parse(request.require_body("Subscribe")?)?),
            _ => None,
        };
        let caller =
            Caller::new(self.identity.clone(), self.token.borrow().clone(), address).with_whence(whence);
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
