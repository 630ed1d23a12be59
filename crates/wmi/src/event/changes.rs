//! Changes of instances, found by looking again, or told by who knows them all.

mod class;
mod told;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cim::wql::{Condition, Select};
use cim::{Class, Instance, Name, Status, Value};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use super::question::{EventClasses, Kind, Wanted};
use super::{Changes, EventSource, Subscriber, Telling, Watch, next_of};
use crate::engine::everything;
use crate::table::{Served, Table};
use crate::{Engine, Error, ProviderError};
use class::{Change, WatchedClass};
use told::ToldClasses;

/// Looks for the first time, and goes on in the background.
pub(super) async fn watch(
    subscriber: Subscriber,
    wanted: Wanted,
    watching: &mut JoinSet<()>,
) -> Result<(), Error> {
    let mut watcher = Watcher {
        subscriber,
        interval: wanted.interval,
        changes: wanted.changes,
        classes: Vec::new(),
        told: ToldClasses::default(),
        rested: Instant::now(),
        wake: Arc::default(),
        listening: JoinSet::new(),
        events: EventClasses::clone(&wanted.events),
    };
    let Taken { new, sources, .. } = watcher.take_up(&wanted)?;
    watcher.look(&new, Look::First).await?;
    watcher.listen(sources);
    watching.spawn(watcher.run());
    Ok(())
}

struct Watcher {
    subscriber: Subscriber,
    interval: Duration,
    events: EventClasses,
    changes: Changes,
    /// Those that are looked at.
    classes: Vec<WatchedClass>,
    /// Those that need not be.
    told: ToldClasses,
    /// Not before this is looked again: looking is never more than a tenth of the time.
    rested: Instant,
    wake: Arc<Wake>,
    /// Those who hear the sources.
    listening: JoinSet<()>,
}

/// Those who have the instances of some classes and of those below them, each once.
fn served(table: &Table, targets: &[Name]) -> Result<Vec<Served>, Error> {
    let mut all: Vec<Served> = Vec::new();
    let mut missing = None;
    for target in targets {
        match table.require(target.as_str()) {
            Ok(served) => {
                let is_new = |one: &Served| all.iter().all(|known| known.class.name() != one.class.name());
                let new: Vec<Served> = served.into_iter().filter(is_new).collect();
                all.extend(new);
            }
            Err(error) => missing = Some(error),
        }
    }
    match missing {
        Some(error) if all.is_empty() => Err(error),
        _ => Ok(all),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Look {
    /// What is there is no event.
    First,
    Again,
}

/// The places of classes that are watched from now on, and who says when to look at them.
#[derive(Default)]
struct Taken {
    /// Nobody has watched these yet.
    new: BTreeSet<usize>,
    /// These were watched before, but their properties are others now.
    changed: BTreeSet<usize>,
    /// These go on as they were.
    known: BTreeSet<usize>,
    sources: Vec<(usize, Box<dyn EventSource>)>,
}

impl Watcher {
    /// Turns to the classes that there are now. What was seen of those that were there before is kept.
    fn take_up(&mut self, wanted: &Wanted) -> Result<Taken, Error> {
        let keys = Condition::And(wanted.keys.clone());
        let condition = Some(keys).filter(|_| !wanted.keys.is_empty());
        let Subscriber { engine, context, namespace, .. } = &self.subscriber;
        let mut before: HashMap<Name, WatchedClass> =
            self.classes.drain(..).map(|class| (class.name().clone(), class)).collect();
        let mut taken = Taken::default();
        let mut told_before = self.told.begin();
        for served in served(engine.table(namespace)?, &wanted.targets)? {
            if self.told.goes_on(&served, &mut told_before) {
                continue;
            }
            let at = self.classes.len();
            let watch = Watch { context, class: &served.class, changes: wanted.changes, predicate: None };
            // It listens before anybody looks, so that nothing is missed in between.
            let source = served.provider.watch(&watch).map_err(|error| error.of(served.class.name()))?;
            let source = match source {
                Some(source) if source.telling() == Telling::Instances => {
                    self.told.hear(source, served, &wanted.events, &self.subscriber.outlet);
                    continue;
                }
                source => source,
            };
            let has_source = source.is_some();
            let select = Select { condition: condition.clone(), ..everything(served.class.name()) };
            taken.sources.extend(source.map(|source| (at, source)));
            let (places, class) = match before.remove(served.class.name()) {
                Some(class) if class.fits(&served) => (&mut taken.known, class.served_by(served, has_source)),
                Some(_) => (&mut taken.changed, WatchedClass::new(served, &select, wanted, has_source)?),
                None => (&mut taken.new, WatchedClass::new(served, &select, wanted, has_source)?),
            };
            places.insert(at);
            self.classes.push(class);
        }
        self.events = EventClasses::clone(&wanted.events);
        Ok(taken)
    }

    /// Hears these sources, and none from before.
    fn listen(&mut self, sources: Vec<(usize, Box<dyn EventSource>)>) {
        self.wake = Arc::default();
        self.listening = JoinSet::new();
        for (at, source) in sources {
            self.listening.spawn(listen(at, source, Arc::clone(&self.wake)));
        }
    }

    /// Goes on with another engine.
    async fn follow(&mut self, engine: Engine) -> Result<(), Error> {
        let Kind::Changes(wanted) = self.subscriber.ask(engine)? else { return Ok(()) };
        let Taken { new, changed, known, sources } = self.take_up(&wanted)?;
        self.look(&changed, Look::First).await?;
        // What a source has told last may have gone with it, and instances may have come with their class.
        self.look(&(&known | &new), Look::Again).await?;
        self.listen(sources);
        Ok(())
    }

    async fn run(mut self) {
        let mut looked = Instant::now();
        loop {
            // With a source for everything there is nothing to wake up for.
            let is_polled = self.classes.iter().any(|class| !class.has_source);
            let poll = is_polled.then(|| (looked + self.interval).max(self.rested));
            let polling = async {
                match poll {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let mut due = BTreeSet::new();
            tokio::select! {
                () = polling => {
                    looked = Instant::now();
                    due.extend((0..).zip(&self.classes).filter(|(_, class)| !class.has_source).map(|(at, _)| at));
                }
                () = self.wake.more.notified() => {
                    // What happens together is looked at once.
                    sleep_until((Instant::now() + SETTLING).max(self.rested)).await;
                    let told = self.wake.take();
                    for at in told.lost {
                        if let Some(class) = self.classes.get_mut(at) {
                            class.has_source = false;
                        }
                    }
                    due.extend(told.changed);
                }
                engine = self.subscriber.successors.next() => {
                    if let Err(error) = self.follow(engine).await {
                        return self.subscriber.outlet.fail(error);
                    }
                }
            }
            if due.is_empty() {
                continue;
            }
            if let Err(error) = self.look(&due, Look::Again).await {
                return self.subscriber.outlet.fail(error);
            }
        }
    }

    /// Looks at some of the classes and tells what has changed.
    async fn look(&mut self, due: &BTreeSet<usize>, look: Look) -> Result<(), Error> {
        let began = Instant::now();
        for at in due {
            let Some(place) = self.classes.get_mut(*at) else { continue };
            let name = place.name().clone();
            let mut class = std::mem::replace(place, WatchedClass::elsewhere(place));
            let Subscriber { engine, context, namespace, .. } = &self.subscriber;
            let origin = engine.origin(namespace);
            let context = context.clone().within(engine.limits().patience);
            let most = engine.limits().watched_rows;
            let looking = move || {
                let found = class.look(&context, &origin, most, look);
                Ok((class, found))
            };
            // A provider that hangs keeps the class with it; the subscription ends then.
            let (mut class, found) = engine.call_in_turn(&name, looking).await?;
            match found {
                Ok(found) => {
                    class.failures = 0;
                    if look == Look::Again {
                        found.into_iter().for_each(|change| self.tell(change));
                    }
                }
                Err(error) => {
                    debug!(class = %name, %error, "Instances could not be looked at");
                    class.failures += 1;
                    if look == Look::First || class.failures >= MOST_FAILURES || is_for_good(&error) {
                        return Err(error.of(&name));
                    }
                }
            }
            if let Some(place) = self.classes.get_mut(*at) {
                *place = class;
            }
        }
        let now = Instant::now();
        self.rested = now + (now - began) * 9;
        Ok(())
    }

    fn tell(&self, change: Change) {
        let events = &self.events;
        let (flag, class, target, previous) = match change {
            Change::Created(row) => (Changes::CREATION, &events.creation, row, None),
            Change::Modified { row, before } => (Changes::MODIFICATION, &events.modification, row, before),
            Change::Deleted(row) => (Changes::DELETION, &events.deletion, row, None),
        };
        if !self.changes.contains(flag) {
            return;
        }
        if let Some(event) = events.event(class, target, previous) {
            self.subscriber.outlet.offer(event);
        }
    }
}

impl EventClasses {
    /// The event of a change; `None` never, as its classes take any instance.
    fn event(&self, class: &Arc<Class>, target: Instance, previous: Option<Instance>) -> Option<Instance> {
        let object = |instance: Instance| Value::Object(Box::new(instance));
        let event = Instance::new(class.clone()).with(self.target, object(target)).ok()?;
        match previous {
            Some(previous) => event.with(self.previous, object(previous)).ok(),
            None => Some(event),
        }
    }
}

/// Whether looking again would be of no use.
fn is_for_good(error: &ProviderError) -> bool {
    matches!(error, ProviderError::Failed { status: Status::QuotaViolation, .. })
}

/// What sources have told and nobody has looked at yet.
#[derive(Default)]
struct Wake {
    told: Mutex<Told>,
    more: Notify,
}

#[derive(Default)]
struct Told {
    /// Places of classes whose instances may have changed.
    changed: BTreeSet<usize>,
    /// Places of classes whose sources have ended.
    lost: Vec<usize>,
}

impl Wake {
    fn take(&self) -> Told {
        std::mem::take(&mut *self.locked())
    }

    fn locked(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn listen(at: usize, mut source: Box<dyn EventSource>, wake: Arc<Wake>) {
    loop {
        let heard = next_of(source.as_mut()).await;
        let mut told = wake.locked();
        told.changed.insert(at);
        let is_over = heard.is_err();
        if let Err(error) = heard {
            debug!(%error, "A source of events has ended; instances are looked at from time to time");
            told.lost.push(at);
        }
        drop(told);
        wake.more.notify_one();
        if is_over {
            return;
        }
    }
}

/// How long it is waited for more of the same before instances are looked at.
const SETTLING: Duration = Duration::from_millis(20);

/// A provider may fail this often before the subscription ends, one time after the other.
const MOST_FAILURES: u8 = 3;
