//! Request messages of the tests.

use wsman::namespace::{
    ADDRESSING, ANONYMOUS, CONFIG, ENUMERATION, IDENTITY, SHELL, SHELL_CMD, SOAP, TRANSFER, WSMAN,
};

pub(crate) fn identify() -> String {
    envelope("", &format!("<i:Identify xmlns:i=\"{IDENTITY}\"/>"))
}

/// Returns a WS-Transfer request for the listener with an address and a transport.
pub(crate) fn listener(verb: &str, address: &str, transport: &str) -> String {
    let selectors = format!(
        "<w:SelectorSet><w:Selector Name=\"Address\">{address}</w:Selector><w:Selector Name=\"Transport\">{transport}</w:Selector></w:SelectorSet>"
    );
    request(config::LISTENER_RESOURCE, &format!("{TRANSFER}/{verb}"), &selectors, "")
}

pub(crate) fn settings() -> String {
    request(CONFIG, &format!("{TRANSFER}/Get"), "", "")
}

/// Returns a Put of one setting of `Winrs`.
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

fn request(resource: &str, action: &str, more: &str, body: &str) -> String {
    let id = random::uuid();
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

/// Starts a command in a shell.
pub(crate) fn command(shell: &str, line: &str) -> String {
    let selectors =
        format!("<w:SelectorSet><w:Selector Name=\"ShellId\">{shell}</w:Selector></w:SelectorSet>");
    let body = format!("<r:CommandLine xmlns:r=\"{SHELL}\"><r:Command>{line}</r:Command></r:CommandLine>");
    request(SHELL_CMD, &format!("{SHELL}/Command"), &selectors, &body)
}

/// Returns messages with this text (escaped for XML) in one field each.
pub(crate) fn with_text_in_each_field(text: &str) -> Vec<String> {
    let get = format!("{TRANSFER}/Get");
    let selector = |name: &str, value: &str| {
        format!("<w:SelectorSet><w:Selector Name=\"{name}\">{value}</w:Selector></w:SelectorSet>")
    };
    let option = |name: &str, value: &str| {
        format!("<w:OptionSet><w:Option Name=\"{name}\">{value}</w:Option></w:OptionSet>")
    };
    vec![
        request(CONFIG, text, "", ""),
        request(text, &get, "", ""),
        request(CONFIG, &get, &selector("ShellId", text), ""),
        request(CONFIG, &get, &selector(text, "x"), ""),
        request(SHELL_CMD, &format!("{TRANSFER}/Create"), &option("WINRS_CODEPAGE", text), ""),
        request(SHELL_CMD, &format!("{TRANSFER}/Create"), &option(text, "x"), ""),
        request(CONFIG, &get, "", "").replace("uuid:", text),
        request(CONFIG, &get, "", "").replace("http://localhost/wsman", text),
        request(CONFIG, &get, &format!("<w:OperationTimeout>{text}</w:OperationTimeout>"), ""),
        request(CONFIG, &get, &format!("<w:Locale xml:lang=\"{text}\"/>"), ""),
        command(text, "true"),
        request(
            CONFIG,
            &format!("{TRANSFER}/Put"),
            "",
            &format!(
                "<c:Config xmlns:c=\"{CONFIG}\"><c:MaxEnvelopeSizekb>{text}</c:MaxEnvelopeSizekb></c:Config>"
            ),
        ),
    ]
}

/// Starts an enumeration of listeners without optimized items.
pub(crate) fn enumerate_listeners() -> String {
    let body = format!("<n:Enumerate xmlns:n=\"{ENUMERATION}\"/>");
    request(config::LISTENER_RESOURCE, &format!("{ENUMERATION}/Enumerate"), "", &body)
}

/// Returns a Pull or Release of an enumeration, with any resource URI.
pub(crate) fn of_enumeration(verb: &str, resource: &str, context: &str) -> String {
    let body = format!(
        "<n:{verb} xmlns:n=\"{ENUMERATION}\"><n:EnumerationContext>{context}</n:EnumerationContext></n:{verb}>"
    );
    request(resource, &format!("{ENUMERATION}/{verb}"), "", &body)
}

/// Returns a custom action on a resource, both as XML text.
pub(crate) fn custom(resource: &str, action: &str) -> String {
    request(resource, action, "", "")
}
