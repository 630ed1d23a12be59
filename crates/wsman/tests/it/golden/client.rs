//! Requests of the client.

use std::time::Duration;

use telarch_wsman::enumeration::{Enumerate, EnumerationMode, Filter, PolymorphismMode, Pull, write_release};
use telarch_wsman::shell::{
    CommandLine, IdleTimeout, OpenShell, Receive, Send, Signal, SignalCode, StreamData, option,
};
use telarch_wsman::{
    Action, AssociationFilter, AssociationResult, EndpointReference, FragmentTransfer, Head, OptionSet,
    ResourceUri, SelectorSet, ShellVerb, WsmanOption, identify, namespace,
};
use xml::{Bounds, Document};

use super::{COMMAND_ID, ENDPOINT, SHELL_ID, golden, message_id};

#[test]
fn identify_has_no_headers() {
    golden("identify.xml", &Head::identify().envelope(&[], identify::write_request));
}

#[test]
fn get_has_all_usual_headers() {
    golden("get.xml", &head(Action::Get, namespace::CONFIG).envelope(&[], |_body| {}));
}

#[test]
fn get_of_a_fragment() {
    let mut head = head(Action::Get, "urn:example/Thing");
    head.selectors = reference_selector().with("Kind", "a & b");
    head.fragment = Some(FragmentTransfer {
        dialect: Some(namespace::DIALECT_XPATH.to_owned()),
        expression: "Caption/text()".to_owned(),
    });
    golden("get-fragment.xml", &head.envelope(&[], |_body| {}));
}

#[test]
fn create_of_a_shell() {
    let mut head = head(Action::Create, namespace::SHELL_CMD);
    head.options = OptionSet::new().with(option::NO_PROFILE, "TRUE").with(option::CODE_PAGE, "65001");
    head.options.push(WsmanOption { name: "Obey".to_owned(), value: None, must_comply: true });
    let open = OpenShell {
        shell_id: Some(SHELL_ID.to_owned()),
        name: Some("a \"name\"".to_owned()),
        environment: vec![("A".to_owned(), "1 < 2\r\n".to_owned()), ("B".to_owned(), String::new())],
        working_directory: Some("/srv".to_owned()),
        lifetime: Some(Duration::from_secs(1_000)),
        idle_timeout: Some(IdleTimeout::from(Duration::from_secs(600))),
        input_streams: vec!["stdin".to_owned()],
        output_streams: vec!["stdout".to_owned(), "stderr".to_owned()],
    };
    golden("create-shell.xml", &head.envelope(&[], |body| open.write(body)));
}

#[test]
fn command_request() {
    let mut head = in_shell(ShellVerb::Command);
    head.options =
        OptionSet::new().with(option::CONSOLE_MODE_STDIN, "TRUE").with(option::SKIP_CMD_SHELL, "FALSE");
    let line = CommandLine {
        command_id: Some(COMMAND_ID.to_owned()),
        command: "tar".to_owned(),
        arguments: vec!["-cf -".to_owned(), "\"a b\" && true".to_owned()],
    };
    golden("command.xml", &head.envelope(&[], |body| line.write(body)));
}

#[test]
fn send_with_input_and_end() {
    let text = in_shell(ShellVerb::Send).envelope(&[], |body| {
        Send::write(body, StreamData { name: "stdin", octets: b"input\n" }, COMMAND_ID, true);
    });
    golden("send.xml", &text);
}

#[test]
fn receive_of_both_streams() {
    let streams = vec!["stdout".to_owned(), "stderr".to_owned()];
    let receive = Receive { command_id: Some(COMMAND_ID.to_owned()), streams };
    golden("receive.xml", &in_shell(ShellVerb::Receive).envelope(&[], |body| receive.write(body)));
}

#[test]
fn signal_terminates_a_command() {
    let signal = Signal { command_id: Some(COMMAND_ID.to_owned()), code: SignalCode::Terminate };
    golden("signal.xml", &in_shell(ShellVerb::Signal).envelope(&[], |body| signal.write(body)));
}

#[test]
fn delete_closes_a_shell() {
    let mut head = head(Action::Delete, namespace::SHELL_CMD);
    head.selectors = SelectorSet::new().with(option::SHELL_ID, SHELL_ID);
    golden("delete.xml", &head.envelope(&[], |_body| {}));
}

#[test]
fn enumerate_with_a_filter() {
    let enumerate = Enumerate {
        optimize: true,
        max_elements: Some(32_000),
        mode: EnumerationMode::ObjectAndReference,
        polymorphism: PolymorphismMode::default(),
        filter: Some(Filter {
            dialect: namespace::DIALECT_WQL.to_owned(),
            text: "select * from Thing where Size > 1 and Name < 'x'".to_owned(),
            selectors: SelectorSet::new(),
            ..Filter::default()
        }),
    };
    let text = head(Action::Enumerate, "urn:example/*").envelope(&[], |body| enumerate.write(body));
    golden("enumerate.xml", &text);
}

#[test]
fn enumerate_without_subclasses() {
    let enumerate = Enumerate { polymorphism: PolymorphismMode::None, ..Enumerate::default() };
    let text = head(Action::Enumerate, "urn:example/Thing").envelope(&[], |body| enumerate.write(body));
    golden("enumerate-without-subclasses.xml", &text);
}

#[test]
fn enumerate_of_the_commands_of_a_shell() {
    let filter = Filter {
        dialect: namespace::DIALECT_SELECTOR.to_owned(),
        text: String::new(),
        selectors: SelectorSet::new().with("ShellId", SHELL_ID),
        ..Filter::default()
    };
    let enumerate =
        Enumerate { mode: EnumerationMode::Reference, filter: Some(filter), ..Enumerate::default() };
    let text = head(Action::Enumerate, namespace::SHELL).envelope(&[], |body| enumerate.write(body));
    golden("enumerate-commands.xml", &text);
}

#[test]
fn enumerate_with_an_association_filter() {
    let object = EndpointReference::anonymous(
        ResourceUri::parse("http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Win32_Service")
            .expect("a URI"),
        SelectorSet::new().with("Name", "spooler"),
    );
    let association = AssociationFilter {
        object,
        result: AssociationResult::Instances,
        association_class: Some("Win32_DependentService".to_owned()),
        role: Some("Dependent".to_owned()),
        result_class: Some("Win32_Service".to_owned()),
        result_role: Some("Antecedent".to_owned()),
        properties: vec!["Name".to_owned()],
    };
    let filter = Filter {
        dialect: namespace::DIALECT_ASSOCIATION.to_owned(),
        association: Some(association),
        ..Filter::default()
    };
    let enumerate = Enumerate { filter: Some(filter), ..Enumerate::default() };
    let text = head(Action::Enumerate, "urn:example/*").envelope(&[], |body| enumerate.write(body));
    golden("enumerate-associations.xml", &text);
}

#[test]
fn pull_with_a_context() {
    let pull = Pull {
        context: "uuid:C0FFEE00-0000-4000-8000-000000000001".to_owned(),
        max_elements: Some(100),
        max_time: Some(Duration::from_secs(20)),
    };
    golden("pull.xml", &head(Action::Pull, "urn:example/*").envelope(&[], |body| pull.write(body)));
}

#[test]
fn release_of_a_context() {
    let text = head(Action::Release, "urn:example/*")
        .envelope(&[], |body| write_release(body, "uuid:C0FFEE00-0000-4000-8000-000000000001"));
    golden("release.xml", &text);
}

#[test]
fn a_method_is_a_custom_action() {
    let mut head = head(Action::Custom("urn:example/Thing/Stop".to_owned()), "urn:example/Thing");
    head.operation_id = Some("uuid:0A0B0C0D-0000-4000-8000-000000000001".to_owned());
    head.sequence_id = Some("1".to_owned());
    let text = head.envelope(&[("t", "urn:example/Thing")], |body| {
        body.start("t:Stop_INPUT").element("t:Reason", "over & out").end();
    });
    golden("invoke.xml", &text);
}

fn head(action: Action, resource: &str) -> Head {
    let mut head = Head::new(action, message_id());
    head.to = Some(ENDPOINT.to_owned());
    head.resource = Some(ResourceUri::parse(resource).unwrap());
    head.max_envelope_size = Some(512_000);
    head.operation_timeout = Some(Duration::from_millis(60_500));
    head.locale = Some("en-US".to_owned());
    head.data_locale = Some("de-DE".to_owned());
    head.session_id = Some("uuid:0A0B0C0D-0000-4000-8000-000000000002".to_owned());
    head
}

fn in_shell(verb: ShellVerb) -> Head {
    let mut head = head(Action::Shell(verb), namespace::SHELL_CMD);
    head.selectors = SelectorSet::new().with(option::SHELL_ID, SHELL_ID);
    head
}

/// The selector `Owner`, whose value is a reference to another instance.
fn reference_selector() -> SelectorSet {
    let text = format!(
        "<w:SelectorSet xmlns:w='{}' xmlns:a='{}'><w:Selector Name='Owner'><a:EndpointReference>\
         <a:ReferenceParameters><w:ResourceURI>urn:example/Other</w:ResourceURI><w:SelectorSet>\
         <w:Selector Name='Key'>&lt;1&gt;</w:Selector></w:SelectorSet></a:ReferenceParameters>\
         </a:EndpointReference></w:Selector></w:SelectorSet>",
        namespace::WSMAN,
        namespace::ADDRESSING,
    );
    SelectorSet::parse(Document::parse(text, &Bounds::default()).unwrap().root()).unwrap()
}
