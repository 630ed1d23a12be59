//! Event subscriptions: changes of instances, events of providers, and timers (MS-WMI 2.2.6; WQL event
//! queries).
//!
//! Changes of instances are found by polling at the `WITHIN` interval, unless a provider has an [event
//! source](EventSource) that reports when to look. Events that polling cannot find, such as process starts,
//! come only from sources. Classes change only when the engine is replaced: a subscription then continues
//! with the new engine and, if requested, reports the differences.

mod aggregate;
mod changes;
mod classes;
mod extrinsic;
mod output;
mod query;
mod queue;
mod timer;

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use cim::wql::{self, Predicate, Query, Select};
use cim::{Class, Instance, Name, Namespace, Status, Value};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::{JoinError, JoinSet};

pub(crate) use timer::Timers;

use crate::generations::{EngineUpdates, RefreshTask};
use crate::{Context, Descriptors, Engine, Error, Omission, ProviderError, Rights, security};
use output::EventOutput;
use query::{EventQuery, Kind};
use queue::Queue;

/// Events of a subscription. Dropping it ends the subscription.
pub struct Events {
    queue: Arc<Queue>,
    names: Option<Vec<Name>>,
    /// Tasks that watch for events; aborted on drop.
    watching: JoinSet<()>,
    class: Name,
    access: AccessCheck,
    _refresh_task: Option<Arc<RefreshTask>>,
    _permit: OwnedSemaphorePermit,
}

/// Next item of a subscription.
#[derive(Clone, Debug, PartialEq)]
pub enum Occurrence {
    /// An event.
    Event(Instance),
    /// Number of events dropped at this point, because the queue was full.
    Dropped(u64),
    /// A class whose events are missing from now on, because its source failed.
    Omitted(Omission),
}

/// Source of events from a provider.
pub trait EventSource: Send {
    /// Waits for the next event. Must be cancel-safe: no event may be lost if the future is dropped.
    ///
    /// # Errors
    /// The source has ended. Changes of instances are then found by polling; other events end.
    fn next(&mut self) -> BoxFuture<'_, Result<Happening, ProviderError>>;

    /// Returns how the source reports changes of instances. Not called for event classes.
    fn report_mode(&self) -> ReportMode {
        ReportMode::Changes
    }
}

/// Way in which a source reports changes of instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportMode {
    /// The source reports that instances have changed; the engine compares them to find out which.
    Changes,
    /// The source reports every new instance ([`Happening::Came`]), and no other change is requested. The instances
    /// are never enumerated, so there may be any number of them. The subscription ends with the source.
    Instances,
}

/// Returns the next event of a source. A panic ends only this source.
async fn next_of(source: &mut dyn EventSource) -> Result<Happening, ProviderError> {
    let mut next = source.next();
    poll_fn(|context| {
        // The source is not used again after a panic, so its state does not matter.
        let polled = catch_unwind(AssertUnwindSafe(|| next.as_mut().poll(context)));
        polled.unwrap_or_else(|_| {
            Poll::Ready(Err(ProviderError::failed(Status::ProviderFailure, "the provider panicked")))
        })
    })
    .await
}

/// Boxed future, as returned by trait objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Report of a source.
#[derive(Clone, Debug, PartialEq)]
pub enum Happening {
    /// An event of the watched event class. The engine sets its time if the source does not.
    Event(Instance),
    /// Instances of the watched class may have been created, changed or deleted.
    Changed,
    /// An instance of the watched class was created ([`ReportMode::Instances`]).
    Came(Instance),
}

/// Request to watch a class.
#[derive(Clone, Copy, Debug)]
pub struct Watch<'a> {
    /// Caller.
    pub context: &'a Context,
    /// Event class, or class whose instances are watched.
    pub class: &'a Arc<Class>,
    /// Requested changes of instances; empty for an event class.
    pub changes: Changes,
    /// For an event class, the condition of the query. For changes of instances, its conditions on keys and
    /// [fixed properties](crate::Provider::fixed_properties).
    pub predicate: Option<&'a Predicate>,
}

impl Watch<'_> {
    /// Returns the values that these properties must have in an event or instance, if the query restricts all of them.
    ///
    /// See [`Predicate::pinned`]; also `None` if the class does not have one of the properties.
    #[must_use]
    pub fn pinned(&self, names: &[&str]) -> Option<Vec<Vec<Value>>> {
        let columns = names.iter().map(|name| self.class.column(name)).collect::<Option<Vec<_>>>()?;
        self.predicate?.pinned(&columns)
    }
}

bitflags::bitflags! {
    /// Changes of instances.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Changes: u8 {
        /// An instance is created.
        const CREATION = 1;
        /// A property value changes.
        const MODIFICATION = 2;
        /// An instance is deleted.
        const DELETION = 4;
    }
}

impl Engine {
    /// Subscribes to the events of a query, starting now.
    ///
    /// Every change after this returns is reported, and none before.
    /// At most [`Limits::events_ahead`](crate::Limits::events_ahead) events are queued.
    ///
    /// # Errors
    /// [`Error::AccessDenied`], [`Error::Model`] for an invalid query, [`Error::NotEvents`] for a query for
    /// instances, [`Error::NoProvider`] if no provider reports such events, [`Error::TooManySubscriptions`],
    /// and the errors of providers.
    pub async fn subscribe(
        &self,
        context: &Context,
        namespace: &Namespace,
        text: &str,
    ) -> Result<Events, Error> {
        self.admit(context, namespace, Rights::SUBSCRIBE)?;
        // Checked first, so that a rejected subscription costs little.
        let permit = self.subscription()?;
        let Query::Select(select) = wql::parse(text)? else {
            return Err(Error::NotEvents(
                "an association query returns no events; select from an event class",
            ));
        };
        let (class, origin) = (select.from.clone(), self.origin(namespace));
        let names = if select.group.is_some() { None } else { select.names() };
        // Registered before the first look, so that no change in between is missed.
        let (updates, refresh_task) = (EngineUpdates::of(self), self.start_refreshing());
        let query = EventQuery::read(self.schema(namespace)?, select.clone(), origin)?;
        let queue = Arc::new(Queue::new(self.limits().events_ahead, self.limits().event_octets_ahead));
        let mut watching = JoinSet::new();
        let log = Arc::clone(&self.inner.generations.omissions);
        let output = EventOutput::new(&query, Arc::clone(&queue), log, &mut watching);
        let access = AccessCheck::new(self, context, namespace);
        let (engine, context, namespace) = (self.clone(), context.clone(), namespace.clone());
        let subscriber = Subscriber { engine, context, namespace, select, output, updates };
        match query.kind {
            Kind::Changes(wanted) => changes::watch(subscriber, wanted, &mut watching).await?,
            Kind::Classes(events) => classes::watch(subscriber, events, &mut watching)?,
            Kind::Others => extrinsic::watch(subscriber, &mut watching)?,
        }
        Ok(Events { queue, names, watching, class, access, _refresh_task: refresh_task, _permit: permit })
    }
}

/// Checks whether a query is a valid event query.
///
/// # Errors
/// The first problem found.
pub(crate) fn check_event_query(engine: &Engine, namespace: &Namespace, select: Select) -> Result<(), Error> {
    EventQuery::read(engine.schema(namespace)?, select, engine.origin(namespace)).map(drop)
}

/// A subscription: caller, query and current engine.
struct Subscriber {
    engine: Engine,
    context: Context,
    namespace: Namespace,
    select: Select,
    output: Arc<EventOutput>,
    updates: EngineUpdates,
}

impl Subscriber {
    /// Repeats the query with another engine, if the caller still has access.
    fn requery(&mut self, engine: Engine) -> Result<Kind, Error> {
        self.engine = engine;
        self.engine.admit(&self.context, &self.namespace, Rights::SUBSCRIBE)?;
        let (schema, origin) = (self.engine.schema(&self.namespace)?, self.engine.origin(&self.namespace));
        let query = EventQuery::read(schema, self.select.clone(), origin)?;
        self.output.set_filter(&query);
        Ok(query.kind)
    }
}

/// Access check of the subscriber, repeated when descriptors change.
struct AccessCheck {
    descriptors: Arc<dyn Descriptors>,
    context: Context,
    namespace: Namespace,
    /// Notified when descriptors may have changed.
    rights: watch::Receiver<()>,
    /// Whether access was denied and the error has been returned.
    has_ended: bool,
}

impl AccessCheck {
    fn new(engine: &Engine, context: &Context, namespace: &Namespace) -> Self {
        Self {
            descriptors: Arc::clone(engine.descriptors()),
            context: context.clone(),
            namespace: namespace.clone(),
            rights: engine.inner.generations.rights(),
            has_ended: false,
        }
    }

    fn check(&self) -> Result<(), Error> {
        self.admit(&self.context)
    }

    fn admit(&self, context: &Context) -> Result<(), Error> {
        security::admit(self.descriptors.as_ref(), context, &self.namespace, Rights::SUBSCRIBE)
    }

    /// Waits until access has to be checked again.
    async fn rights_changed(&mut self) {
        if self.rights.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Events {
    /// Returns the next item; `None` if the subscription has ended. After an error there are no further
    /// items.
    ///
    /// An event is returned only if the caller still has access; otherwise [`Error::AccessDenied`] is
    /// returned instead. The error is also returned when the engine is [notified](Engine::recheck_access) of
    /// changed descriptors and access is denied.
    ///
    /// Cancel-safe: no event is lost if the future is dropped.
    pub async fn next(&mut self) -> Option<Result<Occurrence, Error>> {
        if self.access.has_ended {
            return None;
        }
        loop {
            tokio::select! {
                biased;
                () = self.access.rights_changed() => {
                    if let Err(error) = self.access.check() {
                        return Some(Err(self.end_denied(error)));
                    }
                }
                next = self.queue.next() => {
                    let checked = if matches!(next, Some(Ok(_))) { self.access.check() } else { Ok(()) };
                    return match checked {
                        Ok(()) => next,
                        Err(error) => Some(Err(self.end_denied(error))),
                    };
                }
                ended = self.watching.join_next() => match ended {
                    // Events found before the failure are still delivered.
                    Some(Ok(())) => {}
                    Some(Err(error)) => self.queue.end(Some(self.broken(&error))),
                    None => self.queue.end(None),
                },
            }
        }
    }

    /// Returns the names of the selected properties; `None` for all.
    #[must_use]
    pub fn names(&self) -> Option<&[Name]> {
        self.names.as_deref()
    }

    /// Ends the subscription.
    fn end_denied(&mut self, error: Error) -> Error {
        tracing::debug!(class = %self.class, %error, "Subscription ended: access denied");
        self.access.has_ended = true;
        self.watching.abort_all();
        error
    }

    /// Checks whether a caller, who may have other rights than the subscriber, may receive these events now.
    ///
    /// # Errors
    /// [`Error::AccessDenied`].
    pub fn admit(&self, context: &Context) -> Result<(), Error> {
        self.access.admit(context)
    }

    fn broken(&self, error: &JoinError) -> Error {
        let what = if error.is_panic() { "the provider panicked" } else { "the watch was cancelled" };
        ProviderError::failed(Status::ProviderFailure, what).of(&self.class)
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events").field("class", &self.class).finish_non_exhaustive()
    }
}
