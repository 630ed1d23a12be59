//! Settings of the management service: staged, applied and confirmed.

use std::fs;

use crate::accessibility::examine_everywhere;
use crate::machine::{ADMINISTRATOR, Machine};

#[test]
fn settings_are_staged_applied_and_confirmed() {
    if !rustix::process::geteuid().is_root() {
        skips::skip!("only the service of a machine, which requires root, applies settings");
        return;
    }
    let Some(machine) = Machine::start_stored(|_| ()) else { return };
    let settings = machine.nginx.root().join("state/management.toml");
    let page = machine.signed_in(ADMINISTRATOR, "/management/service");
    page.click_button("Change settings");
    page.fill("Address rules", "deny, permit 10.0.0.0/8");
    page.click_button("Stage settings");
    page.wait_for_text("One field needs a correction.");
    page.wait_until("document.activeElement === pageOfTest.find('field', 'Address rules')");
    examine_everywhere_after_refusal(&page);
    page.fill("Address rules", "deny, allow 10.0.0.0/8");
    page.click_button("Stage settings");
    page.wait_for_text("The settings are staged.");
    page.wait_for_text("deny, allow 10.0.0.0/8");
    assert!(!settings.exists(), "nothing is stored before the confirmation");
    examine_everywhere(&page, "staged settings");
    page.click_button("Apply and restart");
    page.wait_for_text("Confirm the settings within 60 seconds");
    page.click_button("Cancel");
    apply(&page);
    examine_everywhere(&page, "unconfirmed settings");
    // On a busy machine the time for the confirmation may have passed. The old settings have then returned.
    while !keep(&page) {
        apply(&page);
    }
    // Requests during the new start have failed.
    let _ = page.take_errors();
    page.wait_until("!document.body.innerText.includes('seconds left')");
    let text = fs::read_to_string(&settings).expect("the settings");
    assert!(text.contains("RemoteRestrictions = \"deny, allow 10.0.0.0/8\""), "{text}");
    page.wait_for_button("Change settings");
    assert_eq!(page.take_errors(), [""; 0]);
}

const REVERTED: &str = "The old settings are in force again";

/// Applies the staged settings, and waits until the service has started again.
fn apply(page: &browser::Page) {
    page.click_button("Apply and restart");
    // Of the dialog, which is over the action.
    page.wait_for_text("Apply the staged settings?");
    page.click_button("Apply and restart");
    page.wait_until(&format!(
        "['seconds left', '{REVERTED}'].some((text) => document.body.innerText.includes(text))"
    ));
}

/// Confirms the applied settings if there is still time for it. Returns whether they are stored.
fn keep(page: &browser::Page) -> bool {
    const STORED: &str = "The settings are stored.";
    page.evaluate("void pageOfTest.find('button', 'Keep the new settings')?.click()");
    page.wait_until(&format!(
        "['{STORED}', '{REVERTED}'].some((text) => document.body.innerText.includes(text))"
    ));
    page.evaluate(&format!("document.body.innerText.includes('{STORED}')")) == true
}

/// Examines the form with a message; the refused request is the only error.
fn examine_everywhere_after_refusal(page: &browser::Page) {
    let errors = page.take_errors();
    assert!(errors.len() == 1 && errors[0].contains("/staged"), "{errors:?}");
    examine_everywhere(page, "settings with a message");
}

#[test]
fn staged_settings_are_discarded() {
    if !rustix::process::geteuid().is_root() {
        skips::skip!("only the service of a machine, which requires root, applies settings");
        return;
    }
    let Some(machine) = Machine::start_stored(|_| ()) else { return };
    let page = machine.signed_in(ADMINISTRATOR, "/management/service");
    page.click_button("Change settings");
    page.click_button("Stage settings");
    page.wait_for_text("These are the settings in force.");
    page.click_field("Log requests");
    page.click_button("Stage settings");
    page.wait_for_text("Settings are staged.");
    page.click_button("Discard staged settings");
    page.click_button("Discard");
    page.wait_for_text("The staged settings are discarded.");
    page.wait_for_button("Change settings");
    assert_eq!(page.take_errors(), [""; 0]);
}

#[test]
fn a_service_that_cannot_start_again_says_so() {
    let Some(machine) = Machine::start() else { return };
    let page = machine.signed_in(ADMINISTRATOR, "/management/service");
    page.wait_for_text("This service cannot start again by itself");
    page.wait_for_text("RemoteRestrictions");
    assert_eq!(page.evaluate("Boolean(pageOfTest.find('button', 'Change settings'))"), false);
    assert_eq!(page.take_errors(), [""; 0]);
}
