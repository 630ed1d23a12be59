//! winrm4j, which is Apache CXF: bodies in chunks, and the action in the content type.

use super::*;

#[test]
fn a_whole_conversation_in_chunks_succeeds() {
    let client = Client::new(&WINRM4J);
    let (shell, text) = client.open_with("<rsp:WorkingDirectory>/usr</rsp:WorkingDirectory>");
    assert_eq!(element(&text, "rsp:WorkingDirectory"), "/usr");
    let command = client.start(&shell, "<rsp:Command>pwd; read line; echo $line</rsp:Command>");
    // It looks into the state of the command in every answer; of one that runs there is no exit code yet.
    let (received, text) = client.receive(&shell, &command);
    assert_eq!(received, Received { stdout: b"/usr\n".to_vec(), stderr: Vec::new(), code: None });
    assert!(text.contains("/CommandState/Running\"") && !text.contains("ExitCode"), "{text}");
    client.in_shell("Send", &shell, &[], &send_body(&command, &BASE64.encode("on\n")));
    assert_eq!(client.finish(&shell, &command), ("on\n".to_owned(), String::new(), 0));
    client.close(&shell);
}

const WINRM4J: Dialect = Dialect {
    envelope,
    charset: Charset::Utf8,
    request: |curl, message| {
        let action = message.action;
        curl.content_type(&format!("application/soap+xml; charset=UTF-8; action=\"{action}\""))
            .header("Transfer-Encoding: chunked")
    },
    open_options: &[("WINRS_NOPROFILE", "TRUE"), ("WINRS_CODEPAGE", "437")],
    command_options: CONSOLE,
    receive_options: &[],
};

fn envelope(message: &Message<'_>, id: &str) -> String {
    let Message { action, resource, body, .. } = message;
    format!(
        "<soap:Envelope xmlns:soap=\"{SOAP}\" {NAMESPACES}><soap:Header><a:Action>{action}</a:Action>\
         <a:MessageID>{id}</a:MessageID><a:To>https://127.0.0.1:5986/wsman</a:To>\
         <a:ReplyTo><a:Address>{ANONYMOUS}</a:Address></a:ReplyTo><w:ResourceURI>{resource}</w:ResourceURI>\
         <w:MaxEnvelopeSize>153600</w:MaxEnvelopeSize><w:OperationTimeout>PT60.000S</w:OperationTimeout>\
         <w:Locale xml:lang=\"en-US\"/>{}{}</soap:Header><soap:Body>{body}</soap:Body></soap:Envelope>",
        selector_set(message),
        option_set(message),
    )
}
