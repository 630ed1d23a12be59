//! The dialog that asks for the password again.

use browser::{Key, Page};

use crate::accessibility::examine_everywhere;
use crate::machine::{ADMINISTRATOR, Machine, PASSWORD};

/// Makes the page receive the response to a change that the service sends five minutes after the sign-in. Later changes
/// reach the service.
fn require_password(page: &Page) {
    page.evaluate(
        "(() => {
            const send = window.fetch;
            window.fetch = (url, options) => {
                if (options.method !== 'POST') return send(url, options);
                window.fetch = send;
                const problem = { type: 'urn:telarch:problem:elevation-required', status: 403, detail: 'repeat the password' };
                return Promise.resolve(new Response(JSON.stringify(problem), { status: 403 }));
            };
        })()",
    );
}

#[test]
fn a_change_asks_for_the_password_and_keeps_its_dialog() {
    let Some(machine) = Machine::start() else { return };
    let page = machine.signed_in(ADMINISTRATOR, "/management/users");
    page.click_button("Add user");
    page.fill("User name", "carl");
    page.fill("Password", "staple");
    require_password(&page);
    page.click_button("Add");
    page.wait_for_heading("Repeat your password");
    page.wait_until("document.activeElement?.closest('dialog')?.querySelector('#elevation-title')");
    examine_everywhere(&page, "the question for the password");
    // Escape leaves the question only; the dialog below says why nothing was changed.
    page.press(Key::Escape);
    page.wait_until("document.querySelectorAll('dialog').length === 1");
    page.wait_for_text("repeat the password");
    assert_eq!(page.evaluate("pageOfTest.find('field', 'User name').value"), "carl");

    require_password(&page);
    page.click_button("Add");
    page.wait_for_heading("Repeat your password");
    page.fill("Password", "wrong");
    page.click_button("Continue");
    page.wait_for_text("the user name or password is wrong");
    page.fill("Password", PASSWORD);
    page.click_button("Continue");
    page.wait_until("!document.querySelector('dialog') && [...document.querySelectorAll('td')].some((cell) => cell.textContent === 'carl')");
    // The refused password is the only error.
    let errors = page.take_errors();
    assert!(errors.len() == 1 && errors[0].contains("/session/elevate"), "{errors:?}");
}
