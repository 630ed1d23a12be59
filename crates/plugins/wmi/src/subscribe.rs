//! Subscribe (WS-Eventing; DSP0226 10): events of a query, with pull or push delivery.

use cim::wscim::Selection;
use service::{Answer, BoxFuture, Caller, Item, Items};
use wmi::{Events, Occurrence};
use wsman::eventing::{Subscribe, write_dropped_events};
use wsman::namespace::DIALECT_WQL;
use wsman::{Fault, Omission, Subcode, code};
use xml::Writer;

use crate::error::WmiError;
use crate::fault::{Operation, ResponseContext};
use crate::items::omission;
use crate::request::{WmiRequest, context};

pub(crate) async fn answer(request: &WmiRequest<'_>) -> Result<Answer, Fault> {
    let subscribe = request.call.operation.subscribe();
    subscribe.map_or(Ok(()), Subscribe::reject_bookmarks)?;
    let filter = subscribe.and_then(|subscribe| subscribe.filter.as_ref());
    let Some(filter) = filter else {
        return Err(request.fault(WmiError::EventsWithoutFilter, Operation::ExecNotificationQuery));
    };
    if !filter.dialect.eq_ignore_ascii_case(DIALECT_WQL) {
        let reason = format!("event filters must be WQL queries; use the dialect {DIALECT_WQL}");
        return Err(Fault::new(
            Subcode::EventingFilteringRequestedUnavailable,
            code::EVENTING_FILTER_UNAVAILABLE,
            reason,
        ));
    }
    let delivery = request.pusher.admit(request.call)?;
    let subscribed = if request.target.has_keys() {
        Err(WmiError::SelectorsInSubscription)
    } else {
        let subscribing = request.engine.subscribe(&request.context, &request.target.namespace, &filter.text);
        request.in_time(subscribing).await
    };
    let events = subscribed
        .map_err(|error| request.response.fault(error, Operation::ExecNotificationQuery, &filter.text))?;
    let selection = events.names().map_or(Selection::Whole, |names| Selection::Names(names.to_vec()));
    Ok(delivery.deliver(EventItems {
        writer: request.response.writer().rows(selection),
        response: request.response.clone(),
        query: filter.text.clone(),
        omissions: Vec::new(),
        events,
    }))
}

/// Events of a subscription as items.
struct EventItems {
    events: Events,
    writer: cim::wscim::Rows,
    response: ResponseContext,
    /// The query, for faults.
    query: String,
    /// Classes whose events are missing, and that the client does not know of.
    omissions: Vec<Omission>,
}

impl Items for EventItems {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Item, Fault>>> {
        Box::pin(async {
            let mut object = Writer::new();
            loop {
                match self.events.next().await? {
                    Ok(Occurrence::Event(event)) => self.writer.write(&mut object, &event),
                    Ok(Occurrence::Dropped(count)) => write_dropped_events(&mut object, count),
                    Ok(Occurrence::Omitted(omitted)) => {
                        self.omissions.push(omission(&omitted));
                        continue;
                    }
                    Err(error) => {
                        return Some(Err(self.response.fault(
                            error,
                            Operation::ExecNotificationQuery,
                            &self.query,
                        )));
                    }
                }
                break;
            }
            Some(Ok(Item { object: object.into_fragment(), reference: None, bookmark: None }))
        })
    }

    fn take_omissions(&mut self) -> Vec<Omission> {
        std::mem::take(&mut self.omissions)
    }

    fn check_access(&self, caller: &Caller) -> Result<(), Fault> {
        let admitted = self.events.admit(&context(caller));
        admitted.map_err(|error| self.response.fault(error, Operation::ExecNotificationQuery, &self.query))
    }
}
