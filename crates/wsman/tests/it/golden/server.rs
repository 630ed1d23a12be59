//! Replies of the service.

use std::time::Duration;

use telarch_wsman::identify::Identity;
use telarch_wsman::shell::{
    CommandState, ShellState, StreamData, write_command_response, write_received, write_send_response,
};
use telarch_wsman::{
    Action, EndpointReference, Head, Reply, ResourceUri, SelectorSet, ShellVerb, namespace,
    write_resource_created,
};
use xml::Writer;

use super::{COMMAND_ID, ENDPOINT, SHELL_ID, golden, message_id, request_id};

#[test]
fn create_response_has_all_properties_of_a_shell() {
    let text = reply(Action::Create, |body| {
        let resource = ResourceUri::parse(namespace::SHELL_CMD).unwrap();
        let selectors = SelectorSet::new().with("ShellId", SHELL_ID);
        write_resource_created(
            body,
            &EndpointReference { address: ENDPOINT.to_owned(), resource, selectors },
        );
        shell().write(body);
    });
    golden("create-shell-response.xml", &text);
}

#[test]
fn create_response_of_a_plain_shell_is_that_of_windows() {
    let plain = ShellState {
        name: None,
        environment: Vec::new(),
        working_directory: None,
        lifetime: None,
        command_line: None,
        child_processes: None,
        ..shell()
    };
    golden("create-plain-shell-response.xml", &reply(Action::Create, |body| plain.write(body)));
}

#[test]
fn command_response_has_the_identifier() {
    let text = reply(Action::Shell(ShellVerb::Command), |body| write_command_response(body, COMMAND_ID));
    golden("command-response.xml", &text);
}

#[test]
fn receive_response_of_a_running_command_has_no_exit_code() {
    let text = reply(Action::Shell(ShellVerb::Receive), |body| {
        let pieces = [piece("stdout", b"out\n"), piece("stderr", b"err\n"), piece("stdout", &[0, 0xFF])];
        write_received(body, COMMAND_ID, &pieces, &[], CommandState::Running);
    });
    golden("receive-running-response.xml", &text);
}

#[test]
fn receive_response_of_an_ending_command_has_no_exit_code() {
    let text = reply(Action::Shell(ShellVerb::Receive), |body| {
        write_received(body, COMMAND_ID, &[], &["stdout"], CommandState::Pending);
    });
    golden("receive-pending-response.xml", &text);
}

#[test]
fn receive_response_of_an_ended_command_ends_both_streams() {
    let text = reply(Action::Shell(ShellVerb::Receive), |body| {
        let pieces = [piece("stdout", b"out\n"), piece("stderr", b"err\n")];
        let state = CommandState::Done { exit_code: -1 };
        write_received(body, COMMAND_ID, &pieces, &["stdout", "stderr"], state);
    });
    golden("receive-done-response.xml", &text);
}

#[test]
fn send_response_is_an_empty_element() {
    golden("send-response.xml", &reply(Action::Shell(ShellVerb::Send), write_send_response));
}

#[test]
fn signal_response_is_an_empty_element() {
    let text = reply(Action::Shell(ShellVerb::Signal), |body| {
        body.start("rsp:SignalResponse").end_empty();
    });
    golden("signal-response.xml", &text);
}

#[test]
fn delete_response_has_an_empty_body() {
    golden("delete-response.xml", &reply(Action::Delete, |_body| {}));
}

#[test]
fn get_response_contains_the_representation() {
    let text = reply(Action::Get, |body| {
        body.start("cfg:Config").namespace("cfg", namespace::CONFIG).attribute("xml:lang", "en-US");
        body.element("cfg:MaxEnvelopeSizekb", "500").start("cfg:Client");
        body.element("cfg:TrustedHosts", "").start("cfg:Auth").element("cfg:Basic", "true").end().end();
        body.start("cfg:Service")
            .start("cfg:RootSDDL")
            .attribute("Source", "GPO")
            .text("D:(A;;GA;;;BA)")
            .end()
            .end();
    });
    golden("get-response.xml", &text);
}

#[test]
fn enumerate_response_contains_objects_and_references() {
    let text = reply(Action::Enumerate, |body| {
        body.start("n:EnumerateResponse").start("n:EnumerationContext").end();
        body.start("w:Items").start("w:Item");
        body.start("cfg:Listener").namespace("cfg", namespace::CONFIG).element("cfg:Address", "*").end();
        let resource = ResourceUri::parse(&format!("{}/Listener", namespace::CONFIG)).unwrap();
        let selectors = SelectorSet::new().with("Address", "*").with("Transport", "HTTP");
        EndpointReference::anonymous(resource, selectors).write(body, "a:EndpointReference");
        body.end().end().start("w:EndOfSequence").end_empty();
    });
    golden("enumerate-response.xml", &text);
}

#[test]
fn method_response_is_named_after_the_method() {
    let action = Action::Custom("urn:example/Thing/Stop".to_owned());
    let text = reply(action, |body| {
        body.element("ReturnValue", "0");
    });
    golden("invoke-response.xml", &text);
}

#[test]
fn anonymous_identify_response_reveals_nothing_about_the_machine() {
    golden("identify-anonymous-response.xml", &identified(&Identity::anonymous("Example")));
}

#[test]
fn authenticated_identify_response_has_details() {
    let profile = |end| format!("http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/{end}").into();
    let identity = Identity {
        product_version: "OS: 6.1.0 SP: 0.0 Stack: 3.0".into(),
        security_profiles: vec![profile("http/basic"), profile("https/mutual")],
        ..Identity::anonymous("Example")
    };
    golden("identify-response.xml", &identified(&identity));
}

#[test]
fn identify_response_with_a_configured_vendor_names_the_product() {
    let identity =
        Identity { product: Some("Example".to_owned()), ..Identity::anonymous("Microsoft Corporation") };
    golden("identify-product-response.xml", &identified(&identity));
}

#[test]
fn operation_and_sequence_are_repeated() {
    let mut head = Head::new(Action::Delete, request_id());
    head.operation_id = Some("uuid:0A0B0C0D-0000-4000-8000-000000000001".to_owned());
    head.sequence_id = Some("1".to_owned());
    golden("echo-response.xml", &Reply::to(&head, message_id()).finish(u32::MAX).unwrap());
}

fn reply(action: Action, body: impl FnOnce(&mut Writer)) -> String {
    let mut reply = Reply::to(&Head::new(action, request_id()), message_id());
    body(reply.body());
    reply.finish(u32::MAX).unwrap()
}

fn identified(identity: &Identity) -> String {
    let mut reply = Reply::to(&Head::identify(), message_id());
    identity.write(reply.body());
    reply.finish(u32::MAX).unwrap()
}

fn piece<'a>(name: &'a str, octets: &'a [u8]) -> StreamData<'a> {
    StreamData { name, octets }
}

fn shell() -> ShellState {
    ShellState {
        shell_id: SHELL_ID.to_owned(),
        name: Some("a \"name\"".to_owned()),
        resource_uri: namespace::SHELL_CMD.to_owned(),
        owner: "LAB\\operator".to_owned(),
        client_ip: "192.0.2.7".to_owned(),
        environment: vec![("A<B".to_owned(), "1 & 2".to_owned()), ("EMPTY".to_owned(), String::new())],
        working_directory: Some("/srv/a b".to_owned()),
        lifetime: Some(Duration::from_millis(1_000_500)),
        idle_timeout: "PT7200.000S".to_owned(),
        input_streams: "stdin".to_owned(),
        output_streams: "stdout stderr".to_owned(),
        run_time: Duration::from_secs(93_784),
        inactivity: Duration::from_millis(5_900),
        child_processes: Some(2),
        command_line: Some("sh -c 'exit 3'".to_owned()),
        connection: None,
    }
}
