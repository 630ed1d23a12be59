//! Changes of instances, found by polling or reported by sources.

mod class;
mod reported;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use cim::wql::{Condition, Predicate, Select};
use cim::{Class, Instance, Name, Status, Value};
use locks::Mutex;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use super::query::{EventClasses, Kind, Wanted};
use super::{Changes, EventSource, ReportMode, Subscriber, Watch, next_of};
use crate::engine::everything;
use crate::table::{Served, Table};
use crate::{Engine, Error, ProviderError};
use class::{Change, WatchedClass};
use reported::ReportedClasses;

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
        targets: Vec::new(),
        classes: Vec::new(),
        reported: ReportedClasses::default(),
        rested: Instant::now(),
        reports: Arc::default(),
        listening: JoinSet::new(),
        events: EventClasses::clone(&wanted.events),
    };
    let UpdatedClasses { new, sources, .. } = watcher.update_classes(&wanted)?;
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
    /// Classes that the query names. Their sources are required.
    targets: Vec<Name>,
    /// Classes that are polled, or looked at when a source reports a change.
    classes: Vec<WatchedClass>,
    /// Classes whose sources report every new instance.
    reported: ReportedClasses,
    /// Earliest time of the next look, so that looking takes at most a tenth of the time.
    rested: Instant,
    reports: Arc<SourceReports>,
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
                for one in served {
                    if all.iter().all(|other| other.class.name() != one.class.name()) {
                        all.push(one);
                    }
                }
            }
            Err(error) => missing = Some(error),
        }
    }
    match missing {
        Some(error) if all.is_empty() => Err(error),
        _ => Ok(all),
    }
}

/// Returns the conditions that decide which instances of a class can ever match. They concern keys and fixed properties,
/// so other instances need not be watched.
fn restriction(wanted: &Wanted, served: &Served) -> Option<Condition> {
    let (class, fixed) = (&served.class, served.provider.fixed_properties());
    let is_fixed = |name: &Name| {
        let is_key = class.column(name.as_str()).is_some_and(|column| class.keys().contains(&column));
        is_key || fixed.iter().any(|fixed| *name == **fixed)
    };
    let conditions = wanted.comparisons.iter().filter(|(name, _)| is_fixed(name));
    let conditions: Vec<_> = conditions.map(|(_, condition)| condition.clone()).collect();
    (!conditions.is_empty()).then_some(Condition::And(conditions))
}

#[derive(Clone, Copy, PartialEq)]
enum Look {
    /// The instances found are not reported as events.
    First,
    Again,
}

/// Indices of watched classes, by how to continue with them, and their sources.
#[derive(Default)]
struct UpdatedClasses {
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
    fn update_classes(&mut self, wanted: &Wanted) -> Result<UpdatedClasses, Error> {
        let Subscriber { engine, context, namespace, .. } = &self.subscriber;
        let mut before: HashMap<Name, WatchedClass> =
            self.classes.drain(..).map(|class| (class.name().clone(), class)).collect();
        let mut updated = UpdatedClasses::default();
        let mut reported_before = self.reported.begin_update();
        self.targets.clone_from(&wanted.targets);
        let all = served(engine.table(namespace)?, &wanted.targets)?;
        let (is_single, mut failed) = (all.len() == 1, Vec::new());
        for served in all {
            if self.reported.keep_unchanged(&served, &mut reported_before) {
                continue;
            }
            let at = self.classes.len();
            let select =
                Select { condition: restriction(wanted, &served), ..everything(served.class.name()) };
            let predicate = Predicate::bind(&select, &served.class, &engine.origin(namespace))?;
            let (changes, predicate) = (wanted.changes, Some(&predicate));
            let watch = Watch { context, class: &served.class, changes, predicate };
            // The source starts before the first look, so that no change in between is missed.
            let name = served.class.name();
            let is_required = is_single || self.targets.contains(name);
            let source = match served.provider.watch(&watch) {
                Err(error) if is_required => return Err(error.of(name)),
                Err(error) => {
                    failed.push(error.of(name));
                    continue;
                }
                Ok(source) => source,
            };
            let source = match source {
                Some(source) if source.report_mode() == ReportMode::Instances => {
                    let output = &self.subscriber.output;
                    self.reported.listen(source, served, &wanted.events, output, is_required);
                    continue;
                }
                source => source,
            };
            let has_source = source.is_some();
            updated.sources.extend(source.map(|source| (at, source)));
            let (places, class) = match before.remove(served.class.name()) {
                Some(class) if class.fits(&served) && !class.is_omitted => {
                    (&mut updated.known, class.served_by(served, has_source))
                }
                Some(_) => (&mut updated.changed, WatchedClass::new(served, &select, wanted, has_source)?),
                None => (&mut updated.new, WatchedClass::new(served, &select, wanted, has_source)?),
            };
            places.insert(at);
            self.classes.push(class);
        }
        self.events = EventClasses::clone(&wanted.events);
        for error in failed {
            if self.classes.is_empty() && self.reported.is_empty() {
                return Err(error);
            }
            self.subscriber.output.omit(error);
        }
        Ok(updated)
    }

    /// Listens to these sources and stops listening to earlier ones.
    fn listen(&mut self, sources: Vec<(usize, Box<dyn EventSource>)>) {
        self.reports = Arc::default();
        self.listening = JoinSet::new();
        for (at, source) in sources {
            self.listening.spawn(listen(at, source, Arc::clone(&self.reports)));
        }
    }

    /// Continues with another engine.
    async fn follow(&mut self, engine: Engine) -> Result<(), Error> {
        let Kind::Changes(wanted) = self.subscriber.requery(engine)? else { return Ok(()) };
        let UpdatedClasses { new, changed, known, sources } = self.update_classes(&wanted)?;
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
            let is_polled = self.classes.iter().any(WatchedClass::is_polled);
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
                    due.extend((0..).zip(&self.classes).filter(|(_, class)| class.is_polled()).map(|(at, _)| at));
                }
                () = self.reports.more.notified() => {
                    // Changes that occur together are looked at once.
                    sleep_until((Instant::now() + SETTLING).max(self.rested)).await;
                    let pending = self.reports.take();
                    for at in pending.lost {
                        if let Some(class) = self.classes.get_mut(at) {
                            class.has_source = false;
                        }
                    }
                    due.extend(pending.changed);
                }
                engine = self.subscriber.updates.next() => {
                    if let Err(error) = self.follow(engine).await {
                        return self.subscriber.output.fail(error);
                    }
                }
            }
            if due.is_empty() {
                continue;
            }
            if let Err(error) = self.look(&due, Look::Again).await {
                return self.subscriber.output.fail(error);
            }
        }
    }

    /// Looks at some of the classes and reports changes.
    async fn look(&mut self, due: &BTreeSet<usize>, look: Look) -> Result<(), Error> {
        let began = Instant::now();
        for at in due {
            let Some(place) = self.classes.get_mut(*at).filter(|class| !class.is_omitted) else { continue };
            let name = place.name().clone();
            let mut class = std::mem::replace(place, WatchedClass::placeholder(place));
            let Subscriber { engine, context, namespace, .. } = &self.subscriber;
            let origin = engine.origin(namespace);
            let context = context.clone().within(engine.limits().patience);
            let most = engine.limits().watched_rows;
            // If a provider hangs, the data of the class is lost with it.
            let call = engine.call_in_turn(&name, move || {
                let found = class.look(&context, &origin, most, look);
                Ok((class, found))
            });
            let (mut class, found) = match call.await {
                Ok(looked) => looked,
                Err(error) => {
                    self.omit(*at, error)?;
                    continue;
                }
            };
            match found {
                Ok(found) => {
                    class.failures = 0;
                    if look == Look::Again {
                        found.into_iter().for_each(|change| self.report(change));
                    }
                }
                Err(error) => {
                    debug!(class = %name, %error, "Cannot enumerate watched instances");
                    class.failures += 1;
                    if look == Look::First || class.failures >= MOST_FAILURES || is_for_good(&error) {
                        self.omit(*at, error.of(&name))?;
                        continue;
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

    /// Stops watching a class whose source has failed.
    ///
    /// # Errors
    /// The failure, if the query names the class or no other class is watched.
    fn omit(&mut self, at: usize, error: Error) -> Result<(), Error> {
        let others =
            self.classes.iter().enumerate().filter(|(other, class)| *other != at && !class.is_omitted);
        let is_last = others.count() == 0 && self.reported.is_empty();
        let Some(class) = self.classes.get_mut(at) else { return Err(error) };
        if is_last || self.targets.contains(class.name()) {
            return Err(error);
        }
        class.is_omitted = true;
        self.subscriber.output.omit(error);
        Ok(())
    }

    fn report(&self, change: Change) {
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
            self.subscriber.output.deliver(event);
        }
    }
}

impl EventClasses {
    /// Returns the event of a change. It is never `None`, because the event classes accept any instance.
    fn event(&self, class: &Arc<Class>, target: Instance, previous: Option<Instance>) -> Option<Instance> {
        let event = Instance::new(class.clone()).with(self.target, Value::Object(Box::new(target))).ok()?;
        match previous {
            Some(previous) => event.with(self.previous, Value::Object(Box::new(previous))).ok(),
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
struct SourceReports {
    pending: Mutex<PendingReports>,
    more: Notify,
}

#[derive(Default)]
struct PendingReports {
    /// Indices of classes whose instances may have changed.
    changed: BTreeSet<usize>,
    /// Indices of classes whose sources have ended.
    lost: Vec<usize>,
}

impl SourceReports {
    fn take(&self) -> PendingReports {
        std::mem::take(&mut *self.pending.lock())
    }
}

async fn listen(at: usize, mut source: Box<dyn EventSource>, reports: Arc<SourceReports>) {
    loop {
        let report = next_of(source.as_mut()).await;
        let mut pending = reports.pending.lock();
        pending.changed.insert(at);
        let is_over = report.is_err();
        if let Err(error) = report {
            debug!(%error, "Event source ended; instances are polled instead");
            pending.lost.push(at);
        }
        drop(pending);
        reports.more.notify_one();
        if is_over {
            return;
        }
    }
}

/// Time to wait for further changes before looking.
const SETTLING: Duration = Duration::from_millis(20);

/// Number of consecutive failures of a provider after which its class is no longer watched.
const MOST_FAILURES: u8 = 3;
