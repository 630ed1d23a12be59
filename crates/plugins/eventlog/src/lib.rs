//! Plug-in for the local event logs: a resource to which collectors of events subscribe, with pull or push delivery, like
//! the resource `EventLog` of Windows (MS-WSMV 3.1.4.1.30, DSP0226 10).
//!
//! The logs are read with the rights of this process, which in root mode is the host of the calling user. Events stay
//! in the logs until the subscriber has received them, so that a slow subscriber loses none and needs no memory.

#![forbid(unsafe_code)]

mod error;
mod reader;
mod request;
mod stream;

use eventlog::local::LogPaths;
use limits::{Capacity, KeyedLimit};
use pusher::Pusher;
use sddl::Sid;
use service::{Answer, BoxFuture, Call, Plugin, Resource, ResourceKind};
use winevent::delivery::EventForm;
use wsman::{Fault, Subcode, code};

use error::EventLogError;
use reader::Reader;
use request::EventRequest;
use stream::EventStream;

/// Local event logs as a resource that supports only subscriptions.
pub struct EventLogPlugin {
    paths: LogPaths,
    computer: String,
    open: KeyedLimit<Sid>,
    pusher: Pusher,
}

/// Maximum number of subscriptions: each keeps the files of the logs open.
const CAPACITY: Capacity = Capacity { per_key: 16, total: 64 };

impl EventLogPlugin {
    /// Resource of this plug-in.
    pub const RESOURCES: [Resource; 1] = [Resource {
        uri: "http://schemas.microsoft.com/wbem/wsman/1/windows/EventLog",
        with_children: false,
        kind: ResourceKind::Instances,
    }];

    /// Creates the resource for the logs at these paths. `computer` is the full name of this machine.
    #[must_use]
    pub fn new(paths: LogPaths, computer: String) -> Self {
        let pusher = Pusher::new(computer.clone());
        Self { paths, computer, open: KeyedLimit::new(), pusher }
    }

    async fn subscribe(&self, call: Call) -> Result<Answer, Fault> {
        let Some(subscribe) = call.operation.subscribe() else {
            return Err(Fault::new(
                Subcode::ActionNotSupported,
                code::ACTION_NOT_SUPPORTED,
                "the resource EventLog supports only subscriptions; use Subscribe",
            ));
        };
        let mut request = EventRequest::of(subscribe, &call.request.head().options)?;
        let delivery = self.pusher.admit(&call)?;
        request.is_wrapped = !delivery.is_single() || request.form == EventForm::CharacterData;
        let permit = self.open.acquire(call.caller.sid(), CAPACITY);
        let permit = permit.map_err(|_| EventLogError::TooManySubscriptions(CAPACITY.per_key))?;
        let (paths, computer) = (self.paths.clone(), self.computer.clone());
        let opening = tokio::task::spawn_blocking(move || Reader::open(&paths, computer, request));
        let reader = opening.await.map_err(|_| EventLogError::Aborted)??;
        Ok(delivery.deliver(EventStream::start(reader, permit)))
    }
}

impl Plugin for EventLogPlugin {
    fn resources(&self) -> &[Resource] {
        &Self::RESOURCES
    }

    fn call(&self, call: Call) -> BoxFuture<'_, Result<Answer, Fault>> {
        Box::pin(self.subscribe(call))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.pusher.close())
    }
}
