//! The few messages that these tests need.

use wsman::namespace::{ADDRESSING, ANONYMOUS, CONFIG, IDENTITY, SHELL, SHELL_CMD, SOAP, TRANSFER, WSMAN};

pub(crate) fn identify() -> String {
    envelope("", &format!("<i:Identify xmlns:i=\"{IDENTITY}\"/>"))
}

/// A verb of WS-Transfer for the listener of an address and a transport.
pub(crate) fn listener(verb: &str, address: &str, transport: &str) -> String {
    let selectors = format!(
        "<w:SelectorSet><w:Selector Name=\"Address\">{address}</w:Selector><w:Selector Name=\"Transport\">{transport}</w:Selector></w:SelectorSet>"
    );
    request(config::LISTENER_RESOURCE, &format!("{TRANSFER}/{verb}"), &selectors, "")
}

pub(crate) fn settings() -> String {
    request(CONFIG, &format!("{TRANSFER}/Get"), "", "")
}

/// Puts one setting of `Winrs`.
pub(crate) fn put_winrs(name: &str, value: &str) -> String {
    let resource = format!("{CONFIG}/Winrs");
    let body = format!("<c:Winrs xmlns:c=\"{resource}\"><c:{name}>{value}</c:{name}></c:Winrs>");
    request(&resource, &format!("{TRANSFER}/Put"), "", &body)
}

pub(crate) fn create_shell() -> String {
    let body = format!(
        "<r:Shell xmlns:r=\"{SHELL}\"><r:InputStreams>stdin</r:InputStreams><r:OutputStreams>stdout stderr</r:OutputStreams></r:Shell>"
    );
    request(SHELL_CMD, &format!("{TRANSFER}/Create"), "", &body)
}

/// A custom action on a resource, both as they stand in XML.
pub(crate) fn custom(resource: &str, action: &str) -> String {
    request(resource, action, "", "")
}

fn request(resource: &str, action: &str, more: &str, body: &str) -> String {
    let id = service::fresh_uuid();
    let headers = format!(
        "<w:ResourceURI s:mustUnderstand=\"true\">{resource}</w:ResourceURI>\
         <a:Action s:mustUnderstand=\"true\">{action}</a:Action><a:MessageID>uuid:{id}</a:MessageID>\
         <a:To>http://localhost/wsman</a:To><a:ReplyTo><a:Address>{ANONYMOUS}</a:Address></a:ReplyTo>{more}"
    );
    envelope(&headers, body)
}

fn envelope(headers: &str, body: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"{SOAP}\" xmlns:a=\"{ADDRESSING}\" xmlns:w=\"{WSMAN}\">\
         <s:Header>{headers}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )
}
