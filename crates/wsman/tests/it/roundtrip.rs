//! Messages written by one end are parsed by the other.

use telarch_wsman::enumeration::{
    Enumerate, EnumerationMode, Filter, PolymorphismMode, Pull, parse_release, write_release,
};
use telarch_wsman::eventing::{DeliveryMode, Start, Subscribe, SubscribeResponse, parse_renew, write_renew};
use telarch_wsman::shell::{
    BufferMode, CommandLine, ConnectionState, IdleTimeout, OpenShell, Receive, Send, ShellState, Signal,
    SignalCode, StreamData, parse_command_response, parse_created, write_command_response,
};
use telarch_wsman::{
    Action, AssociationFilter, AssociationResult, Compression, EndpointReference, FragmentTransfer, Head,
    OptionSet, Reply, Request, ResourceUri, Response, Selector, SelectorSet, ShellVerb, Uuid, WsmanOption,
    identify, namespace, write_resource_created,
};
use xml::{Bounds, Document, Writer};

use crate::generator::Generator;

#[test]
fn a_header_is_parsed_as_it_was_written() {
    let mut generator = Generator::new(1);
    for _ in 0..500 {
        let head = head(&mut generator);
        let text = head.envelope(&[("q", "urn:example")], |body| {
            body.start("q:Body").end();
        });
        match Request::parse(text.as_str(), &Bounds::default()) {
            Ok(request) => {
                assert_eq!(request.head(), &head, "{text}");
                assert!(request.body().is_some_and(|body| body.is("urn:example", "Body")), "{text}");
            }
            Err(refused) => panic!("{text} was refused: {}", refused.fault),
        }
    }
}

#[test]
fn a_response_relates_to_its_request() {
    let mut generator = Generator::new(2);
    for _ in 0..200 {
        let head = head(&mut generator);
        let text = Reply::to(&head, uuid(&mut generator)).finish(u32::MAX).unwrap();
        let response = Response::parse(text, &Bounds::default()).unwrap();
        assert_eq!(response.action(), head.action.response_uri());
        assert_eq!(response.require_relation(&head.message_id), Ok(()));
        assert!(response.require_relation("uuid:another").is_err());
        assert!(response.content().is_none());
    }
}

#[test]
fn open_shell_is_parsed_as_it_was_written() {
    let mut generator = Generator::new(3);
    for _ in 0..300 {
        let open = open_shell(&mut generator);
        let read = sent(Action::Create, |body| open.write(body), OpenShell::parse);
        assert_eq!(read, Ok(open));
    }
}

#[test]
fn a_command_line_is_parsed_as_it_was_written() {
    let mut generator = Generator::new(4);
    for _ in 0..300 {
        let line = CommandLine {
            command_id: generator.maybe(Generator::id),
            command: generator.text(),
            arguments: generator.some(4, Generator::text),
        };
        let read = sent(Action::Shell(ShellVerb::Command), |body| line.write(body), CommandLine::parse);
        assert_eq!(read.as_ref().map(CommandLine::line), Ok(line.line()));
        assert_eq!(read, Ok(line));
    }
}

#[test]
fn receive_send_and_signal_are_parsed_as_they_were_written() {
    let mut generator = Generator::new(5);
    for _ in 0..200 {
        let receive = Receive {
            command_id: generator.maybe(Generator::id),
            streams: generator.some(3, |generator| generator.pick(&["stdout", "stderr", "pr"]).to_owned()),
        };
        let read = sent(Action::Shell(ShellVerb::Receive), |body| receive.write(body), Receive::parse);
        assert_eq!(read, Ok(receive));

        let codes =
            [&SignalCode::Terminate, &SignalCode::CtrlC, &SignalCode::CtrlBreak, &SignalCode::PowerShellStop];
        let signal = Signal { command_id: generator.maybe(Generator::id), code: *generator.pick(&codes) };
        let read = sent(Action::Shell(ShellVerb::Signal), |body| signal.write(body), Signal::parse);
        assert_eq!(read, Ok(signal));

        let length = generator.below(400);
        let (octets, id, end) = (generator.octets(length), generator.id(), generator.below(2) == 0);
        let write =
            |body: &mut Writer| Send::write(body, StreamData { name: "stdin", octets: &octets }, &id, end);
        let streams = sent(Action::Shell(ShellVerb::Send), write, Send::parse).unwrap().streams;
        assert_eq!(streams.len(), 1);
        assert_eq!((&streams[0].octets, streams[0].end), (&octets, end));
        assert_eq!((streams[0].name.as_str(), streams[0].command_id.as_ref()), ("stdin", Some(&id)));
    }
}

#[test]
fn enumerate_pull_and_release_are_parsed_as_they_were_written() {
    let mut generator = Generator::new(6);
    for _ in 0..300 {
        let modes =
            [&EnumerationMode::Object, &EnumerationMode::Reference, &EnumerationMode::ObjectAndReference];
        let ways = [
            &PolymorphismMode::IncludeSubClassProperties,
            &PolymorphismMode::ExcludeSubClassProperties,
            &PolymorphismMode::None,
        ];
        let enumerate = Enumerate {
            optimize: generator.below(2) == 0,
            max_elements: generator.maybe(|generator| number(generator, 1)),
            mode: *generator.pick(&modes),
            polymorphism: *generator.pick(&ways),
            filter: generator.maybe(filter),
        };
        let read = sent(Action::Enumerate, |body| enumerate.write(body), Enumerate::parse);
        assert_eq!(read, Ok(enumerate));

        let pull = Pull {
            context: generator.word(),
            max_elements: generator.maybe(|generator| number(generator, 1)),
            max_time: generator.maybe(Generator::time),
        };
        assert_eq!(sent(Action::Pull, |body| pull.write(body), Pull::parse), Ok(pull.clone()));
        let read = sent(Action::Release, |body| write_release(body, &pull.context), parse_release);
        assert_eq!(read, Ok(pull.context));
    }
}

#[test]
fn subscribe_and_renew_are_parsed_as_they_were_written() {
    let mut generator = Generator::new(9);
    for _ in 0..200 {
        let subscribe = Subscribe {
            mode: *generator.pick(&DeliveryMode::ALL.each_ref()),
            expires: generator.maybe(Generator::time).filter(|time| !time.is_zero()),
            filter: generator.maybe(filter),
            end_to: false,
            start: start(&mut generator),
            sends_bookmarks: generator.maybe(Generator::word).is_some(),
            push: None,
        };
        let read = sent(Action::Subscribe, |body| subscribe.write(body), Subscribe::parse);
        assert_eq!(read, Ok(subscribe.clone()));
        let renew = |body: &mut Writer| write_renew(body, subscribe.expires);
        assert_eq!(sent(Action::Renew, renew, parse_renew), Ok(subscribe.expires));

        let subscribed = SubscribeResponse {
            identifier: generator.word(),
            expires: subscribe.expires,
            context: generator.maybe(Generator::word),
        };
        let (address, resource) = (generator.word(), resource(&mut generator));
        let response = answered(Action::Subscribe, |body| subscribed.write(body, Some(&address), &resource));
        let content = response.content().unwrap();
        assert_eq!(SubscribeResponse::parse(content), Some(subscribed));
        let manager = content.child(namespace::EVENTING, "SubscriptionManager").unwrap();
        let manager = EndpointReference::parse(manager).unwrap();
        assert_eq!((manager.address, manager.resource), (address, resource));
    }
}

#[test]
fn shell_state_is_parsed_as_it_was_written() {
    let mut generator = Generator::new(7);
    for _ in 0..300 {
        let state = shell_state(&mut generator);
        let reference = EndpointReference {
            address: generator.word(),
            resource: resource(&mut generator),
            selectors: SelectorSet::new().with("ShellId", state.shell_id.as_str()),
        };
        let response = answered(Action::Create, |body| {
            write_resource_created(body, &reference);
            state.write(body);
        });
        assert_eq!(ShellState::parse(response.content_named("Shell").unwrap()), state);
        assert_eq!(EndpointReference::parse(response.content().unwrap()), Ok(reference));
        assert_eq!(parse_created(response.body().unwrap()), Some(state.shell_id));
    }
}

#[test]
fn responses_to_command_and_identify_are_parsed_as_written() {
    let mut generator = Generator::new(8);
    for _ in 0..100 {
        let id = generator.word();
        let response = answered(Action::Shell(ShellVerb::Command), |body| write_command_response(body, &id));
        assert_eq!(parse_command_response(response.content().unwrap()), Some(id));

        let identity = identify::Identity {
            protocol_version: generator.word().into(),
            product_vendor: generator.word(),
            product_version: generator.word().into(),
            security_profiles: generator.some(3, |generator| generator.word().into()),
            product: generator.some(1, Generator::word).pop(),
        };
        let mut reply = Reply::to(&Head::identify(), uuid(&mut generator));
        identity.write(reply.body());
        let response = Response::parse(reply.finish(u32::MAX).unwrap(), &Bounds::default()).unwrap();
        assert_eq!(identify::Identity::parse(response.content().unwrap()), identity);
    }
}

/// Writes a body and parses it on the other side.
fn sent<T>(action: Action, write: impl FnOnce(&mut Writer), read: impl FnOnce(xml::Element<'_>) -> T) -> T {
    let text = Head::new(action, Uuid::from_random([9; 16])).envelope(&[], write);
    let request = match Request::parse(text, &Bounds::default()) {
        Ok(request) => request,
        Err(refused) => panic!("refused: {}", refused.fault),
    };
    read(request.body().unwrap())
}

fn answered(action: Action, write: impl FnOnce(&mut Writer)) -> Response {
    let mut reply = Reply::to(&Head::new(action, Uuid::from_random([9; 16])), Uuid::from_random([8; 16]));
    write(reply.body());
    Response::parse(reply.finish(u32::MAX).unwrap(), &Bounds::default()).unwrap()
}

fn head(generator: &mut Generator) -> Head {
    let action = action(generator);
    let mut head = Head::new(action, uuid(generator));
    if generator.below(2) == 0 {
        head.message_id = generator.label();
    }
    head.to = generator.maybe(Generator::label);
    head.resource = generator.maybe(resource);
    head.selectors = selectors(generator, 0);
    head.options = options(generator);
    head.max_envelope_size = generator.maybe(|generator| number(generator, Head::SMALLEST_ENVELOPE));
    head.operation_timeout = generator.maybe(Generator::time);
    head.locale = generator.maybe(Generator::word);
    head.data_locale = generator.maybe(Generator::word);
    head.session_id = generator.maybe(Generator::label);
    head.operation_id = generator.maybe(Generator::label);
    head.sequence_id = generator.maybe(Generator::label);
    head.subscription = generator.maybe(Generator::label);
    head.compression = compression(generator);
    head.fragment = generator.maybe(|generator| FragmentTransfer {
        dialect: generator.maybe(Generator::word),
        expression: generator.word(),
    });
    head
}

fn action(generator: &mut Generator) -> Action {
    match generator.below(14) {
        0 => Action::Get,
        1 => Action::Put,
        2 => Action::Create,
        3 => Action::Delete,
        4 => Action::Enumerate,
        5 => Action::Pull,
        6 => Action::Release,
        7 => Action::Subscribe,
        8 => Action::Unsubscribe,
        9 => Action::Renew,
        10 => Action::GetStatus,
        11 | 12 => Action::Shell(ShellVerb::ALL[generator.below(ShellVerb::ALL.len())]),
        _ => Action::Custom(format!("urn:{}", generator.id())),
    }
}

fn selectors(generator: &mut Generator, depth: usize) -> SelectorSet {
    let mut set = SelectorSet::new();
    for number in 0..generator.below(4) {
        set = set.with(generator.name(number), generator.word());
    }
    if depth < 3 && generator.below(4) == 0 {
        set = with_reference(generator, &set, depth);
    }
    set
}

/// Adds a reference in front, an order that only parsing can produce.
fn with_reference(generator: &mut Generator, rest: &SelectorSet, depth: usize) -> SelectorSet {
    let inner = selectors(generator, depth + 1);
    let reference =
        EndpointReference { address: generator.word(), resource: resource(generator), selectors: inner };
    let mut writer = Writer::new();
    writer.start("w:SelectorSet").namespace("w", namespace::WSMAN).namespace("a", namespace::ADDRESSING);
    writer.start("w:Selector").attribute("Name", "Reference");
    reference.write(&mut writer, "a:EndpointReference");
    let document = Document::parse(writer.finish(), &Bounds::default()).unwrap();
    let mut set = SelectorSet::parse(document.root()).unwrap();
    for Selector { name, .. } in rest.iter() {
        set = set.with(name.as_str(), rest.text(name).unwrap());
    }
    set
}

fn options(generator: &mut Generator) -> OptionSet {
    let mut set = OptionSet::new();
    for _ in 0..generator.below(4) {
        set.push(WsmanOption {
            name: generator.word(),
            value: generator.maybe(Generator::word),
            must_comply: generator.below(2) == 0,
        });
    }
    set
}

fn open_shell(generator: &mut Generator) -> OpenShell {
    OpenShell {
        shell_id: generator.maybe(Generator::id),
        name: generator.maybe(Generator::text),
        environment: environment(generator),
        working_directory: generator.maybe(Generator::word),
        lifetime: generator.maybe(Generator::time),
        idle_timeout: generator.maybe(|generator| IdleTimeout::from(generator.time())),
        input_streams: generator.some(2, |generator| generator.pick(&["stdin", "pr"]).to_owned()),
        output_streams: generator.some(3, |generator| generator.pick(&["stdout", "stderr"]).to_owned()),
    }
}

fn shell_state(generator: &mut Generator) -> ShellState {
    let whole = |time: std::time::Duration| std::time::Duration::from_secs(time.as_secs());
    ShellState {
        shell_id: generator.word(),
        name: generator.maybe(Generator::word),
        resource_uri: generator.word(),
        owner: generator.word(),
        client_ip: generator.word(),
        environment: environment(generator),
        working_directory: generator.maybe(Generator::word),
        lifetime: generator.maybe(Generator::time),
        idle_timeout: generator.word(),
        input_streams: generator.word(),
        output_streams: generator.word(),
        run_time: whole(generator.time()),
        inactivity: whole(generator.time()),
        child_processes: generator.maybe(|generator| number(generator, 0)),
        command_line: generator.maybe(Generator::word),
        connection: generator.maybe(|generator| ConnectionState {
            is_disconnected: generator.below(2) == 0,
            buffer_mode: if generator.below(2) == 0 { BufferMode::Block } else { BufferMode::Drop },
            max_idle_timeout: whole(generator.time()),
            compression: compression(generator),
        }),
    }
}

fn compression(generator: &mut Generator) -> Compression {
    if generator.below(2) == 0 { Compression::None } else { Compression::Xpress }
}

fn environment(generator: &mut Generator) -> Vec<(String, String)> {
    generator.some(3, |generator| (generator.word(), generator.text()))
}

fn start(generator: &mut Generator) -> Option<Start> {
    let earliest = Start::Earliest;
    let bookmark = Start::Bookmark(format!("<BookmarkList Direction=\"{}\"/>", generator.below(9)));
    [None, Some(earliest), Some(bookmark)].into_iter().nth(generator.below(3)).flatten()
}

fn filter(generator: &mut Generator) -> Filter {
    let selectors = selectors(generator, 3);
    let text = if selectors.is_empty() { generator.word() } else { String::new() };
    let association = generator.maybe(association);
    Filter { dialect: generator.word(), text, selectors, association, markup: None }
}

fn association(generator: &mut Generator) -> AssociationFilter {
    let is_instances = generator.maybe(|_| ()).is_some();
    let object = EndpointReference {
        address: generator.word(),
        resource: resource(generator),
        selectors: selectors(generator, 1),
    };
    AssociationFilter {
        object,
        result: if is_instances { AssociationResult::Instances } else { AssociationResult::Associations },
        association_class: generator.maybe(Generator::word),
        role: generator.maybe(Generator::word),
        result_class: generator.maybe(Generator::word),
        result_role: if is_instances { generator.maybe(Generator::word) } else { None },
        properties: generator.some(3, Generator::word),
    }
}

fn resource(generator: &mut Generator) -> ResourceUri {
    ResourceUri::parse(&generator.label()).unwrap()
}

fn number(generator: &mut Generator, least: u32) -> u32 {
    let number = u32::try_from(generator.below(1 << 31)).unwrap().max(least);
    if generator.below(8) == 0 { least } else { number }
}

fn uuid(generator: &mut Generator) -> Uuid {
    Uuid::from_random(generator.octets(16).try_into().unwrap())
}
