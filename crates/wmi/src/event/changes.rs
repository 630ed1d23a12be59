//! Changes of instances, found by polling or reported by sources.

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

/// Looks at all instances for the first time, and continues in the background.
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
    /// Classes that are polled, or looked at when a source reports a change.
    classes: Vec<WatchedClass>,
    /// Classes whose sources report every new instance.
    told: ToldClasses,
    /// Earliest time of the next look, so that looking takes at most a tenth of the time.
    rested: Instant,
    wake: Arc<Wake>,
    /// Tasks that listen to the sources.
    listening: JoinSet<()>,
}

/// Returns the classes with providers among these classes and their subclasses, each once.
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
    /// The instances found are not reported as events.
    First,
    Again,
}

/// Indices of watched classes, by how to continue with them, and their sources.
#[derive(Default)]
struct Taken {
    /// Classes that were not watched before.
    new: BTreeSet<usize>,
    /// Classes that were watched before but whose properties have changed.
    changed: BTreeSet<usize>,
    /// Classes that continue unchanged.
    known: BTreeSet<usize>,
    sources: Vec<(usize, Box<dyn EventSource>)>,
}

impl Watcher {
    /// Updates the watched classes from the current engine. Data of classes that still exist is kept.
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
            // The source starts before the first look, so that no change in between is missed.
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

    /// Listens to these sources and stops listening to earlier ones.
    fn listen(&mut self, sources: Vec<(usize, Box<dyn EventSource>)>) {
        self.wake = Arc::default();
        self.listening = JoinSet::new();
        for (at, source) in sources {
            self.listening.spawn(listen(at, source, Arc::clone(&self.wake)));
        }
    }

    /// Continues with another engine.
    async fn follow(&mut self, engine: Engine) -> Result<(), Error> {
        let Kind::Changes(wanted) = self.subscriber.ask(engine)? else { return Ok(()) };
        let Taken { new, changed, known, sources } = self.take_up(&wanted)?;
        self.look(&changed, Look::First).await?;
        // The last report of a replaced source may be lost, and instances may have been added together with
        // their class.
        self.look(&(&known | &new), Look::Again).await?;
        self.listen(sources);
        Ok(())
    }

    async fn run(mut self) {
        let mut looked = Instant::now();
        loop {
            // If every class has a source, polling is not needed.
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
                    // Changes that occur together are looked at once.
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

    /// Looks at some of the classes and reports changes.
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
            // If a provider hangs, the data of the class is lost with it, and the subscription ends.
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
    /// Returns the event of a change. It is never `None`, because the event classes accept any instance.
    fn event(&self, class: &Arc<Class>, target: Instance, previous: Option<Instance>) -> Option<Instance> {
        let object = |instance: Instance| Value::Object(Box::new(instance));
        let event = Instance::new(class.clone()).with(self.target, object(target)).ok()?;
        match previous {
            Some(previous) => event.with(self.previous, object(previous)).ok(),
            None => Some(event),
        }
    }
}

/// Returns whether the error is permanent, so that polling again is useless.
fn is_for_good(error: &ProviderError) -> bool {
    matches!(error, ProviderError::Failed { status: Status::QuotaViolation, .. })
}

/// Reports of sources that have not been processed yet.
#[derive(Default)]
struct Wake {
    told: Mutex<Told>,
    more: Notify,
}

#[derive(Default)]
struct Told {
    /// Indices of classes whose instances may have changed.
    changed: BTreeSet<usize>,
    /// Indices of classes whose sources have ended.
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

/// Time to wait for further changes before looking.
const SETTLING: Duration = Duration::from_millis(20);

/// Number of consecutive failures of a provider after which the subscription ends.
const MOST_FAILURES: u8 = 3;
