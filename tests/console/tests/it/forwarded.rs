//! Events that the collector has stored.

use std::fs;
use std::path::Path;

use crate::accessibility::examine_everywhere;
use crate::machine::{ADMINISTRATOR, Machine};

/// Stores events of a source as the collector does.
fn store(state: &Path, source: &str, events: &[String]) {
    let folder = state.join("events/sources").join(source);
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("events.jsonl"), events.concat()).expect("a file");
}

/// Returns an event on a line.
fn event(computer: &str, id: u32, level: u8, time: &str, message: &str) -> String {
    format!(
        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='sshd'/>\
         <EventID>{id}</EventID><Level>{level}</Level><TimeCreated SystemTime='{time}'/><EventRecordID>{id}</EventRecordID>\
         <Channel>System</Channel><Computer>{computer}</Computer></System><RenderingInfo Culture='en-US'><Message>{message}\
         </Message><Level>Warning</Level></RenderingInfo></Event>\n"
    )
}

#[test]
fn stored_events_are_shown_and_searched() {
    let state = tempfile::tempdir().expect("a directory");
    let web = [
        event("web1.example.com", 11, 3, "2026-11-26T01:00:00Z", "first of web1"),
        "damaged line\n".to_owned(),
        event("web1.example.com", 12, 2, "2026-11-26T03:00:00Z", "second of &lt;b&gt;web1&lt;/b&gt;"),
    ];
    store(state.path(), "web1.example.com", &web);
    let db = event("db1.example.com", 21, 3, "2026-11-26T02:00:00Z", "first of db1");
    store(state.path(), "db1.example.com", &[db]);
    let Some(machine) = Machine::start_beside(state.path()) else { return };
    let page = machine.signed_in(ADMINISTRATOR, "/events");
    page.click_link("Forwarded events");
    page.wait_for_heading("Forwarded events");
    page.wait_for_text("second of <b>web1</b>");
    let order = "[...document.querySelectorAll('[aria-label=\"Events\"] tbody summary')].map((one) => one.textContent)";
    assert_eq!(
        page.evaluate(order),
        serde_json::json!(["second of <b>web1</b>", "first of db1", "first of web1"]),
        "the newest first"
    );
    examine_everywhere(&page, "forwarded events");
    page.choose("Source", "db1.example.com");
    page.wait_until(&format!("{order}.length === 1"));
    page.choose("Source", "All");
    page.wait_until(&format!("{order}.length === 3"));
    page.fill("Query (XPath)", "*[System[Level=2]]");
    page.click_button("Search");
    page.wait_until(&format!("{order}.join() === 'second of <b>web1</b>'"));
    assert_eq!(page.take_errors(), [""; 0]);
    page.fill("Query (XPath)", "*[System[");
    page.click_button("Search");
    page.wait_until("document.querySelector('.problem')");
}
