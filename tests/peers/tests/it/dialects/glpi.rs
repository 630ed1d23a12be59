//! GLPI's agent: takes nothing but answers to its own operation, and reads the registry.

use super::*;

const CIMV2: &str = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2";

#[test]
fn it_accepts_the_service_if_the_vendor_contains_microsoft() {
    let question = format!(
        "<s:Envelope xmlns:s=\"{SOAP}\" xmlns:wsmid=\"{IDENTITY}\"><s:Header/><s:Body><wsmid:Identify/></s:Body></s:Envelope>"
    );
    for (vendor, goes_on) in [("", false), ("Microsoft Corporation", true)] {
        let service = Telarchd::start(&[("Identify.ProductVendor", vendor)]);
        let signed_in = Curl::to(service.https()).basic(USER, PASSWORD);
        let stranger = Curl::to(service.https()).header("WSMANIDENTIFY: unauthenticated");
        for requested in [signed_in, stranger] {
            let answer = text_of(&requested.body(question.as_str()).send());
            // It looks for the declaration of this prefix on the element, and for the word in letters of any case.
            let opening = format!("<wsmid:IdentifyResponse xmlns:wsmid=\"{IDENTITY}\">");
            assert!(answer.contains(&opening), "{answer}");
            let vendor = element(&answer, "wsmid:ProductVendor").to_lowercase();
            assert_eq!(vendor.contains("microsoft"), goes_on, "{answer}");
        }
    }
}

#[test]
fn the_response_to_its_query_has_its_operation_id() {
    let client = Client::new(&GLPI);
    let resource = format!("{CIMV2}/*");
    let enumerate = "<n:Enumerate><w:OptimizeEnumeration/><w:MaxElements s:mustUnderstand=\"true\">32000</w:MaxElements>\
                     <w:Filter Dialect=\"http://schemas.microsoft.com/wbem/wsman/1/WQL\">\
                     SELECT Name FROM Win32_OperatingSystem</w:Filter></n:Enumerate>";
    let answer = client.answer(&Message {
        action: ENUMERATE,
        resource: &resource,
        body: enumerate,
        ..Message::default()
    });
    assert!(answer.contains(OPERATION) && answer.contains("<w:EndOfSequence"), "{answer}");
    assert!(!element(&answer, "Name").is_empty(), "{answer}");
}

#[test]
fn a_whole_class_is_listed_without_options() {
    let client = Client::new(&GLPI);
    let resource = format!("{CIMV2}/Win32_OperatingSystem");
    let ask = |action, body: &str| {
        client.answer(&Message { action, resource: &resource, body, ..Message::default() })
    };
    let opened = ask(ENUMERATE, "<n:Enumerate/>");
    let context = element(&opened, "n:EnumerationContext");
    let pull = format!("<n:Pull><n:EnumerationContext>{context}</n:EnumerationContext></n:Pull>");
    let pulled = ask(PULL, &pull);
    assert!(pulled.contains("<p:CSName>") && pulled.contains("<n:EndOfSequence"), "{pulled}");
    assert!(pulled.contains(OPERATION), "{pulled}");
}

#[test]
fn a_missing_class_has_the_fault_code_it_expects() {
    let client = Client::new(&GLPI);
    let resource = format!("{CIMV2}/MSFT_NoSuchClass");
    let (code, text) = client.refusal(&Message {
        action: ENUMERATE,
        resource: &resource,
        body: "<n:Enumerate/>",
        ..Message::default()
    });
    assert_eq!(code, 2_150_858_752, "{text}");
}

#[test]
fn registry_methods_have_the_exact_actions_it_expects() {
    let client = Client::new(&GLPI);
    let resource = format!("{CIMV2}/StdRegProv");
    let action = format!("{resource}/GetStringValue");
    let body = format!(
        "<rm:GetStringValue_INPUT xmlns:rm=\"{resource}\"><rm:hDefKey>2147483650</rm:hDefKey>\
         <rm:sSubKeyName>SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion</rm:sSubKeyName>\
         <rm:sValueName>ProductName</rm:sValueName></rm:GetStringValue_INPUT>"
    );
    // The action of the answer is checked for every answer.
    let answer =
        client.answer(&Message { action: &action, resource: &resource, body: &body, ..Message::default() });
    assert!(answer.contains("<p:GetStringValue_OUTPUT "), "{answer}");
    assert!(!element(&answer, "p:sValue").is_empty(), "{answer}");
    assert_eq!(element(&answer, "p:ReturnValue"), "0", "{answer}");
    assert!(answer.contains(OPERATION), "{answer}");
}

#[test]
fn its_end_message_after_each_list_receives_no_body() {
    let client = Client::new(&GLPI);
    let resource = "http://schemas.microsoft.com/wbem/wsman/1/wsman/FullDuplex";
    let message = Message { action: END, resource, ..Message::default() };
    let envelope = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<s:Envelope xmlns:s=\"{SOAP}\" {NAMESPACES}><s:Header>\
         <a:Action s:mustUnderstand=\"true\">{END}</a:Action><a:MessageID>{}</a:MessageID><a:To>{ANONYMOUS}</a:To>\
         <p:OperationID s:mustUnderstand=\"false\">{OPERATION}\
         <w:ResourceURI s:mustUnderstand=\"true\">{resource}</w:ResourceURI></s:Header><s:Body/></s:Envelope>",
        fresh_id(),
    );
    let reply = client.post(&message, &envelope);
    assert_eq!((reply.status, reply.body.len()), (204, 0), "{reply:?}");
    // Whoever has not proven who it is gets no further with it than with anything else.
    let reply = Curl::to(client.service.https()).body(envelope.as_str()).send();
    assert_eq!(reply.status, 401, "{reply:?}");
}

const GLPI: Dialect = Dialect {
    envelope,
    charset: Charset::Utf8,
    request: |curl, _| curl.header("User-Agent: GLPI-Agent_v1.11"),
    open_options: &[],
    command_options: &[],
    receive_options: &[],
};

const IDENTITY: &str = "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd";

const END: &str = "http://schemas.microsoft.com/wbem/wsman/1/wsman/End";

/// What it wants to see again.
const OPERATION: &str = "uuid:9E4E3A2F-55F0-4E6C-8C2D-3F0C1B7C9A11</p:OperationID>";

fn envelope(message: &Message<'_>, id: &str) -> String {
    let Message { action, resource, body, .. } = message;
    format!(
        "<s:Envelope xmlns:s=\"{SOAP}\" {NAMESPACES}><s:Header><a:To>https://127.0.0.1:5986/wsman</a:To>\
         <w:ResourceURI s:mustUnderstand=\"true\">{resource}</w:ResourceURI>\
         <a:ReplyTo><a:Address s:mustUnderstand=\"true\">{ANONYMOUS}</a:Address></a:ReplyTo>\
         <a:Action s:mustUnderstand=\"true\">{action}</a:Action><a:MessageID>{id}</a:MessageID>\
         <w:MaxEnvelopeSize s:mustUnderstand=\"true\">512000</w:MaxEnvelopeSize>\
         <w:Locale xml:lang=\"en-US\" s:mustUnderstand=\"false\"/>\
         <p:DataLocale xml:lang=\"en-US\" s:mustUnderstand=\"false\"/>\
         <p:SessionId s:mustUnderstand=\"false\">uuid:0D1A3C31-1C39-4B5C-9D6E-6E9A2C1F7B22</p:SessionId>\
         <p:OperationID s:mustUnderstand=\"false\">{OPERATION}\
         <p:SequenceId s:mustUnderstand=\"false\">1</p:SequenceId>\
         <w:OperationTimeout>PT60.000S</w:OperationTimeout></s:Header><s:Body>{body}</s:Body></s:Envelope>",
    )
}
