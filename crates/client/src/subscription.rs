//! Subscriptions (WS-Eventing, pull mode): events are asked for until somebody has heard enough.

use std::time::Duration;

use tokio::runtime::Handle;
use wsman::enumeration::Filter;
use wsman::eventing::{self, Subscribe, Subscribed};
use wsman::{Action, Head, Response};
use xml::Writer;

use crate::enumeration::{Enumerator, Item};
use crate::error::Error;
use crate::session::Repeat;
use crate::{Locator, Session};

/// A subscription under way. Dropping it ends it in the background, if it can.
#[derive(Debug)]
pub struct Subscription {
    session: Session,
    locator: Locator,
    /// `None` once it has been ended.
    identifier: Option<String>,
    expires: Option<Duration>,
    events: Enumerator,
}

/// What comes next of a subscription.
#[derive(Debug)]
pub enum Occurrence {
    /// An event.
    Event(Item),
    /// So many events were given up here by the service, because they were asked for too slowly.
    Dropped(u64),
}

impl Session {
    /// Subscribes to the events that a filter selects, for a time or for as long as they are asked for.
    ///
    /// For events of WMI the locator is that of all classes of a namespace, and the filter a query in WQL.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn subscribe(
        &self,
        locator: &Locator,
        filter: Filter,
        expires: Option<Duration>,
    ) -> Result<Subscription, Error> {
        let subscribe = Subscribe { expires, ..Subscribe::pull(filter) };
        let head = self.head(Action::Subscribe, locator);
        // Twice would be two subscriptions, of which one stays behind.
        let answer =
            self.exchange(&head, Repeat::Harmful, &self.patience(), |body| subscribe.write(body)).await?;
        let subscribed = answer.content_named("SubscribeResponse").and_then(Subscribed::parse);
        let Some(Subscribed { identifier, expires, context: Some(context) }) = subscribed else {
            return Err(self.lacking("a subscription with a context to pull with", &answer));
        };
        Ok(Subscription {
            session: self.clone(),
            locator: locator.clone(),
            identifier: Some(identifier),
            expires,
            events: Enumerator::of_subscription(self, locator, context),
        })
    }
}

impl Subscription {
    /// Waits for the next event; `None` after the service has said that there are no more.
    ///
    /// It waits for as long as it takes, whatever limit the session has for one operation as a whole.
    /// Nothing is lost if the future is dropped before it is ready, as `tokio::select!` does.
    ///
    /// # Errors
    /// [`Error`]. Where the service has not refused, asking again may go on with what follows.
    pub async fn next(&mut self) -> Option<Result<Occurrence, Error>> {
        let item = self.events.next().await?;
        Some(match item {
            Ok(item) => Ok(match eventing::dropped(item.element()) {
                Some(count) => Occurrence::Dropped(count),
                None => Occurrence::Event(item),
            }),
            Err(error) => {
                if !matches!(error, Error::Fault(_)) {
                    self.events.go_on();
                }
                Err(error)
            }
        })
    }

    /// When it ended if nothing were done, from when it began or was last renewed; `None` is never.
    #[must_use]
    pub fn expires(&self) -> Option<Duration> {
        self.expires
    }

    /// Asks for more time, and says how much was given.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn renew(&mut self, wanted: Option<Duration>) -> Result<Option<Duration>, Error> {
        let answer = self.say(Action::Renew, |body| eventing::write_renew(body, wanted)).await?;
        self.expires = answer.content_named("RenewResponse").and_then(eventing::granted);
        Ok(self.expires)
    }

    /// How much time is left; `None` is no end.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn time_left(&mut self) -> Result<Option<Duration>, Error> {
        let answer = self.say(Action::GetStatus, eventing::write_get_status).await?;
        Ok(answer.content_named("GetStatusResponse").and_then(eventing::granted))
    }

    /// Ends it.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn unsubscribe(mut self) -> Result<(), Error> {
        let answer = self.say(Action::Unsubscribe, eventing::write_unsubscribe).await;
        self.identifier = None;
        answer.map(drop)
    }

    async fn say(&mut self, action: Action, write: impl FnOnce(&mut Writer)) -> Result<Response, Error> {
        let head = self.head(action);
        self.session.exchange(&head, Repeat::Harmless, &self.session.patience(), write).await
    }

    /// The head of a message about it.
    fn head(&self, action: Action) -> Head {
        let mut head = self.session.head(action, &self.locator);
        head.subscription.clone_from(&self.identifier);
        head
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.events.forget();
        let (Some(_), Ok(runtime)) = (&self.identifier, Handle::try_current()) else { return };
        let (session, head) = (self.session.clone(), self.head(Action::Unsubscribe));
        runtime.spawn(async move {
            let patience = session.patience();
            let ended =
                session.exchange(&head, Repeat::Harmless, &patience, eventing::write_unsubscribe).await;
            if let Err(error) = ended {
                tracing::debug!(%error, "Could not end a subscription");
            }
        });
    }
}
