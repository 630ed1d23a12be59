//! Tests that registered consumers run on behalf of their creator, and only while they are registered.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod journal;
mod mail;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cim::{Namespace, Value};
use readiness::FileChanges;
use repository::{Compiler, ReloadingEngine, Repository};
use sddl::DomainSid;
use telarch_consumers::{
    Activity, CommandPolicy, Creators, FailureLog, Problem, SubscriptionRunner, Words, registered,
};
use tokio::task::JoinSet;
use wmi::{Context, Engine, Occurrence};

const MACHINE: DomainSid = DomainSid::new([1, 2, 3]);

/// Splits at blanks, which suffices for the command lines used here.
const WORDS: Words = |line| Some(line.split(' ').map(str::to_owned).collect());

fn compile(repository: &Repository, text: &str) {
    let namespace = Namespace::parse("root/subscription").unwrap();
    let mut compiler = Compiler::new(namespace);
    compiler.text("site.mof".as_ref(), text).unwrap_or_else(|error| panic!("{error}"));
    repository.update(|contents| compiler.apply(contents)).unwrap_or_else(|error| panic!("{error}"));
}

const ROOM: &str =
    "#pragma namespace(\"\\\\\\\\.\\\\root\\\\default\")\nclass Room { [Key] string Name; };\n";

fn room(name: &str) -> String {
    format!(
        "#pragma namespace(\"\\\\\\\\.\\\\root\\\\default\")\ninstance of Room {{ Name = \"{name}\"; }};\n"
    )
}

/// Returns MOF with a filter for new rooms, bound to a consumer.
fn bound(consumer: &str, more: &str) -> String {
    format!(
        "instance of __EventFilter as $F {{ Name = \"rooms\"; EventNamespace = \"root/default\"; \
         QueryLanguage = \"WQL\"; Query = \"SELECT * FROM __InstanceCreationEvent WITHIN 600 \
         WHERE TargetInstance ISA 'Room'\"; {more} }};\n\
         instance of {consumer};\n\
         instance of __FilterToConsumerBinding {{ Filter = $F; Consumer = $C; {more} }};\n"
    )
}

fn log_to(path: &Path, more: &str) -> String {
    let path = path.display();
    format!(
        "LogFileEventConsumer as $C {{ Name = \"log\"; Filename = \"{path}\"; \
         Text = \"made %TargetInstance.Name%\"; {more} }}"
    )
}

fn engine() -> ReloadingEngine {
    let repository = Arc::new(Repository::in_memory());
    compile(&repository, ROOM);
    ReloadingEngine::new(repository, || Engine::builder("node7", 0)).unwrap()
}

fn run_subscriptions(engine: &ReloadingEngine, creators: Creators, commands: CommandPolicy) -> JoinSet<()> {
    let mut work = JoinSet::new();
    let state = Path::new("/nonexistent");
    let (failures, activity) = (FailureLog::of_state(state), Activity::of_state(state));
    let engine = engine.clone();
    let runner = SubscriptionRunner { engine, creators, commands, words: WORDS, failures, activity };
    work.spawn(runner.run());
    work
}

/// Creates rooms with names of this beginning until one is in the file, as the start of a subscription is not reported.
async fn rooms_until(engine: &ReloadingEngine, name: &str, file: &Path) -> String {
    let mut changes = FileChanges::of([file]).unwrap();
    for number in 0..ATTEMPTS {
        compile(engine.repository(), &room(&format!("{name}{number}")));
        let _ = tokio::time::timeout(Duration::from_millis(100), changes.next()).await;
        match fs::read_to_string(file) {
            Ok(text) if text.ends_with('\n') && text.contains(&format!("made {name}")) => return text,
            _ => {}
        }
    }
    panic!("{} was never written", file.display());
}

/// Number of events after which a subscription should have been started, also on a busy machine.
const ATTEMPTS: u32 = 1_000;

#[tokio::test]
async fn a_line_is_written_for_each_event_until_the_binding_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("rooms.log");
    let engine = engine();
    let _work = run_subscriptions(&engine, Creators::All, CommandPolicy::Deny);
    compile(engine.repository(), &bound(&log_to(&log, ""), ""));
    let text = rooms_until(&engine, "a b", &log).await;
    assert!(text.starts_with("made a b"), "{text}");
    let namespace = Namespace::parse("root/subscription").unwrap();
    let binding = {
        let contents = engine.repository().contents();
        let stored = contents.namespace(&namespace).unwrap();
        let is_it = |one: &&cim::Instance| one.class().is_a("__FilterToConsumerBinding");
        stored.instances().find(is_it).unwrap().path().unwrap()
    };
    engine.repository().update(|contents| Ok(contents.remove_instance(&namespace, &binding)?)).unwrap();
    // A subscription that is registered later starts when the first one has been stopped.
    let other = folder.path().join("other.log");
    let second = bound(&log_to(&other, ""), "");
    compile(engine.repository(), &second.replace("\"rooms\"", "\"second\"").replace("\"log\"", "\"second\""));
    rooms_until(&engine, "meanwhile", &other).await;
    rooms_until(&engine, "last", &other).await;
    let text = fs::read_to_string(&log).unwrap();
    assert!(!text.contains("last"), "{text}");
}

#[tokio::test]
async fn event_text_is_one_argument_of_a_program() {
    assert_touched(|place| {
        format!(
            "ExecutablePath = \"/usr/bin/touch\"; \
             CommandLineTemplate = \"touch {place}/%TargetInstance.Name%\";"
        )
    })
    .await;
}

#[tokio::test]
async fn a_program_without_executable_path_is_found_by_its_name() {
    assert_touched(|place| format!("CommandLineTemplate = \"touch {place}/%TargetInstance.Name%\";")).await;
}

#[tokio::test]
async fn a_program_without_executable_path_is_found_by_its_path() {
    assert_touched(|place| {
        format!("CommandLineTemplate = \"/usr/bin/touch {place}/%TargetInstance.Name%\";")
    })
    .await;
}

/// Asserts that a consumer with these properties makes a file with the whole name of a room in a directory.
async fn assert_touched(properties: fn(&str) -> String) {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine();
    let _work = run_subscriptions(&engine, Creators::All, CommandPolicy::Allow);
    let properties = properties(&folder.path().display().to_string());
    let consumer = format!("CommandLineEventConsumer as $C {{ Name = \"touch\"; {properties} }}");
    compile(engine.repository(), &bound(&consumer, ""));
    // Creates rooms until one has been noticed; the file created for it has the room's whole name.
    for number in 0..ATTEMPTS {
        let name = format!("a b; true {number}");
        let mut changes = FileChanges::of([folder.path().join(&name)]).unwrap();
        compile(engine.repository(), &room(&name));
        let _ = tokio::time::timeout(Duration::from_millis(100), changes.next()).await;
        let made = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let made: Vec<String> = made.map(|name| name.into_string().unwrap()).collect();
        if !made.is_empty() {
            assert!(made.iter().all(|name| name.starts_with("a b; true ")), "{made:?}");
            return;
        }
    }
    panic!("nothing was made");
}

#[tokio::test]
async fn programs_are_not_run_if_commands_are_denied() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("rooms.log");
    let engine = engine();
    let _work = run_subscriptions(&engine, Creators::All, CommandPolicy::Deny);
    let consumer = format!(
        "CommandLineEventConsumer as $C {{ Name = \"touch\"; \
         CommandLineTemplate = \"/usr/bin/touch {}/touched\"; }}",
        folder.path().display()
    );
    compile(engine.repository(), &bound(&consumer, ""));
    let second = bound(&log_to(&log, ""), "").replace("\"rooms\"", "\"logged\"");
    compile(engine.repository(), &second);
    rooms_until(&engine, "a b", &log).await;
    rooms_until(&engine, "last", &log).await;
    assert!(!folder.path().join("touched").exists());
}

fn creator(rid: u32) -> String {
    let octets: Vec<String> = MACHINE.account(rid).encode().iter().map(u8::to_string).collect();
    format!("CreatorSID = {{ {} }};", octets.join(", "))
}

#[tokio::test]
async fn subscriptions_of_other_creators_are_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let (log, other) = (folder.path().join("mine.log"), folder.path().join("other.log"));
    let engine = engine();
    let _work = run_subscriptions(&engine, Creators::Only(MACHINE.account(500)), CommandPolicy::Allow);
    let others = bound(&log_to(&other, &creator(3000)), &creator(3000));
    compile(engine.repository(), &others.replace("\"rooms\"", "\"theirs\"").replace("\"log\"", "\"theirs\""));
    compile(engine.repository(), &bound(&log_to(&log, &creator(500)), &creator(500)));
    rooms_until(&engine, "a b", &log).await;
    assert!(!other.exists());
}

/// Returns the problem of the only binding.
fn problem(text: &str) -> Problem {
    let engine = engine();
    compile(engine.repository(), text);
    let mut all = registered(&engine.repository().contents(), WORDS);
    assert_eq!(all.len(), 1);
    all.remove(0).subscription.unwrap_err()
}

#[test]
fn a_consumer_of_one_user_does_not_act_for_another() {
    let mixed = bound(&log_to(Path::new("/tmp/x"), &creator(3000)), &creator(500));
    assert!(matches!(problem(&mixed), Problem::Creators));
    let nobodys = bound(&log_to(Path::new("/tmp/x"), ""), &creator(500));
    assert!(matches!(problem(&nobodys), Problem::Creators));
}

#[test]
fn invalid_consumers_are_rejected() {
    for (consumer, words) in [
        ("LogFileEventConsumer as $C { Name = \"a\"; Filename = \"a.log\"; }", "must be an absolute path"),
        ("NTEventLogEventConsumer as $C { Name = \"a\"; }", "SourceName"),
        (
            "CommandLineEventConsumer as $C { Name = \"a\"; CommandLineTemplate = \"bin/touch x\"; }",
            "absolute path",
        ),
        (
            "CommandLineEventConsumer as $C { Name = \"a\"; CommandLineTemplate = \"%TargetInstance.Name% x\"; }",
            "without placeholders",
        ),
    ] {
        let reported = problem(&bound(consumer, "")).to_string();
        assert!(reported.contains(words), "{consumer}: {reported}");
    }
}

#[tokio::test]
async fn an_event_that_a_consumer_cannot_process_is_a_failure_event() {
    let folder = tempfile::tempdir().unwrap();
    let failures = FailureLog::of_state(folder.path());
    let repository = Arc::new(Repository::in_memory());
    compile(&repository, ROOM);
    let providers = failures.providers(&repository);
    let engine = ReloadingEngine::new(repository, move || {
        Engine::builder("node7", 0).providers(providers.iter().cloned())
    });
    let engine = engine.unwrap();
    let subscribe = async |query: &str| {
        let namespace = Namespace::parse("root/subscription").unwrap();
        engine.engine().subscribe(&Context::of_this_process("test"), &namespace, query).await.unwrap()
    };
    let mut received = subscribe("SELECT * FROM __SystemEvent").await;
    let (carried, words) = (engine.clone(), WORDS);
    let (creators, commands) = (Creators::All, CommandPolicy::Deny);
    let mut work = JoinSet::new();
    let activity = Activity::of_state(folder.path());
    let runner = SubscriptionRunner { engine: carried, creators, commands, words, failures, activity };
    work.spawn(runner.run());
    compile(engine.repository(), &bound(&log_to(&folder.path().join("missing/rooms.log"), ""), ""));
    for number in 0..ATTEMPTS {
        compile(engine.repository(), &room(&format!("a b{number}")));
        let Ok(next) = tokio::time::timeout(Duration::from_millis(100), received.next()).await else {
            continue;
        };
        let Some(Ok(Occurrence::Event(failure))) = next else { panic!("{next:?}") };
        assert_eq!(failure.class().name().as_str(), "__ConsumerFailureEvent");
        let text = |name: &str| {
            let mut text = String::new();
            failure.value(name).unwrap().write_text(&mut text);
            text
        };
        assert_eq!(text("ErrorCode"), "2147749890", "WBEM_E_NOT_FOUND");
        assert!(text("ErrorDescription").contains("missing/rooms.log"), "{}", text("ErrorDescription"));
        assert_eq!(text("IntendedConsumer"), "LogFileEventConsumer.Name=\"log\"");
        let Some(Value::Object(event)) = failure.value("Event") else { panic!("{failure:?}") };
        let Some(Value::Object(room)) = event.value("TargetInstance") else { panic!("{event:?}") };
        assert!(room.value("Name").and_then(Value::as_str).unwrap().starts_with("a b"), "{room:?}");
        return;
    }
    panic!("no failure was reported");
}
