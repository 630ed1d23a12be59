//! docs/monitoring.md, whose messages are sent as they stand there.

use telarch_peers::{Curl, PASSWORD, Telarchd, USER};

#[test]
fn an_item_of_zabbix_receives_both_properties_in_one_response() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/monitoring.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let message = page.split("```xml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a message");
    let service = Telarchd::start(&[]);
    let item = Curl::to(service.https()).basic(USER, PASSWORD).body(message);
    let reply = item.content_type("application/soap+xml;charset=UTF-8").send();
    let answer = String::from_utf8(reply.body.clone()).expect("UTF-8");
    assert_eq!(reply.status, 200, "{answer}");
    for property in ["FreePhysicalMemory", "NumberOfProcesses"] {
        let value = answer.split(&format!("<{property}>")).nth(1).and_then(|rest| rest.split('<').next());
        let value: u64 = value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{answer}"));
        assert!(value > 0, "{answer}");
    }
    assert!(answer.contains("<w:EndOfSequence/>"), "nothing is left open: {answer}");
}
