//! WinRMSharp: says UTF-16 and means UTF-8, and binds `mustUnderstand` to the namespace of addressing.

use super::*;

#[test]
fn a_whole_conversation_succeeds() {
    let client = Client::new(&WINRM_SHARP);
    let environment =
        "<rsp:Environment><rsp:Variable Name=\"TESTENV1\">hi m\u{f6}m</rsp:Variable></rsp:Environment>";
    let (shell, _) = client.open_with(environment);
    let body = "<rsp:Command>echo</rsp:Command><rsp:Arguments>\"$TESTENV1\" \u{6f22}\u{5b57}</rsp:Arguments>";
    assert_eq!(client.run(&shell, body), ("hi m\u{f6}m \u{6f22}\u{5b57}\n".to_owned(), String::new(), 0));
    client.close(&shell);
}

/// An attribute that only looks like SOAP's asks for nothing; SOAP's own does.
#[test]
fn only_must_understand_of_soap_makes_an_unknown_header_a_fault() {
    let client = Client::new(&WINRM_SHARP);
    let get = Message { action: GET, resource: CONFIG, ..Message::default() };
    let with_a_strange_header = |mark: &str| {
        let strange = format!("<z:Strange xmlns:z=\"urn:strange\" {mark}/></env:Header>");
        client.post(&get, &envelope(&get, &fresh_id()).replace("</env:Header>", &strange))
    };
    for mark in ["a:mustUnderstand=\"true\"", "mustUnderstand=\"true\"", "env:mustUnderstand=\"false\""] {
        let reply = with_a_strange_header(mark);
        assert!(reply.status == 200 && reply.text().contains("<cfg:MaxTimeoutms>"), "{mark}: {reply:?}");
    }
    for mark in ["env:mustUnderstand=\"true\"", "env:mustUnderstand=\"1\""] {
        let (code, text) = fault(&with_a_strange_header(mark));
        assert_eq!(code, 2_150_858_768, "{text}");
        assert!(text.contains("<s:Value>s:MustUnderstand</s:Value>"), "{text}");
        assert!(text.contains("<s:NotUnderstood ") && text.contains(":Strange\""), "{text}");
    }
}

const WINRM_SHARP: Dialect = Dialect {
    envelope,
    charset: Charset::Utf8,
    request: as_it_is,
    open_options: &[],
    command_options: CONSOLE,
    receive_options: &[],
};

fn envelope(message: &Message<'_>, id: &str) -> String {
    let Message { action, resource, body, .. } = message;
    let options = match option_set(message) {
        none if none.is_empty() => "<w:OptionSet />".to_owned(),
        options => options,
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-16\"?>\r\n<env:Envelope xmlns:env=\"{SOAP}\" {NAMESPACES}>\r\n\
         <env:Header><a:To>http://windows-host:5985/wsman</a:To>\
         <a:ReplyTo><a:Address mustUnderstand=\"true\">{ANONYMOUS}</a:Address></a:ReplyTo>\
         <w:MaxEnvelopeSize a:mustUnderstand=\"true\">153600</w:MaxEnvelopeSize><a:MessageID>{id}</a:MessageID>\
         <w:Locale a:mustUnderstand=\"false\" xml:lang=\"en-US\" />\
         <p:DataLocale a:mustUnderstand=\"false\" xml:lang=\"en-US\" />\
         <w:OperationTimeout>PT5S</w:OperationTimeout>\
         <w:ResourceURI a:mustUnderstand=\"true\">{resource}</w:ResourceURI>\
         <a:Action mustUnderstand=\"true\">{action}</a:Action>{}{options}</env:Header>\r\n\
         <env:Body>{body}</env:Body>\r\n</env:Envelope>",
        selector_set(message),
    )
}
