//! Audit records of sign-ins and access.

use auth::account_file::Role;
use ports::free_ports;
use serde_json::Value;

use crate::http_connection::Connection;
use crate::message;
use crate::service_process::{BASIC_OVER_HTTP, Telarchd, listener, loopback, mode, user};

#[test]
fn sign_ins_denials_and_changes_are_recorded_but_reads_are_not() {
    let [port] = free_ports();
    let http = listener("IP:127.0.0.1", "HTTP", port, "");
    let telarchd = Telarchd::start(&[BASIC_OVER_HTTP, &http].concat());
    let path = telarchd.state().join("audit.jsonl");
    assert_eq!(mode(&path), 0o600);

    assert_eq!(
        Connection::open(loopback(port)).ask_as("mallory", "/wsman", &message::settings()).status,
        401
    );
    let mut connection = Connection::open(loopback(port));
    assert_eq!(connection.ask("/wsman", &message::settings()).status, 200);
    assert_eq!(connection.ask("/wsman", &message::create_shell()).status, 200);

    let records = telarchd.wait_for_records(|records| records.len() >= 3);
    fn fields(record: &Value) -> [String; 5] {
        ["event", "outcome", "account", "scheme", "address"]
            .map(|name| record[name].as_str().unwrap().to_owned())
    }
    let user = user();
    let expected = [
        ["sign-in", "denied", "mallory", "Basic", "127.0.0.1"],
        ["sign-in", "granted", &user, "Basic", "127.0.0.1"],
        ["access", "granted", &user, "Basic", "127.0.0.1"],
    ];
    assert_eq!(records.iter().map(fields).collect::<Vec<_>>(), expected, "{records:#?}");
    assert!(records[2]["action"].as_str().unwrap().ends_with("/Create"), "{records:#?}");
    assert!(records[2]["resource"].as_str().unwrap().ends_with("/shell/cmd"), "{records:#?}");
    assert!(records[2]["sid"].as_str().unwrap().starts_with("S-1-5-21-"), "{records:#?}");
}

/// Returns account, outcome, decider and access control entry of the access records.
fn accesses(telarchd: &Telarchd, number: usize) -> Vec<[String; 4]> {
    fn is_access(record: &Value) -> bool {
        record["event"] == "access"
    }
    let all =
        telarchd.wait_for_records(|all| all.iter().filter(|record| is_access(record)).count() >= number);
    all.iter()
        .filter(|record| is_access(record))
        .map(|record| {
            ["account", "outcome", "decider", "ace"].map(|name| record[name].as_str().unwrap().to_owned())
        })
        .collect()
}

fn with_sddl(sddl: &str, more: &str) -> (Telarchd, u16) {
    let [port] = free_ports();
    let http = listener("IP:127.0.0.1", "HTTP", port, "");
    let root = format!("Service.RootSDDL = \"{sddl}\"\n");
    let mut telarchd = Telarchd::new(&[BASIC_OVER_HTTP, &root, &http, more].concat());
    telarchd.add_account("clerk", Role::User);
    telarchd.run();
    (telarchd, port)
}

#[test]
fn the_sacl_decides_whose_reads_are_recorded() {
    let (telarchd, port) = with_sddl("D:P(A;;GA;;;BA)(A;;GR;;;WD)S:P(AU;SA;GR;;;BA)", "");
    let mut connection = Connection::open(loopback(port));
    assert_eq!(connection.ask("/wsman", &message::settings()).status, 200);
    assert_eq!(connection.ask_as("clerk", "/wsman", &message::settings()).status, 200);
    let expected = [[user(), "granted".to_owned(), "RootSDDL".to_owned(), "(A;;GA;;;BA)".to_owned()]];
    assert_eq!(accesses(&telarchd, 1), expected);
}

#[test]
fn without_a_sacl_denials_and_executions_are_still_recorded() {
    let (telarchd, port) = with_sddl("D:P(A;;GA;;;BA)", "");
    let mut connection = Connection::open(loopback(port));
    assert_eq!(connection.ask("/wsman", &message::settings()).status, 200);
    assert_eq!(connection.ask_as("clerk", "/wsman", &message::settings()).status, 500);
    assert_eq!(connection.ask("/wsman", &message::create_shell()).status, 200);
    let found = accesses(&telarchd, 2);
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[0], ["clerk", "denied", "RootSDDL", ""]);
    assert_eq!(found[1][..2], [user(), "granted".to_owned()]);
}

#[test]
fn the_record_names_the_plug_in_s_entry_that_decided() {
    let shell = wsman::namespace::SHELL;
    let entry = format!(
        "[[Plugin]]\nName = \"Shell\"\n[[Plugin.Security]]\nUri = \"{shell}\"\nSddl = \"D:P(D;;GX;;;AU)\"\n"
    );
    let (telarchd, port) = with_sddl("D:P(A;;GA;;;BA)", &entry);
    let mut connection = Connection::open(loopback(port));
    assert_eq!(connection.ask("/wsman", &message::create_shell()).status, 500);
    let decider = format!("Security of Shell for {shell}");
    assert_eq!(accesses(&telarchd, 1), [[user(), "denied".to_owned(), decider, "(D;;GX;;;AU)".to_owned()]]);
}
