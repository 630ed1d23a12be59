//! Sign-in and sign-out.

use browser::Key;

use crate::machine::{ADMINISTRATOR, Machine, PASSWORD, sign_in};

#[test]
fn a_user_signs_in_and_out() {
    let Some(machine) = Machine::start() else { return };
    let page = machine.signed_in(ADMINISTRATOR, "/");
    page.wait_for_text("Web server");
    page.click_button("Sign out");
    page.wait_for_button("Sign in");
    machine.go(&page, "/web/sites");
    page.wait_for_button("Sign in");
    assert_eq!(page.take_errors(), [""; 0]);
}

#[test]
fn the_requested_page_follows_the_sign_in() {
    let Some(machine) = Machine::start() else { return };
    let page = machine.signed_in(ADMINISTRATOR, "/management/users");
    page.wait_for_heading("Users and permissions");
    assert_eq!(page.evaluate("location.pathname"), "/management/users");
    assert_eq!(page.take_errors(), [""; 0]);
}

#[test]
fn wrong_passwords_are_reported_and_lock_the_name() {
    let Some(machine) = Machine::start() else { return };
    let page = machine.open("/");
    for _ in 0..5 {
        sign_in(&page, "eve", "wrong");
        page.wait_for_text("the user name or password is wrong");
    }
    sign_in(&page, "eve", "wrong");
    page.wait_for_text("Too many failed sign-ins. Try again in 15 minutes.");
    // The lock is of the name, not of the browser.
    sign_in(&page, ADMINISTRATOR, PASSWORD);
    page.wait_for_button("Sign out");
    // The refused requests are the only errors.
    let errors = page.take_errors();
    assert!(errors.len() == 6 && errors.iter().all(|error| error.contains("/api/v1/session")), "{errors:?}");
}

#[test]
fn the_keyboard_is_enough() {
    let Some(machine) = Machine::start() else { return };
    let page = machine.open("/");
    // The first field has the focus.
    page.wait_until("document.activeElement?.name === 'username'");
    page.type_text(ADMINISTRATOR);
    page.press(Key::Tab);
    page.wait_until("document.activeElement?.name === 'password'");
    page.type_text(PASSWORD);
    page.press(Key::Enter);
    page.wait_for_button("Sign out");
    page.wait_until("document.activeElement?.tagName === 'H1'");
    // From the heading back into the tree, which has its sites, and through it with the arrow keys.
    page.wait_until("document.querySelectorAll('nav .level-3').length === 1");
    page.press(Key::BackTab);
    page.wait_until(
        "document.activeElement?.textContent === 'Audit' && document.activeElement.closest('nav')",
    );
    while page.evaluate("document.activeElement.textContent") != "Sites" {
        page.press(Key::Up);
    }
    page.press(Key::Enter);
    page.wait_for_heading("Sites");
    page.wait_until("document.activeElement?.tagName === 'H1'");
    // The first link of the page leads over the tree to the content, and keeps the actions.
    page.wait_for_button("Add site");
    while page.evaluate("document.activeElement.className") != "skip" {
        page.press(Key::BackTab);
    }
    page.press(Key::Enter);
    page.wait_until("location.hash === '#content'");
    page.press(Key::Tab);
    page.wait_until("document.activeElement === pageOfTest.find('field', 'Filter')");
    page.wait_for_button("Add site");
    assert_eq!(page.take_errors(), [""; 0]);
}
