//! Events of subscriptions.

use std::sync::Arc;

use pyo3::prelude::*;
use telarch::Occurrence;
use tokio::sync::watch;

use crate::enumerator::omissions_of;
use crate::operation::Operation;
use crate::resource::Resource;
use crate::slot::Slot;

/// The events of a subscription.
#[pyclass(frozen, module = "telarch._telarch")]
pub(crate) struct Subscription {
    events: Slot<telarch::Subscription>,
    /// Ends a pending wait for the next event.
    closed: Arc<watch::Sender<bool>>,
}

impl Subscription {
    pub(crate) fn new(events: telarch::Subscription) -> Self {
        Self { events: Slot::new(events), closed: Arc::new(watch::Sender::new(false)) }
    }
}

/// An event, or a number of dropped events.
#[derive(IntoPyObject)]
pub(crate) enum Item {
    Event(Resource),
    Dropped(u64),
}

#[pymethods]
impl Subscription {
    /// Returns the next event, the number of events dropped before it, or None at the end.
    fn next(&self) -> PyResult<Operation> {
        let (events, mut closed) = (self.events.handle()?, self.closed.subscribe());
        Ok(Operation::new(async move {
            let mut events = events.lock().await;
            let Some(events) = events.as_mut() else { return Ok(None) };
            tokio::select! {
                biased;
                _ = closed.wait_for(|closed| *closed) => Ok(None),
                next = events.next() => Ok(next.transpose()?.map(|occurrence| match occurrence {
                    Occurrence::Event(event) => Item::Event(Resource::from(event)),
                    Occurrence::Dropped(count) => Item::Dropped(count),
                })),
            }
        }))
    }

    /// Returns the missing sources, each with the reason.
    fn omissions(&self) -> PyResult<Operation> {
        let events = self.events.handle()?;
        Ok(Operation::new(async move {
            Ok(omissions_of(events.lock().await.as_ref().and_then(telarch::Subscription::partial_results)))
        }))
    }

    /// Ends the subscription on the service.
    fn end(&self) -> PyResult<Operation> {
        let (events, closed) = (self.events.handle()?, Arc::clone(&self.closed));
        Ok(Operation::new(async move {
            closed.send_replace(true);
            match events.lock().await.take() {
                Some(events) => events.end().await,
                None => Ok(()),
            }
        }))
    }
}
