//! Events instead of instances: what an enumeration names is subscribed to, for programs beside `winrm`, whose
//! documented command lines have no word for it.

use std::io;

use client::Occurrence;
use xml::Element;

use super::run::wire_filter;
use super::{Command, Operation};
use crate::connection::Delegation;
use crate::failure::{Failure, Kind};
use crate::program::Stop;
use crate::session::{Service, target};
use crate::settings::ClientSettings;

/// What comes of a subscription.
#[derive(Clone, Copy, Debug)]
pub enum Told<'e> {
    /// The service has begun to watch.
    Begun,
    /// An event.
    Event(Element<'e>),
    /// So many events were given up by the service, because they were taken too slowly.
    Dropped(u64),
}

/// Tells the events that the filter of an enumeration selects, until `enough`, the service ends them, or `tell` fails;
/// whichever it is, the service is told that no more are wanted.
///
/// # Errors
/// [`Stop`].
pub async fn watch(
    command: Command,
    settings: &ClientSettings,
    enough: impl Future<Output = ()>,
    tell: &mut dyn FnMut(Told<'_>) -> io::Result<()>,
) -> Result<(), Stop> {
    let Command { operation: Operation::Enumerate { locator, enumeration }, connection, options, .. } =
        command
    else {
        return Err(Failure::here(Kind::Usage, "only what can be listed can be watched").into());
    };
    let filter = enumeration.filter.map(wire_filter).transpose()?;
    let filter = filter.ok_or_else(|| Failure::here(Kind::Usage, "a watch needs a query of events"))?;
    let service = Service::new(connection, settings, Delegation::Refused)?;
    let failed = |error| Stop::from(service.failure(error).about(&locator.short()));
    let target = target(&locator, &options, None)?;
    tokio::pin!(enough);
    let mut events = tokio::select! {
        events = service.session.subscribe(&target, filter, None) => events.map_err(failed)?,
        () = &mut enough => return Ok(()),
    };
    let mut outcome = tell(Told::Begun).map_err(Stop::from);
    while outcome.is_ok() {
        let next = tokio::select! {
            next = events.next() => next,
            () = &mut enough => break,
        };
        outcome = match next {
            Some(Ok(Occurrence::Event(event))) => tell(Told::Event(event.element())).map_err(Stop::from),
            Some(Ok(Occurrence::Dropped(count))) => tell(Told::Dropped(count)).map_err(Stop::from),
            // What the service has ended needs no other end.
            Some(Err(error)) => return Err(failed(error)),
            None => return Ok(()),
        };
    }
    let ended = events.unsubscribe().await.map_err(failed);
    outcome.and(ended)
}
