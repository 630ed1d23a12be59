//! Event subscriptions, for programs other than `winrm`, whose documented command line does not include them.

use std::io;

use client::Occurrence;
use wsman::Omission;
use xml::Element;

use super::service_command::wire_filter;
use super::{Command, Operation};
use crate::connection::Delegation;
use crate::failure::{Failure, Kind};
use crate::program::Stop;
use crate::session::{RemoteService, target};
use crate::settings::ClientSettings;

/// Notification of a subscription.
#[derive(Clone, Copy, Debug)]
pub enum WatchEvent<'e> {
    /// The subscription is active.
    Started,
    /// An event was received.
    Event(Element<'e>),
    /// The service dropped this number of events, because they were not pulled fast enough.
    Dropped(u64),
    /// The events of a source are missing.
    Omitted(&'e Omission),
}

/// Subscribes to the events selected by the filter of an enumeration and passes each one to `receive`. Ends when
/// `cancelled` completes, the service ends the subscription, or `receive` fails; then unsubscribes if necessary.
///
/// # Errors
/// [`Stop`] if the command is not an enumeration with a filter, or if the subscription or `receive` fails.
pub async fn watch(
    command: Command,
    settings: &ClientSettings,
    cancelled: impl Future<Output = ()>,
    receive: &mut dyn FnMut(WatchEvent<'_>) -> io::Result<()>,
) -> Result<(), Stop> {
    let Command { operation: Operation::Enumerate { locator, enumeration }, connection, options, .. } =
        command
    else {
        return Err(Failure::here(Kind::Usage, "the command is not an enumeration").into());
    };
    let filter = enumeration.filter.map(wire_filter).transpose()?;
    let filter =
        filter.ok_or_else(|| Failure::here(Kind::Usage, "a subscription requires an event query"))?;
    let service = RemoteService::new(connection, settings, Delegation::Refused)?;
    let failed = |error| Stop::from(service.failure(error).about(&locator.short()));
    let target = target(&locator, &options, None)?;
    tokio::pin!(cancelled);
    let mut events = tokio::select! {
        events = service.session.subscribe(&target, filter, None) => events.map_err(failed)?,
        () = &mut cancelled => return Ok(()),
    };
    let mut outcome = receive(WatchEvent::Started).map_err(Stop::from);
    let mut reported = 0;
    while outcome.is_ok() {
        let next = tokio::select! {
            next = events.next() => next,
            () = &mut cancelled => break,
        };
        for omission in events.omissions().iter().skip(reported) {
            receive(WatchEvent::Omitted(omission))?;
        }
        reported = events.omissions().len();
        outcome = match next {
            Some(Ok(Occurrence::Event(event))) => {
                receive(WatchEvent::Event(event.element())).map_err(Stop::from)
            }
            Some(Ok(Occurrence::Dropped(count))) => receive(WatchEvent::Dropped(count)).map_err(Stop::from),
            // The service has already ended the subscription.
            Some(Err(error)) => return Err(failed(error)),
            None => return Ok(()),
        };
    }
    let ended = events.unsubscribe().await.map_err(failed);
    outcome.and(ended)
}
