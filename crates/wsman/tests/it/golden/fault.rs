//! Faults of the service: one of each subcode namespace, and optional parts.

use telarch_wsman::{
    Action, Detail, Fault, Head, Origin, RejectedRequest, Request, Subcode, code, namespace,
};
use xml::Bounds;

use super::{golden, message_id, request_id};

#[test]
fn a_ws_management_fault_has_detail_code_and_machine() {
    let fault = Fault::new(Subcode::InvalidSelectors, code::UNEXPECTED_SELECTORS, "there is no such shell")
        .with_detail(Detail::UNEXPECTED_SELECTORS);
    golden("fault-invalid-selectors.xml", &answer(&fault.on_machine("server.example")));
}

#[test]
fn a_receive_without_output_is_an_operation_timeout() {
    let fault = Fault::new(Subcode::TimedOut, code::TIMED_OUT, "nothing to say within OperationTimeout");
    golden("fault-timed-out.xml", &answer(&fault.on_machine("192.0.2.1")));
}

#[test]
fn a_fault_of_addressing_has_the_action_of_addressing() {
    let fault =
        Fault::new(Subcode::ActionNotSupported, code::ACTION_NOT_SUPPORTED, "there is no such action");
    golden("fault-addressing.xml", &answer(&fault));
}

#[test]
fn a_fault_of_transfer_has_the_action_of_transfer() {
    let fault = Fault::new(Subcode::InvalidRepresentation, code::INVALID_VALUES, "Port is not a number")
        .with_detail(Detail::INVALID_VALUES);
    golden("fault-transfer.xml", &answer(&fault));
}

#[test]
fn a_fault_of_enumeration_has_the_action_of_enumeration() {
    let reason = "the context has ended";
    let fault = Fault::new(Subcode::InvalidEnumerationContext, code::INVALID_ENUMERATION_CONTEXT, reason);
    golden("fault-enumeration.xml", &answer(&fault));
}

#[test]
fn a_fault_of_eventing_has_the_action_of_eventing() {
    let reason = "this mode of delivery is unknown";
    golden(
        "fault-eventing.xml",
        &answer(&Fault::new(
            Subcode::DeliveryModeRequestedUnavailable,
            code::DELIVERY_MODE_UNAVAILABLE,
            reason,
        )),
    );
}

#[test]
fn a_fault_of_the_cim_binding_declares_its_prefix() {
    let reason = "this way with subclasses is unknown";
    let fault =
        Fault::new(Subcode::PolymorphismModeNotSupported, code::POLYMORPHISM_MODE_UNSUPPORTED, reason);
    golden("fault-cim-binding.xml", &answer(&fault));
}

#[test]
fn an_unknown_subcode_keeps_its_name() {
    let subcode = Subcode::Other { origin: Origin::Sender, name: "OutOfPaper".to_owned() };
    golden("fault-other.xml", &answer(&Fault::new(subcode, 0, "no paper")));
}

#[test]
fn a_provider_fault_is_inside_the_message() {
    let fault = Fault::new(Subcode::InvalidParameter, code::INVALID_PARAMETER, "the parameter is wrong")
        .with_provider("Shell cmd plugin", "%systemroot%\\system32\\winrscmd.dll", "");
    golden("fault-provider.xml", &answer(&fault));
    let fault = Fault::new(Subcode::InternalError, code::FILE_NOT_FOUND, "the command cannot be started")
        .with_provider("Shell cmd plugin", "", "no such file: <nothing> & \"more\"");
    golden("fault-provider-text.xml", &answer(&fault));
}

#[test]
fn an_unknown_mandatory_header_is_named() {
    golden(
        "fault-must-understand.xml",
        &refusal("<q:Coffee xmlns:q='urn:example:kitchen' s:mustUnderstand='1'/>"),
    );
}

#[test]
fn an_unknown_mandatory_header_without_namespace_is_named() {
    golden("fault-must-understand-unqualified.xml", &refusal("<Coffee s:mustUnderstand='1'/>"));
}

#[test]
fn an_unknown_mandatory_header_in_the_xml_namespace_is_named() {
    golden("fault-must-understand-xml.xml", &refusal("<xml:coffee s:mustUnderstand='1'/>"));
}

#[test]
fn a_soap_version_mismatch_has_no_subcode() {
    let RejectedRequest { fault, .. } =
        Request::parse("<Envelope xmlns='http://schemas.xmlsoap.org/soap/envelope/'/>", &Bounds::default())
            .unwrap_err();
    golden("fault-version-mismatch.xml", &fault.envelope(None, None, message_id()));
}

#[test]
fn operation_and_sequence_are_repeated_in_faults() {
    let mut head = Head::new(Action::Get, request_id());
    head.operation_id = Some("uuid:0A0B0C0D-0000-4000-8000-000000000001".to_owned());
    head.sequence_id = Some("1".to_owned());
    let fault = Fault::new(Subcode::AccessDenied, code::ACCESS_DENIED, "access denied");
    golden("fault-echo.xml", &fault.envelope(Some(&head), None, message_id()));
}

fn answer(fault: &Fault) -> String {
    fault.envelope(Some(&Head::new(Action::Get, request_id())), None, message_id())
}

/// Returns the fault for a request with an additional header.
fn refusal(header: &str) -> String {
    let text = format!(
        "<s:Envelope xmlns:s='{}' xmlns:a='{}'><s:Header><a:MessageID>uuid:{}</a:MessageID>{header}</s:Header>\
         <s:Body/></s:Envelope>",
        namespace::SOAP,
        namespace::ADDRESSING,
        request_id(),
    );
    let RejectedRequest { fault, relates_to } = Request::parse(text, &Bounds::default()).unwrap_err();
    fault.envelope(None, relates_to.as_deref(), message_id())
}
