//! Users with rights for single sites.

use serde_json::json;

use crate::machine::{ADMINISTRATOR, DELEGATED, Machine, apply};

#[test]
fn a_delegated_user_sees_and_changes_only_the_granted_site() {
    let Some(machine) = Machine::start() else { return };
    let stranger = machine.signed_in(DELEGATED, "/");
    stranger.wait_for_text("There is no site here.");

    let page = machine.signed_in(ADMINISTRATOR, "/management/users");
    let site = machine.shop(&page);
    page.click_button(&format!("Change {DELEGATED}"));
    page.fill("Sites", &format!("/{site}"));
    page.click_button("Change");
    page.wait_until(&format!(
        "document.querySelector('main table').innerText.includes({})",
        json!(format!("/{site}"))
    ));
    assert_eq!(page.take_errors(), [""; 0]);

    let page = machine.signed_in(DELEGATED, "/");
    page.click_link("shop.example");
    page.wait_for_heading("shop.example");
    let navigation = page.evaluate("document.querySelector('nav').innerText");
    assert_eq!(navigation, "Sites\nshop.example");
    // Neither bindings nor locked features can be changed.
    page.wait_until("pageOfTest.find('field', 'Folder').matches(':disabled')");
    page.click_link("Error pages set here, read only");
    page.wait_for_text("This feature is locked and read only for you.");
    assert_eq!(page.evaluate("pageOfTest.find('button', 'Preview changes') === undefined"), true);
    machine.go(&page, &format!("/web/sites/{site}/directory-browsing"));
    page.click_field("List folders without a default document");
    page.click_button("Preview changes");
    apply(&page);
    assert_eq!(page.take_errors(), [""; 0]);
    machine.go(&page, "/management/users");
    page.wait_for_text("administrator");
    assert_eq!(page.evaluate("document.querySelector('main table')"), serde_json::Value::Null);
}
