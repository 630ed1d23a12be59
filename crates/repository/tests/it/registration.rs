//! Tests of permanent subscriptions: the engine records their creator, and they cannot act in the name of
//! another user.

use std::sync::Arc;

use cim::{ColumnSet, Instance, Namespace, ObjectPath, Schema, Status, Value};
use sddl::{DomainSid, Token, well_known};
use telarch_repository::{ReloadingEngine, Repository};
use wmi::{Context, Engine};

const MACHINE: DomainSid = DomainSid::new([1, 2, 3]);

fn engine() -> Engine {
    let begin = || {
        Engine::builder("node7", 0)
            .namespace(Schema::of(Namespace::cimv2()))
            .namespace(Schema::of(subscription()))
    };
    ReloadingEngine::new(Arc::new(Repository::in_memory()), begin).unwrap().engine()
}

fn subscription() -> Namespace {
    Namespace::parse("root/subscription").unwrap()
}

fn administrator(rid: u32) -> Context {
    let groups = [well_known::ADMINISTRATORS, well_known::AUTHENTICATED_USERS, well_known::EVERYONE];
    Context::remote("ann", Token::new(MACHINE.account(rid), groups, MACHINE))
}

fn creator(rid: u32) -> Value {
    Value::Array(MACHINE.account(rid).encode().into_iter().map(Value::Uint8).collect())
}

/// Creates a filter for services that stop, which names another user as its creator.
fn filter(engine: &Engine, query: &'static str) -> Instance {
    let class = engine.schema(&subscription()).unwrap().require("__EventFilter").unwrap();
    let properties =
        [("Name", "stopped"), ("EventNamespace", "root/cimv2"), ("QueryLanguage", "WQL"), ("Query", query)];
    let filter = Instance::new(class).with("CreatorSID", creator(500)).unwrap();
    properties.into_iter().fold(filter, |filter, (name, value)| filter.with(name, value).unwrap())
}

const STOPPED: &str =
    "SELECT * FROM __InstanceModificationEvent WITHIN 5 WHERE TargetInstance ISA 'Win32_Service'";
const DELETED: &str =
    "SELECT * FROM __InstanceDeletionEvent WITHIN 5 WHERE TargetInstance ISA 'Win32_Service'";

async fn stored(engine: &Engine) -> Instance {
    let path = ObjectPath::parse("__EventFilter.Name='stopped'").unwrap();
    engine.get(&administrator(1), &subscription(), &path).await.unwrap()
}

#[tokio::test]
async fn a_new_filter_has_its_caller_as_creator_despite_a_given_creator_sid() {
    let engine = engine();
    engine.create(&administrator(3000), &subscription(), filter(&engine, STOPPED)).await.unwrap();
    assert_eq!(stored(&engine).await.value("CreatorSID"), Some(&creator(3000)));
}

#[tokio::test]
async fn changing_a_filter_changes_its_creator_and_keeps_the_rest() {
    let engine = engine();
    engine.create(&administrator(3000), &subscription(), filter(&engine, STOPPED)).await.unwrap();
    // As from a client that sends only the changed properties.
    let class = engine.schema(&subscription()).unwrap().require("__EventFilter").unwrap();
    let given: ColumnSet = class.column("Query").into_iter().collect();
    let change = Instance::new(class).with("Name", "stopped").unwrap().with("Query", DELETED).unwrap();
    engine.put(&administrator(4000), &subscription(), change, &given).await.unwrap();
    let now = stored(&engine).await;
    assert_eq!(now.value("CreatorSID"), Some(&creator(4000)));
    assert_eq!(now.value("Query"), Some(&Value::text(DELETED)));
    assert_eq!(now.value("EventNamespace"), Some(&Value::text("root/cimv2")));
}

#[tokio::test]
async fn a_filter_with_an_invalid_query_is_rejected() {
    let engine = engine();
    for wrong in ["SELECT * FROM", "SELECT * FROM Win32_Service", "ASSOCIATORS OF {Win32_Service.Name='a'}"] {
        let refused = engine.create(&administrator(3000), &subscription(), filter(&engine, wrong)).await;
        assert!(refused.is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn registration_requires_the_right_to_subscribe() {
    let engine = engine();
    let user = Token::new(MACHINE.account(3000), [well_known::AUTHENTICATED_USERS], MACHINE);
    let user = Context::local("ben", user);
    let error = engine.create(&user, &subscription(), filter(&engine, STOPPED)).await.unwrap_err();
    assert_eq!(error.status(), Status::AccessDenied);
}
