//! Extrinsic events, which are reported by the sources of providers.

use std::sync::Arc;

use cim::wql::Predicate;
use cim::{Class, Name};
use tokio::task::{AbortHandle, JoinSet};

use super::outlet::Outlet;
use super::question::Kind;
use super::{Changes, EventSource, Happening, Subscriber, Watch, next_of};
use crate::{Error, Provider};

/// Listens to all providers of an event class and its subclasses.
///
/// # Errors
/// [`Error::NoProvider`] if no provider serves the class, and the errors of providers if none of them can
/// watch.
pub(super) fn watch(subscriber: Subscriber, watching: &mut JoinSet<()>) -> Result<(), Error> {
    let mut listeners = Listeners { subscriber, heard: Vec::new(), tasks: JoinSet::new() };
    listeners.turn()?;
    watching.spawn(listeners.run());
    Ok(())
}

struct Listeners {
    subscriber: Subscriber,
    heard: Vec<Heard>,
    /// Tasks, one for each source; a source that ends is not restarted.
    tasks: JoinSet<()>,
}

/// A source that is listened to.
struct Heard {
    provider: Arc<dyn Provider>,
    class: Arc<Class>,
    listener: AbortHandle,
}

impl Listeners {
    async fn run(mut self) {
        loop {
            tokio::select! {
                ended = self.tasks.join_next() => match ended {
                    // A source that was stopped on purpose.
                    Some(Err(error)) if error.is_cancelled() => {}
                    // The reason has already been reported.
                    Some(_) | None => return,
                },
                engine = self.subscriber.successors.next() => {
                    let turned = self.subscriber.ask(engine).and_then(|kind| match kind {
                        Kind::Others => self.turn(),
                        _ => Ok(()),
                    });
                    if let Err(error) = turned {
                        return self.subscriber.outlet.fail(error);
                    }
                }
            }
        }
    }

    /// Listens to the sources of the current engine. Existing subscriptions continue without losing events.
    fn turn(&mut self) -> Result<(), Error> {
        let Subscriber { engine, context, namespace, select, outlet, .. } = &self.subscriber;
        let origin = engine.origin(namespace);
        let mut failed = None;
        let mut before = std::mem::take(&mut self.heard);
        for served in engine.table(namespace)?.require(select.from.as_str())? {
            let is_it = |heard: &Heard| {
                Arc::ptr_eq(&heard.provider, &served.provider) && Arc::ptr_eq(&heard.class, &served.class)
            };
            if let Some(at) = before.iter().position(is_it) {
                self.heard.push(before.swap_remove(at));
                continue;
            }
            let predicate = Predicate::bind(select, &served.class, &origin)?;
            let (changes, predicate) = (Changes::empty(), Some(&predicate));
            let watch = Watch { context, class: &served.class, changes, predicate };
            match served.provider.watch(&watch) {
                Ok(Some(source)) => {
                    let listening = listen(source, Arc::clone(outlet), served.class.name().clone());
                    let listener = self.tasks.spawn(listening);
                    self.heard.push(Heard { provider: served.provider, class: served.class, listener });
                }
                Ok(None) => {}
                Err(error) => failed = Some(error.of(served.class.name())),
            }
        }
        before.iter().for_each(|heard| heard.listener.abort());
        if self.heard.is_empty() {
            return Err(failed.unwrap_or_else(|| Error::NoProvider(select.from.clone())));
        }
        Ok(())
    }
}

async fn listen(mut source: Box<dyn EventSource>, outlet: Arc<Outlet>, class: Name) {
    loop {
        match next_of(source.as_mut()).await {
            Ok(Happening::Event(event)) => outlet.offer(event),
            // Event classes have no instances to look at.
            Ok(Happening::Changed | Happening::Came(_)) => {}
            Err(error) => return outlet.fail(error.of(&class)),
        }
    }
}
