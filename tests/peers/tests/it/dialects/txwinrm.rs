//! txwinrm, under Zenoss: white space around every value, and message identifiers used again and again.

use super::*;

#[test]
fn a_whole_conversation_with_padded_values_succeeds() {
    let client = Client::new(&TXWINRM);
    let shell = client.open();
    let body = "\n <rsp:Command>echo hi</rsp:Command>\n ";
    assert_eq!(client.run(&shell, body), ("hi\n".to_owned(), String::new(), 0));
    assert_eq!(client.run(&shell, body), ("hi\n".to_owned(), String::new(), 0));
    client.close(&shell);
}

#[test]
fn a_list_is_pulled_in_several_rounds_under_one_message_identifier() {
    let client = Client::new(&TXWINRM);
    let body = "\n<n:Enumerate>\n<w:MaxElements> 1 </w:MaxElements>\n</n:Enumerate>\n";
    let mut answer =
        client.answer(&Message { action: ENUMERATE, resource: LISTENER, body, ..Message::default() });
    let mut transports = Vec::new();
    while !answer.contains("EndOfSequence") {
        let context = element(&answer, "n:EnumerationContext");
        let body = format!(
            "<n:Pull>\n<n:EnumerationContext>\n {context} \n</n:EnumerationContext>\n<n:MaxElements>1</n:MaxElements></n:Pull>"
        );
        answer =
            client.answer(&Message { action: PULL, resource: LISTENER, body: &body, ..Message::default() });
        transports.push(element(&answer, "cfg:Transport"));
    }
    assert_eq!(transports, ["HTTP", "HTTPS"]);
}

const TXWINRM: Dialect = Dialect {
    // Every message is a template with the identifier already in it.
    envelope: |message, _| envelope(message, "uuid:AB0FFA35-0D4C-4F2C-8E0C-1B6A4B0F2E11"),
    charset: Charset::Utf8,
    request: as_it_is,
    open_options: UTF_8,
    command_options: CONSOLE,
    receive_options: &[],
};

fn envelope(message: &Message<'_>, id: &str) -> String {
    let Message { action, resource, body, .. } = message;
    let padded = |set: String| set.replace("\">", "\">\n  ").replace("</w:Selector>", " </w:Selector>");
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<s:Envelope xmlns:s=\"{SOAP}\" {NAMESPACES}>\n<s:Header>\n\
         <a:To> http://windows-host:5985/wsman </a:To>\n\
         <w:ResourceURI s:mustUnderstand=\"true\">\n  {resource}\n </w:ResourceURI>\n\
         <a:ReplyTo>\n<a:Address s:mustUnderstand=\"true\">\n  {ANONYMOUS}\n </a:Address>\n</a:ReplyTo>\n\
         <a:Action s:mustUnderstand=\"true\">\n\t{action}\n </a:Action>\n\
         <w:MaxEnvelopeSize s:mustUnderstand=\"true\"> 153600 </w:MaxEnvelopeSize>\n\
         <a:MessageID>\n  {id}\n </a:MessageID>\n<w:Locale xml:lang=\"en-US\" s:mustUnderstand=\"false\" />\n\
         <w:OperationTimeout>\n PT60.000S\n </w:OperationTimeout>\n{}{}\n</s:Header>\n<s:Body>{body}</s:Body>\n</s:Envelope>\n",
        padded(selector_set(message)),
        padded(option_set(message)),
    )
}
