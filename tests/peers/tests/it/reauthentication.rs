//! A client that signs in anew for every message, on one connection.

use serde_json::json;
use telarch_peers::{Telarchd, reauthenticate};

#[test]
fn a_client_with_a_new_handshake_for_every_message_runs_commands() {
    let service = Telarchd::start(&[]);
    let (run, counts) = reauthenticate(&service, "echo out; echo err 1>&2; exit 7");
    assert_eq!(run.text(), ("out\n", "err\n", 7));
    assert_eq!(counts["connections"], json!(1), "the service closed the connection");
}

#[test]
fn a_client_with_a_new_handshake_for_every_message_receives_5_mib() {
    let service = Telarchd::start(&[]);
    let (run, counts) = reauthenticate(&service, "seq 1000001 1655360");
    assert_eq!((run.stdout.len(), run.code), (5 * 1_024 * 1_024, 0));
    assert!(run.stdout.starts_with(b"1000001\n") && run.stdout.ends_with(b"1655360\n"));
    assert_eq!(counts["connections"], json!(1));
    assert!(counts["messages"].as_u64().is_some_and(|messages| messages > 20), "{counts}");
}
