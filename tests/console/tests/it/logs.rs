//! Logs of the web server as they are written.

use std::fs;

use crate::machine::{ADMINISTRATOR, Machine, Nginx};

#[test]
fn new_lines_of_a_log_appear_as_they_are_written() {
    let Some(machine) = Machine::start() else { return };
    let log = machine.nginx.root().join("logs/access.log");
    let page = machine.signed_in(ADMINISTRATOR, "/web/logs");
    page.wait_for_heading("Logs");
    let size = fs::metadata(&log).expect("the log").len();
    page.choose("File", &format!("{} ({size} bytes)", log.display()));
    page.wait_for_text("GET / HTTP/1.0");
    page.wait_for_text("Live");
    assert!(Nginx::get(machine.nginx.port, "/first-visit").contains(" 404 "));
    page.wait_for_text("GET /first-visit");
    page.fill("Filter", "second");
    page.wait_until("!document.body.innerText.includes('GET /first-visit')");
    assert!(Nginx::get(machine.nginx.port, "/second-visit").contains(" 404 "));
    page.wait_for_text("GET /second-visit");
    page.fill("Filter", "");
    page.wait_for_text("GET /first-visit");
    assert_eq!(page.take_errors(), [""; 0]);
}
