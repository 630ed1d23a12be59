//! The collector of forwarded events, with curl as an event source.

pub(crate) mod certificates;
mod collector;
mod configured;
mod kerberos;
mod killed;
mod metrics;
mod nats;
#[path = "../../../../crates/eventing/tests/it/nats_server.rs"]
#[expect(dead_code, reason = "the tests of the library need more of it")]
mod nats_server;
mod outputs;
mod pulled;
mod pushed;
mod recorded;
#[path = "../../../../crates/eventing/puller/tests/it/recorded_source.rs"]
#[expect(dead_code, reason = "the tests of the library need more of it")]
mod recorded_source;
mod shared;
mod wecutil;

use self::collector::{Collector, SUBSCRIPTION, batch, envelope, event};

const ENUMERATE: &str = "http://schemas.xmlsoap.org/ws/2004/09/enumeration/Enumerate";
const ACK: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/Ack";

#[test]
fn a_source_is_offered_its_subscription_with_its_bookmark() {
    let collector = Collector::start("jsonl", &[SUBSCRIPTION]);
    let request = envelope(ENUMERATE, "", "<n:Enumerate><w:OptimizeEnumeration/></n:Enumerate>");
    let answer = collector.source().send("/SubscriptionManager/WEC", &request);
    assert_eq!(answer.status, 200, "{}", answer.text);
    for part in [
        "EnumerateResponse</a:Action>",
        "<a:RelatesTo>uuid:1</a:RelatesTo>",
        "<w:Option Name=\"SubscriptionName\">Everything</w:Option>",
        "<w:Option Name=\"Compression\">SLDC</w:Option>",
        "secprofile/https/mutual",
        "<Select Path=\"System\">*</Select>",
        "<w:EndOfSequence/>",
    ] {
        assert!(answer.text.contains(part), "{part} is missing in {}", answer.text);
    }
    let path = answer.delivery_path();
    assert!(!answer.text.contains("<w:Bookmark>"), "{}", answer.text);

    let stored = collector.source().send(&path, &batch(1, &[event(7, "x")]));
    assert_eq!(stored.status, 200, "{}", stored.text);
    assert!(stored.text.contains(ACK), "{}", stored.text);
    let again = collector.source().send("/SubscriptionManager/WEC", &request);
    let bookmark =
        "<w:Bookmark><BookmarkList><Bookmark Channel=\"System\" RecordId=\"1\" IsCurrent=\"true\"/>";
    assert!(again.text.contains(bookmark), "{}", again.text);
    assert_eq!(again.delivery_path(), path);
}

#[test]
fn events_are_written_to_standard_output() {
    let collector = Collector::start("-", &[SUBSCRIPTION]);
    let path = collector.delivery_path();
    let answer = collector.source().send(&path, &batch(1, &[event(1, "one"), event(2, "two")]));
    assert_eq!(answer.status, 200, "{}", answer.text);
    // The batch was acknowledged, so its events are there.
    let lines = collector.lines();
    assert!(lines.len() == 2 && lines[0].contains("one") && lines[1].contains("two"), "{lines:?}");
    assert!(lines.iter().all(|line| line.starts_with("{\"Collector\":")), "{lines:?}");
}

#[test]
fn events_are_stored_in_order_and_a_repeated_batch_only_once() {
    let collector = Collector::start("jsonl", &[SUBSCRIPTION]);
    let path = collector.delivery_path();
    let source = collector.source();
    let first = batch(2, &[event(1, "one"), event(2, "two")]);
    for _ in 0..3 {
        assert_eq!(source.send(&path, &first).status, 200);
    }
    assert_eq!(source.send(&path, &batch(3, &[event(3, "three")])).status, 200);
    let records: Vec<serde_json::Value> =
        collector.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ids: Vec<u64> = records.iter().map(|one| one["System"]["EventRecordID"].as_u64().unwrap()).collect();
    assert_eq!(ids, [1, 2, 3], "{records:?}");
    assert_eq!(records[0]["Collector"]["Source"], "win10.windomain.local");
    assert_eq!(records[0]["Collector"]["Subscription"], "Everything");
    assert!(records[0]["EventData"]["Data"].to_string().contains("one"), "{records:?}");
    assert!(records[0]["Collector"].get("IdentityMismatch").is_none());
}

#[test]
fn a_malformed_event_is_quarantined_and_the_others_are_stored() {
    let collector = Collector::start("xml", &[SUBSCRIPTION]);
    let path = collector.delivery_path();
    let cut =
        format!("{}<RenderingInfo Culture='en-US'><Message>cut he", event(2, "two").replace("</Event>", ""));
    let events = [event(1, "one"), "<Event><System>".to_owned(), String::new(), cut, event(3, "\u{1}three")];
    let answer = collector.source().send(&path, &batch(3, &events));
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(collector.lines(), [event(1, "one"), event(2, "two"), event(3, "\u{FFFD}three")]);
    let quarantine = collector.quarantine();
    assert_eq!(quarantine.len(), 2, "{quarantine:?}");
    assert!(quarantine[0].contains("<Event><System>") && quarantine[0].contains("reason"), "{quarantine:?}");
    assert!(quarantine[1].contains("empty"), "{quarantine:?}");
}

#[test]
fn inline_events_and_events_of_another_computer_are_stored() {
    let collector = Collector::start("jsonl", &[SUBSCRIPTION]);
    let path = collector.delivery_path();
    let foreign = event(5, "x").replace("win10.windomain.local", "other.windomain.local");
    let body = format!("<w:Events><w:Event Action=\"urn:e\">{foreign}</w:Event></w:Events>");
    let request = envelope("http://schemas.dmtf.org/wbem/wsman/1/wsman/Events", "", &body);
    assert_eq!(collector.source().send(&path, &request).status, 200);
    let record: serde_json::Value = serde_json::from_str(&collector.lines()[0]).unwrap();
    assert_eq!(record["Collector"]["IdentityMismatch"], true, "{record}");
    assert!(collector.log().contains("Source sends events of another computer"));
}

#[test]
fn unknown_subscriptions_and_wrong_actions_are_answered_with_faults() {
    let collector = Collector::start("jsonl", &[SUBSCRIPTION]);
    let source = collector.source();
    let unknown =
        source.send("/subscriptions/00000000-0000-4000-8000-000000000000/1", &batch(1, &[event(1, "x")]));
    assert_eq!(unknown.status, 500);
    assert!(unknown.text.contains("w:DeliveryRefused"), "{}", unknown.text);
    let wrong = source.send("/SubscriptionManager/WEC", &batch(1, &[event(1, "x")]));
    assert!(wrong.text.contains("a:ActionNotSupported"), "{}", wrong.text);
    let malformed = source.send("/SubscriptionManager/WEC", "hello");
    assert!(malformed.text.contains("not a SOAP envelope"), "{}", malformed.text);
    let end = envelope("http://schemas.microsoft.com/wbem/wsman/1/wsman/End", "", "");
    assert_eq!(source.send("/SubscriptionManager/WEC", &end).status, 204);
    assert_eq!(source.send("/SubscriptionManager/Other", &end).status, 404);
    assert!(collector.lines().is_empty());
}

#[test]
fn only_sources_of_the_authority_and_of_the_lists_are_served() {
    let denied = SUBSCRIPTION.replace(
        "<AllowedSourceNonDomainComputers/>",
        "<AllowedSourceNonDomainComputers><DeniedSubjectList><Subject>*.windomain.local</Subject>\
         </DeniedSubjectList></AllowedSourceNonDomainComputers>",
    );
    let denied = denied.replace("Everything", "Denied");
    let collector = Collector::start("jsonl", &[SUBSCRIPTION, &denied]);
    let request = envelope(ENUMERATE, "", "<n:Enumerate/>");
    let offered = collector.source().send("/SubscriptionManager/WEC", &request);
    assert!(offered.text.contains("Everything") && !offered.text.contains("Denied"), "{}", offered.text);
    let foreign = collector.foreign_source().send("/SubscriptionManager/WEC", &request);
    assert_eq!(foreign.status, 403, "{}", foreign.text);
    assert!(collector.log().contains("Rejected an event source"), "{}", collector.log());
    let path = offered.delivery_path();
    assert_eq!(collector.foreign_source().send(&path, &batch(1, &[event(1, "x")])).status, 403);
    assert!(collector.without_certificate(), "a client without a certificate must not connect");
    assert!(collector.lines().is_empty());
}
