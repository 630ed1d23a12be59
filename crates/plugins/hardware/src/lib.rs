//! Plug-in for the event logs of management controllers: a resource to which clients subscribe with pull delivery, like
//! the hardware events of Windows.
//!
//! An event is an instance of `LogRecord` (`root/hardware`), in the same form as in an enumeration of that class. The
//! provider `hardware` reads the logs; this crate only contains what belongs to WS-Management.

use cim::Instance;
use cim::uri::UriForm;
use cim::wscim::Writer;
use hardware::{EventLogFollower, Hardware};
use service::{Answer, BoxFuture, Call, Item, Items, Plugin, Resource, ResourceKind};
use wsman::{Fault, Subcode, code};

/// Event logs as a resource that supports only subscriptions.
#[derive(Clone, Debug)]
pub struct EventLogs(Hardware);

impl EventLogs {
    /// Resource of this plug-in.
    pub const RESOURCES: [Resource; 1] = [Resource {
        uri: "http://schemas.microsoft.com/wbem/wsman/1/logrecord/sel",
        with_children: false,
        kind: ResourceKind::Instances,
    }];

    /// Creates the resource for the controllers of a provider; it uses the same sessions.
    #[must_use]
    pub fn new(hardware: Hardware) -> Self {
        Self(hardware)
    }

    async fn subscribe(&self, call: Call) -> Result<Answer, Fault> {
        let Some(subscribe) = call.operation.subscribe() else {
            return Err(Fault::new(
                Subcode::ActionNotSupported,
                code::ACTION_NOT_SUPPORTED,
                "event logs support only subscriptions; get existing records as instances of LogRecord in root/hardware",
            ));
        };
        subscribe.reject_bookmarks()?;
        if subscribe.filter.is_some() {
            return Err(Fault::new(
                Subcode::EventingFilteringNotSupported,
                code::FILTERING_NOT_SUPPORTED,
                "subscriptions to event logs do not support filters; omit the filter",
            ));
        }
        let follower = self.0.follow_event_logs().await.map_err(|error| {
            let reason = format!("cannot follow the event logs: {error}; see the log of the service");
            Fault::new(Subcode::InternalError, code::INTERNAL_ERROR, reason)
        })?;
        Ok(Answer::items(Records { writer: Writer::new(UriForm::Wmi, follower.origin()), follower }))
    }
}

impl Plugin for EventLogs {
    fn resources(&self) -> &[Resource] {
        &Self::RESOURCES
    }

    fn call(&self, call: Call) -> BoxFuture<'_, Result<Answer, Fault>> {
        Box::pin(self.subscribe(call))
    }
}

/// New records of a subscription.
struct Records {
    follower: EventLogFollower,
    writer: Writer,
}

impl Records {
    fn item(&self, record: &Instance) -> Item {
        let mut object = xml::Writer::new();
        self.writer.instance(&mut object, record);
        Item { object: object.into_fragment(), reference: None, bookmark: None }
    }
}

impl Items for Records {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Item, Fault>>> {
        Box::pin(async {
            let record = self.follower.next().await;
            Some(Ok(self.item(&record)))
        })
    }
}
