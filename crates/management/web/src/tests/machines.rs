//! Other machines, with the connector in this process and in one of its own. The machine is a port that refuses.

use std::net::TcpListener;
use std::sync::Arc;

use broker::Link;
use management::{ApiKeyLimits, KeyPurpose, Settings, Timestamp};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::{Fixture, OptionalParts, call, headers, problem};
use crate::machines::{Connector, MachineConnector};
use crate::reply::Content;
use crate::separate::{ConnectorProcess, serve_connections};

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn fixture(connector: Arc<dyn Connector>) -> Fixture {
    Fixture::with_parts(
        Settings::default(),
        |_| None,
        OptionalParts { connector: Some(connector), ..Default::default() },
    )
}

/// Returns the URL of a port that refuses connections.
fn refusing() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("https://{}", listener.local_addr().unwrap())
}

fn new_machine() -> Value {
    json!({ "name": "web1", "url": refusing(), "account": "ann", "password": "very secret" })
}

/// Sends a request, and returns status, problem type and body.
fn send(
    fixture: &Fixture,
    browser: &[(String, String)],
    method: &str,
    path: &str,
    body: &Value,
) -> (u16, String, Value) {
    let reply = fixture.send(&call(method, path, body, browser));
    let value = match &reply.content {
        Content::Json(value) | Content::Problem(value) => value.clone(),
        _ => Value::Null,
    };
    (reply.status, problem(&reply), value)
}

fn check_unreachable(fixture: &Fixture) {
    let admin = fixture.browser("admin");
    let (status, _, added) = send(fixture, &admin, "POST", "/machines", &new_machine());
    assert_eq!((status, &added["status"]["state"]), (201, &json!("unreachable")), "{added}");
    assert!(added["status"]["reason"].as_str().unwrap().starts_with("cannot connect to 127.0.0.1:"));
    let id = added["id"].as_str().unwrap();
    let (_, _, checked) = send(fixture, &admin, "GET", &format!("/machines/{id}"), &json!({}));
    assert_eq!(checked["status"]["since"], added["status"]["since"]);
    let query = json!({ "query": "SELECT * FROM Win32_Process" });
    let path = format!("/machines/{id}/wmi/query");
    let (status, kind, _) = send(fixture, &admin, "POST", &path, &query);
    assert_eq!((status, kind.as_str()), (502, "machine-unreachable"));
    // Another session of the same user has no password.
    let other = fixture.browser("admin");
    let (status, kind, _) = send(fixture, &other, "POST", &path, &query);
    assert_eq!((status, kind.as_str()), (409, "machine-not-connected"));
    let (_, _, list) = send(fixture, &other, "GET", "/machines", &json!({}));
    assert_eq!(list["machines"][0]["status"]["state"], "not-connected");
    let run = json!({ "machines": [id], "command": "true" });
    assert_eq!(send(fixture, &other, "POST", "/machine-runs", &run).1, "machine-not-connected");
    assert_eq!(send(fixture, &admin, "DELETE", &format!("/machines/{id}"), &json!({})).0, 204);
    assert_eq!(send(fixture, &admin, "GET", &format!("/machines/{id}"), &json!({})).0, 404);
}

#[test]
fn an_unreachable_machine_keeps_its_reason_and_passwords_belong_to_a_session() {
    let runtime = runtime();
    check_unreachable(&fixture(Arc::new(MachineConnector::new(runtime.handle().clone()))));
}

#[test]
fn another_process_performs_the_same_tasks() {
    let runtime = runtime();
    let handle = runtime.handle().clone();
    let process = ConnectorProcess::new(move || {
        let (link, theirs) = Link::pair()?;
        let (theirs, handle) = (Link::from_inherited(theirs)?, handle.clone());
        std::thread::spawn(move || serve_connections(theirs, &handle));
        Ok(link)
    });
    check_unreachable(&fixture(Arc::new(process)));
}

#[test]
fn the_end_of_a_session_and_of_the_process_forget_the_password() {
    let runtime = runtime();
    let fixture = fixture(Arc::new(MachineConnector::new(runtime.handle().clone())));
    let admin = fixture.browser("admin");
    let (_, _, added) = send(&fixture, &admin, "POST", "/machines", &new_machine());
    let path = format!("/machines/{}/wmi/query", added["id"].as_str().unwrap());
    let query = json!({ "query": "SELECT * FROM Win32_Process" });
    assert_eq!(send(&fixture, &admin, "POST", &path, &query).1, "machine-unreachable");
    let live = fixture.console.sessions.list(std::time::Instant::now());
    fixture.console.machines.retain(live.iter().map(management::Session::lasting_id).collect());
    assert_eq!(send(&fixture, &admin, "POST", &path, &query).1, "machine-unreachable");
    fixture.console.machines.retain(Vec::new());
    assert_eq!(send(&fixture, &admin, "POST", &path, &query).1, "machine-not-connected");
}

#[test]
fn connections_are_audited_and_passwords_are_stored_nowhere() {
    let runtime = runtime();
    let fixture = fixture(Arc::new(MachineConnector::new(runtime.handle().clone())));
    let admin = fixture.browser("admin");
    let machine = new_machine();
    send(&fixture, &admin, "POST", "/machines", &machine);
    let records = fixture.console.audit.recent(u64::MAX, 10);
    let expected = format!("connection to {}/wsman as ann: unreachable", machine["url"].as_str().unwrap());
    assert_eq!(records[0].1["detail"], json!(expected));
    let folder = fixture.console.directory.state();
    for file in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap_or_default();
        assert!(!bytes.windows(11).any(|part| part == b"very secret"));
    }
}

#[test]
fn invalid_machines_runs_and_api_keys_are_refused() {
    let runtime = runtime();
    let fixture = fixture(Arc::new(MachineConnector::new(runtime.handle().clone())));
    let admin = fixture.browser("admin");
    for (name, value) in [
        ("url", json!("https://169.254.169.254/latest/meta-data")),
        ("url", json!("gopher://web1")),
        ("account", json!("")),
        ("account", json!("ann\r\nx")),
        ("password", json!("")),
        ("password", json!("x".repeat(2_000))),
        ("name", json!("x".repeat(200))),
        ("thumbprint", json!("ab".repeat(20))),
        ("other", json!(1)),
    ] {
        let mut machine = new_machine();
        machine[name] = value;
        let (status, _, body) = send(&fixture, &admin, "POST", "/machines", &machine);
        assert_eq!(status, 400, "{name}: {body}");
    }
    for run in [
        json!({ "machines": [], "command": "true" }),
        json!({ "machines": ["x"] , "command": "a", "query": "b" }),
        json!({ "machines": (0..51).map(|_| "x").collect::<Vec<_>>(), "command": "true" }),
        json!({ "machines": [1], "command": "true" }),
    ] {
        assert!(matches!(send(&fixture, &admin, "POST", "/machine-runs", &run).0, 400 | 404), "{run}");
    }
    let purpose = KeyPurpose::parse("machines").unwrap();
    let keys = &fixture.console.api_keys;
    let key = keys.create("admin", &purpose, ApiKeyLimits::default(), Timestamp::now()).unwrap();
    let bearer = headers(&[("authorization", &format!("Bearer {}", key.token.expose()))]);
    assert_eq!(send(&fixture, &bearer, "GET", "/machines", &json!({})).1, "forbidden");
    assert_eq!(send(&fixture, &bearer, "POST", "/machines", &new_machine()).1, "forbidden");
}
