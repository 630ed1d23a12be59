//! What a resource of the service is to the engine.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use config::Config;
use wsman::enumeration::Enumerate;
use wsman::eventing::Subscribe;
use wsman::{EndpointReference, Fault, Reply, Request, Uuid};
use xml::Fragment;

use crate::access::Caller;

/// A future that a trait object can return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A resource of the service, such as the command shell.
pub trait Plugin: Send + Sync {
    /// The resources it answers for.
    fn resources(&self) -> &[Resource];

    /// Hears once what the whole service answers for, before anybody asks it anything.
    fn served(&self, _all: &[Resource]) {}

    /// Answers one request, which has passed the access check.
    ///
    /// Cancelled by dropping the future when the client goes away: leave nothing half done.
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Answer, Fault>>;

    /// How many things it holds that outlive a request, such as shells. While there are any, its process is needed.
    fn in_use(&self) -> usize {
        0
    }

    /// Lets go of everything because the service stops; processes are ended, files are closed.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

/// One URI that a plug-in answers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resource {
    /// The URI, or what longer ones begin with.
    pub uri: &'static str,
    /// Whether URIs that go on with `/` belong to it too.
    pub with_children: bool,
    /// Which rights its actions need.
    pub kind: ResourceKind,
}

/// How the actions of a resource map to rights (MS-WSMV 3.1.4.1.28).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceKind {
    /// Reading needs read, changing needs write, methods need execute.
    Instances,
    /// Whatever is asked of a shell needs execute.
    Shells,
}

/// One request on its way to a plug-in.
#[derive(Debug)]
pub struct Call {
    /// Who asks.
    pub caller: Arc<Caller>,
    /// What is asked.
    pub request: Request,
    /// The settings in force when the request came.
    pub config: Arc<Config>,
    /// The largest answer, in octets.
    pub reply_limit: u32,
    /// How long the client waits.
    pub timeout: Duration,
    /// The identifier of the answer.
    pub message_id: Uuid,
    /// What Enumerate asks for; its filter is the plug-in's to obey or to refuse.
    pub enumerate: Option<Enumerate>,
    /// What Subscribe asks for; its filter is the plug-in's to obey or to refuse, the rest has been taken care of.
    pub subscribe: Option<Subscribe>,
}

impl Call {
    /// Begins the answer.
    #[must_use]
    pub fn reply(&self) -> Reply {
        Reply::to(self.request.head(), self.message_id)
    }

    /// Ends the answer.
    ///
    /// # Errors
    /// `w:EncodingLimit` if it is larger than the client or the service allows.
    pub fn finish(&self, reply: Reply) -> Result<Answer, Fault> {
        reply.finish(self.reply_limit).map(Answer::new)
    }
}

/// What a plug-in answers.
pub struct Answer {
    pub(crate) content: Content,
    pub(crate) delivered: Option<Delivered>,
}

/// The two forms of an answer.
pub enum Content {
    /// A whole envelope.
    Envelope(String),
    /// What an enumeration goes through, or the events of a subscription; the engine makes pages of it.
    Items(Box<dyn Items>),
}

/// Called once the client's end of the connection has all of the answer, which may be a while after it was written;
/// dropped without being called if the connection broke before.
pub type Delivered = Box<dyn FnOnce() + Send>;

impl Answer {
    /// Answers with a whole envelope, as [`Call::finish`] makes it.
    #[must_use]
    pub fn new(envelope: String) -> Self {
        Self { content: Content::Envelope(envelope), delivered: None }
    }

    /// Answers Enumerate, or Subscribe with events as they come; pages, contexts and limits are the engine's.
    #[must_use]
    pub fn items(items: impl Items + 'static) -> Self {
        Self { content: Content::Items(Box::new(items)), delivered: None }
    }

    /// The answer, and who asks to be told when it has arrived.
    #[must_use]
    pub fn into_parts(self) -> (Content, Option<Delivered>) {
        (self.content, self.delivered)
    }

    /// Asks to be told when the answer has arrived.
    #[must_use]
    pub fn when_delivered(mut self, delivered: Delivered) -> Self {
        self.delivered = Some(delivered);
        self
    }
}

/// What an enumeration goes through, one after the other; or the events of a subscription, which are awaited.
///
/// Events that had to be given up are told among the others (`wsman::eventing::write_dropped_events`).
pub trait Items: Send {
    /// The next item, or `None` at the end. Cancelled by dropping the future: no item may be lost by that.
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Item, Fault>>>;

    /// Whether whoever pulls events may still be given them: the user who subscribed, with the rights of now.
    ///
    /// # Errors
    /// The fault with which the subscription ends.
    fn admit(&self, _caller: &Caller) -> Result<(), Fault> {
        Ok(())
    }
}

/// One item of an enumeration.
#[derive(Clone, Debug)]
pub struct Item {
    /// The instance as XML.
    pub object: Fragment,
    /// How to address it alone, if it can be.
    pub reference: Option<EndpointReference>,
}

/// Items that are known already.
impl Items for std::vec::IntoIter<Item> {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Item, Fault>>> {
        Box::pin(std::future::ready(Iterator::next(self).map(Ok)))
    }
}
