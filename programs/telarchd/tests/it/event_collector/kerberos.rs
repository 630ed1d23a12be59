//! Sources that sign in with Kerberos, in both framings. The tests are skipped without MIT Kerberos' KDC.

use std::fs;

use auth::account_file::Role;
use ports::free_ports;
use telarch_peers::{Keys, Realm, deliver_events, in_realm};

use super::collector::{SUBSCRIPTION, event};
use crate::service_process::{Telarchd, listener, set_mode};

/// Account of a computer.
const COMPUTER: &str = "win10$";

/// Starts a service whose subscription admits computers of the domain.
fn service() -> (Telarchd, String) {
    let [port] = free_ports();
    let mut telarchd = Telarchd::new(
        &["EventCollector.Enabled = true\n", &listener("IP:127.0.0.1", "HTTP", port, "")].concat(),
    );
    set_mode(telarchd.folder.path(), 0o711);
    telarchd.add_account(COMPUTER, Role::User);
    telarchd.add_account(telarch_peers::USER, Role::User);
    let subscription = SUBSCRIPTION.replace(
        "</Subscription>",
        "<AllowedSourceDomainComputers>O:NSG:NSD:(A;;GA;;;DC)</AllowedSourceDomainComputers></Subscription>",
    );
    fs::create_dir(telarchd.file("event-subscriptions")).unwrap();
    fs::write(telarchd.file("event-subscriptions/everything.xml"), subscription).unwrap();
    telarchd.run();
    telarchd.wait_for_log(&["Collecting forwarded events"]);
    (telarchd, format!("http://localhost:{port}/wsman"))
}

fn delivers(realm: &Realm, framing: &str) {
    realm.kadmin(&format!("addprinc -pw \"{}\" {COMPUTER}", telarch_peers::PASSWORD));
    realm.kinit_as(COMPUTER, &[]);
    let (telarchd, url) = service();
    let batches = [vec![event(1, "one"), event(2, "two")], vec![event(3, "three")]];
    let answers = deliver_events(&url, framing, &batches);
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200; 4], "{answers:?}");
    let (offered, acknowledged) = answers.split_first().unwrap();
    let profile = "secprofile/http/spnego-kerberos";
    assert!(offered.text.contains("Everything") && offered.text.contains(profile), "{}", offered.text);
    assert!(acknowledged.iter().all(|answer| answer.text.contains(super::ACK)), "{acknowledged:?}");
    let file = telarchd.state().join("events/sources/win10.account/events.jsonl");
    let text = fs::read_to_string(&file).unwrap();
    let events: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let records: Vec<_> = events.iter().map(|one| one["System"]["EventRecordID"].as_u64()).collect();
    assert_eq!(records, [Some(1), Some(2), Some(3)], "{text}");
    assert_eq!(events[0]["Collector"]["Source"], "win10");

    // The descriptor admits computers only.
    realm.kinit(&[]);
    let answers = deliver_events(&url, framing, &batches);
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert!(answers[0].status == 200 && !answers[0].text.contains("Everything"), "{answers:?}");
}

#[test]
fn a_computer_of_the_domain_delivers_with_kerberos() {
    let name = "event_collector::kerberos::a_computer_of_the_domain_delivers_with_kerberos";
    in_realm(name, Keys::AesSha1, |realm: &Realm| delivers(realm, "Kerberos"));
}

#[test]
fn a_computer_of_the_domain_delivers_with_negotiate() {
    let name = "event_collector::kerberos::a_computer_of_the_domain_delivers_with_negotiate";
    in_realm(name, Keys::AesSha2, |realm: &Realm| delivers(realm, "Negotiate"));
}
