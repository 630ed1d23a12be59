//! The output to NATS JetStream, with Debian's nats-server.

use std::fs;
use std::path::Path;
use std::process::Command;

use rcgen::ExtendedKeyUsagePurpose;
use serde_json::{Value, json};

use super::certificates::{Authority, Pair};
use super::collector::{SOURCE, batch, event};
use super::configured::{Configured, RunAs};
use super::nats_server::NatsServer;
use crate::service_process::{Telarchd, is_root, write_private};

/// Starts a server with a stream, and then with TLS, whose certificate an authority has issued.
fn server(folder: &Path, tls: Option<&Pair>) -> Option<NatsServer> {
    let mut server = NatsServer::start(folder, "")?;
    server.create_stream(&json!({}));
    if let Some(pair) = tls {
        server.kill();
        server.configure(&format!(
            "tls {{ cert_file: \"{}\", key_file: \"{}\" }}",
            pair.certificate.display(),
            pair.key.display()
        ));
        server.run();
    }
    Some(server)
}

fn write_output(telarchd: &Telarchd, text: &str) {
    let folder = telarchd.file("event-outputs");
    fs::create_dir(&folder).unwrap();
    write_private(&folder.join("nats.toml"), text);
}

/// Returns the numbers of the events in the stream.
fn records(messages: &[(String, Value)]) -> Vec<u64> {
    messages.iter().map(|(_, event)| event["System"]["EventRecordID"].as_u64().unwrap()).collect()
}

fn send(service: &Configured, count: u64) {
    let path = service.enumerate().delivery_path();
    let events: Vec<String> = (1..=count).map(|record| event(record, "x")).collect();
    assert_eq!(service.send(&path, &batch(count, &events)).status, 200);
}

fn events_arrive(user: RunAs) {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = server(folder.path(), None) else { return };
    let service = Configured::start_as(user, "", |telarchd, _| {
        let settings = format!(
            "Url = \"nats://127.0.0.1:{}/wef.{{channel}}.{{source}}\"\nRequired = true\n",
            server.port
        );
        write_output(telarchd, &settings);
    });
    send(&service, 50);
    let messages = server.messages(50);
    assert_eq!(records(&messages), (1..=50).collect::<Vec<_>>());
    assert_eq!(messages[0].0, "wef.System.win10%2Ewindomain%2Elocal");
    assert_eq!(messages[0].1["Collector"]["Source"], SOURCE);
}

/// As root the collector is a process of its own, which Landlock confines.
#[test]
fn events_arrive_in_a_stream_from_the_configured_service() {
    events_arrive(RunAs::This);
}

#[test]
fn events_arrive_in_a_stream_from_the_service_of_an_ordinary_user() {
    if !is_root() || Command::new("setpriv").arg("--version").output().is_err() {
        skips::skip!("running as an ordinary user requires root and setpriv");
        return;
    }
    events_arrive(RunAs::Nobody);
}

#[test]
fn events_arrive_in_a_stream_over_tls_only_with_the_authority_of_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let own = Authority::new(folder.path(), "nats-authority");
    let pair = own.issue("localhost", ExtendedKeyUsagePurpose::ServerAuth);
    let pem = fs::read_to_string(&own.file).unwrap();
    let Some(mut server) = server(folder.path(), Some(&pair)) else { return };
    let url = format!("Url = \"nats+tls://localhost:{}/wef.tls\"\n", server.port);
    let other = Configured::start_with("", |telarchd, authority| {
        // The authority of the sources is not that of the server.
        let wrong = fs::read_to_string(&authority.file).unwrap();
        write_output(telarchd, &format!("{url}CertificateAuthority = '''{wrong}'''\n"));
    });
    send(&other, 1);
    other.telarchd.wait_for_log(&["Cannot send events", "nats", "certificate"]);
    drop(other);
    let service = Configured::start_with("", |telarchd, _| {
        write_output(telarchd, &format!("{url}CertificateAuthority = '''{pem}'''\n"));
    });
    send(&service, 3);
    // The server accepts no connection without TLS from the test, so it is asked after a start without TLS.
    service.wait_until_sent("nats");
    drop(service);
    server.kill();
    server.configure("");
    server.run();
    assert_eq!(records(&server.messages(3)), [1, 2, 3]);
}
