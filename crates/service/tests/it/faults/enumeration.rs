//! Faults of enumerations (WS-Enumeration 4; DSP0226 8).

use wsman::namespace::{CIM_BINDING, CONFIG, ENUMERATION};
use wsman::{Subcode, code};

use super::Row;
use crate::message::Message;
use crate::probe::URI;
use crate::wire::Answer;

/// Returns the request for an enumeration of numbers without a first page.
pub(crate) fn enumerate(count: &str) -> Message {
    Message::enumeration(URI, "Enumerate").body(&format!("<n:Enumerate>{count}</n:Enumerate>"))
}

/// Sets the mode for instances of subclasses (DSP0227 8.1).
pub(super) fn with_subclasses(mode: &str) -> String {
    format!(
        "<n:Enumerate><w:OptimizeEnumeration/><w:MaxElements>10</w:MaxElements>\
         <b:PolymorphismMode xmlns:b=\"{CIM_BINDING}\">{mode}</b:PolymorphismMode></n:Enumerate>"
    )
}

pub(crate) fn pull(context: &str) -> Message {
    let context = format!("<n:EnumerationContext>{context}</n:EnumerationContext>");
    Message::enumeration(URI, "Pull").body(&format!("<n:Pull>{context}</n:Pull>"))
}

pub(crate) fn release(context: &str) -> Message {
    let context = format!("<n:EnumerationContext>{context}</n:EnumerationContext>");
    Message::enumeration(URI, "Release").body(&format!("<n:Release>{context}</n:Release>"))
}

/// Returns the enumeration context of a response.
pub(crate) fn context(answer: &Answer) -> String {
    let response = answer.response();
    let context = response.content().unwrap().child(ENUMERATION, "EnumerationContext");
    context.expect("a context").text().into_owned()
}

pub(super) fn rows() -> Vec<Row> {
    let listeners = |body: &str| Message::enumeration(&format!("{CONFIG}/Listener"), "Enumerate").body(body);
    let schema = |message| Row::new(message, Subcode::SchemaValidationError, code::SCHEMA_VALIDATION_ERROR);
    let no_context =
        |message| Row::new(message, Subcode::InvalidEnumerationContext, code::INVALID_ENUMERATION_CONTEXT);
    let filter =
        "<w:Filter Dialect=\"http://schemas.microsoft.com/wbem/wsman/1/WQL\">select * from x</w:Filter>";
    vec![
        schema(listeners("")),
        schema(listeners("<n:Pull/>")),
        schema(Message::enumeration(URI, "Pull")),
        schema(Message::enumeration(URI, "Pull").body("<n:Pull/>")),
        schema(Message::enumeration(URI, "Release")),
        Row::new(
            listeners("<n:Enumerate><n:Expires>-PT1S</n:Expires></n:Enumerate>"),
            Subcode::InvalidExpirationTime,
            code::INVALID_EXPIRATION_TIME,
        ),
        Row::new(
            listeners("<n:Enumerate><n:Expires>2030-01-01T00:00:00Z</n:Expires></n:Enumerate>"),
            Subcode::UnsupportedExpirationType,
            code::UNSUPPORTED_EXPIRATION_TYPE,
        ),
        no_context(pull("uuid:nothing")),
        no_context(release("uuid:nothing")),
        Row::new(
            listeners("<n:Enumerate><w:EnumerationMode>All</w:EnumerationMode></n:Enumerate>"),
            Subcode::UnsupportedFeature,
            code::ENUMERATION_MODE,
        )
        .detail("EnumerationMode"),
        Row::new(
            Message::enumeration(URI, "Enumerate").body(&with_subclasses("Deep")),
            Subcode::PolymorphismModeNotSupported,
            code::POLYMORPHISM_MODE_UNSUPPORTED,
        ),
        Row::new(
            listeners(&format!("<n:Enumerate>{filter}</n:Enumerate>")),
            Subcode::FilteringNotSupported,
            code::FILTERING_NOT_SUPPORTED,
        ),
        Row::new(
            Message::enumeration(CONFIG, "Enumerate").body("<n:Enumerate/>"),
            Subcode::ActionNotSupported,
            code::ACTION_NOT_SUPPORTED,
        ),
    ]
}
