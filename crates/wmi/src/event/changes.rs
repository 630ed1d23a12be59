//! Changes of instances, found by looking again.

mod class;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cim::wql::{Condition, Select};
use cim::{Instance, Namespace, Status, Value};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use super::outlet::Outlet;
use super::question::{EventClasses, Wanted};
use super::{Changes, EventSource, Watch};
use crate::engine::everything;
use crate::{Context, Engine, Error, ProviderError};
use class::{Change, WatchedClass};

/// Looks for the first time, and goes on in the background.
pub(super) async fn watch(
    engine: &Engine,
    context: &Context,
    namespace: &Namespace,
    wanted: Wanted,
    outlet: Arc<Outlet>,
    watching: &mut JoinSet<()>,
) -> Result<(), Error> {
    let keys = Condition::And(wanted.keys.clone());
    let select =
        Select { condition: Some(keys).filter(|_| !wanted.keys.is_empty()), ..everything(&wanted.target) };
    let wake = Arc::new(Wake::default());
    let (mut classes, mut sources) = (Vec::new(), Vec::new());
    for served in engine.table(namespace)?.require(wanted.target.as_str())? {
        let watch = Watch { context, class: &served.class, changes: wanted.changes };
        // It listens before anybody looks, so that nothing is missed in between.
        let source = served.provider.watch(&watch).map_err(|error| error.of(served.class.name()))?;
        let watched = WatchedClass::new(served, &select, &wanted, source.is_some())?;
        sources.extend(source.map(|source| (classes.len(), source)));
        classes.push(watched);
    }
    let mut watcher = Watcher {
        engine: engine.clone(),
        context: context.clone(),
        namespace: namespace.clone(),
        interval: wanted.interval,
        events: wanted.events,
        changes: wanted.changes,
        outlet,
        classes,
        rested: Instant::now(),
    };
    let all = (0..watcher.classes.len()).collect();
    watcher.look(&all, Look::First).await?;
    for (at, source) in sources {
        watching.spawn(listen(at, source, Arc::clone(&wake)));
    }
    watching.spawn(watcher.run(wake));
    Ok(())
}

struct Watcher {
    engine: Engine,
    context: Context,
    namespace: Namespace,
    interval: Duration,
    events: EventClasses,
    changes: Changes,
    outlet: Arc<Outlet>,
    classes: Vec<WatchedClass>,
    /// Not before this is looked again: looking is never more than a tenth of the time.
    rested: Instant,
}

#[derive(Clone, Copy, PartialEq)]
enum Look {
    /// What is there is no event.
    First,
    Again,
}

impl Watcher {
    async fn run(mut self, wake: Arc<Wake>) {
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
                () = wake.more.notified() => {
                    // What happens together is looked at once.
                    sleep_until((Instant::now() + SETTLING).max(self.rested)).await;
                    let told = wake.take();
                    for at in told.lost {
                        if let Some(class) = self.classes.get_mut(at) {
                            class.has_source = false;
                        }
                    }
                    due.extend(told.changed);
                }
            }
            if due.is_empty() {
                continue;
            }
            if let Err(error) = self.look(&due, Look::Again).await {
                return self.outlet.fail(error);
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
            let (context, origin) = (self.context.clone(), self.engine.origin(&self.namespace));
            let context = context.within(self.engine.limits().patience);
            let most = self.engine.limits().watched_rows;
            let looking = move || {
                let found = class.look(&context, &origin, most, look);
                Ok((class, found))
            };
            // A provider that hangs keeps the class with it; the subscription ends then.
            let (mut class, found) = self.engine.call_in_turn(&name, looking).await?;
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
        let object = |instance: Instance| Value::Object(Box::new(instance));
        let events = &self.events;
        let (flag, class, target, previous) = match change {
            Change::Created(row) => (Changes::CREATION, &events.creation, row, None),
            Change::Modified { row, before } => (Changes::MODIFICATION, &events.modification, row, before),
            Change::Deleted(row) => (Changes::DELETION, &events.deletion, row, None),
        };
        if !self.changes.contains(flag) {
            return;
        }
        let event = Instance::new(class.clone()).with(events.target, object(target));
        let event = event.and_then(|event| match previous {
            Some(previous) => event.with(events.previous, object(previous)),
            None => Ok(event),
        });
        // The classes of events take any instance.
        if let Ok(event) = event {
            self.outlet.offer(event);
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
        let heard = source.next().await;
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
