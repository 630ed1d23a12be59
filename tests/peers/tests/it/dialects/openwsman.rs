//! openwsman and wsmancli: wait for 100 Continue, and ask for counts and polymorphism that nobody has to give.

use super::*;

#[test]
fn its_enumeration_is_complete_and_each_request_gets_100_continue() {
    let client = Client::new(&OPENWSMAN);
    let enumerate = "<n:Enumerate><w:OptimizeEnumeration/><w:MaxElements>1</w:MaxElements>\
                     <b:PolymorphismMode>IncludeSubClassProperties</b:PolymorphismMode></n:Enumerate>";
    let message = Message { action: ENUMERATE, resource: LISTENER, body: enumerate, ..Message::default() };
    let reply = client.ask(&message);
    assert_eq!((reply.interim.as_slice(), reply.status), ([100].as_slice(), 200), "{reply:?}");
    let first = client.answer(&message);
    assert!(first.contains("<w:Items><cfg:Listener ") && !first.contains("EndOfSequence"), "{first}");
    assert_eq!(element(&first, "cfg:Transport"), "HTTP");

    let context = element(&first, "n:EnumerationContext");
    let pull = format!(
        "<n:Pull><n:EnumerationContext>{context}</n:EnumerationContext><n:MaxElements>1</n:MaxElements></n:Pull>"
    );
    let second =
        client.answer(&Message { action: PULL, resource: LISTENER, body: &pull, ..Message::default() });
    assert!(second.contains("<n:Items><cfg:Listener ") && second.contains("<n:EndOfSequence"), "{second}");
    assert_eq!(element(&second, "cfg:Transport"), "HTTPS");
}

/// So do Centreon's checks, which are written in Perl above it.
#[test]
fn its_wmi_queries_with_the_uri_of_a_class_are_answered() {
    let client = Client::new(&OPENWSMAN);
    let resource = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Win32_OperatingSystem";
    let enumerate = "<n:Enumerate><w:OptimizeEnumeration/><w:MaxElements>999</w:MaxElements>\
                     <w:Filter Dialect=\"http://schemas.microsoft.com/wbem/wsman/1/WQL\">\
                     Select FreePhysicalMemory, TotalVisibleMemorySize From Win32_OperatingSystem</w:Filter>\
                     <b:PolymorphismMode>IncludeSubClassProperties</b:PolymorphismMode></n:Enumerate>";
    for resource in [resource, "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/*"] {
        let answer =
            client.answer(&Message { action: ENUMERATE, resource, body: enumerate, ..Message::default() });
        assert!(answer.contains("<w:EndOfSequence"), "{answer}");
        for name in ["FreePhysicalMemory", "TotalVisibleMemorySize"] {
            assert!(element(&answer, name).parse::<u64>().is_ok_and(|octets| octets > 0), "{answer}");
        }
    }
    let answer = client.answer(&Message { action: GET, resource, ..Message::default() });
    assert!(answer.contains("<p:Win32_OperatingSystem ") && answer.contains("<p:Caption>"), "{answer}");
}

#[test]
fn a_fault_is_an_envelope_with_its_code_and_subcode() {
    let client = Client::new(&OPENWSMAN);
    let resource = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_NoSuchClass";
    let (_, text) = client.refusal(&Message { action: GET, resource, ..Message::default() });
    assert!(
        text.contains("<s:Value>s:Sender</s:Value><s:Subcode><s:Value>a:DestinationUnreachable<"),
        "{text}"
    );
    assert!(text.contains("faultDetail/InvalidResourceURI"), "{text}");
}

const OPENWSMAN: Dialect = Dialect {
    envelope,
    charset: Charset::Utf8,
    request: |curl, _| curl.header("Expect: 100-continue").header("User-Agent: Openwsman"),
    open_options: &[],
    command_options: &[],
    receive_options: &[],
};

fn envelope(message: &Message<'_>, id: &str) -> String {
    let Message { action, resource, body, .. } = message;
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<s:Envelope xmlns:s=\"{SOAP}\" {NAMESPACES}><s:Header>\
         <a:Action s:mustUnderstand=\"true\">{action}</a:Action>\
         <a:To s:mustUnderstand=\"true\">http://127.0.0.1:5985/wsman</a:To>\
         <w:ResourceURI s:mustUnderstand=\"true\">{resource}</w:ResourceURI>\
         <a:MessageID s:mustUnderstand=\"true\">{id}</a:MessageID>\
         <a:ReplyTo><a:Address>{ANONYMOUS}</a:Address></a:ReplyTo><w:RequestTotalItemsCountEstimate/>\
         <w:OperationTimeout>PT60.000S</w:OperationTimeout>{}</s:Header><s:Body>{body}</s:Body></s:Envelope>\n",
        selector_set(message),
    )
}
