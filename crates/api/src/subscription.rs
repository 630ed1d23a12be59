//! Event subscriptions.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::error_context::ErrorContext;
use crate::flags::EnumerationFlags;
use crate::{Filter, PartialResults, Resource, ResourceLocator, Session};

/// Active subscription. Dropping it cancels it in the background; [`Subscription::end`] waits for the cancellation.
///
/// ```no_run
/// # async fn example(session: telarch::Session) -> Result<(), telarch::Error> {
/// use telarch::{Filter, Occurrence};
///
/// let query = "SELECT * FROM __InstanceCreationEvent WITHIN 2 WHERE TargetInstance ISA 'Win32_Process'";
/// let mut events = session.subscribe("wmicimv2/*", Filter::wql(query)).await?;
/// while let Some(event) = events.next().await {
///     match event? {
///         Occurrence::Event(event) => println!("{}", event.value("TargetInstance/Name").unwrap_or_default()),
///         Occurrence::Dropped(count) => println!("{count} events were dropped"),
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Subscription {
    events: client::Subscription,
    context: Arc<ErrorContext>,
}

/// Result of waiting for an event.
#[derive(Debug)]
pub enum Occurrence {
    /// An event.
    Event(Resource),
    /// Number of events the service dropped because the client pulled too slowly.
    Dropped(u64),
}

impl Session {
    /// Subscribes to events (`Subscribe`, in pull mode), which COM does not support. For WMI events, the locator is that
    /// of all classes of a namespace, `wmicimv2/*`, and the filter an event query.
    ///
    /// # Errors
    /// [`Error`] if the request fails; [`Error::Argument`] for a filter together with selectors.
    pub async fn subscribe<L>(&self, locator: L, filter: Filter) -> Result<Subscription, Error>
    where
        L: TryInto<ResourceLocator>,
        Error: From<L::Error>,
    {
        let locator = locator.try_into()?;
        if !locator.selectors().is_empty() {
            return Err(Error::argument(
                "a filter and selectors cannot be combined",
                Some("omit the selectors; the filter selects the events"),
            ));
        }
        let filter = filter.for_client(EnumerationFlags::empty(), locator.resource_uri())?;
        let events = self.client.subscribe(&locator.for_client(), filter, None).await;
        Ok(Subscription { events: events.map_err(|error| self.explain(error))?, context: self.context() })
    }
}

impl Subscription {
    /// Waits for the next event, without a time limit; returns `None` after the service has ended the subscription.
    ///
    /// The future is cancellation-safe.
    ///
    /// # Errors
    /// [`Error`] if a request or a response fails.
    pub async fn next(&mut self) -> Option<Result<Occurrence, Error>> {
        let occurrence = self.events.next().await?.map_err(|error| self.context.explain(error));
        Some(occurrence.and_then(|occurrence| {
            Ok(match occurrence {
                client::Occurrence::Event(item) => Occurrence::Event(Resource::parse(item.xml())?),
                client::Occurrence::Dropped(count) => Occurrence::Dropped(count),
            })
        }))
    }

    /// Returns the sources that are missing in the events received so far; `None` if none is known to be missing.
    #[must_use]
    pub fn partial_results(&self) -> Option<PartialResults> {
        PartialResults::of(self.events.omissions())
    }

    /// Requests the remaining time (`GetStatus`); `None` is no end.
    ///
    /// # Errors
    /// [`Error`] if the request or the response fails.
    pub async fn time_left(&mut self) -> Result<Option<Duration>, Error> {
        self.events.time_left().await.map_err(|error| self.context.explain(error))
    }

    /// Cancels the subscription (`Unsubscribe`).
    ///
    /// # Errors
    /// [`Error`] if the request fails.
    pub async fn end(self) -> Result<(), Error> {
        self.events.unsubscribe().await.map_err(|error| self.context.explain(error))
    }
}
