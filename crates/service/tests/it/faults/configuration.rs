//! Faults of the configuration (MS-WSMV 2.2.4 and 3.1.4.2 onwards).

use wsman::namespace::CONFIG;
use wsman::{Subcode, code};

use super::Row;
use crate::message::Message;

fn service(settings: &str) -> Message {
    put("service", &format!("<cfg:Service xmlns:cfg=\"{CONFIG}/service\">{settings}</cfg:Service>"))
}

fn put(section: &str, body: &str) -> Message {
    Message::transfer(&format!("{CONFIG}/{section}"), "Put").body(body)
}

fn listener(verb: &str, address: &str, transport: &str) -> Message {
    Message::transfer(&format!("{CONFIG}/Listener"), verb).header(&format!(
        "<w:SelectorSet><w:Selector Name=\"Address\">{address}</w:Selector><w:Selector Name=\"Transport\">{transport}</w:Selector></w:SelectorSet>"
    ))
}

/// A disabled listener, so that it needs no free port.
fn with_port(message: Message, port: &str) -> Message {
    message.body(&format!(
        "<cfg:Listener xmlns:cfg=\"{CONFIG}/listener\">\
         <cfg:Port>{port}</cfg:Port><cfg:Enabled>false</cfg:Enabled></cfg:Listener>"
    ))
}

pub(super) fn rows() -> Vec<Row> {
    let schema = |message| Row::new(message, Subcode::SchemaValidationError, code::SCHEMA_VALIDATION_ERROR);
    let unsupported = |message| Row::new(message, Subcode::ActionNotSupported, code::ACTION_NOT_SUPPORTED);
    let section = |section: &str, verb: &str| Message::transfer(&format!("{CONFIG}/{section}"), verb);
    let max = |name: &str, value: &str| service(&format!("<cfg:{name}>{value}</cfg:{name}>"));
    let unknown = |message| {
        Row::new(message, Subcode::InvalidSelectors, code::UNEXPECTED_SELECTORS).detail("UnexpectedSelectors")
    };
    let too_few = |message| {
        Row::new(message, Subcode::InvalidSelectors, code::INSUFFICIENT_SELECTORS)
            .detail("InsufficientSelectors")
    };
    vec![
        // Sections cannot be created or deleted.
        unsupported(Message::transfer(CONFIG, "Create")),
        unsupported(Message::transfer(CONFIG, "Delete")),
        unsupported(section("service/auth", "Delete")),
        Row::new(section("nothing", "Get"), Subcode::DestinationUnreachable, code::INVALID_RESOURCE_URI)
            .detail("InvalidResourceURI"),
        // Contents of Put.
        schema(put("service", "")),
        schema(put("service", "<x/>")),
        schema(service("<cfg:Nothing>1</cfg:Nothing>")),
        schema(max("MaxConnections", "0")),
        schema(max("MaxConnections", "513")),
        schema(max("MaxConnections", "many")),
        schema(max("MaxPacketRetrievalTimeSeconds", "0")),
        schema(max("AllowUnencrypted", "perhaps")),
        Row::new(max("AllowRemoteAccess", "false"), Subcode::AccessDenied, code::READ_ONLY_SETTING),
        Row::new(max("MaxConcurrentOperations", "7"), Subcode::AccessDenied, code::DEPRECATED_SETTING),
        Row::new(max("RootSDDL", "wrong"), Subcode::SchemaValidationError, code::INVALID_SECURITY_DESCRIPTOR),
        Row::new(max("IPv4Filter", "2-1"), Subcode::SchemaValidationError, code::INVALID_FILTER),
        // Addresses that no machine can have (RFC 1122 3.2.1.3).
        Row::new(max("IPv4Filter", "0.0.0.1-0.0.0.9"), Subcode::InvalidRepresentation, code::INVALID_FILTER)
            .detail("InvalidValues")
            .setting("Service.IPv6Filter", "")
            .word("IPv4Filter"),
        // Listeners are instances.
        too_few(section("Listener", "Get")),
        too_few(section("Listener", "Get").selector("Address", "*")),
        unknown(section("Listener", "Get").selector("Nothing", "x")),
        unknown(listener("Get", "*", "HTTPS")),
        unknown(listener("Delete", "*", "HTTPS")),
        unknown(with_port(listener("Put", "*", "HTTPS"), "6000")),
        Row::new(listener("Get", "everywhere", "HTTP"), Subcode::InvalidSelectors, code::LISTENER_ADDRESS)
            .detail("InvalidValue"),
        Row::new(listener("Get", "*", "FTP"), Subcode::InvalidSelectors, code::INVALID_SELECTOR_VALUE)
            .detail("InvalidValue"),
        schema(with_port(listener("Create", "*", "HTTP"), "0")),
        schema(with_port(listener("Create", "*", "HTTP"), "70000")),
        Row::new(
            with_port(listener("Create", "*", "HTTP"), "60001"),
            Subcode::AlreadyExists,
            code::ALREADY_EXISTS,
        )
        .detail("TargetAlreadyExists")
        .after(with_port(listener("Create", "*", "HTTP"), "60000")),
    ]
}
