//! Interface between the service and its plug-ins.

use std::future::Future;
use std::iter::Sum;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use config::Config;
use wsman::enumeration::Enumerate;
use wsman::eventing::Subscribe;
use wsman::{Action, EndpointReference, Fault, Omission, Reply, Request, Uuid};
use xml::Fragment;

use crate::access::AccessGranted;
use crate::caller::Caller;
use crate::resource::Resource;

/// Boxed future, as returned by methods of trait objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Implementation of one or more resources, such as the command shell.
pub trait Plugin: Send + Sync {
    /// Returns the resources that this plug-in serves.
    fn resources(&self) -> &[Resource];

    /// Receives the resources of all plug-ins of the service. Called once, before the first request.
    fn set_all_resources(&self, _all: &[Resource]) {}

    /// Responds to one request, which has passed the access check.
    ///
    /// The future is dropped if the client closes the connection, so no work may be left half done at an `await`.
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Answer, Fault>>;

    /// Returns whether the plug-in can run as another account than that of this process or of the caller. A plug-in
    /// that cannot receives no requests for endpoints with `RunAsUser`.
    fn can_run_as(&self) -> bool {
        false
    }

    /// Returns the numbers of objects that outlive a request, such as shells. Their process must not end.
    fn in_use(&self) -> OpenObjects {
        OpenObjects::default()
    }

    /// Ends all processes and closes all files because the service is shutting down.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

/// Numbers of objects that outlive a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenObjects {
    /// Shells for commands.
    pub shells: u32,
    /// Runspace pools of PowerShell.
    pub runspace_pools: u32,
    /// File transfers.
    pub transfers: u32,
}

impl OpenObjects {
    /// Returns the number of objects of all kinds.
    #[must_use]
    pub fn total(self) -> u32 {
        self.shells.saturating_add(self.runspace_pools).saturating_add(self.transfers)
    }
}

impl Sum for OpenObjects {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, next| Self {
            shells: sum.shells.saturating_add(next.shells),
            runspace_pools: sum.runspace_pools.saturating_add(next.runspace_pools),
            transfers: sum.transfers.saturating_add(next.transfers),
        })
    }
}

/// Request to a plug-in.
#[derive(Debug)]
pub struct Call {
    /// Evidence that the request passed the access check.
    pub access: AccessGranted,
    /// The caller.
    pub caller: Arc<Caller>,
    /// The request.
    pub request: Request,
    /// The settings at the time of the request.
    pub config: Arc<Config>,
    /// Maximum size of the response in bytes.
    pub reply_limit: u32,
    /// Time within which the client expects the response.
    pub timeout: Duration,
    /// `a:MessageID` of the response.
    pub message_id: Uuid,
    /// Parsed body of the operations whose responses the service divides into pages.
    pub operation: Operation,
}

/// Parsed body of a request, for the operations whose responses the service divides into pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Enumerate. The plug-in applies the filter or rejects it.
    Enumerate(Enumerate),
    /// Subscribe. The plug-in applies the filter or rejects it; the service does everything else.
    Subscribe(Subscribe),
    /// Any other action; see the head of the request.
    Other,
}

impl Operation {
    /// Parses the body of a request, as far as its action requires.
    ///
    /// # Errors
    /// The fault for a malformed body.
    pub fn of(request: &Request) -> Result<Self, Fault> {
        match request.head().action {
            Action::Enumerate => Enumerate::parse(request.require_body("Enumerate")?).map(Self::Enumerate),
            Action::Subscribe => Subscribe::parse(request.require_body("Subscribe")?).map(Self::Subscribe),
            _ => Ok(Self::Other),
        }
    }

    /// Returns the body of an Enumerate request.
    #[must_use]
    pub fn enumerate(&self) -> Option<&Enumerate> {
        match self {
            Self::Enumerate(enumerate) => Some(enumerate),
            _ => None,
        }
    }

    /// Returns the body of a Subscribe request.
    #[must_use]
    pub fn subscribe(&self) -> Option<&Subscribe> {
        match self {
            Self::Subscribe(subscribe) => Some(subscribe),
            _ => None,
        }
    }
}

impl Call {
    /// Begins the response.
    #[must_use]
    pub fn reply(&self) -> Reply {
        Reply::to(self.request.head(), self.message_id)
    }

    /// Finishes the response.
    ///
    /// # Errors
    /// `w:EncodingLimit` if it is larger than the client or the service allows.
    pub fn finish(&self, reply: Reply) -> Result<Answer, Fault> {
        reply.finish(self.reply_limit).map(Answer::new)
    }
}

/// Successful response of a plug-in.
pub struct Answer {
    pub(crate) content: Content,
    pub(crate) delivered: Option<Delivered>,
}

/// Content of a successful response.
pub enum Content {
    /// A complete envelope.
    Envelope(String),
    /// The items of an enumeration or the events of a subscription. The service divides them into pages.
    Items(Box<dyn Items>),
    /// The plug-in pushes the events of a subscription to the subscriber. The items contain no event: they end when the
    /// delivery ends, with a fault if it has failed. Dropping them ends the delivery.
    Push(Box<dyn Items>),
}

/// Callback for the delivery of a response.
///
/// It is called once the client's end of the connection has received the whole response, which may be some time
/// after it was written. It is dropped without a call if the connection fails before that.
pub type Delivered = Box<dyn FnOnce() + Send>;

impl Answer {
    /// Responds with a complete envelope, as returned by [`Call::finish`].
    #[must_use]
    pub fn new(envelope: String) -> Self {
        Self { content: Content::Envelope(envelope), delivered: None }
    }

    /// Responds to Enumerate with items, or to Subscribe with a stream of events.
    ///
    /// The service handles pages, contexts and limits.
    #[must_use]
    pub fn items(items: impl Items + 'static) -> Self {
        Self { content: Content::Items(Box::new(items)), delivered: None }
    }

    /// Responds to Subscribe in a push mode. See [`Content::Push`] for the items.
    #[must_use]
    pub fn push(delivery: impl Items + 'static) -> Self {
        Self { content: Content::Push(Box::new(delivery)), delivered: None }
    }

    /// Returns the content and the delivery callback.
    #[must_use]
    pub fn into_parts(self) -> (Content, Option<Delivered>) {
        (self.content, self.delivered)
    }

    /// Sets the delivery callback.
    #[must_use]
    pub fn when_delivered(mut self, delivered: Delivered) -> Self {
        self.delivered = Some(delivered);
        self
    }
}

/// The items of an enumeration, or the events of a subscription as they occur.
///
/// A report of dropped events is an item like any other (`wsman::eventing::write_dropped_events`).
pub trait Items: Send {
    /// Returns the next item, or `None` at the end. Dropping the future must not lose an item.
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Item, Fault>>>;

    /// Returns the sources that are missing in the items so far and that were not returned before. They are complete
    /// after the last item.
    fn take_omissions(&mut self) -> Vec<Omission> {
        Vec::new()
    }

    /// Checks that the subscriber, with its current rights, may still receive events.
    ///
    /// # Errors
    /// The fault that ends the subscription.
    fn check_access(&self, _caller: &Caller) -> Result<(), Fault> {
        Ok(())
    }

    /// Ends a push subscription for a reason that its subscriber should learn. The items are dropped afterwards.
    fn end(&mut self, _reason: EndReason) {}
}

/// Reason why the service ends a push subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The requested duration is over.
    Expired,
    /// The subscriber has lost the right to the events.
    AccessLost,
}

/// Item of an enumeration, or event of a subscription.
#[derive(Clone, Debug)]
pub struct Item {
    /// The instance as XML.
    pub object: Fragment,
    /// Endpoint reference of the instance, if it can be addressed.
    pub reference: Option<EndpointReference>,
    /// Position behind an event, as XML, if the subscriber has requested bookmarks. An item with a position and an empty
    /// `object` is no event.
    pub bookmark: Option<Arc<str>>,
}

/// Moves the omissions that fit into `room` bytes out of `waiting`, from the front.
pub(crate) fn omissions_within(waiting: &mut Vec<Omission>, mut room: usize) -> Vec<Omission> {
    let fitting = waiting.iter().take_while(|omission| {
        let left = room.checked_sub(omission.written_len());
        room = left.unwrap_or_default();
        left.is_some()
    });
    let count = fitting.count();
    waiting.drain(..count).collect()
}

/// Items that are already in memory.
impl Items for std::vec::IntoIter<Item> {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Item, Fault>>> {
        Box::pin(std::future::ready(Iterator::next(self).map(Ok)))
    }
}
