//! Faults of subscriptions (WS-Eventing; DSP0226 10).

use wsman::namespace::CONFIG;
use wsman::{Subcode, code};

use super::Row;
use crate::message::Message;
use crate::probe::URI;
use crate::subscription::{E, PULL, about, subscribe_with};

pub(super) fn rows() -> Vec<Row> {
    let delivered = |mode: &str| subscribe_with(&format!("<e:Delivery Mode=\"{mode}\"/>"));
    let unavailable = |message| {
        Row::new(message, Subcode::DeliveryModeRequestedUnavailable, code::DELIVERY_MODE_UNAVAILABLE)
    };
    let pulled = |more: &str| subscribe_with(&format!("{PULL}{more}"));
    let unknown = "uuid:00000000-0000-4000-8000-000000000000";
    vec![
        unavailable(subscribe_with("<e:Delivery/>")),
        unavailable(delivered("http://schemas.xmlsoap.org/ws/2004/08/eventing/DeliveryModes/Push")),
        unavailable(delivered("http://schemas.dmtf.org/wbem/wsman/1/wsman/PushWithAck")),
        unavailable(delivered("http://schemas.dmtf.org/wbem/wsman/1/wsman/Events")),
        unavailable(delivered("urn:pigeon")),
        Row::new(
            pulled("<e:Expires>PT0S</e:Expires>"),
            Subcode::EventingInvalidExpirationTime,
            code::EVENTING_INVALID_EXPIRATION_TIME,
        ),
        Row::new(
            pulled("<e:Expires>-PT1S</e:Expires>"),
            Subcode::EventingInvalidExpirationTime,
            code::EVENTING_INVALID_EXPIRATION_TIME,
        ),
        Row::new(
            pulled("<e:Expires>2030-01-01T00:00:00Z</e:Expires>"),
            Subcode::EventingUnsupportedExpirationType,
            code::EVENTING_UNSUPPORTED_EXPIRATION_TYPE,
        ),
        Row::new(
            pulled("<e:EndTo><a:Address>http://node8</a:Address></e:EndTo>"),
            Subcode::UnsupportedFeature,
            code::ADDRESSING_MODE,
        )
        .detail("AddressingMode"),
        Row::new(pulled("<w:SendBookmarks/>"), Subcode::UnsupportedFeature, code::BOOKMARKS)
            .detail("Bookmarks"),
        Row::new(subscribe_with(""), Subcode::SchemaValidationError, code::SCHEMA_VALIDATION_ERROR),
        Row::new(
            Message::eventing(URI, "Subscribe"),
            Subcode::SchemaValidationError,
            code::SCHEMA_VALIDATION_ERROR,
        ),
        Row::new(
            Message::eventing(CONFIG, "Subscribe").body(&format!("<e:Subscribe {E}>{PULL}</e:Subscribe>")),
            Subcode::ActionNotSupported,
            code::ACTION_NOT_SUPPORTED,
        ),
        Row::new(about("Renew", unknown), Subcode::UnableToRenew, code::UNABLE_TO_RENEW),
        Row::new(about("GetStatus", unknown), Subcode::InvalidMessage, code::EVENTING_INVALID_MESSAGE),
        Row::new(about("Unsubscribe", unknown), Subcode::InvalidMessage, code::EVENTING_INVALID_MESSAGE),
        Row::new(
            Message::eventing(URI, "GetStatus").body(&format!("<e:GetStatus {E}/>")),
            Subcode::InvalidMessage,
            code::EVENTING_INVALID_MESSAGE,
        ),
        // Plug-ins that support events still require read access.
        Row::new(subscribe_with(PULL), Subcode::AccessDenied, code::ACCESS_DENIED).by_ben(),
    ]
}
