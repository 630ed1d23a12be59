//! Event subscriptions (WS-Eventing, MS-WSMV Pull delivery mode).

use std::time::Duration;

use tokio::runtime::Handle;
use wsman::enumeration::Filter;
use wsman::eventing::{self, Start, Subscribe, SubscribeResponse};
use wsman::{Action, Head, Omission, Response};
use xml::Writer;

use crate::enumeration::{Enumerator, Item};
use crate::error::Error;
use crate::session::Retry;
use crate::{Locator, Session};

/// Active subscription. Dropping it sends Unsubscribe in the background if a tokio runtime is running.
#[derive(Debug)]
pub struct Subscription {
    managed: PushSubscription,
    events: Enumerator,
}

/// Active subscription whose events the service sends to another address. Dropping it sends Unsubscribe in the background
/// if a tokio runtime is running.
#[derive(Debug)]
pub struct PushSubscription {
    session: Session,
    locator: Locator,
    /// `None` after Unsubscribe.
    identifier: Option<String>,
    expires: Option<Duration>,
}

/// Result of waiting for an event.
#[derive(Debug)]
pub enum Occurrence {
    /// An event.
    Event(Item),
    /// Number of events the service dropped because the client pulled too slowly.
    Dropped(u64),
}

/// Events of one response.
#[derive(Debug, Default)]
pub struct EventPage {
    /// The events, in order.
    pub events: Vec<Item>,
    /// Number of events that the service dropped.
    pub dropped: u64,
    /// Position behind the events, as XML, if the service has sent one.
    pub bookmark: Option<String>,
}

impl Session {
    /// Subscribes to the events that a filter selects, for the given time or without an end.
    ///
    /// For WMI events, the locator is that of all classes of a namespace, and the filter a WQL query.
    ///
    /// # Errors
    /// [`Error`] if the request or the response fails.
    pub async fn subscribe(
        &self,
        locator: &Locator,
        filter: Filter,
        expires: Option<Duration>,
    ) -> Result<Subscription, Error> {
        self.open_subscription(locator, Subscribe { expires, ..Subscribe::pull(filter) }).await
    }

    /// Subscribes to events of a resource with bookmarks, such as the event logs: from a position on, or `None` for new
    /// events. [`Subscription::bookmark`] returns the position for the next subscription.
    ///
    /// # Errors
    /// [`Error`] if the request or the response fails.
    pub async fn subscribe_from(
        &self,
        locator: &Locator,
        filter: Filter,
        start: Option<Start>,
        expires: Option<Duration>,
    ) -> Result<Subscription, Error> {
        let subscribe = Subscribe { expires, start, sends_bookmarks: true, ..Subscribe::pull(filter) };
        self.open_subscription(locator, subscribe).await
    }

    /// Subscribes to events that the service sends to the address of a [`Subscribe::push`].
    ///
    /// # Errors
    /// [`Error`] if the request or the response fails.
    pub async fn subscribe_push(
        &self,
        locator: &Locator,
        subscribe: Subscribe,
    ) -> Result<PushSubscription, Error> {
        let (managed, _, _) = self.open(locator, subscribe).await?;
        Ok(managed)
    }

    /// Returns a push subscription that an earlier session has created, by its identifier; sends nothing.
    #[must_use]
    pub fn push_subscription(&self, locator: &Locator, identifier: String) -> PushSubscription {
        PushSubscription {
            session: self.clone(),
            locator: locator.clone(),
            identifier: Some(identifier),
            expires: None,
        }
    }

    async fn open_subscription(
        &self,
        locator: &Locator,
        subscribe: Subscribe,
    ) -> Result<Subscription, Error> {
        let (managed, context, answer) = self.open(locator, subscribe).await?;
        let Some(context) = context else {
            return Err(self.missing("a context to pull with", &answer));
        };
        let events = Enumerator::of_subscription(self, locator, context);
        Ok(Subscription { managed, events })
    }

    /// Sends Subscribe. Returns the subscription, the context for Pull if the response has one, and the response.
    async fn open(
        &self,
        locator: &Locator,
        subscribe: Subscribe,
    ) -> Result<(PushSubscription, Option<String>, Response), Error> {
        let head = self.head(Action::Subscribe, locator);
        // A repeated request could create a second subscription that is never cancelled.
        let answer =
            self.exchange(&head, Retry::Unsafe, &self.timeouts(), |body| subscribe.write(body)).await?;
        let subscribed = answer.content_named("SubscribeResponse").and_then(SubscribeResponse::parse);
        let Some(SubscribeResponse { identifier, expires, context }) = subscribed else {
            return Err(self.missing("a subscription", &answer));
        };
        let managed = PushSubscription {
            session: self.clone(),
            locator: locator.clone(),
            identifier: Some(identifier),
            expires,
        };
        Ok((managed, context, answer))
    }
}

impl Subscription {
    /// Waits for the next event; returns `None` after the service has ended the subscription.
    ///
    /// Waits without limit; the session's total timeout does not apply. The future is cancellation-safe.
    ///
    /// # Errors
    /// [`Error`]; after an error that is not a fault of the service, calling this again may succeed.
    pub async fn next(&mut self) -> Option<Result<Occurrence, Error>> {
        let item = self.events.next().await?;
        Some(match item {
            Ok(item) => Ok(match eventing::dropped_events(item.element()) {
                Some(count) => Occurrence::Dropped(count),
                None => Occurrence::Event(item),
            }),
            Err(error) => {
                if !matches!(error, Error::Fault(_)) {
                    self.events.resume();
                }
                Err(error)
            }
        })
    }

    /// Limits the number of events in a response; the default of 32,000 leaves only the size limit in effect.
    pub fn set_max_elements(&mut self, maximum: u32) {
        self.events.set_max_elements(maximum);
    }

    /// Requests the events of one response; there are none if the service had none within the operation timeout. Returns
    /// `None` after the service has ended the subscription, and after an error.
    ///
    /// The next request tells the service that the events have arrived, so the caller can store them first. The future
    /// is cancellation-safe. It must not be mixed with [`Self::next`].
    ///
    /// # Errors
    /// [`Error`]; the subscription cannot be used any more.
    pub async fn next_page(&mut self) -> Option<Result<EventPage, Error>> {
        let page = match self.events.next_page().await? {
            Ok(page) => page,
            Err(error) => return Some(Err(error)),
        };
        let mut events = EventPage { bookmark: page.bookmark, ..EventPage::default() };
        for item in page.items {
            match eventing::dropped_events(item.element()) {
                Some(count) => events.dropped = events.dropped.saturating_add(count),
                None => events.events.push(item),
            }
        }
        Some(Ok(events))
    }

    /// Returns the sources whose events are missing, because they are not available on the service. Only Telarch's
    /// service reports them, together with events.
    #[must_use]
    pub fn omissions(&self) -> &[Omission] {
        self.events.omissions()
    }

    /// Returns the position behind the events that [`Self::next`] has returned, as XML; `None` before the first position
    /// of the service. It advances with the last event of each response, so that a subscription that begins there may
    /// return events of the last response again.
    #[must_use]
    pub fn bookmark(&self) -> Option<&str> {
        self.events.bookmark()
    }

    /// Time until the subscription expires, counted from its creation or last renewal; `None` is never.
    #[must_use]
    pub fn expires(&self) -> Option<Duration> {
        self.managed.expires()
    }

    /// Renews the subscription; returns the time that the service granted.
    ///
    /// # Errors
    /// [`Error`] if the request or the response fails.
    pub async fn renew(&mut self, wanted: Option<Duration>) -> Result<Option<Duration>, Error> {
        self.managed.renew(wanted).await
    }

    /// Requests the remaining time; `None` is no end.
    ///
    /// # Errors
    /// [`Error`] if the request or the response fails.
    pub async fn time_left(&mut self) -> Result<Option<Duration>, Error> {
        self.managed.time_left().await
    }

    /// Cancels the subscription.
    ///
    /// # Errors
    /// [`Error`] if the request or the response fails.
    pub async fn unsubscribe(mut self) -> Result<(), Error> {
        self.managed.cancel().await
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.events.detach_context();
    }
}

impl PushSubscription {
    /// Identifier of the subscription, with which [`Session::push_subscription`] finds it again; `None` after its end.
    #[must_use]
    pub fn identifier(&self) -> Option<&str> {
        self.identifier.as_deref()
    }

    /// Time until the subscription expires, counted from its creation or last renewal; `None` is never.
    #[must_use]
    pub fn expires(&self) -> Option<Duration> {
        self.expires
    }

    /// Renews the subscription; returns the time that the service granted.
    ///
    /// # Errors
    /// [`Error`] if the request or the response fails.
    pub async fn renew(&mut self, wanted: Option<Duration>) -> Result<Option<Duration>, Error> {
        let answer = self.request(Action::Renew, |body| eventing::write_renew(body, wanted)).await?;
        self.expires = answer.content_named("RenewResponse").and_then(eventing::expires_of);
        Ok(self.expires)
    }

    /// Requests the remaining time; `None` is no end.
    ///
    /// # Errors
    /// [`Error`] if the request or the response fails.
    pub async fn time_left(&mut self) -> Result<Option<Duration>, Error> {
        let answer = self.request(Action::GetStatus, eventing::write_get_status).await?;
        Ok(answer.content_named("GetStatusResponse").and_then(eventing::expires_of))
    }

    /// Cancels the subscription.
    ///
    /// # Errors
    /// [`Error`] if the request or the response fails.
    pub async fn unsubscribe(mut self) -> Result<(), Error> {
        self.cancel().await
    }

    async fn cancel(&mut self) -> Result<(), Error> {
        let answer = self.request(Action::Unsubscribe, eventing::write_unsubscribe).await;
        self.identifier = None;
        answer.map(drop)
    }

    async fn request(&mut self, action: Action, write: impl FnOnce(&mut Writer)) -> Result<Response, Error> {
        let head = self.head(action);
        self.session.exchange(&head, Retry::Safe, &self.session.timeouts(), write).await
    }

    /// Returns the SOAP headers of a message about this subscription.
    fn head(&self, action: Action) -> Head {
        let mut head = self.session.head(action, &self.locator);
        head.subscription.clone_from(&self.identifier);
        head
    }
}

impl Drop for PushSubscription {
    fn drop(&mut self) {
        let (Some(_), Ok(runtime)) = (&self.identifier, Handle::try_current()) else { return };
        let (session, head) = (self.session.clone(), self.head(Action::Unsubscribe));
        runtime.spawn(async move {
            let timeouts = session.timeouts();
            let ended = session.exchange(&head, Retry::Safe, &timeouts, eventing::write_unsubscribe).await;
            if let Err(error) = ended {
                tracing::debug!(%error, "Cannot cancel a subscription");
            }
        });
    }
}
