//! Events: what happens to instances, what providers tell, and timers (MS-WMI 2.2.6; WQL for events).
//!
//! Changes of instances are found by looking again, every `WITHIN`; where a provider has a
//! [source](EventSource) that says when to look, nobody looks before. What cannot be had by looking, such as the
//! start of a process, comes from sources alone. Classes change only with the engine: a subscription goes on with the
//! engine that takes the place of its own, and tells how the two differ if that is what was asked.

mod aggregate;
mod changes;
mod classes;
mod extrinsic;
mod outlet;
mod question;
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

use crate::lineage::{Lookout, Successors};
use crate::{Context, Descriptors, Engine, Error, ProviderError, Rights, security};
use outlet::Outlet;
use question::{Kind, Question};
use queue::Queue;

/// Events, as they come. Dropping it ends the watch for more.
pub struct Events {
    queue: Arc<Queue>,
    names: Option<Vec<Name>>,
    /// What watches; aborted with this.
    watching: JoinSet<()>,
    class: Name,
    standing: Standing,
    _lookout: Option<Arc<Lookout>>,
    _permit: OwnedSemaphorePermit,
}

/// What comes next of a subscription.
#[derive(Clone, Debug, PartialEq)]
pub enum Occurrence {
    /// An event.
    Event(Instance),
    /// So many events were given up here, because nobody took those before.
    Dropped(u64),
}

/// Where a provider hears of events itself.
pub trait EventSource: Send {
    /// Waits for the next one. Cancelled by dropping the future: no event may be lost by that.
    ///
    /// # Errors
    /// The source is of no use any more. Changes of instances are found by looking then; other events end.
    fn next(&mut self) -> BoxFuture<'_, Result<Happening, ProviderError>>;

    /// What it has to tell of the instances of a class; of a class of events nobody asks.
    fn telling(&self) -> Telling {
        Telling::WhenToLook
    }
}

/// How much a source knows of the instances that are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// That something has changed; the engine looks what.
    WhenToLook,
    /// Every instance that comes ([`Happening::Came`]), and nothing else happens that is watched for: nobody looks, not
    /// even once, so there may be any number of instances. When it ends, the subscription does.
    Instances,
}

/// What a source has to tell next; one that panics has ended, and only for those who heard it.
async fn next_of(source: &mut dyn EventSource) -> Result<Happening, ProviderError> {
    let mut next = source.next();
    let panicked = || ProviderError::failed(Status::ProviderFailure, "the provider panicked");
    poll_fn(|context| {
        // It is not asked again, so nobody sees what it has left half done.
        let polled = catch_unwind(AssertUnwindSafe(|| next.as_mut().poll(context)));
        polled.unwrap_or_else(|_| Poll::Ready(Err(panicked())))
    })
    .await
}

/// A future that a trait object can return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a source has heard.
#[derive(Clone, Debug, PartialEq)]
pub enum Happening {
    /// An instance of the class of events that is watched; the engine says when it was, if it does not itself.
    Event(Instance),
    /// Instances of the class that is watched may have come, changed or gone: it is time to look.
    Changed,
    /// This instance of the class that is watched has come ([`Telling::Instances`]).
    Came(Instance),
}

/// What is to be watched.
#[derive(Clone, Copy, Debug)]
pub struct Watch<'a> {
    /// For whom.
    pub context: &'a Context,
    /// A class of events, or the class whose instances are watched.
    pub class: &'a Arc<Class>,
    /// Which changes of instances; none for a class of events.
    pub changes: Changes,
    /// What the query wants of events of the class; `None` for changes of instances.
    pub predicate: Option<&'a Predicate>,
}

impl Watch<'_> {
    /// The values that the properties of these names must have in an event, if the query leaves none of them open.
    ///
    /// As [`Predicate::pinned`]; `None` also if the class has no such property.
    #[must_use]
    pub fn pinned(&self, names: &[&str]) -> Option<Vec<Vec<Value>>> {
        let columns = names.iter().map(|name| self.class.column(name)).collect::<Option<Vec<_>>>()?;
        self.predicate?.pinned(&columns)
    }
}

bitflags::bitflags! {
    /// What can happen to instances.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Changes: u8 {
        /// They come.
        const CREATION = 1;
        /// One of their properties gets another value.
        const MODIFICATION = 2;
        /// They go.
        const DELETION = 4;
    }
}

impl Engine {
    /// Watches for the events of a query, beginning now.
    ///
    /// What is changed when this is answered is no event any more, and whatever changes afterwards is one.
    /// At most [`Limits::events_ahead`](crate::Limits::events_ahead) wait to be taken.
    ///
    /// # Errors
    /// [`Error::AccessDenied`], [`Error::Model`] for a wrong query, [`Error::NotEvents`] for one of instances,
    /// [`Error::NoProvider`] if nobody tells of such events, [`Error::TooManySubscriptions`], and those of providers.
    pub async fn subscribe(
        &self,
        context: &Context,
        namespace: &Namespace,
        text: &str,
    ) -> Result<Events, Error> {
        self.admit(context, namespace, Rights::SUBSCRIBE)?;
        // One too many costs next to nothing.
        let permit = self.subscription()?;
        let Query::Select(select) = wql::parse(text)? else {
            return Err(Error::NotEvents("associations are no events: select from a class of events"));
        };
        let (class, origin) = (select.from.clone(), self.origin(namespace));
        let names = if select.group.is_some() { None } else { select.names() };
        // Before anything is looked at, so that nothing that changes meanwhile is missed.
        let (successors, lookout) = (Successors::of(self), self.look_out());
        let question = Question::read(self.schema(namespace)?, select.clone(), origin)?;
        let queue = Arc::new(Queue::new(self.limits().events_ahead));
        let mut watching = JoinSet::new();
        let outlet = Outlet::new(&question, Arc::clone(&queue), &mut watching);
        let standing = Standing::new(self, context, namespace);
        let (engine, context, namespace) = (self.clone(), context.clone(), namespace.clone());
        let subscriber = Subscriber { engine, context, namespace, select, outlet, successors };
        match question.kind {
            Kind::Changes(wanted) => changes::watch(subscriber, wanted, &mut watching).await?,
            Kind::Classes(events) => classes::watch(subscriber, events, &mut watching)?,
            Kind::Others => extrinsic::watch(subscriber, &mut watching)?,
        }
        Ok(Events { queue, names, watching, class, standing, _lookout: lookout, _permit: permit })
    }
}

/// Whether a query could be subscribed to.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn is_question(engine: &Engine, namespace: &Namespace, select: Select) -> Result<(), Error> {
    Question::read(engine.schema(namespace)?, select, engine.origin(namespace)).map(drop)
}

/// Who wants to know what, and of which engine.
struct Subscriber {
    engine: Engine,
    context: Context,
    namespace: Namespace,
    select: Select,
    outlet: Arc<Outlet>,
    successors: Successors,
}

impl Subscriber {
    /// Asks another engine the same, for somebody who may still ask it.
    fn ask(&mut self, engine: Engine) -> Result<Kind, Error> {
        self.engine = engine;
        self.engine.admit(&self.context, &self.namespace, Rights::SUBSCRIBE)?;
        let (schema, origin) = (self.engine.schema(&self.namespace)?, self.engine.origin(&self.namespace));
        let question = Question::read(schema, self.select.clone(), origin)?;
        self.outlet.judge_by(&question);
        Ok(question.kind)
    }
}

/// Whether whoever is subscribed may still be told.
struct Standing {
    descriptors: Arc<dyn Descriptors>,
    context: Context,
    namespace: Namespace,
    /// Heard when descriptors may be others.
    rights: watch::Receiver<()>,
    /// It may no more, and has been told so.
    has_ended: bool,
}

impl Standing {
    fn new(engine: &Engine, context: &Context, namespace: &Namespace) -> Self {
        Self {
            descriptors: Arc::clone(engine.descriptors()),
            context: context.clone(),
            namespace: namespace.clone(),
            rights: engine.inner.lineage.rights(),
            has_ended: false,
        }
    }

    fn judge(&self) -> Result<(), Error> {
        self.admit(&self.context)
    }

    fn admit(&self, context: &Context) -> Result<(), Error> {
        security::admit(self.descriptors.as_ref(), context, &self.namespace, Rights::SUBSCRIBE)
    }

    /// Waits until it has to be judged again.
    async fn may_have_changed(&mut self) {
        if self.rights.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Events {
    /// The next one; `None` when no more can come. After an error nothing follows.
    ///
    /// Each is given only to somebody who may still receive it: [`Error::AccessDenied`] comes in its place, or as soon
    /// as the engine is [told](Engine::judge_again) that descriptors have changed.
    ///
    /// May be dropped and called again: nothing is lost by that.
    pub async fn next(&mut self) -> Option<Result<Occurrence, Error>> {
        if self.standing.has_ended {
            return None;
        }
        loop {
            tokio::select! {
                biased;
                () = self.standing.may_have_changed() => {
                    if let Err(error) = self.standing.judge() {
                        return Some(Err(self.withdraw(error)));
                    }
                }
                next = self.queue.next() => {
                    let judged = if matches!(next, Some(Ok(_))) { self.standing.judge() } else { Ok(()) };
                    return match judged {
                        Ok(()) => next,
                        Err(error) => Some(Err(self.withdraw(error))),
                    };
                }
                ended = self.watching.join_next() => match ended {
                    // What it had found is still to be taken.
                    Some(Ok(())) => {}
                    Some(Err(error)) => self.queue.end(Some(self.broken(&error))),
                    None => self.queue.end(None),
                },
            }
        }
    }

    /// The names of the properties that are wanted of each event; `None` for all.
    #[must_use]
    pub fn names(&self) -> Option<&[Name]> {
        self.names.as_deref()
    }

    /// Watches for nobody any more.
    fn withdraw(&mut self, error: Error) -> Error {
        tracing::debug!(class = %self.class, %error, "A subscription has ended");
        self.standing.has_ended = true;
        self.watching.abort_all();
        error
    }

    /// Whether somebody, who may have other rights than whoever subscribed, may receive these events now.
    ///
    /// # Errors
    /// [`Error::AccessDenied`].
    pub fn admit(&self, context: &Context) -> Result<(), Error> {
        self.standing.admit(context)
    }

    fn broken(&self, error: &JoinError) -> Error {
        let what = if error.is_panic() { "the provider panicked" } else { "the watch was ended" };
        ProviderError::failed(Status::ProviderFailure, what).of(&self.class)
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events").field("class", &self.class).finish_non_exhaustive()
    }
}
