//! masterzen/winrm, under Terraform and Packer: commands in CDATA, every minute a Receive that only timed out, and no
//! word read that is not labelled as SOAP.

use super::*;

#[test]
fn a_command_in_cdata_keeps_every_character() {
    let client = Client::new(&MASTERZEN);
    let shell = client.open();
    let body = "<rsp:Command><![CDATA[printf '%s|' \"a & b\" '<c>' && echo]]></rsp:Command>\
                <rsp:Arguments><![CDATA[\"&amp;\"]]></rsp:Arguments><rsp:Arguments><![CDATA[>&2]]></rsp:Arguments>";
    assert_eq!(client.run(&shell, body), ("a & b|<c>|".to_owned(), "&amp;\n".to_owned(), 0));
    client.close(&shell);
}

/// It looks for the word OperationTimeout in the whole message, and asks again.
#[test]
fn a_receive_without_output_is_a_fault_that_names_operation_timeout() {
    let client = Client::new(&MASTERZEN);
    let shell = client.open();
    let command = client.start(&shell, "<rsp:Command><![CDATA[read line; echo \"$line\"]]></rsp:Command>");
    let action = format!("{SHELL}/Receive");
    let body = receive_body(&command);
    let (code, text) = client.refusal(&Message {
        action: &action,
        resource: CMD,
        shell: Some(&shell),
        timeout: Some("PT0.5S"),
        body: &body,
        ..Message::default()
    });
    assert_eq!(code, TIMED_OUT);
    assert!(text.contains("OperationTimeout"), "{text}");
    // The command still runs, and nothing of it is lost.
    client.in_shell("Send", &shell, &[], &send_body(&command, &BASE64.encode("awake\n")));
    assert_eq!(client.finish(&shell, &command), ("awake\n".to_owned(), String::new(), 0));
}

#[test]
fn its_input_ends_with_an_empty_chunk() {
    let client = Client::new(&MASTERZEN);
    let shell = client.open();
    let command = client.start(&shell, "<rsp:Command><![CDATA[tr a-z A-Z]]></rsp:Command>");
    client.in_shell("Send", &shell, &[], &send_body(&command, &BASE64.encode("words")));
    let end = format!(
        "<rsp:Send><rsp:Stream Name=\"stdin\" CommandId=\"{command}\" End=\"true\"></rsp:Stream></rsp:Send>"
    );
    client.in_shell("Send", &shell, &[], &end);
    assert_eq!(client.finish(&shell, &command), ("WORDS".to_owned(), String::new(), 0));
}

const MASTERZEN: Dialect = Dialect {
    envelope,
    charset: Charset::Utf8,
    request: as_it_is,
    open_options: UTF_8,
    command_options: CONSOLE,
    receive_options: &[],
};

fn envelope(message: &Message<'_>, id: &str) -> String {
    let Message { action, resource, body, .. } = message;
    let timeout = message.timeout.unwrap_or("PT60S");
    format!(
        "<env:Envelope xmlns:env=\"{SOAP}\" {NAMESPACES}><env:Header><a:To>https://127.0.0.1:5986/wsman</a:To>\
         <a:ReplyTo><a:Address mustUnderstand=\"true\">{ANONYMOUS}</a:Address></a:ReplyTo>\
         <w:MaxEnvelopeSize mustUnderstand=\"true\">153600</w:MaxEnvelopeSize>\
         <w:OperationTimeout>{timeout}</w:OperationTimeout><a:MessageID>{id}</a:MessageID>\
         <w:Locale mustUnderstand=\"false\" xml:lang=\"en-US\"/>\
         <p:DataLocale mustUnderstand=\"false\" xml:lang=\"en-US\"/>\
         <a:Action mustUnderstand=\"true\">{action}</a:Action>{}\
         <w:ResourceURI mustUnderstand=\"true\">{resource}</w:ResourceURI>{}</env:Header>\
         <env:Body>{body}</env:Body></env:Envelope>",
        selector_set(message),
        option_set(message),
    )
}
