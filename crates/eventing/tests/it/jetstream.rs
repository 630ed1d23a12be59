//! Events in streams of JetStream.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};

use crate::collector_process::{CollectorProcess, wait_for_log};
use crate::nats_server::{NatsServer, PATIENCE};

fn write_output(folder: &Path, text: &str) {
    fs::write(folder.join("nats.toml"), text).unwrap();
}

/// Returns the numbers of the events in the order of the stream.
fn records(messages: &[(String, Value)]) -> Vec<u64> {
    messages.iter().map(|(_, event)| event["System"]["EventRecordID"].as_u64().unwrap()).collect()
}

#[test]
fn events_are_messages_below_the_subject_of_their_channel_and_source() {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = NatsServer::start(folder.path(), "") else { return };
    server.create_stream(&json!({}));
    let url =
        format!("Url = \"nats://127.0.0.1:{}/wef.{{subscription}}.{{channel}}.{{source}}\"", server.port);
    write_output(folder.path(), &url);
    let mut collector = CollectorProcess::start(folder.path());
    collector.deliver(1, 3);
    collector.deliver(4, 600);
    let messages = server.messages(603);
    assert_eq!(records(&messages), (1..=603).collect::<Vec<_>>());
    let (subject, event) = &messages[0];
    assert_eq!(subject, "wef.Every%20thing.A%2FB%2Ec.win10%2Eexample%2Ecom");
    assert_eq!(event["Collector"]["Source"], "win10.example.com");
    assert_eq!(event["Collector"]["EventId"].as_str().map(str::len), Some(32), "{event}");
}

#[test]
fn no_event_is_lost_or_doubled_when_collector_and_server_are_killed() {
    const ROUNDS: u64 = 12;
    const EVENTS: u64 = 200;
    let folder = tempfile::tempdir().unwrap();
    let Some(mut server) = NatsServer::start(folder.path(), "") else { return };
    server.create_stream(&json!({}));
    write_output(
        folder.path(),
        &format!("Url = \"nats://127.0.0.1:{}/wef.events\"\nRequired = true", server.port),
    );
    let mut collector = CollectorProcess::start(folder.path());
    for round in 0..ROUNDS {
        let first = round * EVENTS + 1;
        if round % 3 == 2 {
            // The collector dies at different moments of a delivery, which its source repeats then.
            collector.begin(first, EVENTS);
            std::thread::sleep(Duration::from_millis(round * 5));
            collector.kill();
            collector = CollectorProcess::start(folder.path());
        }
        collector.deliver(first, EVENTS);
        if round % 3 == 1 {
            // The server dies while it receives the messages of this batch.
            std::thread::sleep(Duration::from_millis(round * 3));
            server.kill();
            server.run();
        }
    }
    let messages = server.messages(ROUNDS * EVENTS);
    let stored: BTreeSet<u64> = records(&messages).into_iter().collect();
    assert_eq!(stored, (1..=ROUNDS * EVENTS).collect());
    // The spool has no more events, so a restart publishes nothing.
    wait_until_sent(folder.path());
    collector.kill();
    let mut collector = CollectorProcess::start(folder.path());
    collector.deliver(ROUNDS * EVENTS + 1, 1);
    server.messages(ROUNDS * EVENTS + 1);
}

/// Waits until the stored position of the sender is the end of the last file.
fn wait_until_sent(folder: &Path) {
    let spool = folder.join("spool/nats");
    let until = Instant::now() + PATIENCE;
    loop {
        let text = fs::read_to_string(spool.join("position")).unwrap_or_default();
        if let Some((number, offset)) = text.trim().split_once(' ') {
            let number: u64 = number.parse().unwrap();
            let file = fs::metadata(spool.join(format!("{number:012}.jsonl"))).map_or(0, |file| file.len());
            let is_last = !spool.join(format!("{:012}.jsonl", number + 1)).exists();
            if is_last && offset.parse() == Ok(file) {
                return;
            }
        }
        assert!(Instant::now() < until, "the spool is not empty: {text}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn events_wait_in_the_spool_until_a_stream_has_their_subject() {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = NatsServer::start(folder.path(), "") else { return };
    write_output(folder.path(), &format!("Url = \"nats://127.0.0.1:{}\"", server.port));
    let mut collector = CollectorProcess::start(folder.path());
    collector.deliver(1, 5);
    wait_for_log(folder.path(), "no stream of JetStream has the subject");
    assert!(
        fs::read_to_string(folder.path().join("spool/nats/position")).is_err(),
        "an event has left the spool"
    );
    server.create_stream(&json!({}));
    let messages = server.messages(5);
    assert_eq!(messages[0].0, "wef.Every%20thing.A%2FB%2Ec");
    collector.kill();
}

#[test]
fn an_event_that_is_too_large_does_not_stop_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = NatsServer::start(folder.path(), "max_payload: 20000\n") else { return };
    server.create_stream(&json!({"max_msg_size": 10_000}));
    write_output(folder.path(), &format!("Url = \"nats://127.0.0.1:{}/wef.x\"", server.port));
    let mut collector = CollectorProcess::start(folder.path());
    collector.deliver(1, 2);
    // More than the stream permits, and more than the server permits.
    collector.deliver_padded(3, 1, 15_000);
    collector.deliver_padded(4, 1, 50_000);
    collector.deliver(5, 2);
    assert_eq!(records(&server.messages(4)), [1, 2, 5, 6]);
    let stored = fs::read_to_string(folder.path().join("spool/nats/undeliverable/events.jsonl")).unwrap();
    let ids: Vec<_> = stored
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["System"]["EventRecordID"].as_u64().unwrap())
        .collect();
    assert_eq!(ids, [3, 4]);
    collector.kill();
}

#[test]
fn the_login_by_key_and_by_password_works_over_tls() {
    // Seed and public key of the documentation of nkeys.
    const SEED: &str = "SUAKYRHVIOREXV7EUZTBHUHL7NUMHPMAS7QMDU3GTIUWEI5LDNOXD43IZY";
    const PUBLIC: &str = "UD466L6EBCM3YY5HEGHJANNTN4LSKTSUXTH7RILHCKEQMQHTBNLHJJXT";
    for (users, login, is_accepted) in [
        (format!("{{ nkey: {PUBLIC} }}"), format!("Credentials = \"{SEED}\""), true),
        (
            "{ user: ada, password: \"it's secret\" }".to_owned(),
            "User = \"ada\"\nPassword = \"it's secret\"".to_owned(),
            true,
        ),
        ("{ user: ada, password: other }".to_owned(), "User = \"ada\"\nPassword = \"x\"".to_owned(), false),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        fs::write(folder.path().join("tls.crt"), certificate.pem()).unwrap();
        fs::write(folder.path().join("tls.key"), key.serialize_pem()).unwrap();
        let tls = format!(
            "tls {{ cert_file: \"{0}/tls.crt\", key_file: \"{0}/tls.key\" }}",
            folder.path().display()
        );
        // The stream is created without login, and its server replaced by one with TLS and logins.
        let Some(mut server) = NatsServer::start(folder.path(), "") else { return };
        server.create_stream(&json!({}));
        server.kill();
        server.configure(&format!("{tls}\nauthorization {{ users: [ {users} ] }}"));
        server.run();
        let output = format!(
            "Url = \"nats+tls://localhost:{}/wef.x\"\n{login}\nCertificateAuthority = '''{}'''",
            server.port,
            certificate.pem()
        );
        write_output(folder.path(), &output);
        let mut collector = CollectorProcess::start(folder.path());
        collector.deliver(1, 3);
        match is_accepted {
            true => wait_until_sent(folder.path()),
            false => {
                server.wait_for_log("authentication error");
                assert!(!folder.path().join("spool/nats/position").exists());
                wait_for_log(folder.path(), "Authorization Violation");
            }
        }
        collector.kill();
        server.kill();
        server.configure("");
        server.run();
        server.messages(if is_accepted { 3 } else { 0 });
    }
}
