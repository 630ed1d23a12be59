//! Faults to event sources (DSP0226 14.6).

use service::EventAnswer;
use winevent::delivery::{DeliveryError, Head};
use wsman::{Fault, Subcode, code};
use xml::Encoding;

/// Returns the fault for a subscription that does not exist or does not admit the source. It ends the subscription at
/// the source.
pub(crate) fn delivery_refused(head: &Head, id: &str, encoding: Encoding) -> EventAnswer {
    let id: String = id.chars().take(64).collect();
    let reason =
        format!("the collector has no subscription {id} for this source; enumerate the subscriptions again");
    answer(&Fault::new(Subcode::DeliveryRefused, code::ACCESS_DENIED, reason), Some(head), encoding)
}

/// Returns the fault for a delivery that the collector has not requested, or has cancelled. It ends the subscription at
/// the source.
pub(crate) fn delivery_cancelled() -> EventAnswer {
    let reason = "the collector has cancelled this subscription; wait until it subscribes again";
    answer(&Fault::new(Subcode::DeliveryRefused, code::ACCESS_DENIED, reason), None, Encoding::Utf8)
}

/// Returns the fault for an action that the path does not have.
pub(crate) fn unexpected_action(head: &Head, encoding: Encoding) -> EventAnswer {
    let reason = "the action is not one of this URL; send Enumerate to SubscriptionManager/WEC, and events to the URL \
                  of their subscription";
    let fault = Fault::new(Subcode::ActionNotSupported, code::ACTION_NOT_SUPPORTED, reason);
    answer(&fault, Some(head), encoding)
}

/// Returns the fault for a message that cannot be read.
pub(crate) fn malformed(error: &DeliveryError, encoding: Encoding) -> EventAnswer {
    let fault = match error {
        DeliveryError::UnknownAction(_) => {
            Fault::new(Subcode::ActionNotSupported, code::ACTION_NOT_SUPPORTED, error.to_string())
        }
        _ => Fault::new(Subcode::SchemaValidationError, code::SCHEMA_VALIDATION_ERROR, error.to_string()),
    };
    answer(&fault, None, encoding)
}

fn answer(fault: &Fault, head: Option<&Head>, encoding: Encoding) -> EventAnswer {
    let relates_to = head.map(|head| head.message_id.as_str());
    EventAnswer { status: 500, envelope: fault.envelope(None, relates_to, random::uuid()), encoding }
}
