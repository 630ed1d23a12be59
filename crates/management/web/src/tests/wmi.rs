//! Requests for WMI with the classes that every engine has.

use std::sync::Arc;

use cim::{Namespace, Schema};
use sddl::DomainSid;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use wmi::Engine;

use super::{Fixture, call, problem};
use crate::reply::Content;
use crate::wmi::LocalWmi;

struct Builtin(Engine);

impl LocalWmi for Builtin {
    fn engine(&self) -> Result<Engine, wmi::Error> {
        Ok(self.0.clone())
    }

    fn machine_sid(&self) -> DomainSid {
        DomainSid::new([1, 2, 3])
    }
}

/// The service on a machine with the namespaces `root/a`, `root/b`, `root/c` and `root/secret`; only administrators may
/// read the last one.
struct Machine {
    fixture: Fixture,
    runtime: Runtime,
}

impl Machine {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut builder = Engine::builder("node", 0);
        for name in ["root/a", "root/b", "root/c", "root/secret"] {
            builder = builder.namespace(Schema::of(Namespace::parse(name).unwrap()));
        }
        let descriptors = wmi::InMemory::default();
        let secret = Namespace::parse("root/secret").unwrap();
        let guard = sddl::Guard::parse("O:BAG:BAD:P(A;;CCDCLCSWRPWPDTLORCWD;;;BA)").unwrap();
        wmi::Descriptors::replace(&descriptors, &secret, guard).unwrap();
        let engine = builder.descriptors(Arc::new(descriptors)).build().unwrap();
        Self { fixture: Fixture::with_wmi(Arc::new(Builtin(engine))), runtime }
    }

    /// Sends a request of a user, and returns status, problem type and body.
    fn send(&self, user: &str, method: &str, path: &str, body: &Value) -> (u16, String, Value) {
        let _runtime = self.runtime.enter();
        let reply = self.fixture.send(&call(method, path, body, &self.fixture.browser(user)));
        let (Content::Json(value) | Content::Problem(value)) = &reply.content else { panic!("{reply:?}") };
        (reply.status, problem(&reply), value.clone())
    }

    fn query(&self, user: &str, body: Value) -> (u16, String, Value) {
        self.send(user, "POST", "/wmi/query", &body)
    }
}

#[test]
fn descriptors_of_namespaces_apply_to_roles() {
    let machine = Machine::new();
    let (_, _, admin) = machine.send("admin", "GET", "/wmi/namespaces", &json!({}));
    assert_eq!(admin["namespaces"], json!(["root", "root/a", "root/b", "root/c", "root/secret"]));
    let (_, _, viewer) = machine.send("viewer", "GET", "/wmi/namespaces", &json!({}));
    assert_eq!(viewer["namespaces"], json!(["root", "root/a", "root/b", "root/c"]));
    let classes = "/wmi/namespaces/root%2Fsecret/classes";
    assert_eq!(machine.send("viewer", "GET", classes, &json!({})).1, "wmi-access-denied");
    assert_eq!(machine.send("admin", "GET", classes, &json!({})).0, 200);
    let query = json!({ "namespace": "root/secret", "query": "SELECT * FROM __Namespace" });
    assert_eq!(machine.query("viewer", query).1, "wmi-access-denied");
}

#[test]
fn pages_continue_and_a_cursor_works_once_and_for_its_user_only() {
    let machine = Machine::new();
    let first = json!({ "namespace": "root", "query": "SELECT Name FROM __Namespace", "limit": 3 });
    let (_, _, page) = machine.query("viewer", first);
    assert_eq!((page["rows"].as_array().unwrap().len(), &page["properties"]), (3, &json!(["Name"])));
    let next = json!({ "namespace": "root", "cursor": page["next"], "limit": 3 });
    assert_eq!(machine.query("operator", next.clone()).1, "cursor-expired");
    let (_, _, page) = machine.query("viewer", next.clone());
    assert_eq!((page["rows"].as_array().unwrap().len(), &page["next"]), (1, &Value::Null));
    assert_eq!(machine.query("viewer", next).1, "cursor-expired");
}

#[test]
fn a_user_cannot_keep_more_than_four_queries_open() {
    let machine = Machine::new();
    let query = json!({ "namespace": "root", "query": "SELECT * FROM __Namespace", "limit": 1 });
    let cursors: Vec<Value> =
        (0..5).map(|_| machine.query("viewer", query.clone()).2["next"].clone()).collect();
    let open = |cursor: &Value| machine.query("viewer", json!({ "namespace": "root", "cursor": cursor })).0;
    assert_eq!(cursors.iter().map(open).collect::<Vec<_>>(), [410, 200, 200, 200, 200]);
}

#[test]
fn errors_of_queries_have_their_position() {
    let machine = Machine::new();
    let (status, kind, body) =
        machine.query("viewer", json!({ "namespace": "root", "query": "SELECT * FORM x" }));
    assert_eq!((status, kind.as_str()), (400, "invalid-query"));
    assert_eq!(body["position"], json!({ "start": 9, "end": 13 }));
    let (_, kind, _) =
        machine.query("viewer", json!({ "namespace": "root", "query": "SELECT * FROM Nothing" }));
    assert_eq!(kind, "wmi-not-found");
    let (status, _, _) =
        machine.query("viewer", json!({ "query": "SELECT * FROM __Namespace", "limit": 5_000 }));
    assert_eq!(status, 400);
}

#[test]
fn instances_and_classes_are_found_by_their_names() {
    let machine = Machine::new();
    let at = "/wmi/namespaces/root/instance?path=__Namespace.Name%3D%22a%22";
    let (_, _, instance) = machine.send("viewer", "GET", at, &json!({}));
    assert_eq!((&instance["class"], &instance["values"]["Name"]), (&json!("__Namespace"), &json!("a")));
    let (_, _, class) = machine.send("viewer", "GET", "/wmi/namespaces/root/classes/__namespace", &json!({}));
    assert_eq!(class["keys"], json!(["Name"]));
    let missing = "/wmi/namespaces/root/instance?path=__Namespace.Name%3D%22z%22";
    assert_eq!(machine.send("viewer", "GET", missing, &json!({})).0, 404);
}
