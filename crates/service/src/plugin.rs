//! What a resource of the service is to the engine.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use config::Config;
use wsman::{Fault, Reply, Request, Uuid};

use crate::access::Caller;

/// A future that a trait object can return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A resource of the service, such as the command shell.
pub trait Plugin: Send + Sync {
    /// The resources it answers for.
    fn resources(&self) -> &[Resource];

    /// Answers one request, which has passed the access check.
    ///
    /// Cancelled by dropping the future when the client goes away: leave nothing half done.
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Answer, Fault>>;

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

/// What a plug-in answers: a whole envelope.
pub struct Answer {
    pub(crate) envelope: String,
    pub(crate) delivered: Option<Delivered>,
}

/// Called once the answer was written to the connection; dropped without being called if it was not.
pub type Delivered = Box<dyn FnOnce() + Send>;

impl Answer {
    pub(crate) fn new(envelope: String) -> Self {
        Self { envelope, delivered: None }
    }

    /// Asks to be told when the answer has been written.
    #[must_use]
    pub fn when_delivered(mut self, delivered: Delivered) -> Self {
        self.delivered = Some(delivered);
        self
    }
}
