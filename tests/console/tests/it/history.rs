//! History of the configuration.

use std::fs;

use crate::machine::{ADMINISTRATOR, Machine, Nginx, apply};

#[test]
fn an_earlier_configuration_is_restored() {
    let Some(machine) = Machine::start() else { return };
    let file = machine.nginx.root().join("sites/shop.conf");
    let before = fs::read_to_string(&file).expect("the site's file");
    let page = machine.signed_in(ADMINISTRATOR, "/");
    let site = machine.shop(&page);
    machine.go(&page, &format!("/web/sites/{site}/redirect"));
    page.fill("Redirect all requests to", "https://new.example/");
    page.click_button("Preview changes");
    page.fill("Reason, for the history", "moved");
    apply(&page);
    assert!(Nginx::get(machine.nginx.port, "/").contains(" 301 "));

    page.click_link("History");
    page.wait_for_heading("History");
    page.wait_for_text("moved");
    page.click_link("1");
    page.wait_for_heading("Commit 1");
    page.click_button("Restore this commit");
    page.wait_for_text("-    return 301 https://new.example/;");
    apply(&page);
    assert_eq!(fs::read_to_string(&file).expect("the site's file"), before);
    assert!(Nginx::get(machine.nginx.port, "/").ends_with("the shop"));
    page.wait_for_heading("History");
    page.wait_for_text("Restore commit 1");
    assert_eq!(page.take_errors(), [""; 0]);
}
