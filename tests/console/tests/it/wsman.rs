//! Open shells and certificate mappings of the WS-Management service.

use client::{Locator, Session, ShellOptions};
use serde_json::json;
use telarch_peers::{PASSWORD, StoredService, USER};
use tokio::runtime::Builder;
use wsman::{ResourceUri, SelectorSet};
use xml::Writer;

use crate::accessibility::examine_everywhere;
use crate::machine::{ADMINISTRATOR, Machine};
use crate::machines::send;

const MAPPINGS: &str = "http://schemas.microsoft.com/wbem/wsman/1/config/service/certmapping";
const ISSUER: &str = "0123456789ABCDEF0123456789ABCDEF01234567";

/// Maps client certificates to the account of the tests.
async fn map_certificates(session: &Session) {
    let selectors =
        SelectorSet::new().with("Issuer", ISSUER).with("Subject", "ada@shop.example").with("URI", "*");
    let resource = ResourceUri::parse(MAPPINGS).expect("a resource URI");
    let mut mapping = Writer::new();
    mapping.start("cfg:CertMapping").namespace("cfg", MAPPINGS);
    mapping.element("cfg:UserName", USER).element("cfg:Password", PASSWORD);
    mapping.end();
    let locator = Locator::new(resource).with_selectors(selectors);
    session.create(&locator, &mapping.into_fragment()).await.expect("a mapping");
}

#[test]
fn an_open_shell_is_shown_and_ended() {
    let stored = StoredService::files("");
    stored.account(&["add", USER, "--password-stdin"], PASSWORD);
    let stored = stored.start();
    let Some(machine) = Machine::start_beside(&stored.state()) else { return };
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let session = Session::local([stored.state().join("local.sock")]).build().expect("a session");
    let shell = runtime.block_on(session.shell(ShellOptions::default())).expect("a shell");
    runtime.block_on(map_certificates(&session));
    let page = machine.signed_in(ADMINISTRATOR, "/wsman");
    page.wait_for_heading("Open shells");
    page.wait_for_text("These are the shells of");
    for text in ["ada@shop.example", ISSUER, USER] {
        page.wait_for_text(text);
    }
    let rows = "document.querySelector('[aria-label=\"Open shells\"] tbody')?.rows";
    page.wait_until(&format!("{rows}?.length === 1"));
    let cells = page.evaluate(&format!("[...{rows}[0].cells].map((cell) => cell.textContent)"));
    assert_eq!((cells[2].as_str(), cells[4].as_str()), (Some("cmd"), Some("connected")), "{cells}");
    examine_everywhere(&page, "open shells");
    page.click_button("Add mapping…");
    page.fill("Thumbprint of the issuer", ISSUER);
    page.fill("Subject", "ben@shop.example");
    page.fill("User", USER);
    page.fill("Password", PASSWORD);
    examine_everywhere(&page, "the form for a mapping");
    page.click_button("Preview");
    page.wait_for_text("Map certificates of ben@shop.example to");
    page.click_button("Apply");
    page.wait_until("!document.querySelector('dialog')");
    page.wait_for_text("ben@shop.example");
    let delete = format!(
        "document.querySelector('[aria-label=\"Delete the mapping of ben@shop.example to {USER}\"]')"
    );
    page.evaluate(&format!("{delete}.click()"));
    page.wait_for_text("These certificates do not sign in any more.");
    page.click_button("Apply");
    page.wait_until(&format!("!document.querySelector('dialog') && !{delete}"));
    page.wait_for_text("ada@shop.example");
    page.evaluate("document.querySelector('[aria-label=\"Open shells\"] button').click()");
    page.wait_for_text("Its processes are ended at once");
    page.click_button("Cancel");
    page.evaluate("document.querySelector('[aria-label=\"Open shells\"] button').click()");
    page.wait_for_text("Its processes are ended at once");
    page.click_button("End shell");
    page.wait_for_text("No shell is open.");
    page.wait_until("!document.querySelector('dialog')");
    assert_eq!(page.take_errors(), [""; 0]);
    // Succeeds although the shell has ended.
    runtime.block_on(shell.close()).expect("an answer");
}

#[test]
fn a_service_that_does_not_run_is_reported() {
    let folder = tempfile::tempdir().expect("a directory");
    let Some(machine) = Machine::start_beside(folder.path()) else { return };
    let page = machine.signed_in(ADMINISTRATOR, "/wsman");
    page.wait_for_text("The WS-Management service does not run.");
    assert_eq!(page.take_errors(), [""; 0]);
    let change = json!({ "change": "set", "settings": { "Winrs/MaxShellsPerUser": "7" } });
    let (status, problem) = send(&page, "POST", "/wsman/changes", &change);
    assert_eq!((status, problem["type"].as_str()), (409, Some("urn:telarch:problem:wsman-stopped")));
    assert!(!folder.path().join("config.toml").exists(), "the file is changed by the service");
}
