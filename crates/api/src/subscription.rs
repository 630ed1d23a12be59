//! Subscriptions: events as they come.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::flags::EnumerationFlags;
use crate::session::About;
use crate::{Filter, Resource, ResourceLocator, Session};

/// The events of a subscription. Dropping it ends it on the service, if it can; [`Subscription::end`] waits for that.
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
///         Occurrence::Dropped(count) => println!("{count} events were not taken in time"),
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Subscription {
    events: client::Subscription,
    about: Arc<About>,
}

/// What comes next of a subscription.
#[derive(Debug)]
pub enum Occurrence {
    /// An event.
    Event(Resource),
    /// So many events were given up here by the service, because they were asked for too slowly.
    Dropped(u64),
}

impl Session {
    /// Subscribes to events (`Subscribe`, in pull mode), which COM does not offer. For those of WMI the locator is that
    /// of all classes of a namespace, `wmicimv2/*`, and the filter a query of events.
    ///
    /// # Errors
    /// [`Error`]; [`Error::Argument`] for a filter beside selectors.
    pub async fn subscribe<L>(&self, locator: L, filter: Filter) -> Result<Subscription, Error>
    where
        L: TryInto<ResourceLocator>,
        Error: From<L::Error>,
    {
        let locator = locator.try_into()?;
        if !locator.selectors().is_empty() {
            return Err(Error::argument(
                "a filter and selectors exclude each other",
                Some("leave the selectors away: the filter says which events"),
            ));
        }
        let filter = filter.for_client(EnumerationFlags::empty(), locator.resource_uri())?;
        let events = self.client.subscribe(&locator.for_client(), filter, None).await;
        Ok(Subscription { events: events.map_err(|error| self.explain(error))?, about: self.about() })
    }
}

impl Subscription {
    /// Waits for the next event, for as long as it takes; none once the service has said that there are no more.
    ///
    /// Nothing is lost if the future is dropped before it is ready.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn next(&mut self) -> Option<Result<Occurrence, Error>> {
        let occurrence = self.events.next().await?.map_err(|error| self.about.explain(error));
        Some(occurrence.and_then(|occurrence| {
            Ok(match occurrence {
                client::Occurrence::Event(item) => Occurrence::Event(Resource::parse(item.xml())?),
                client::Occurrence::Dropped(count) => Occurrence::Dropped(count),
            })
        }))
    }

    /// How much time it has left (`GetStatus`); none is no end.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn time_left(&mut self) -> Result<Option<Duration>, Error> {
        self.events.time_left().await.map_err(|error| self.about.explain(error))
    }

    /// Tells the service that no further events are wanted (`Unsubscribe`).
    ///
    /// # Errors
    /// [`Error`].
    pub async fn end(self) -> Result<(), Error> {
        self.events.unsubscribe().await.map_err(|error| self.about.explain(error))
    }
}
