//! Classes whose sources report every new instance, so that no polling is needed.

use std::sync::Arc;

use cim::{Class, Name};
use tokio::task::{AbortHandle, JoinSet};

use super::super::output::EventOutput;
use super::super::{EventSource, Happening, next_of};
use super::EventClasses;
use crate::table::Served;
use crate::{Error, Provider};

/// Sources of such classes, and the tasks that listen to them.
#[derive(Default)]
pub(super) struct ReportedClasses {
    sources: Vec<ActiveSource>,
    tasks: JoinSet<()>,
}

/// A source that is listened to; dropping it stops the task.
pub(super) struct ActiveSource {
    provider: Arc<dyn Provider>,
    class: Arc<Class>,
    task: AbortHandle,
}

impl ReportedClasses {
    pub(super) fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Starts an update: returns the previous sources, from which [`Self::keep_unchanged`] takes those that
    /// continue.
    pub(super) fn begin_update(&mut self) -> Vec<ActiveSource> {
        std::mem::take(&mut self.sources)
    }

    /// Keeps the source of a class if it is unchanged, without gaps or duplicates. Returns whether it did.
    pub(super) fn keep_unchanged(&mut self, served: &Served, before: &mut Vec<ActiveSource>) -> bool {
        let Some(index) = before.iter().position(|source| source.is_of(served)) else { return false };
        self.sources.push(before.swap_remove(index));
        true
    }

    /// Starts to listen to a source. The subscription ends with a required source; without another one, the class is
    /// omitted.
    pub(super) fn listen(
        &mut self,
        source: Box<dyn EventSource>,
        served: Served,
        events: &EventClasses,
        output: &Arc<EventOutput>,
        is_required: bool,
    ) {
        let Served { class, provider } = served;
        // Finished tasks are removed when the next one is added.
        while self.tasks.try_join_next().is_some() {}
        let (name, events, output) = (class.name().clone(), EventClasses::clone(events), Arc::clone(output));
        let listening = async move {
            let error = listen(source, &name, &events, &output).await;
            if is_required { output.fail(error) } else { output.omit(error) }
        };
        let task = self.tasks.spawn(listening);
        self.sources.push(ActiveSource { provider, class, task });
    }
}

impl ActiveSource {
    fn is_of(&self, served: &Served) -> bool {
        Arc::ptr_eq(&self.provider, &served.provider) && Arc::ptr_eq(&self.class, &served.class)
    }
}

impl Drop for ActiveSource {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Delivers the instances that a source reports until it ends; returns the reason.
async fn listen(
    mut source: Box<dyn EventSource>,
    class: &Name,
    events: &EventClasses,
    output: &EventOutput,
) -> Error {
    loop {
        match next_of(source.as_mut()).await {
            Ok(Happening::Came(instance)) => {
                if let Some(event) = events.event(&events.creation, instance, None) {
                    output.deliver(event);
                }
            }
            Ok(Happening::Changed | Happening::Event(_)) => {}
            Err(error) => return error.of(class),
        }
    }
}
