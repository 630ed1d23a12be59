//! Events that are not changes of instances: from the sources of providers.

use std::sync::Arc;

use cim::{Name, Namespace};
use tokio::task::JoinSet;

use super::outlet::Outlet;
use super::{Changes, EventSource, Happening, Watch};
use crate::{Context, Engine, Error};

/// Listens to everybody who tells of a class of events or one below.
///
/// # Errors
/// [`Error::NoProvider`] if there is nobody, and those of providers if none of them can.
pub(super) fn watch(
    engine: &Engine,
    context: &Context,
    namespace: &Namespace,
    class: &Name,
    outlet: &Arc<Outlet>,
    watching: &mut JoinSet<()>,
) -> Result<(), Error> {
    let mut failed = None;
    for served in engine.table(namespace)?.require(class.as_str())? {
        let watch = Watch { context, class: &served.class, changes: Changes::empty() };
        match served.provider.watch(&watch) {
            Ok(Some(source)) => {
                watching.spawn(listen(source, Arc::clone(outlet), served.class.name().clone()));
            }
            Ok(None) => {}
            Err(error) => failed = Some(error.of(served.class.name())),
        }
    }
    if watching.is_empty() { Err(failed.unwrap_or_else(|| Error::NoProvider(class.clone()))) } else { Ok(()) }
}

async fn listen(mut source: Box<dyn EventSource>, outlet: Arc<Outlet>, class: Name) {
    loop {
        match source.next().await {
            Ok(Happening::Event(event)) => outlet.offer(event),
            // There are no instances to look at.
            Ok(Happening::Changed) => {}
            Err(error) => return outlet.fail(error.of(&class)),
        }
    }
}
