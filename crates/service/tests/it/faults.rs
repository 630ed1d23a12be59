//! Tests of every documented fault that can be provoked through the whole service with its real plug-ins.
//!
//! A row is a message and its expected fault. Each is sent to a separate service.
//! For a new resource, add rows to one of the tables or add another table.

mod configuration;
pub(crate) mod enumeration;
mod eventing;
mod header;
mod quota;
pub(crate) mod shell;

use wsman::namespace::{CONFIG, FAULT_DETAIL, SHELL, SHELL_CMD};
use wsman::{Code, Origin, Subcode, code};

use crate::message::Message;
use crate::probe::{self, Event};
use crate::running::Running;
use crate::wire::{ADA, Answer, BEN, Post, Wire, post};

#[tokio::test]
async fn wrong_headers_cause_their_faults() {
    answers(header::rows()).await;
}

/// A client that requires a feature must not believe that it was applied (DSP0226 6.4 and 7.7).
#[tokio::test]
async fn mandatory_headers_are_obeyed_or_rejected() {
    answers(header::insisting()).await;
}

#[tokio::test]
async fn the_configuration_returns_its_faults() {
    answers(configuration::rows()).await;
}

#[tokio::test]
async fn enumerations_return_their_faults() {
    answers(enumeration::rows()).await;
}

#[tokio::test]
async fn subscriptions_return_their_faults() {
    answers(eventing::rows()).await;
}

#[tokio::test]
async fn shells_and_commands_return_their_faults() {
    answers(shell::rows()).await;
}

#[tokio::test]
async fn quotas_and_disabled_features_return_their_faults() {
    answers(quota::rows()).await;
}

/// A message and its expected fault.
struct Row {
    message: Message,
    by_ben: bool,
    /// Settings that differ from those of other tests.
    settings: Vec<(&'static str, &'static str)>,
    /// Messages of ada before this one, which must succeed.
    before: Vec<Message>,
    subcode: Subcode,
    code: Code,
    detail: Option<&'static str>,
    /// Text of the fault that some client searches for.
    word: &'static str,
}

impl Row {
    fn new(message: Message, subcode: Subcode, code: Code) -> Self {
        Self {
            message,
            by_ben: false,
            settings: Vec::new(),
            before: Vec::new(),
            subcode,
            code,
            detail: None,
            word: "",
        }
    }

    /// Last segment of the detail URI.
    fn detail(self, detail: &'static str) -> Self {
        Self { detail: Some(detail), ..self }
    }

    fn setting(mut self, name: &'static str, value: &'static str) -> Self {
        self.settings.push((name, value));
        self
    }

    fn after(mut self, message: Message) -> Self {
        self.before.push(message);
        self
    }

    fn by_ben(self) -> Self {
        Self { by_ben: true, ..self }
    }

    fn word(self, word: &'static str) -> Self {
        Self { word, ..self }
    }
}

/// Sends the message of each row and lists all unexpected faults.
async fn answers(rows: Vec<Row>) {
    let mut wrong = Vec::new();
    for row in rows {
        let running = Running::start(&row.settings).await;
        let mut wire = running.connect().await;
        for message in &row.before {
            let answer = wire.ask(&post(message.clone())).await;
            assert_eq!(answer.status, 200, "before {}: {}", row.message.action, answer.text());
        }
        let (user, password) = if row.by_ben { ("ben", BEN) } else { ("ada", ADA) };
        let answer = wire.ask(&post(row.message.clone()).signed_in(user, password)).await;
        if let Err(reason) = judge(&row, &answer) {
            let Row { message, code, subcode, .. } = &row;
            let requested =
                [&message.action, &message.resource, &message.headers, &message.body].map(String::as_str);
            wrong.push(format!("{} {code}: {reason}\n    asked by {}", subcode.name(), requested.join(" ")));
        }
        drop(wire);
        running.stop().await;
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn judge(row: &Row, answer: &Answer) -> Result<(), String> {
    let faulted = answer.try_fault()?;
    let fault = &faulted.fault;
    let found = (fault.subcode(), fault.code(), fault.detail().map(wsman::Detail::name));
    if found != (&row.subcode, row.code, row.detail) {
        return Err(format!("{found:?} {:?}", fault.reason()));
    }
    let text = answer.text();
    let blamed = format!("<s:Code><s:Value>{}</s:Value>", soap_code(&row.subcode));
    let detail = row.detail.map(|detail| format!("<w:FaultDetail>{FAULT_DETAIL}{detail}</w:FaultDetail>"));
    for part in [blamed, detail.unwrap_or_default(), row.word.to_owned()] {
        if !text.contains(&part) {
            return Err(format!("{part} is not in {text}"));
        }
    }
    if faulted.action.as_deref() != Some(action(&row.subcode)) {
        return Err(format!("the action is {:?}", faulted.action));
    }
    if faulted.relates_to.unwrap_or_default() != row.message.id {
        return Err("it relates to another message".to_owned());
    }
    if fault.machine() != Some("node7") {
        return Err(format!("it comes from {:?}", fault.machine()));
    }
    telarch_architecture::faults::check(fault.reason())
}

/// Returns the SOAP fault code of a subcode (DSP0226 14.6).
fn soap_code(subcode: &Subcode) -> &'static str {
    match subcode {
        Subcode::MustUnderstand => "s:MustUnderstand",
        Subcode::InternalError
        | Subcode::TimedOut
        | Subcode::EndpointUnavailable
        | Subcode::UnableToRenew
        | Subcode::InvalidEnumerationContext => "s:Receiver",
        _ => "s:Sender",
    }
}

/// Returns the action of a fault message (DSP0226 14.6, WS-Addressing 4, WS-Enumeration 4).
fn action(subcode: &Subcode) -> &'static str {
    match subcode {
        Subcode::ActionNotSupported
        | Subcode::DestinationUnreachable
        | Subcode::InvalidMessageInformationHeader
        | Subcode::MessageInformationHeaderRequired
        | Subcode::MustUnderstand => "http://schemas.xmlsoap.org/ws/2004/08/addressing/fault",
        Subcode::InvalidEnumerationContext
        | Subcode::FilteringNotSupported
        | Subcode::FilterDialectRequestedUnavailable
        | Subcode::InvalidExpirationTime
        | Subcode::UnsupportedExpirationType
        | Subcode::CannotProcessFilter => "http://schemas.xmlsoap.org/ws/2004/09/enumeration/fault",
        Subcode::DeliveryModeRequestedUnavailable
        | Subcode::EventingInvalidExpirationTime
        | Subcode::EventingUnsupportedExpirationType
        | Subcode::InvalidMessage
        | Subcode::UnableToRenew => "http://schemas.xmlsoap.org/ws/2004/08/eventing/fault",
        Subcode::InvalidRepresentation => "http://schemas.xmlsoap.org/ws/2004/09/transfer/fault",
        Subcode::PolymorphismModeNotSupported => "http://schemas.dmtf.org/wbem/wsman/1/cimbinding/fault",
        _ => "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault",
    }
}

#[tokio::test]
async fn a_header_that_is_not_understood_is_named() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    let header = "<q:Robust xmlns:q=\"urn:q\" s:mustUnderstand=\"true\"/>";
    let answer = wire.ask(&post(Message::transfer(CONFIG, "Get").header(header))).await;
    assert_eq!(answer.fault().subcode().origin(), Origin::MustUnderstand);
    let text = answer.text();
    assert!(!text.contains("<s:Subcode>"), "{text}");
    let document = xml::Document::parse(text, &xml::Bounds::default()).unwrap();
    let header = document.root().child(wsman::namespace::SOAP, "Header").unwrap();
    let named = header.child(wsman::namespace::SOAP, "NotUnderstood").unwrap();
    let name = named.attribute("", "qname").unwrap();
    let (prefix, local) = name.split_once(':').unwrap();
    assert_eq!((named.resolve(prefix), local), (Some("urn:q"), "Robust"));
    running.stop().await;
}

#[tokio::test]
async fn replies_and_faults_repeat_the_identifiers_for_correlation() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    let marks = "<p:OperationID s:mustUnderstand=\"false\">uuid:OP</p:OperationID><p:SequenceId s:mustUnderstand=\"false\">7</p:SequenceId>";
    for verb in ["Get", "Delete"] {
        let message = Message { id: "my <&amp;> id".replace('<', "&lt;"), ..Message::transfer(CONFIG, verb) };
        let text = wire.ask(&post(message.header(marks))).await.text();
        for part in [
            ">uuid:OP</p:OperationID>",
            ">7</p:SequenceId>",
            "<a:RelatesTo>my &lt;&amp;&gt; id</a:RelatesTo>",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn faults_for_unidentified_messages_have_no_relates_to() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    for (body, subcode, code) in [
        ("<x", Subcode::SchemaValidationError, code::INVALID_XML),
        ("<x/>", Subcode::SchemaValidationError, code::SCHEMA_VALIDATION_ERROR),
        (
            "<Envelope xmlns=\"http://schemas.xmlsoap.org/soap/envelope/\"/>",
            Subcode::VersionMismatch,
            code::VERSION_MISMATCH,
        ),
    ] {
        let fault = wire.ask(&post(body)).await.fault();
        assert_eq!((fault.subcode(), fault.code(), &fault.relates_to), (&subcode, code, &None), "{body}");
    }
    running.stop().await;
}

#[tokio::test]
async fn a_fault_contains_the_host_name_used_by_the_client() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    for (host, machine) in [
        ("node7", "node7"),
        ("NODE7.example.org:5985", "NODE7.example.org"),
        ("192.0.2.7:80", "192.0.2.7"),
        ("[2001:db8::7]:5985", "[2001:db8::7]"),
        ("[2001:db8::7]", "[2001:db8::7]"),
        ("a&b'c", "a&b'c"),
    ] {
        let fault = wire.ask(&post("<x/>").header("Host", host)).await.fault();
        assert_eq!(fault.machine(), Some(machine));
    }
    running.stop().await;
}

/// A shell of ada with one command.
async fn with_command(wire: &mut Wire, line: &str) {
    assert_eq!(wire.ask(&post(shell::create("OURS"))).await.status, 200);
    let command = post(shell::command("OURS", "ONE", line));
    let answer = wire.ask(&command).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn delete() -> Post {
    post(Message::transfer(SHELL_CMD, "Delete").selector("ShellId", "OURS"))
}

#[tokio::test]
async fn input_during_pending_input_is_a_busy_fault() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    with_command(&mut wire, "exec sleep 1000").await;
    let large = post(shell::send("OURS", "ONE", "stdin", &"AAAA".repeat(80_000)));
    let until_refused = async |mut wire: Wire| loop {
        let answer = wire.ask(&large).await;
        if answer.status != 200 {
            return answer.fault();
        }
    };
    // The command does not read, so the pipe fills up and one input has to wait while the other arrives.
    let (one, other) = (running.connect().await, running.connect().await);
    let fault = tokio::select! {
        fault = until_refused(one) => fault,
        fault = until_refused(other) => fault,
    };
    assert_eq!((fault.subcode(), fault.code()), (&Subcode::InternalError, code::BUSY));
    assert_eq!(wire.ask(&delete()).await.status, 200);
    running.stop().await;
}

#[tokio::test]
async fn a_waiting_receive_ends_with_its_shell() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    with_command(&mut wire, "exec sleep 1000").await;
    let mut waiting = running.connect().await;
    waiting.send(post(shell::receive("OURS", "ONE")).octets()).await;
    assert_eq!(wire.ask(&delete()).await.status, 200);
    let fault = waiting.answer().await.fault();
    // The shell may be deleted before the request arrives or while it waits.
    let either = [
        (&Subcode::InternalError, code::OPERATION_ABORTED),
        (&Subcode::InvalidSelectors, code::UNEXPECTED_SELECTORS),
    ];
    assert!(either.contains(&(fault.subcode(), fault.code())), "{fault:?}");
    running.stop().await;
}

#[tokio::test]
async fn the_end_of_a_command_is_reported_once() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    with_command(&mut wire, "exit 3").await;
    let receive = post(shell::receive("OURS", "ONE"));
    loop {
        let text = wire.ask(&receive).await.text();
        if text.contains("CommandState/Done") {
            assert!(text.contains("<rsp:ExitCode>3</rsp:ExitCode>"), "{text}");
            break;
        }
    }
    let fault = wire.ask(&receive).await.fault();
    assert_eq!((fault.subcode(), fault.code()), (&Subcode::InvalidSelectors, code::UNEXPECTED_SELECTORS));
    running.stop().await;
}

#[tokio::test]
async fn the_operation_quota_applies_to_each_user_separately() {
    let settings =
        [("Service.MaxConcurrentOperationsPerUser", "2"), ("Service.RootSDDL", "O:NSG:BAD:P(A;;GA;;;WD)")];
    let running = Running::start(&settings).await;
    let mut busy = Vec::new();
    for _ in 0..2 {
        let mut wire = running.connect().await;
        wire.send(post(Message::probe("slow", "busy")).octets()).await;
        running.probe.expect(&[Event::Called("busy".into())]).await;
        busy.push(wire);
    }
    let mut wire = running.connect().await;
    let get = post(Message::transfer(CONFIG, "Get"));
    let fault = wire.ask(&get).await.fault();
    assert_eq!((fault.subcode(), fault.code()), (&Subcode::QuotaLimit, code::MAX_OPERATIONS_PER_USER));
    assert_eq!(wire.ask(&get.clone().signed_in("ben", BEN)).await.status, 200);

    // One request was answered and the client of the other has disconnected, so neither counts any more.
    running.probe.release();
    let mut second = busy.pop().unwrap();
    let mut first = busy.pop().unwrap();
    tokio::select! {
        answer = first.answer() => assert_eq!(answer.status, 200),
        answer = second.answer() => assert_eq!(answer.status, 200),
    }
    drop((first, second));
    while running.probe.next().await != Event::Abandoned("busy".into()) {}
    assert_eq!(wire.ask(&get).await.status, 200);
    running.stop().await;
}

/// The listed classes have no subclasses, so all modes return the same (DSP0227 8.1).
#[tokio::test]
async fn every_subclass_mode_lists_classes_without_subclasses() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    for resource in [probe::URI.to_owned(), format!("{}/Listener", wsman::namespace::CONFIG)] {
        for mode in ["IncludeSubClassProperties", "ExcludeSubClassProperties", "None"] {
            let body = enumeration::with_subclasses(mode);
            let message = Message::enumeration(&resource, "Enumerate").body(&body);
            let response = wire.ask(&post(message)).await.response();
            let page = wsman::enumeration::Page::parse(response.content().unwrap());
            let expected = if resource == probe::URI { 3 } else { 0 };
            assert_eq!((page.items.len(), page.end), (expected, true), "{resource} {mode}");
        }
    }
    running.stop().await;
}

/// Otherwise a user at the quota could neither continue nor end an enumeration.
#[tokio::test]
async fn an_enumeration_can_be_continued_and_released_at_the_quota() {
    let running = Running::start(&[("Service.MaxConcurrentOperationsPerUser", "1")]).await;
    let mut wire = running.connect().await;
    let begun = wire.ask(&post(enumeration::enumerate("3"))).await;
    let context = enumeration::context(&begun);
    let another = wire.ask(&post(enumeration::enumerate("3"))).await.fault();
    assert_eq!(another.code(), code::MAX_OPERATIONS_PER_USER);
    let pulled = wire.ask(&post(enumeration::pull(&context))).await;
    assert_eq!(pulled.status, 200, "{}", pulled.text());
    let released = wire.ask(&post(enumeration::release(&enumeration::context(&pulled)))).await;
    assert_eq!(released.status, 200, "{}", released.text());
    assert_eq!(wire.ask(&post(enumeration::enumerate("3"))).await.status, 200);
    running.stop().await;
}

/// Resource URI of shells in general.
const ANY_SHELL: &str = SHELL;
