//! Tests that open subscriptions follow changes compiled by this and other processes.

use std::sync::Arc;
use std::time::Duration;

use cim::{Namespace, Schema, Value};
use sddl::{DomainSid, Guard, Token, well_known};
use telarch_repository::{ReloadingEngine, Repository};
use wmi::{Context, Descriptors as _, Engine, Events, Occurrence};

use crate::{compile, default};

const ROOM: &str = "class Room { [Key] string Name; uint32 Seats; };\n";

/// Opens an engine over a file, and the same file a second time as `mofcomp` would.
fn two(folder: &tempfile::TempDir) -> (ReloadingEngine, Repository) {
    let path = folder.path().join("repository.mof");
    let other = Repository::open(&path).unwrap();
    let begin = || Engine::builder("node7", 0).namespace(Schema::of(Namespace::cimv2()));
    (ReloadingEngine::new(Arc::new(Repository::open(&path).unwrap()), begin).unwrap(), other)
}

async fn subscribe(reloading: &ReloadingEngine, namespace: &Namespace, query: &str) -> Events {
    reloading.engine().subscribe(&Context::of_this_process("alice"), namespace, query).await.unwrap()
}

/// Returns the class of the next event, and the object it concerns in MOF.
async fn next(events: &mut Events) -> (String, String) {
    let next = tokio::time::timeout(Duration::from_secs(60), events.next()).await.expect("in time");
    let Occurrence::Event(event) = next.unwrap().unwrap() else { panic!("too many") };
    let targets = ["TargetInstance", "TargetClass", "TargetNamespace"];
    let target = targets.into_iter().find_map(|name| event.value(name));
    let Some(Value::Object(target)) = target else { panic!("{event:?}") };
    let name = target.value("Name").and_then(Value::as_str).unwrap_or_default();
    (event.class().name().to_string(), format!("{} {name}", target.class().name()))
}

fn expected(event: &str, target: &str) -> (String, String) {
    (event.to_owned(), target.to_owned())
}

#[tokio::test]
async fn compiling_changing_and_deleting_a_class_are_events() {
    let folder = tempfile::tempdir().unwrap();
    let (reloading, other) = two(&folder);
    let mut events = subscribe(&reloading, &default(), "SELECT * FROM __ClassOperationEvent").await;
    let mut some = subscribe(
        &reloading,
        &default(),
        "SELECT * FROM __ClassDeletionEvent WHERE TargetClass ISA 'Room' AND TargetClass.__CLASS <> 'Room'",
    )
    .await;
    other.update(|contents| compile(contents, ROOM)).unwrap();
    assert_eq!(next(&mut events).await, expected("__ClassCreationEvent", "Room "));
    other.update(|contents| compile(contents, "class Hall : Room { };")).unwrap();
    assert_eq!(next(&mut events).await, expected("__ClassCreationEvent", "Hall "));
    other.update(|contents| compile(contents, &ROOM.replace("uint32", "uint64"))).unwrap();
    assert_eq!(next(&mut events).await, expected("__ClassModificationEvent", "Room "));
    other.update(|contents| compile(contents, "#pragma deleteclass(\"Hall\", FAIL)")).unwrap();
    assert_eq!(next(&mut events).await, expected("__ClassDeletionEvent", "Hall "));
    assert_eq!(next(&mut some).await, expected("__ClassDeletionEvent", "Hall "));
}

#[tokio::test]
async fn a_subscription_reports_instances_of_classes_compiled_later() {
    let folder = tempfile::tempdir().unwrap();
    let (reloading, other) = two(&folder);
    let text = format!("{ROOM}instance of Room {{ Name = \"Oslo\"; Seats = 1; }};");
    other.update(|contents| compile(contents, &text)).unwrap();
    let query = "SELECT * FROM __InstanceOperationEvent WITHIN 600 WHERE TargetInstance ISA 'Room'";
    let mut events = subscribe(&reloading, &default(), query).await;
    let text = "class Hall : Room { };\ninstance of Hall { Name = \"Rome\"; };";
    other.update(|contents| compile(contents, text)).unwrap();
    // The state before the subscription is not reported again, although the engine is new.
    assert_eq!(next(&mut events).await, expected("__InstanceCreationEvent", "Hall Rome"));
    let text = "instance of Room { Name = \"Oslo\"; Seats = 2; };";
    other.update(|contents| compile(contents, text)).unwrap();
    assert_eq!(next(&mut events).await, expected("__InstanceModificationEvent", "Room Oslo"));
    let text = "#pragma deleteinstance(\"Room.Name='Oslo'\", FAIL)";
    other.update(|contents| compile(contents, &text.replace('\'', "\\\""))).unwrap();
    assert_eq!(next(&mut events).await, expected("__InstanceDeletionEvent", "Room Oslo"));
}

#[tokio::test]
async fn creating_a_namespace_is_an_event() {
    let folder = tempfile::tempdir().unwrap();
    let (reloading, other) = two(&folder);
    let root = Namespace::parse("root").unwrap();
    let mut events = subscribe(&reloading, &root, "SELECT * FROM __NamespaceOperationEvent WITHIN 600").await;
    let site = Namespace::parse("root/site").unwrap();
    other.update(|contents| Ok(contents.make_namespace(&site)?)).unwrap();
    assert_eq!(next(&mut events).await, expected("__NamespaceCreationEvent", "__Namespace site"));
    other.update(|contents| Ok(contents.remove_namespace(&site)?)).unwrap();
    assert_eq!(next(&mut events).await, expected("__NamespaceDeletionEvent", "__Namespace site"));
}

#[tokio::test]
async fn a_subscription_ends_when_its_class_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let (reloading, other) = two(&folder);
    other.update(|contents| compile(contents, ROOM)).unwrap();
    let query = "SELECT * FROM __InstanceCreationEvent WHERE TargetInstance ISA 'Room'";
    let mut events = subscribe(&reloading, &default(), query).await;
    other.update(|contents| compile(contents, "#pragma deleteclass(\"Room\", FAIL)")).unwrap();
    let next = tokio::time::timeout(Duration::from_secs(60), events.next()).await.expect("in time");
    assert_eq!(next.unwrap().unwrap_err().status(), cim::Status::InvalidClass);
}

#[tokio::test]
async fn a_subscription_ends_when_its_user_loses_access_to_the_namespace() {
    let folder = tempfile::tempdir().unwrap();
    let (reloading, other) = two(&folder);
    let give = |sddl: &str| other.replace(&default(), Guard::parse(sddl).unwrap()).unwrap();
    give("D:P(A;;CCWPDT;;;AU)");
    let machine = DomainSid::new([1, 2, 3]);
    let token = Token::new(machine.account(3000), [well_known::AUTHENTICATED_USERS], machine);
    let (alice, query) = (Context::remote("alice", token), "SELECT * FROM __ClassOperationEvent");
    let mut events = reloading.engine().subscribe(&alice, &default(), query).await.unwrap();
    let mut own = subscribe(&reloading, &default(), query).await;
    give("D:P(A;;CCWP;;;AU)");
    let next = tokio::time::timeout(Duration::from_secs(60), events.next()).await.expect("in time");
    assert_eq!(next.unwrap().unwrap_err().status(), cim::Status::AccessDenied);
    assert!(events.next().await.is_none());
    // Other subscriptions continue.
    other.update(|contents| compile(contents, ROOM)).unwrap();
    assert_eq!(self::next(&mut own).await, expected("__ClassCreationEvent", "Room "));
}
