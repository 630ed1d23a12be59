//! Faults in the forms of real services.

use telarch_wsman::{
    Action, Detail, Fault, Head, Origin, Response, ResponseError, Subcode, Uuid, code, namespace,
};
use xml::Bounds;

#[test]
fn a_windows_timeout_is_recognised() {
    let fault = read(&fault(
        "s:Receiver",
        "w:TimedOut",
        "Nothing came in time.  ",
        &wsman_fault(
            "2150858793",
            "server.example",
            "<f:Message>Nothing came within OperationTimeout.  </f:Message>",
        ),
    ));
    assert_eq!(fault.subcode(), &Subcode::TimedOut);
    assert_eq!(fault.code(), code::TIMED_OUT);
    assert_eq!(fault.reason(), "Nothing came within OperationTimeout.");
    assert_eq!((fault.machine(), fault.detail(), fault.provider()), (Some("server.example"), None, None));
}

/// Codes that our service never returns, with the reason. Clients receive them from Windows.
const OF_OTHER_SERVICES: [(u32, &str); 16] = [
    (code::PATH_NOT_FOUND, "the code of a missing working directory is DIRECTORY_INVALID"),
    (code::DATA_ENCODING_UNKNOWN, "attributes for encoding styles are ignored, as on Windows"),
    (code::ENDPOINT_UNAVAILABLE, "a service that ends or is busy answers with HTTP 503"),
    (code::EVENTING_FILTERING_NOT_SUPPORTED, "every resource with events supports filters"),
    (code::EVENT_SOURCE_UNABLE, "an event source names its own failure"),
    (code::ENCODING_LIMIT, "each limit has a code of its own"),
    (code::INVALID_OPTIONS, "invalid names and values of options have codes of their own"),
    (code::WSMAN_INVALID_PARAMETER, "Win32's code for an invalid parameter is returned, as on Windows"),
    (code::UNSUPPORTED_FEATURE, "each unsupported feature has a code of its own"),
    (code::SERVICE_ENVELOPE_LIMIT, "a request that is too large is answered with HTTP 413"),
    (code::MISSING_VALUES, "an element that Put omits keeps its value"),
    (
        code::SELECTOR_TYPE_MISMATCH,
        "a value that is not of the key's type is an invalid value, or matches no instance",
    ),
    (code::AMBIGUOUS_SELECTORS, "selectors must name all keys, so at most one instance matches"),
    (code::NESTED_TOO_DEEP, "the XML reader rejects such a document first"),
    (code::PROVIDER_INVALID_VALUE, "rows of providers have the types of their class"),
    (code::COMMAND_TERMINATED, "Receive of a terminated command returns its exit code"),
];

#[test]
fn codes_that_only_other_services_return_are_recognised() {
    for (code, reason) in OF_OTHER_SERVICES {
        let detail = wsman_fault(&code.to_string(), "server", "<f:Message>it failed</f:Message>");
        let fault = read(&fault("s:Sender", "w:InternalError", "it failed", &detail));
        assert_eq!(fault.code(), code, "{reason}");
    }
}

#[test]
fn the_message_takes_precedence_over_the_reason() {
    let detail = format!(
        "<w:FaultDetail>{}UnexpectedSelectors</w:FaultDetail>{}",
        namespace::FAULT_DETAIL,
        wsman_fault("2150858843", "192.0.2.1", "<f:Message>there is no such command</f:Message>")
    );
    let fault = read(&fault("s:Sender", "w:InvalidSelectors", "the selectors are wrong", &detail));
    assert_eq!(fault.subcode(), &Subcode::InvalidSelectors);
    assert_eq!(fault.detail(), Some(&Detail::UNEXPECTED_SELECTORS));
    assert_eq!(fault.to_string(), "there is no such command");
}

#[test]
fn a_provider_fault_may_contain_text() {
    let detail = wsman_fault(
        "87",
        "server",
        "<f:Message><f:ProviderFault provider='Shell cmd plugin' path='c:\\x.dll'>\n it is wrong \n</f:ProviderFault></f:Message>",
    );
    let fault = read(&fault("s:Sender", "w:InvalidParameter", "a parameter is wrong", &detail));
    let provider = fault.provider().unwrap();
    assert_eq!((provider.provider.as_str(), provider.path.as_str()), ("Shell cmd plugin", "c:\\x.dll"));
    assert_eq!(provider.text, "it is wrong");
    assert_eq!(fault.to_string(), "a parameter is wrong: it is wrong");
}

#[test]
fn a_provider_fault_may_be_empty() {
    let detail =
        wsman_fault("87", "", "<f:Message><f:ProviderFault provider='Shell cmd plugin'/></f:Message>");
    let fault = read(&fault("s:Sender", "w:InvalidParameter", "a parameter is wrong", &detail));
    assert_eq!(fault.provider().map(|provider| provider.text.as_str()), Some(""));
    assert_eq!(fault.to_string(), "a parameter is wrong");
}

#[test]
fn a_provider_fault_of_stack_1_contains_another_fault() {
    let inner = wsman_fault("2150858778", "", "<f:Message>there is no such class </f:Message>");
    let message = format!(
        "<f:Message><f:ProviderFault provider='a plug-in ' path='p'>{inner}</f:ProviderFault></f:Message>"
    );
    let fault = read(&fault(
        "s:Sender",
        "n:CannotProcessFilter",
        " the filter is\n wrong ",
        &wsman_fault("2150858778", "", &message),
    ));
    assert_eq!(fault.subcode(), &Subcode::CannotProcessFilter);
    assert_eq!(fault.code(), code::CANNOT_PROCESS_FILTER);
    assert_eq!(fault.reason(), "the filter is\n wrong");
    assert_eq!(fault.provider().map(|provider| provider.text.as_str()), Some("there is no such class"));
}

#[test]
fn provider_faults_nested_too_deeply_are_ignored() {
    let deep = format!("{}text{}", "<x>".repeat(60), "</x>".repeat(60));
    let message = format!("<f:Message><f:ProviderFault>{deep}</f:ProviderFault></f:Message>");
    let fault = read(&fault("s:Receiver", "w:InternalError", "reason", &wsman_fault("5", "", &message)));
    assert_eq!(fault.provider().map(|provider| provider.text.as_str()), Some(""));
}

#[test]
fn a_quota_fault_of_a_new_stack_has_its_code_in_a_wmi_error() {
    let detail = "<q:MSFT_WmiError xmlns:q='urn:example:MSFT_WmiError'><q:CIMStatusCode>27</q:CIMStatusCode>\
                  <q:Message>too many shells</q:Message><q:error_Code> 2150859173 </q:error_Code></q:MSFT_WmiError>";
    let fault = read(&fault("s:Sender", "w:QuotaLimit", "a limit is reached", detail));
    assert_eq!((fault.subcode(), fault.code()), (&Subcode::QuotaLimit, code::MAX_SHELLS_PER_USER));
    assert_eq!(fault.reason(), "too many shells");
}

#[test]
fn a_quota_fault_of_an_old_stack_is_an_internal_error() {
    let text = fault(
        "\n s:Receiver \n",
        "\n w:InternalError \n",
        "\n the limit is reached \n",
        &wsman_fault("2150859174", "1234", "\n<f:Message>\n this user may have 15 \n</f:Message>\n"),
    );
    let fault = read(&text);
    assert_eq!((fault.subcode(), fault.code()), (&Subcode::InternalError, code::MAX_OPERATIONS_PER_USER));
    assert_eq!(fault.reason(), "this user may have 15");
}

#[test]
fn faults_of_omi_have_other_prefixes_and_no_detail() {
    let text = format!(
        "<SOAP-ENV:Envelope xmlns:SOAP-ENV='{}' xmlns:wsman='{}'><SOAP-ENV:Body><SOAP-ENV:Fault><SOAP-ENV:Code>\
         <SOAP-ENV:Value>SOAP-ENV:Receiver</SOAP-ENV:Value><SOAP-ENV:Subcode>\
         <SOAP-ENV:Value>wsman:AccessDenied</SOAP-ENV:Value></SOAP-ENV:Subcode></SOAP-ENV:Code><SOAP-ENV:Reason>\
         <SOAP-ENV:Text xml:lang='en-US'></SOAP-ENV:Text></SOAP-ENV:Reason></SOAP-ENV:Fault></SOAP-ENV:Body>\
         </SOAP-ENV:Envelope>",
        namespace::SOAP,
        namespace::WSMAN
    );
    let fault = read(&text);
    assert_eq!((fault.subcode(), fault.code(), fault.reason()), (&Subcode::AccessDenied, 0, ""));
}

#[test]
fn a_subcode_is_identified_by_namespace_and_not_by_prefix() {
    let text = fault("s:Sender", "w:TimedOut", "", "");
    let elsewhere = text.replace(namespace::WSMAN, namespace::ENUMERATION);
    let other = |name: &str| Subcode::Other { origin: Origin::Sender, name: name.to_owned() };
    assert_eq!(read(&elsewhere).subcode(), &other("TimedOut"));
    assert_eq!(read(&fault("s:Sender", "TimedOut", "", "")).subcode(), &other("TimedOut"));
    assert_eq!(read(&fault("s:Sender", "undeclared:TimedOut", "", "")).subcode(), &other("TimedOut"));
    assert_eq!(read(&fault("s:Sender", "w:OutOfPaper", "", "")).subcode(), &other("OutOfPaper"));
}

#[test]
fn codes_are_parsed_signed_and_unsigned() {
    for (text, number) in [
        ("2150858770", 2_150_858_770),
        ("-2144108526", 2_150_858_770),
        (" 5 ", 5),
        ("0x80338012", 0),
        ("4294967296", 0),
        ("", 0),
    ] {
        let fault = read(&fault("s:Sender", "w:InternalError", "x", &wsman_fault(text, "", "")));
        assert_eq!(fault.code(), number, "{text}");
    }
}

#[test]
fn a_nearly_empty_fault_is_parsed() {
    for content in ["", "<s:Code/>", "<s:Code><s:Value/></s:Code><s:Reason/><s:Detail/>"] {
        let text = format!(
            "<s:Envelope xmlns:s='{}'><s:Body><s:Fault>{content}</s:Fault></s:Body></s:Envelope>",
            namespace::SOAP
        );
        let fault = read(&text);
        assert_eq!(
            fault.subcode(),
            &Subcode::Other { origin: Origin::Receiver, name: String::new() },
            "{content}"
        );
        assert_eq!((fault.code(), fault.reason()), (0, ""), "{content}");
    }
}

#[test]
fn faults_without_subcode_are_distinguished() {
    for (value, subcode) in [
        ("s:MustUnderstand", Subcode::MustUnderstand),
        ("s:VersionMismatch", Subcode::VersionMismatch),
        ("s:DataEncodingUnknown", Subcode::DataEncodingUnknown),
    ] {
        let text = fault(value, "", "", "").replace("<s:Subcode><s:Value></s:Value></s:Subcode>", "");
        assert_eq!(read(&text).subcode(), &subcode, "{value}");
    }
}

#[test]
fn every_fault_is_parsed_as_it_was_written() {
    let details = [None, Some(Detail::INVALID_VALUE), Some(Detail::URI_LIMIT_EXCEEDED)];
    for (subcode, detail) in subcodes().into_iter().zip(details.into_iter().cycle()) {
        let mut fault = Fault::new(subcode, u32::MAX, "reason < & \"more\"").on_machine("server:5985");
        if let Some(detail) = detail.clone() {
            fault = fault.with_detail(detail);
        }
        for fault in [fault.clone(), fault.with_provider("a \"plug-in\"", "/p", "it says <no>")] {
            let request = Head::new(Action::Get, Uuid::from_random([2; 16]));
            let read = read(&fault.envelope(Some(&request), None, Uuid::from_random([1; 16])));
            assert_eq!(read.subcode(), fault.subcode());
            assert_eq!(read.code(), fault.code());
            assert_eq!(read.reason(), fault.reason());
            assert_eq!(read.detail().map(Detail::uri), fault.detail().map(Detail::uri));
            assert_eq!((read.machine(), read.provider()), (fault.machine(), fault.provider()));
            assert_eq!(read.action(), fault.action());
        }
    }
}

/// One subcode of each origin and each namespace.
fn subcodes() -> Vec<Subcode> {
    vec![
        Subcode::ActionNotSupported,
        Subcode::EndpointUnavailable,
        Subcode::InvalidSelectors,
        Subcode::TimedOut,
        Subcode::InvalidRepresentation,
        Subcode::InvalidEnumerationContext,
        Subcode::FilteringNotSupported,
        Subcode::UnableToRenew,
        Subcode::MustUnderstand,
        Subcode::VersionMismatch,
        Subcode::DataEncodingUnknown,
        Subcode::Other { origin: Origin::Sender, name: "OutOfPaper".to_owned() },
    ]
}

fn read(text: &str) -> Fault {
    match Response::parse(text, &Bounds::default()) {
        Err(ResponseError::Fault(fault)) => fault,
        other => panic!("{text} was read as {other:?}"),
    }
}

/// Returns a fault envelope in the form of Windows.
fn fault(value: &str, subcode: &str, reason: &str, detail: &str) -> String {
    format!(
        "<s:Envelope xml:lang='en-US' xmlns:s='{}' xmlns:n='{}' xmlns:w='{}'><s:Header/><s:Body><s:Fault><s:Code>\
         <s:Value>{value}</s:Value><s:Subcode><s:Value>{subcode}</s:Value></s:Subcode></s:Code><s:Reason>\
         <s:Text xml:lang='en-US'>{reason}</s:Text></s:Reason><s:Detail>{detail}</s:Detail></s:Fault></s:Body>\
         </s:Envelope>",
        namespace::SOAP,
        namespace::ENUMERATION,
        namespace::WSMAN
    )
}

fn wsman_fault(code: &str, machine: &str, content: &str) -> String {
    format!(
        "<f:WSManFault xmlns:f='{}' Code='{code}' Machine='{machine}'>{content}</f:WSManFault>",
        namespace::FAULT
    )
}
