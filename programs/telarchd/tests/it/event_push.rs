//! Push delivery of local events and of WMI events: pywinrm subscribes, and a server of Python receives.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use ports::free_ports;
use rcgen::ExtendedKeyUsagePurpose;
use serde_json::{Value, json};
use telarch_peers::{
    Apache, Asking, Keys, Machine, PASSWORD, Peer as _, Proof, Pywinrm, REALM, Realm, Refusal, Telarchd,
    USER, in_realm,
};
use tempfile::TempDir;
use wsman::namespace::{DIALECT_EVENT_QUERY, DIALECT_WQL};

use crate::event_collector::certificates::Authority;
use crate::event_log::{EventSource, WAY, everything, messages};
use crate::service_process::write_private;

const EVENT_LOG: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/EventLog";
const CIMV2: &str = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/*";
/// Permits messages over HTTP, which the server of the tests receives.
const UNENCRYPTED: [(&str, &str); 1] = [("Client.AllowUnencrypted", "true")];

/// Returns a request for all events of the journal in a mode.
fn request(mode: &str, count: u64) -> Value {
    json!({
        "resource": EVENT_LOG, "dialect": DIALECT_EVENT_QUERY, "query": everything(), "mode": mode, "count": count,
        "options": {"CDATA": "true", "ReadExistingEvents": "true"}, "bookmark": null, "bookmarks": true,
        "delivery": "", "policy": "", "address": null, "end_to": false, "expires": "PT1H", "refuses_after": null,
        "is_flaky": false, "certificate": null, "program": null, "starts": null, "until": "events",
        "login": null, "tokens": null, "port": 0,
    })
}

fn push(service: &Telarchd, arguments: Value) -> Result<Value, Refusal> {
    Pywinrm::against(service, WAY).subscribe("push", arguments)
}

/// Returns the messages with events.
fn deliveries(pushed: &Value) -> Vec<&Value> {
    let all = pushed["messages"].as_array().unwrap().iter();
    all.filter(|message| !message["events"].as_array().unwrap().is_empty()).collect()
}

/// Returns the texts of all events.
fn texts(pushed: &Value) -> Vec<String> {
    deliveries(pushed).into_iter().flat_map(messages).collect()
}

/// Returns the bookmark of the last message with events.
fn last_bookmark(pushed: &Value) -> String {
    deliveries(pushed).last().unwrap()["bookmark"].as_str().expect("a bookmark").to_owned()
}

#[test]
fn a_sink_receives_the_journal_in_every_push_mode() {
    let Some(source) = EventSource::with_settings(60, &UNENCRYPTED) else { return };
    for mode in ["Push", "PushWithAck", "Events"] {
        let mut wanted = request(mode, 60);
        wanted["delivery"] = json!("<w:Heartbeats>PT600S</w:Heartbeats><w:MaxElements>20</w:MaxElements>");
        let pushed = push(&source.service, wanted).unwrap();
        assert_eq!(texts(&pushed), source.journal(), "{mode}");
        let all = pushed["messages"].as_array().unwrap();
        assert!(all[0]["action"].as_str().unwrap().ends_with("/wsman/Heartbeat"), "{}", all[0]);
        for message in all {
            assert_eq!(
                (&message["token"], &message["path"]),
                (&json!("<7>"), &json!("/events")),
                "{message}"
            );
            assert_eq!(message["asks"], json!(mode != "Push"), "{message}");
            assert_eq!(message["encoding"], Value::Null, "{message}");
        }
        let most = if mode == "Events" { 20 } else { 1 };
        assert_eq!(deliveries(&pushed)[0]["events"].as_array().unwrap().len(), most, "{mode}");
        assert_eq!((&pushed["expires"], &pushed["has_context"]), (&json!("PT3600.000S"), &json!(false)));
        let managed = &pushed["managed"];
        assert!(managed["Renew"].is_string() && managed["GetStatus"].is_string(), "{managed}");
        // The second GetStatus follows Unsubscribe.
        assert_eq!(managed["after GetStatus"], json!(2_150_858_789_u64), "{managed}");
    }
}

#[test]
fn pushed_events_without_cdata_are_the_content_of_the_message() {
    let Some(source) = EventSource::with_settings(3, &UNENCRYPTED) else { return };
    let mut wanted = request("Push", 3);
    wanted["options"] = json!({"ReadExistingEvents": "true"});
    wanted["delivery"] = json!("<w:ContentEncoding>UTF-16</w:ContentEncoding>");
    let pushed = push(&source.service, wanted).unwrap();
    for message in deliveries(&pushed) {
        assert_eq!(message["body"], json!(["Event"]), "{message}");
        assert_eq!(message["events"][0]["class"], "Event", "{message}");
        assert!(message["type"].as_str().unwrap().to_ascii_lowercase().contains("utf-16"), "{message}");
    }
}

#[test]
fn messages_are_compressed_if_the_subscriber_asks_for_it() {
    let Some(source) = EventSource::with_settings(60, &UNENCRYPTED) else { return };
    for (mode, encoding, name) in
        [("Push", "UTF-8", "SLDC"), ("PushWithAck", "UTF-8", "sldc"), ("Events", "UTF-16", "SLDC")]
    {
        let mut wanted = request(mode, 60);
        wanted["options"] = json!({"CDATA": "true", "ReadExistingEvents": "true", "Compression": name});
        wanted["delivery"] = json!(format!(
            "<w:Heartbeats>PT600S</w:Heartbeats><w:MaxElements>20</w:MaxElements>\
             <w:ContentEncoding>{encoding}</w:ContentEncoding>"
        ));
        let pushed = push(&source.service, wanted).unwrap();
        assert_eq!(texts(&pushed), source.journal(), "{mode}");
        for message in pushed["messages"].as_array().unwrap() {
            assert_eq!(
                (&message["encoding"], &message["is_complete"]),
                (&json!("SLDC"), &json!(true)),
                "{message}"
            );
            let sizes = [0, 1].map(|index| message["sizes"][index].as_u64().unwrap());
            assert!(sizes[0] < sizes[1], "{sizes:?} bytes: {message}");
        }
    }
    // An unknown algorithm is ignored.
    let mut wanted = request("Events", 60);
    wanted["options"] = json!({"CDATA": "true", "ReadExistingEvents": "true", "Compression": "zstd"});
    let pushed = push(&source.service, wanted).unwrap();
    assert_eq!(texts(&pushed), source.journal());
    assert!(deliveries(&pushed).iter().all(|message| message["encoding"].is_null()), "{pushed}");
}

#[test]
fn a_rejected_message_is_sent_again_and_no_event_is_lost() {
    let Some(source) = EventSource::with_settings(30, &UNENCRYPTED) else { return };
    for mode in ["Push", "Events"] {
        let mut wanted = request(mode, 30);
        wanted["is_flaky"] = json!(true);
        wanted["delivery"] =
            json!("<w:ConnectionRetry Total=\"5\">PT1S</w:ConnectionRetry><w:MaxElements>7</w:MaxElements>");
        assert_eq!(texts(&push(&source.service, wanted).unwrap()), source.journal(), "{mode}");
    }
}

#[test]
fn a_refusal_of_the_sink_ends_the_subscription() {
    let Some(source) = EventSource::with_settings(30, &UNENCRYPTED) else { return };
    let mut wanted = request("PushWithAck", 5);
    (wanted["refuses_after"], wanted["until"], wanted["end_to"]) = (json!(5), json!("refusal"), json!(true));
    let pushed = push(&source.service, wanted).unwrap();
    assert_eq!(texts(&pushed), source.journal()[..5]);
    assert_eq!(pushed["managed"]["after Renew"], json!(2_150_858_788_u64), "{}", pushed["managed"]);
    let ends = pushed["messages"].as_array().unwrap().iter().filter(|message| message["status"].is_string());
    assert_eq!(ends.count(), 0, "the sink has cancelled the subscription itself");
}

#[test]
fn the_sink_receives_heartbeats_and_the_end_when_the_service_stops() {
    let Some(source) = EventSource::with_settings(5, &UNENCRYPTED) else { return };
    let mut wanted = request("Events", 5);
    wanted["delivery"] = json!("<w:Heartbeats>PT1S</w:Heartbeats>");
    wanted["until"] = json!("heartbeats");
    push(&source.service, wanted.clone()).unwrap();
    (wanted["until"], wanted["end_to"]) = (json!("end"), json!(true));
    wanted["program"] = json!(["kill", "-TERM", source.service.process_id().to_string()]);
    let pushed = push(&source.service, wanted).unwrap();
    let last = pushed["messages"].as_array().unwrap().last().unwrap();
    assert!(last["status"].as_str().unwrap().ends_with("/SourceShuttingDown"), "{last}");
}

/// Returns the message at the end of a subscription that lasts for a moment.
fn end_after_a_moment(mut wanted: Value, push: impl FnOnce(Value) -> Result<Value, Refusal>) -> Value {
    (wanted["expires"], wanted["count"], wanted["starts"]) = (json!("PT2S"), json!(0), Value::Null);
    (wanted["until"], wanted["end_to"]) = (json!("end"), json!(true));
    let pushed = push(wanted).unwrap();
    let mut ends = pushed["messages"].as_array().unwrap().iter().filter(|one| one["status"].is_string());
    let end = ends.next().expect("a message at the end").clone();
    assert!(ends.next().is_none(), "{pushed}");
    assert_eq!(end["token"], "<7>", "{end}");
    end
}

#[test]
fn the_sink_receives_the_end_when_the_subscription_expires() {
    let Some(source) = EventSource::with_settings(5, &UNENCRYPTED) else { return };
    let end = end_after_a_moment(request("Events", 0), |wanted| push(&source.service, wanted));
    assert!(end["status"].as_str().unwrap().ends_with("/SourceCancelling"), "{end}");
    let service = Telarchd::start(&UNENCRYPTED);
    let end = end_after_a_moment(program_start("Push", "3606"), |wanted| push(&service, wanted));
    assert!(end["status"].as_str().unwrap().ends_with("/SourceCancelling"), "{end}");
}

#[test]
fn a_subscriber_continues_at_its_bookmark_after_the_service_was_killed() {
    let Some(source) = EventSource::with_settings(200, &UNENCRYPTED) else { return };
    let mut wanted = request("Events", 30);
    wanted["delivery"] = json!("<w:MaxElements>10</w:MaxElements>");
    wanted["until"] = json!("crash");
    wanted["program"] = json!(["kill", "-KILL", source.service.process_id().to_string()]);
    let before = push(&source.service, wanted.clone()).unwrap();
    let EventSource { folder, service } = source;
    service.reap_killed();
    let first = texts(&before);
    let source = EventSource::on(folder, &UNENCRYPTED);
    let rest = source.journal().len() - first.len();
    (wanted["until"], wanted["program"]) = (json!("events"), Value::Null);
    (wanted["bookmark"], wanted["count"]) = (json!(last_bookmark(&before)), json!(rest));
    let after = push(&source.service, wanted).unwrap();
    assert_eq!([first, texts(&after)].concat(), source.journal());
}

#[test]
fn deliveries_that_cannot_work_are_refused() {
    let Some(source) = EventSource::with_settings(1, &UNENCRYPTED) else { return };
    let policy = "<c:Policy xmlns:c=\"http://schemas.xmlsoap.org/ws/2002/12/policy\" \
                  xmlns:auth=\"http://schemas.microsoft.com/wbem/wsman/1/authentication\"><c:ExactlyOne><c:All>\
                  <auth:Authentication Profile=\"http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/http/\
                  spnego-kerberos\"/></c:All></c:ExactlyOne></c:Policy>";
    for (name, value, code) in [
        ("address", "ftp://127.0.0.1/events", 2_150_858_870_u64),
        ("address", " ", 2_150_858_817),
        ("policy", policy, 2_150_858_818),
        ("policy", &policy.replace("spnego-kerberos", "other"), 2_150_858_818),
        ("delivery", "<w:ContentEncoding>EBCDIC</w:ContentEncoding>", 2_150_858_828),
    ] {
        let mut wrong = request("Events", 1);
        wrong[name] = json!(value);
        let refusal = push(&source.service, wrong).expect_err(value);
        assert_eq!(refusal.fault_code, Some(code), "{value}: {refusal:?}");
    }
}

#[test]
fn events_are_not_pushed_unencrypted_without_the_setting() {
    let Some(source) = EventSource::with_journal(1) else { return };
    let refusal = push(&source.service, request("Events", 1)).expect_err("unencrypted");
    assert_eq!(refusal.fault_code, Some(2_150_858_870), "{refusal:?}");
    assert!(refusal.message.contains("Client.AllowUnencrypted"), "{refusal:?}");
}

#[test]
fn an_address_with_https_needs_a_trusted_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "authority");
    let pair = authority.issue("localhost", ExtendedKeyUsagePurpose::ServerAuth);
    let mut wanted = program_start("Events", "3605");
    wanted["certificate"] = json!([pair.certificate, pair.key]);
    let trust = format!("SSL_CERT_FILE={}", authority.file.display());
    let service = Telarchd::start_through(&["env", &trust], &[]);
    let pushed = push(&service, wanted.clone()).unwrap();
    assert_eq!(deliveries(&pushed)[0]["events"][0]["class"], "__InstanceCreationEvent", "{pushed}");
    let service = Telarchd::start(&[]);
    (wanted["count"], wanted["until"], wanted["starts"]) = (json!(0), json!("fault"), Value::Null);
    wanted["delivery"] =
        json!("<w:Heartbeats>PT600S</w:Heartbeats><w:ConnectionRetry Total=\"0\">PT1S</w:ConnectionRetry>");
    let refused = push(&service, wanted).unwrap();
    assert_eq!(refused["messages"], json!([]));
    service.logged(&["Push delivery failed", "https://localhost:"]);
}

/// Returns the element `w:Auth` with a security profile.
fn auth(profile: &str) -> Value {
    json!(format!("<w:Auth Profile=\"http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/{profile}\"/>"))
}

#[test]
fn the_service_signs_in_at_the_sink_with_the_credentials_of_the_subscriber() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "authority");
    let pair = authority.issue("localhost", ExtendedKeyUsagePurpose::ServerAuth);
    let file = authority.file.display().to_string();
    let service = Telarchd::start(&[("EventForwarding.PushAuthorities", file.as_str())]);
    let mut wanted = program_start("Events", "3608");
    wanted["certificate"] = json!([pair.certificate, pair.key]);
    (wanted["login"], wanted["tokens"]) = (json!(["sink", "s3cret"]), json!(["sink", "s3cret"]));
    wanted["delivery"] = auth("https/basic");
    let pushed = push(&service, wanted.clone()).unwrap();
    assert_eq!(deliveries(&pushed)[0]["authorization"], "Basic c2luazpzM2NyZXQ=", "{pushed}");
    // Credentials without a request to use them are not sent.
    let mut unused = wanted.clone();
    (unused["login"], unused["delivery"]) = (Value::Null, json!(""));
    unused["starts"] = json!(["sleep", "3608"]);
    let pushed = push(&service, unused).unwrap();
    assert_eq!(deliveries(&pushed)[0]["authorization"], Value::Null, "{pushed}");
    for (name, value, part) in [
        ("tokens", Value::Null, "no user name and password"),
        ("delivery", auth("https/mutual"), "set EventForwarding.PushCertificate"),
        ("delivery", auth("https/basic/mutual"), "unsupported authentication"),
        ("address", json!("http://localhost:1/events"), "without encryption"),
    ] {
        let mut wrong = wanted.clone();
        wrong[name] = value;
        let refusal = push(&service, wrong).expect_err(part);
        assert!(refusal.message.contains(part), "{refusal:?}");
    }
    assert!(!service.log().contains("s3cret"), "{}", service.log());
}

/// Apache before the server that receives messages, with a certificate of an authority.
struct Proxied {
    _folder: TempDir,
    authority: Authority,
    apache: Apache,
    port: u16,
}

impl Proxied {
    /// Returns `None` if Apache is missing. `asking` has the authority for certificates of clients.
    fn start(asking: impl FnOnce(&Authority) -> Asking) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new(folder.path(), "authority");
        let pair = authority.issue("localhost", ExtendedKeyUsagePurpose::ServerAuth);
        let [certificate, key] = [&pair.certificate, &pair.key].map(|path| fs::read_to_string(path).unwrap());
        let [port] = free_ports();
        let apache = Apache::before_sink(port, asking(&authority), (&certificate, &key))?;
        Some(Self { _folder: folder, authority, apache, port })
    }

    /// Starts a service that trusts the certificate of Apache.
    fn service(&self, settings: &[(&str, &str)]) -> Telarchd {
        let file = self.authority.file.display().to_string();
        Telarchd::start(&[&[("EventForwarding.PushAuthorities", file.as_str())], settings].concat())
    }

    /// Returns a request for the start of a program, whose event passes Apache.
    fn request(&self, seconds: &str) -> Value {
        let mut wanted = program_start("Events", seconds);
        (wanted["port"], wanted["address"]) = (json!(self.port), json!(self.apache.sink()));
        wanted
    }
}

#[test]
fn the_service_signs_in_with_digest_at_apache() {
    let Some(proxied) = Proxied::start(|_| Asking::Digest(300)) else { return };
    let service = proxied.service(&[]);
    let mut wanted = proxied.request("3609");
    wanted["tokens"] = json!([USER, PASSWORD.replace('&', "&amp;").replace('<', "&lt;")]);
    wanted["delivery"] = auth("https/digest");
    let pushed = push(&service, wanted.clone()).unwrap();
    let delivery = &deliveries(&pushed)[0];
    assert_eq!(delivery["events"][0]["class"], "__InstanceCreationEvent", "{pushed}");
    let authorization = delivery["authorization"].as_str().unwrap();
    assert!(authorization.starts_with(&format!("Digest username=\"{USER}\"")), "{authorization}");
    let requests = proxied.apache.requests();
    assert!(requests[0].starts_with("401 Digest") && requests[1].starts_with("200"), "{requests:?}");
    // The subscription ends with a wrong password.
    wanted["tokens"] = json!([USER, "wr0ng"]);
    (wanted["count"], wanted["until"], wanted["starts"]) = (json!(0), json!("fault"), Value::Null);
    wanted["delivery"] = json!(format!(
        "{}<w:Heartbeats>PT600S</w:Heartbeats><w:ConnectionRetry Total=\"0\">PT1S</w:ConnectionRetry>",
        auth("https/digest").as_str().unwrap()
    ));
    let refused = push(&service, wanted).unwrap();
    assert_eq!(refused["messages"], json!([]));
    service.logged(&["Push delivery failed", "https://localhost:"]);
    let log = service.log();
    assert!(!log.contains("wr0ng") && !log.contains(PASSWORD), "{log}");
}

/// Returns the policy of an address that requires authentication.
fn policy(profile: &str) -> Value {
    json!(format!(
        "<c:Policy xmlns:c=\"http://schemas.xmlsoap.org/ws/2002/12/policy\" \
         xmlns:auth=\"http://schemas.microsoft.com/wbem/wsman/1/authentication\"><c:ExactlyOne><c:All>\
         <auth:Authentication Profile=\"http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/{profile}\"/>\
         </c:All></c:ExactlyOne></c:Policy>"
    ))
}

#[test]
fn the_service_presents_its_certificate_to_apache() {
    let Some(proxied) = Proxied::start(|authority| Asking::Certificate(authority.file.clone())) else {
        return;
    };
    let pair = proxied.authority.issue("web1.example", ExtendedKeyUsagePurpose::ClientAuth);
    let both = [&pair.certificate, &pair.key].map(|path| fs::read_to_string(path).unwrap()).concat();
    let file = pair.certificate.with_extension("both");
    write_private(&file, &both);
    let service = proxied.service(&[("EventForwarding.PushCertificate", file.to_str().unwrap())]);
    let mut wanted = proxied.request("3610");
    wanted["policy"] = policy("https/mutual");
    let pushed = push(&service, wanted.clone()).unwrap();
    let delivery = &deliveries(&pushed)[0];
    assert_eq!(delivery["client"], "web1.example", "{pushed}");
    assert_eq!(delivery["events"][0]["class"], "__InstanceCreationEvent", "{pushed}");
    // Apache refuses the connection of a service without the profile.
    let mut without = wanted.clone();
    (without["policy"], without["count"]) = (json!(""), json!(0));
    (without["until"], without["starts"]) = (json!("fault"), Value::Null);
    without["delivery"] =
        json!("<w:Heartbeats>PT600S</w:Heartbeats><w:ConnectionRetry Total=\"0\">PT1S</w:ConnectionRetry>");
    assert_eq!(push(&service, without).unwrap()["messages"], json!([]));
    // All users could read the key.
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let refusal = push(&service, wanted).expect_err("a readable key");
    assert!(refusal.message.contains("others can read"), "{refusal:?}");
}

#[test]
fn the_service_signs_in_with_its_keytab_at_apache() {
    let name = "event_push::the_service_signs_in_with_its_keytab_at_apache";
    in_realm(name, Keys::AesSha2, |realm| {
        let Some(proxied) = Proxied::start(|_| Asking::Kerberos(readable_copy(realm))) else { return };
        let keytab = machine_keytab(realm, "web1$");
        let service = proxied.service(&[("EventForwarding.PushKeytab", keytab.to_str().unwrap())]);
        let mut wanted = proxied.request("3611");
        wanted["policy"] = policy("https/spnego-kerberos");
        let pushed = push(&service, wanted.clone()).unwrap();
        let delivery = &deliveries(&pushed)[0];
        assert_eq!(delivery["client"], format!("web1$@{REALM}"), "{pushed}");
        assert_eq!(delivery["events"][0]["class"], "__InstanceCreationEvent", "{pushed}");
        let unconfigured = proxied.service(&[]);
        let refusal = push(&unconfigured, wanted).expect_err("no keytab");
        assert!(refusal.message.contains("set EventForwarding.PushKeytab"), "{refusal:?}");
    });
}

/// Returns a keytab with the key of a new principal.
pub(crate) fn machine_keytab(realm: &Realm, principal: &str) -> PathBuf {
    let keytab = realm.path("machine.keytab");
    realm.kadmin(&format!("addprinc -randkey {principal}"));
    realm.kadmin(&format!("ktadd -k {} {principal}", keytab.display()));
    keytab
}

/// Returns a copy of the keytab of the services for Apache, which as root runs as another user.
fn readable_copy(realm: &Realm) -> PathBuf {
    let copy = realm.path("apache.keytab");
    fs::copy(realm.keytab(), &copy).unwrap();
    for (path, mode) in [(copy.as_path(), 0o644), (copy.parent().unwrap(), 0o755)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    copy
}

/// Returns a request for the start of a program with these arguments.
fn program_start(mode: &str, seconds: &str) -> Value {
    let mut wanted = request(mode, 1);
    wanted["resource"] = json!(CIMV2);
    wanted["dialect"] = json!(DIALECT_WQL);
    wanted["query"] = json!(format!(
        "SELECT * FROM __InstanceCreationEvent WITHIN 1 WHERE TargetInstance ISA 'Win32_Process' \
         AND TargetInstance.CommandLine = 'sleep {seconds}'"
    ));
    (wanted["options"], wanted["bookmarks"]) = (json!({}), json!(false));
    wanted["starts"] = json!(["sleep", seconds]);
    wanted
}

#[test]
fn wmi_events_are_pushed_in_every_mode() {
    let service = Telarchd::start(&UNENCRYPTED);
    for (mode, seconds) in [("Push", "3601"), ("PushWithAck", "3602"), ("Events", "3603")] {
        let pushed = push(&service, program_start(mode, seconds)).unwrap();
        let event = &deliveries(&pushed)[0]["events"][0];
        assert_eq!(event["class"], "__InstanceCreationEvent", "{pushed}");
        assert_eq!(event["TargetInstance"]["ProcessId"], json!(pushed["process"].to_string()), "{pushed}");
    }
}

#[test]
fn the_host_of_a_user_pushes_events_and_stops_at_the_end() {
    let Some(machine) = Machine::start(Proof::MemberOf("Administrators")) else { return };
    let pushed = machine.pywinrm(WAY).subscribe("push", program_start("Events", "3604")).unwrap();
    let event = &deliveries(&pushed)[0]["events"][0];
    assert_eq!(event["TargetInstance"]["ProcessId"], json!(pushed["process"].to_string()), "{pushed}");
    assert_eq!(pushed["managed"]["after GetStatus"], json!(2_150_858_789_u64), "{pushed}");
    let wanted = program_start("Events", "3607");
    let end = end_after_a_moment(wanted, |wanted| machine.pywinrm(WAY).subscribe("push", wanted));
    assert!(end["status"].as_str().unwrap().ends_with("/SourceCancelling"), "{end}");
}
