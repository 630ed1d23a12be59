//! winrm-rs: options between header and body, and answers searched as text.

use super::*;

#[test]
fn options_between_header_and_body_are_applied() {
    let client = Client::new(&WINRM_RS);
    let shell = client.open();
    let command = client.start(&shell, "<rsp:Command>printf 'Gr\u{fc}\u{df}e'</rsp:Command>");
    let mut stdout = Vec::new();
    loop {
        let (received, _) = client.receive(&shell, &command);
        stdout.extend(received.stdout);
        if received.code.is_some() {
            break;
        }
    }
    // The octets of Windows-1252, which only the options ask for.
    assert_eq!(stdout, b"Gr\xFC\xDFe");
}

#[test]
fn an_unsupported_option_between_header_and_body_is_refused() {
    let client = Client::new(&WINRM_RS);
    let body = "<rsp:Shell><rsp:InputStreams>stdin</rsp:InputStreams></rsp:Shell>";
    let options = &[("WINRS_CODEPAGE", "1200")];
    let (_, text) =
        client.refusal(&Message { action: CREATE, resource: CMD, options, body, ..Message::default() });
    // This is how it tells a fault from an answer.
    assert!(text.contains(":Fault>"), "{text}");
    assert_eq!(element(&text, "s:Value"), "s:Sender");
}

/// A short command's whole output and its end come in one answer of this very form.
#[test]
fn the_response_to_receive_is_identical_to_that_of_windows() {
    let client = Client::new(&WINRM_RS);
    let shell = client.open();
    let command = client.start(&shell, "<rsp:Command>printf hi; exit 3</rsp:Command>");
    let (_, text) = client.receive(&shell, &command);
    let body = text.split("<s:Body>").nth(1).and_then(|rest| rest.split("</s:Body>").next());
    let of_command = format!("CommandId=\"{command}\"");
    let expected = format!(
        "<rsp:ReceiveResponse><rsp:Stream Name=\"stdout\" {of_command}>aGk=</rsp:Stream>\
         <rsp:Stream Name=\"stdout\" {of_command} End=\"true\"></rsp:Stream>\
         <rsp:Stream Name=\"stderr\" {of_command} End=\"true\"></rsp:Stream>\
         <rsp:CommandState {of_command} State=\"{SHELL}/CommandState/Done\"><rsp:ExitCode>3</rsp:ExitCode>\
         </rsp:CommandState></rsp:ReceiveResponse>"
    );
    assert_eq!(body, Some(expected.as_str()), "{text}");
}

const WINRM_RS: Dialect = Dialect {
    envelope,
    charset: Charset::Utf8,
    request: as_it_is,
    open_options: &[("WINRS_NOPROFILE", "TRUE"), ("WINRS_CODEPAGE", "1252")],
    command_options: &[],
    receive_options: &[],
};

fn envelope(message: &Message<'_>, id: &str) -> String {
    let Message { action, resource, body, .. } = message;
    let selectors = selector_set(message);
    let options = option_set(message);
    format!(
        r#"<s:Envelope xmlns:s="{SOAP}"
  {NAMESPACES}>
  <s:Header>
    <a:To>https://127.0.0.1:5986/wsman</a:To>
    <w:ResourceURI s:mustUnderstand="true">{resource}</w:ResourceURI>
    <a:ReplyTo>
      <a:Address s:mustUnderstand="true">{ANONYMOUS}</a:Address>
    </a:ReplyTo>
    <a:Action s:mustUnderstand="true">{action}</a:Action>
    <w:MaxEnvelopeSize s:mustUnderstand="true">153600</w:MaxEnvelopeSize>
    <a:MessageID>{id}</a:MessageID>
    <w:Locale xml:lang="en-US" s:mustUnderstand="false"/>
    <w:OperationTimeout>PT60S</w:OperationTimeout>
    {selectors}
  </s:Header>
    {options}
  <s:Body>
    {body}
  </s:Body>
</s:Envelope>"#
    )
}
