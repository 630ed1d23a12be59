//! quickconfig on a simulated machine: proposed steps, their execution, and rejected requests.

use std::sync::{Arc, Mutex};

use auth::{Scheme, SchemeReport, SchemeState, SignInReport};
use client::{Error, Session};
use config::{ListenerKey, Section};
use ports::free_port;
use quickconfig::{
    ChangeRecord, Firewall, FirewallKind, MachineRequest, MachineResponse, Outcome, ServiceAfter,
    SettingChange, Survey, Transport, Unit,
};
use service::Caller;
use telarch_plugin_config::MachineSetup;
use wsman::{Fault, Response};
use xml::{Bounds, Document, Fragment, Writer};

use crate::running::{Running, section};

const NAMESPACE: &str = "http://schemas.microsoft.com/wbem/wsman/1/config/service";
/// `ERROR_WSMAN_SCHEMA_VALIDATION_ERROR`.
const WRONG: Option<u32> = Some(2_150_858_817);

/// Simulated machine in a given state, which records the requests.
struct Scripted {
    survey: Mutex<Survey>,
    requests: Mutex<Vec<MachineRequest>>,
    outcome: Outcome,
}

impl Scripted {
    fn new(unit: Unit, kind: FirewallKind, outcome: Outcome) -> Arc<Self> {
        let firewall =
            Firewall { kind, places: vec!["internal".to_owned()], public: false, open: vec![false] };
        let survey = Survey { unit, firewall, recorded: Vec::new(), certificates: Vec::new() };
        Arc::new(Self { survey: Mutex::new(survey), requests: Mutex::default(), outcome })
    }

    /// Returns the recorded requests except surveys.
    fn done(&self) -> Vec<MachineRequest> {
        let all = self.requests.lock().unwrap().clone();
        all.into_iter().filter(|request| !matches!(request, MachineRequest::Survey(_))).collect()
    }
}

impl MachineSetup for Scripted {
    fn execute(&self, _: &Caller, request: &MachineRequest) -> Result<MachineResponse, Fault> {
        self.requests.lock().unwrap().push(request.clone());
        Ok(match request {
            MachineRequest::Survey(_) => MachineResponse::Survey(self.survey.lock().unwrap().clone()),
            MachineRequest::SignIn => MachineResponse::SignIn(sign_in_report()),
            _ => MachineResponse::Done(self.outcome.clone()),
        })
    }
}

fn sign_in_report() -> SignInReport {
    let states = [
        SchemeState::Unusable("no key".to_owned()),
        SchemeState::Usable("accounts: 1".to_owned()),
        SchemeState::Disabled,
    ];
    let schemes = [Scheme::Kerberos, Scheme::Negotiate, Scheme::Basic].into_iter().zip(states);
    SignInReport {
        listens: true,
        schemes: schemes.map(|(scheme, state)| SchemeReport { scheme, state }).collect(),
        remedies: vec!["join the realm".to_owned()],
        verifies_passwords: true,
        allow_unencrypted: false,
        account_options: vec!["--file".to_owned(), "/x".to_owned()],
    }
}

async fn on(machine: &Arc<Scripted>, settings: &str) -> Running {
    let machine = Arc::clone(machine) as Arc<dyn MachineSetup>;
    let settings =
        format!("Service.IPv4Filter = \"127.0.85.1-127.0.85.9\"\nService.IPv6Filter = \"\"\n{settings}");
    Running::start_on(&settings, Vec::new(), Some(machine)).await
}

/// Calls an action with this content of its element.
async fn ask(session: &Session, stage: &str, content: &str) -> Result<Response, Error> {
    let body = format!("<{stage}_INPUT xmlns=\"{NAMESPACE}\">{content}</{stage}_INPUT>");
    send(session, stage, &body).await
}

async fn send(session: &Session, stage: &str, body: &str) -> Result<Response, Error> {
    let action = format!("{NAMESPACE}/{stage}");
    session.invoke(&section(Section::Service), &action, Some(&markup(body))).await
}

fn markup(text: &str) -> Fragment {
    let document = Document::parse(text, &Bounds::default()).unwrap();
    let mut writer = Writer::new();
    writer.copy(document.root());
    writer.into_fragment()
}

fn field(answer: &Response, name: &str) -> String {
    let content = answer.content().unwrap();
    let found = content.children().find(|child| child.name() == name);
    found.map(|child| child.text().into_owned()).unwrap_or_default()
}

/// Returns the element that the client must send back.
fn input(answer: &Response, stage: &str) -> String {
    let content = answer.content().unwrap();
    let input = content.children().find(|child| child.name() == format!("{stage}_INPUT")).unwrap();
    let mut writer = Writer::new();
    writer.copy(input);
    writer.finish()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_schemes_of_the_machine_and_the_listeners_are_reported() {
    let machine = Scripted::new(KNOWN, FirewallKind::None, Outcome::Done(String::new()));
    let port = free_port();
    let listener =
        format!("[[Listener]]\nAddress = \"IP:127.0.85.3\"\nTransport = \"HTTP\"\nPort = {port}\n");
    let service = on(&machine, &listener).await;
    let session = service.session();
    let analyzed = ask(&session, "Analyze", "").await.unwrap();
    assert_eq!(field(&analyzed, "SignInAction"), "AnalyzeSignIn");
    assert!(field(&analyzed, "Remark").starts_with("No firewall filters"), "it is said that there is none");
    let report = ask(&session, "AnalyzeSignIn", "").await.unwrap();
    for (name, value) in [
        ("Listening", "true"),
        ("SignInPossible", "true"),
        ("VerifiesPasswords", "true"),
        ("AllowUnencrypted", "false"),
        ("Remedy", "join the realm"),
        ("AccountOption", "--file"),
    ] {
        assert_eq!(field(&report, name), value, "{name}");
    }
    let content = report.content().unwrap();
    let schemes = content.children().filter(|child| child.name() == "Scheme");
    let schemes: Vec<_> = schemes
        .map(|own| [own.attribute("", "Name").unwrap(), own.attribute("", "State").unwrap()].join(" "))
        .collect();
    assert_eq!(schemes, ["Kerberos unusable", "Negotiate usable", "Basic disabled"]);
    let listener = content.children().find(|child| child.name() == "Listener").unwrap();
    assert_eq!(listener.attribute("", "Address").as_deref(), Some("127.0.85.3"));
    assert_eq!(listener.attribute("", "Port"), Some(port.to_string().into()));
    assert!(machine.done().is_empty() || machine.done() == [MachineRequest::SignIn], "nothing is changed");
}

const KNOWN: Unit = Unit::Known { active: true, enabled: false };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_request_is_rejected_and_changes_nothing() {
    let machine = Scripted::new(KNOWN, FirewallKind::Firewalld, Outcome::Done(String::new()));
    let service = on(&machine, "").await;
    let session = service.session();
    for (stage, content) in [
        ("Analyze", "<Transport>ftp</Transport>"),
        ("Analyze", "<Transport>http</Transport><Transport>http</Transport>"),
        ("Analyze", "<Transport><b/></Transport>"),
        ("Analyze", "<Step>Listener:HTTP</Step>"),
        ("Analyze", "<Zone>a b</Zone>"),
        ("Analyze", "<RemoteAddress>10.0.0.1/8</RemoteAddress>"),
        ("Analyze", "<AllowGroup>no:group</AllowGroup>"),
        ("Analyze", "<Transport xmlns=\"urn:other\">http</Transport>"),
        ("AnalyzeService", "<Transport>http</Transport>"),
        ("EnableService", "<Step>Listener:HTTP</Step>"),
        ("EnableService", "<Step>Enable; rm -rf /</Step>"),
        ("EnableRemoting", "<Step>Enable</Step>"),
        ("EnableRemoting", "<Step>Open:HTTP:22</Step>"),
        ("EnableRemoting", "<Step>Listener:HTTP</Step><Step>Open:HTTP:1</Step>"),
        ("EnableRemoting", "<Command>id</Command>"),
        ("Undo", "<Step>1</Step>"),
    ] {
        let refused = ask(&session, stage, content).await.unwrap_err();
        assert_eq!(refused.code(), WRONG, "{stage} {content}: {refused}");
    }
    for (stage, body) in [
        ("EnableService", format!("<EnableRemoting_INPUT xmlns=\"{NAMESPACE}\"/>")),
        ("EnableService", "<EnableService_INPUT xmlns=\"urn:other\"/>".to_owned()),
    ] {
        assert_eq!(send(&session, stage, &body).await.unwrap_err().code(), WRONG, "{body}");
    }
    assert_eq!(machine.done(), []);
    assert!(service.listeners().is_empty());
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_step_is_reported_and_the_others_continue() {
    let machine =
        Scripted::new(KNOWN, FirewallKind::Firewalld, Outcome::Failed("Access is denied.".to_owned()));
    let port = free_port();
    let disabled =
        format!("[[Listener]]\nAddress = \"*\"\nTransport = \"HTTP\"\nPort = {port}\nEnabled = false\n");
    let service = on(&machine, &disabled).await;
    let session = service.session();
    let analyzed = ask(&session, "AnalyzeService", "").await.unwrap();
    assert_eq!(field(&analyzed, "RemotingEnabled"), "false");
    assert_eq!(field(&analyzed, "Results"), "Set the WinRM service type to delayed auto start.");
    let enabled = send(&session, "EnableService", &input(&analyzed, "EnableService")).await.unwrap();
    assert_eq!(field(&enabled, "Status"), "failed");
    assert_eq!(field(&enabled, "Results"), "Could not change the WinRM service type: Access is denied.");

    let analyzed = ask(&session, "Analyze", "<Transport>http</Transport>").await.unwrap();
    let proposed = field(&analyzed, "Results");
    assert!(
        proposed
            .starts_with("Enable the WinRM listener on HTTP://*.\nEnable the WinRM firewall exception.\n")
    );
    assert!(
        proposed.contains(&format!("TCP port {port}, from anywhere (firewalld, zone internal)")),
        "{proposed}"
    );
    let enabled = send(&session, "EnableRemoting", &input(&analyzed, "EnableRemoting")).await.unwrap();
    assert_eq!(field(&enabled, "Status"), "failed");
    let results = field(&enabled, "Results");
    assert!(
        results.contains("Could not enable the WinRM firewall exception: Access is denied."),
        "{results}"
    );
    assert!(results.contains("could not be recorded for -undo"), "{results}");
    let key = ListenerKey::parse("*", "HTTP").unwrap();
    assert!(service.listeners().find(key).unwrap().enabled, "the listener is enabled nevertheless");
    assert!(
        matches!(
            &machine.done()[..],
            [
                MachineRequest::Enable,
                MachineRequest::Record(SettingChange::ListenerEnabled(Transport::Http)),
                MachineRequest::Open(_)
            ]
        ),
        "{:?}",
        machine.done()
    );
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steps_done_before_or_meanwhile_are_not_repeated() {
    let unit = Unit::Known { active: true, enabled: true };
    let machine = Scripted::new(unit, FirewallKind::Firewalld, Outcome::Done(String::new()));
    let port = free_port();
    let there = format!("[[Listener]]\nAddress = \"*\"\nTransport = \"HTTP\"\nPort = {port}\n");
    let service = on(&machine, &there).await;
    let session = service.session();
    let analyzed = ask(&session, "Analyze", "<Transport>HTTP</Transport>").await.unwrap();
    machine.survey.lock().unwrap().firewall.open = vec![true];
    let enabled = send(&session, "EnableRemoting", &input(&analyzed, "EnableRemoting")).await.unwrap();
    assert_eq!(field(&enabled, "Status"), "succeeded");
    assert_eq!(machine.done(), []);
    let analyzed = ask(&session, "Analyze", "<Transport>HTTP</Transport>").await.unwrap();
    assert_eq!(
        (field(&analyzed, "RemotingEnabled"), field(&analyzed, "Results")),
        ("true".into(), String::new())
    );
    assert_eq!(field(&ask(&session, "AnalyzeService", "").await.unwrap(), "RemotingEnabled"), "true");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_public_zone_is_a_fault_if_a_port_must_be_opened_without_force() {
    let machine = Scripted::new(KNOWN, FirewallKind::Firewalld, Outcome::Done(String::new()));
    machine.survey.lock().unwrap().firewall.public = true;
    let service = on(&machine, "").await;
    let session = service.session();
    let refused = ask(&session, "Analyze", "<Transport>http</Transport>").await.unwrap_err();
    assert_eq!(refused.code(), Some(2_150_859_113), "{refused}");
    let insisting = ask(&session, "Analyze", "<Transport>http</Transport><Force/>").await.unwrap();
    assert!(input(&insisting, "EnableRemoting").contains("Force"), "{insisting:?}");
    machine.survey.lock().unwrap().firewall.open = vec![true];
    assert!(ask(&session, "Analyze", "<Transport>http</Transport>").await.is_ok());
    let refused = ask(&session, "Analyze", "<Transport>https</Transport><Strict/>").await.unwrap_err();
    assert_eq!(refused.code(), Some(2_150_859_029), "{refused}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn remote_addresses_are_rejected_without_a_firewall() {
    let sources = "<RemoteAddress>10.0.0.0/8</RemoteAddress>";
    for (kind, is_refused) in [
        (FirewallKind::None, true),
        (FirewallKind::Unseen("only root sees that".to_owned()), true),
        (FirewallKind::Firewalld, false),
    ] {
        let machine = Scripted::new(KNOWN, kind.clone(), Outcome::Done(String::new()));
        let service = on(&machine, "").await;
        for stage in ["Analyze", "EnableRemoting"] {
            let steps = if stage == "Analyze" { "" } else { "<Step>Listener:HTTP</Step>" };
            let answered = ask(&service.session(), stage, &format!("{sources}{steps}")).await;
            let refused = answered.as_ref().err().and_then(Error::code);
            if is_refused {
                assert_eq!(refused, WRONG, "{stage} {kind:?}: {answered:?}");
                assert!(service.listeners().is_empty(), "{kind:?}");
            } else if stage == "Analyze" {
                assert!(answered.is_ok(), "{answered:?}");
            }
        }
        assert!(!is_refused || machine.done().is_empty());
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_set_by_policy_are_marked_and_not_changed() {
    let unit = Unit::Known { active: true, enabled: true };
    let machine = Scripted::new(unit, FirewallKind::None, Outcome::Done(String::new()));
    let service = on(&machine, "").await;
    let session = service.session();
    let source = |answer: &Response| {
        let content = answer.content().unwrap();
        let state = content.children().find(|child| child.name() == "RemotingEnabled").unwrap();
        (state.text().into_owned(), state.attribute("", "Source").map(std::borrow::Cow::into_owned))
    };
    let before = ask(&session, "Analyze", "<Transport>http</Transport>").await.unwrap();
    assert_eq!(source(&before), ("false".to_owned(), None));
    service.govern("[Policy]\nAllowAutoConfig = true\n");
    let made = ask(&session, "Analyze", "<Transport>http</Transport>").await.unwrap();
    assert_eq!(source(&made), ("true".to_owned(), Some("GPO".to_owned())));
    let enabled = send(&session, "EnableRemoting", &input(&before, "EnableRemoting")).await.unwrap();
    assert_eq!(field(&enabled, "Status"), "succeeded", "the step is already done");
    assert_eq!(machine.done(), []);
    assert!(service.listeners().is_empty());
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_recorded_changes_are_undone_and_the_service_stops_last() {
    let machine = Scripted::new(KNOWN, FirewallKind::None, Outcome::Done(String::new()));
    let port = free_port();
    let there = format!(
        "[[Listener]]\nAddress = \"*\"\nTransport = \"HTTP\"\nPort = {port}\n\
         [[Listener]]\nAddress = \"IP:127.0.0.1\"\nTransport = \"HTTP\"\nPort = {port}\n"
    );
    let service = on(&machine, &there).await;
    let session = service.session();
    let record =
        |number, own, service| ChangeRecord { number, what: format!("Record {number}."), own, service };
    machine.survey.lock().unwrap().recorded = vec![
        record(3, None, ServiceAfter::Stopped),
        record(4, None, ServiceAfter::Running),
        record(7, Some(SettingChange::Listener(Transport::Http)), ServiceAfter::Running),
        // The listener has been deleted since.
        record(8, Some(SettingChange::Listener(Transport::Https)), ServiceAfter::Running),
    ];
    let analyzed = ask(&session, "AnalyzeUndo", "").await.unwrap();
    assert_eq!(field(&analyzed, "Results"), "Record 8.\nRecord 7.\nRecord 4.\nRecord 3.");
    let done = send(&session, "Undo", &input(&analyzed, "Undo")).await.unwrap();
    assert_eq!(field(&done, "Status"), "succeeded");
    let listeners = service.listeners();
    assert!(listeners.find(ListenerKey::parse("*", "HTTP").unwrap()).is_none());
    assert_eq!(listeners.len(), 1, "the other listener is not changed");
    let expected = [8, 7, 4, 3].map(MachineRequest::Undo);
    // The service is stopped after the response has arrived.
    while machine.done().len() < expected.len() {
        tokio::task::yield_now().await;
    }
    assert_eq!(machine.done(), expected);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_without_a_machine_does_not_support_the_action() {
    let service = Running::start("").await;
    let refused = ask(&service.session(), "AnalyzeService", "").await.unwrap_err();
    assert_eq!(refused.code(), Some(2_150_858_771), "{refused}");
    service.stop().await;
}
