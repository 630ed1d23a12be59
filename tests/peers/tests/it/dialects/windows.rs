//! The clients of Windows itself: UTF-16, and operations with identifiers and numbers.

use super::*;

#[test]
fn a_whole_conversation_in_utf_16_succeeds() {
    let client = Client::new(&WINDOWS);
    let shell = client.open();
    let body = "<rsp:Command>echo</rsp:Command><rsp:Arguments>\u{6f22}\u{5b57} \u{1f600}</rsp:Arguments>";
    assert_eq!(client.run(&shell, body), ("\u{6f22}\u{5b57} \u{1f600}\n".to_owned(), String::new(), 0));
    client.close(&shell);
}

/// Without them it takes the service for an older one, and others take the answer for a wrong one.
#[test]
fn operation_and_sequence_ids_are_returned_in_responses_and_faults() {
    let client = Client::new(&WINDOWS);
    let get = |resource| Message { action: GET, resource, ..Message::default() };
    let (_, fault) = client.refusal(&get("http://schemas.microsoft.com/wbem/wsman/1/no-such-thing"));
    for text in [client.answer(&get(CONFIG)), fault] {
        let value = |name: &str| {
            let content = text.split(&format!("<p:{name}")).nth(1).and_then(|rest| rest.split('>').nth(1));
            content.and_then(|content| content.split('<').next())
        };
        assert_eq!([value("OperationID"), value("SequenceId")], [Some(OPERATION), Some("1")], "{text}");
    }
}

const WINDOWS: Dialect = Dialect {
    envelope,
    charset: Charset::Utf16,
    request: |curl, _| curl.header("User-Agent: Microsoft WinRM Client"),
    open_options: UTF_8,
    command_options: CONSOLE,
    receive_options: &[("WSMAN_CMDSHELL_OPTION_KEEPALIVE", "TRUE")],
};

const OPERATION: &str = "uuid:EA3B6FA7-8E4E-4E3C-8F2A-0F3B9D5C7A21";

fn envelope(message: &Message<'_>, id: &str) -> String {
    let Message { action, resource, body, .. } = message;
    format!(
        "<s:Envelope xmlns:s=\"{SOAP}\" {NAMESPACES}><s:Header><a:To>http://server:5985/wsman</a:To>\
         <w:ResourceURI s:mustUnderstand=\"true\">{resource}</w:ResourceURI>\
         <a:ReplyTo><a:Address s:mustUnderstand=\"true\">{ANONYMOUS}</a:Address></a:ReplyTo>\
         <a:Action s:mustUnderstand=\"true\">{action}</a:Action>\
         <w:MaxEnvelopeSize s:mustUnderstand=\"true\">512000</w:MaxEnvelopeSize><a:MessageID>{id}</a:MessageID>\
         <w:Locale xml:lang=\"en-US\" s:mustUnderstand=\"false\" />\
         <p:DataLocale xml:lang=\"en-US\" s:mustUnderstand=\"false\" />\
         <p:SessionId s:mustUnderstand=\"false\">uuid:6C1D4E08-2A47-4C61-9E0B-7F5D3A9B1C42</p:SessionId>\
         <p:OperationID s:mustUnderstand=\"false\">{OPERATION}</p:OperationID>\
         <p:SequenceId s:mustUnderstand=\"false\">1</p:SequenceId>\
         <p:FunctionalOperation s:mustUnderstand=\"false\" />{}{}\
         <w:OperationTimeout>PT60.000S</w:OperationTimeout></s:Header><s:Body>{body}</s:Body></s:Envelope>",
        selector_set(message),
        option_set(message),
    )
}
