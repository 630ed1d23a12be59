//! The records of who tried what.

use std::fs;

use serde_json::Value;

use crate::exchange::Connection;
use crate::message;
use crate::running::{BASIC_OVER_HTTP, PASSWORD, Telarchd, free_ports, listener, local, mode, user};

fn records(telarchd: &Telarchd) -> Vec<Value> {
    let text = fs::read_to_string(telarchd.state().join("audit.jsonl")).unwrap();
    assert!(!text.contains(PASSWORD), "{text}");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn sign_ins_denials_changes_and_executions_are_on_record_and_reading_is_not() {
    let [port] = free_ports();
    let http = listener("IP:127.0.0.1", "HTTP", port, "");
    let telarchd = Telarchd::start(&[BASIC_OVER_HTTP, &http].concat());
    let path = telarchd.state().join("audit.jsonl");
    assert_eq!(mode(&path), 0o600);

    assert_eq!(Connection::open(local(port)).ask_as("mallory", "/wsman", &message::settings()).status, 401);
    let mut connection = Connection::open(local(port));
    assert_eq!(connection.ask("/wsman", &message::settings()).status, 200);
    assert_eq!(connection.ask("/wsman", &message::create_shell()).status, 200);

    let records = records(&telarchd);
    let shown = |record: &Value| {
        ["event", "outcome", "account", "scheme", "address"]
            .map(|name| record[name].as_str().unwrap().to_owned())
    };
    let user = user();
    let expected = [
        ["sign-in", "denied", "mallory", "Basic", "127.0.0.1"],
        ["sign-in", "granted", &user, "Basic", "127.0.0.1"],
        ["access", "granted", &user, "Basic", "127.0.0.1"],
    ];
    assert_eq!(records.iter().map(shown).collect::<Vec<_>>(), expected, "{records:#?}");
    assert!(records[2]["action"].as_str().unwrap().ends_with("/Create"), "{records:#?}");
    assert!(records[2]["resource"].as_str().unwrap().ends_with("/shell/cmd"), "{records:#?}");
    assert!(records[2]["sid"].as_str().unwrap().starts_with("S-1-5-21-"), "{records:#?}");
}
