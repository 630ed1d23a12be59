//! Classes whose sources report every new instance, so that no polling is needed.

use std::sync::Arc;

use cim::{Class, Name};
use tokio::task::{AbortHandle, JoinSet};

use super::super::outlet::Outlet;
use super::super::{EventSource, Happening, next_of};
use super::EventClasses;
use crate::Provider;
use crate::table::Served;

/// Sources of such classes, and the tasks that listen to them.
#[derive(Default)]
pub(super) struct ToldClasses {
    heard: Vec<Heard>,
    hearing: JoinSet<()>,
}

/// A source that is listened to; dropping it stops the task.
pub(super) struct Heard {
    provider: Arc<dyn Provider>,
    class: Arc<Class>,
    hearing: AbortHandle,
}

impl ToldClasses {
    /// Starts an update: returns the previous sources, from which [`Self::goes_on`] takes those that
    /// continue.
    pub(super) fn begin(&mut self) -> Vec<Heard> {
        std::mem::take(&mut self.heard)
    }

    /// Keeps the source of a class if it is unchanged, without gaps or duplicates. Returns whether it did.
    pub(super) fn goes_on(&mut self, served: &Served, before: &mut Vec<Heard>) -> bool {
        let is_it = |heard: &Heard| {
            Arc::ptr_eq(&heard.provider, &served.provider) && Arc::ptr_eq(&heard.class, &served.class)
        };
        let known = before.iter().position(is_it).map(|at| before.swap_remove(at));
        let goes_on = known.is_some();
        self.heard.extend(known);
        goes_on
    }

    /// Starts to listen to a source.
    pub(super) fn hear(
        &mut self,
        source: Box<dyn EventSource>,
        served: Served,
        events: &EventClasses,
        outlet: &Arc<Outlet>,
    ) {
        let Served { class, provider } = served;
        // Finished tasks are removed when the next one is added.
        while self.hearing.try_join_next().is_some() {}
        let hearing = hear(source, class.name().clone(), EventClasses::clone(events), Arc::clone(outlet));
        let hearing = self.hearing.spawn(hearing);
        self.heard.push(Heard { provider, class, hearing });
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        self.hearing.abort();
    }
}

async fn hear(mut source: Box<dyn EventSource>, class: Name, events: EventClasses, outlet: Arc<Outlet>) {
    loop {
        match next_of(source.as_mut()).await {
            Ok(Happening::Came(instance)) => {
                if let Some(event) = events.event(&events.creation, instance, None) {
                    outlet.offer(event);
                }
            }
            Ok(Happening::Changed | Happening::Event(_)) => {}
            Err(error) => return outlet.fail(error.of(&class)),
        }
    }
}
