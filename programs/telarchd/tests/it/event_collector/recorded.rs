//! Recorded messages of Windows.

use std::fs;

use super::collector::{Collector, SUBSCRIPTION};

const UTF16: &str = "Content-Type: application/soap+xml;charset=UTF-16";
const UTF8: &str = "Content-Type: application/soap+xml;charset=UTF-8";
const SLDC: &str = "Content-Encoding: SLDC";

#[test]
fn a_recorded_enumeration_and_heartbeat_are_answered_in_utf_16() {
    let Some(recordings) = skips::recordings("events") else { return };
    let read = |name: &str| fs::read(recordings.join(name)).unwrap();
    let collector = Collector::start("xml", &[SUBSCRIPTION]);
    let source = collector.source();
    let request = read("enumerate-request.captured.utf16le");
    let offered = source.send_bytes("/SubscriptionManager/WEC", &request, &[UTF16]);
    assert_eq!(offered.status, 200, "{}", offered.text);
    let related = "<a:RelatesTo>uuid:E9802257-6A7D-4C0D-BFA4-E81C7B1C447E</a:RelatesTo>";
    assert!(offered.text.contains(related) && offered.text.contains("Everything"), "{}", offered.text);
    let path = offered.delivery_path();
    for (name, headers) in
        [("heartbeat.captured.sldc", &[UTF16, SLDC][..]), ("heartbeat.captured.utf16le", &[UTF16, SLDC])]
    {
        let answer = source.send_bytes(&path, &read(name), headers);
        assert_eq!(answer.status, 200, "{name}: {}", answer.text);
        assert!(answer.text.contains(super::ACK), "{name}: {}", answer.text);
        assert!(answer.text.contains("uuid:EEC04F74-A27D-4C3A-AEF5-BC5BF54359BA"), "{name}: {}", answer.text);
    }
}

#[test]
fn recorded_events_are_stored_in_order_in_every_form() {
    let Some(recordings) = skips::recordings("events") else { return };
    for (name, lines, count) in
        [("batch-security-25", "security.xmll", 25), ("batch-system-60", "system.xmll", 60)]
    {
        let expected = fs::read_to_string(recordings.join(lines)).unwrap();
        let expected: Vec<&str> = expected.lines().take(count).collect();
        for (extension, headers) in
            [("sldc", &[UTF16, SLDC][..]), ("utf16le", &[UTF16]), ("soap.xml", &[UTF8])]
        {
            let collector = Collector::start("xml", &[SUBSCRIPTION]);
            let path = collector.delivery_path();
            let body = fs::read(recordings.join(format!("{name}.{extension}"))).unwrap();
            let answer = collector.source().send_bytes(&path, &body, headers);
            assert_eq!(answer.status, 200, "{name}.{extension}: {}", answer.text);
            assert!(answer.text.contains(super::ACK), "{name}.{extension}: {}", answer.text);
            assert_eq!(collector.lines(), expected, "{name}.{extension}");
            assert!(collector.quarantine().is_empty());
        }
    }
}
