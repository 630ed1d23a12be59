//! Extrinsic events, which are reported by the sources of providers.

use std::sync::Arc;

use cim::wql::Predicate;
use cim::{Class, Name};
use tokio::task::{AbortHandle, JoinSet};

use super::output::EventOutput;
use super::query::Kind;
use super::{Changes, EventSource, Happening, Subscriber, Watch, next_of};
use crate::table::Served;
use crate::{Error, Provider};

/// Listens to all providers of an event class and its subclasses.
///
/// # Errors
/// [`Error::NoProvider`] if no provider serves the class, and the errors of providers if none of them can
/// watch, or the one that the query names cannot.
pub(super) fn watch(subscriber: Subscriber, watching: &mut JoinSet<()>) -> Result<(), Error> {
    let mut listeners = Listeners { subscriber, sources: Vec::new(), tasks: JoinSet::new() };
    listeners.listen_all()?;
    watching.spawn(listeners.run());
    Ok(())
}

struct Listeners {
    subscriber: Subscriber,
    sources: Vec<ActiveSource>,
    /// Tasks, one for each source, which return why it ended; it is not restarted.
    tasks: JoinSet<(Name, Error)>,
}

/// A source that is listened to.
struct ActiveSource {
    provider: Arc<dyn Provider>,
    class: Arc<Class>,
    listener: AbortHandle,
}

impl ActiveSource {
    fn is_of(&self, served: &Served) -> bool {
        Arc::ptr_eq(&self.provider, &served.provider) && Arc::ptr_eq(&self.class, &served.class)
    }
}

impl Listeners {
    async fn run(mut self) {
        loop {
            tokio::select! {
                ended = self.tasks.join_next() => match ended {
                    // A source that was stopped on purpose.
                    Some(Err(error)) if error.is_cancelled() => {}
                    Some(Ok((class, error))) => {
                        let output = &self.subscriber.output;
                        if class == self.subscriber.select.from || self.tasks.is_empty() {
                            return output.fail(error);
                        }
                        output.omit(error);
                    }
                    Some(Err(_)) | None => return,
                },
                engine = self.subscriber.updates.next() => {
                    let updated = self.subscriber.requery(engine).and_then(|kind| match kind {
                        Kind::Others => self.listen_all(),
                        _ => Ok(()),
                    });
                    if let Err(error) = updated {
                        return self.subscriber.output.fail(error);
                    }
                }
            }
        }
    }

    /// Listens to the sources of the current engine. Existing subscriptions continue without losing events.
    fn listen_all(&mut self) -> Result<(), Error> {
        let Subscriber { engine, context, namespace, select, output, .. } = &self.subscriber;
        let origin = engine.origin(namespace);
        let mut failed = Vec::new();
        let mut before = std::mem::take(&mut self.sources);
        for served in engine.table(namespace)?.require(select.from.as_str())? {
            if let Some(index) = before.iter().position(|source| source.is_of(&served)) {
                self.sources.push(before.swap_remove(index));
                continue;
            }
            let predicate = Predicate::bind(select, &served.class, &origin)?;
            let (changes, predicate) = (Changes::empty(), Some(&predicate));
            let watch = Watch { context, class: &served.class, changes, predicate };
            match served.provider.watch(&watch) {
                Ok(Some(source)) => {
                    let listening = listen(source, Arc::clone(output), served.class.name().clone());
                    let listener = self.tasks.spawn(listening);
                    self.sources.push(ActiveSource {
                        provider: served.provider,
                        class: served.class,
                        listener,
                    });
                }
                Ok(None) => {}
                Err(error) if *served.class.name() == select.from => {
                    return Err(error.of(served.class.name()));
                }
                Err(error) => failed.push(error.of(served.class.name())),
            }
        }
        before.iter().for_each(|source| source.listener.abort());
        if self.sources.is_empty() {
            let first = failed.into_iter().next();
            return Err(first.unwrap_or_else(|| Error::NoProvider(select.from.clone())));
        }
        failed.into_iter().for_each(|error| output.omit(error));
        Ok(())
    }
}

/// Delivers the events of a source until it ends; returns the reason.
async fn listen(mut source: Box<dyn EventSource>, output: Arc<EventOutput>, class: Name) -> (Name, Error) {
    loop {
        match next_of(source.as_mut()).await {
            Ok(Happening::Event(event)) => output.deliver(event),
            // Event classes have no instances to look at.
            Ok(Happening::Changed | Happening::Came(_)) => {}
            Err(error) => {
                let error = error.of(&class);
                return (class, error);
            }
        }
    }
}
