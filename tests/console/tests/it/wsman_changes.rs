//! Changes of the settings and listeners of a WS-Management service.

use std::fs::DirBuilder;
use std::net::TcpStream;
use std::os::unix::fs::{DirBuilderExt as _, symlink};

use browser::Page;
use client::{Authentication, Credentials, Endpoint, Locator, Secret, Session, ShellOptions};
use ports::free_port;
use telarch_peers::{PASSWORD, StoredService, Telarchd, USER};
use tokio::runtime::{Builder, Runtime};
use wsman::ResourceUri;

use crate::accessibility::examine_everywhere;
use crate::machine::{ADMINISTRATOR, Machine};
use crate::machines::add;

/// Returns the value of a setting that the service uses.
fn setting(runtime: &Runtime, session: &Session, section: &str, name: &str) -> String {
    let uri = format!("http://schemas.microsoft.com/wbem/wsman/1/config/{section}");
    let locator = Locator::new(ResourceUri::parse(&uri).expect("a resource URI"));
    let response = runtime.block_on(session.get(&locator)).expect("a section");
    let section = response.content().expect("an element");
    let child = section.children().find(|child| child.name() == name).expect("the setting");
    child.text().into_owned()
}

/// Clicks a button that has its name in an attribute.
fn click_labelled(page: &Page, name: &str) {
    page.wait_until(&format!("document.querySelector('[aria-label=\"{name}\"]')"));
    page.evaluate(&format!("document.querySelector('[aria-label=\"{name}\"]').click()"));
}

/// Confirms the preview, and waits for the result.
fn apply(page: &Page) {
    page.click_button("Apply");
    page.wait_until("!document.querySelector('dialog')");
    page.wait_for_text("The WS-Management service uses the new configuration.");
}

/// Waits until a listener accepts connections, or until it does not.
fn wait_for_listener(address: &str, port: u16, is_expected: bool) {
    // The service opens and closes sockets after its response, and no event says when.
    while TcpStream::connect((address, port)).is_ok() != is_expected {
        std::thread::yield_now();
    }
}

#[test]
fn settings_and_listeners_of_this_machine_are_changed() {
    let stored = StoredService::files("");
    DirBuilder::new().mode(0o700).create(stored.state()).expect("a directory");
    // The console looks for the settings in its own directory.
    symlink(stored.config(), stored.state().join("config.toml")).expect("a link");
    let stored = stored.start();
    let Some(machine) = Machine::start_beside(&stored.state()) else { return };
    let session = Session::local([stored.state().join("local.sock")]).build().expect("a session");
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let page = machine.signed_in(ADMINISTRATOR, "/wsman");
    page.fill("Filter", "MaxConcurrentOperationsPerUser");
    click_labelled(&page, "Change Service/MaxConcurrentOperationsPerUser");
    page.wait_for_heading("Change Service/MaxConcurrentOperationsPerUser");
    examine_everywhere(&page, "the form for a setting");
    page.fill("Value", "0");
    page.click_button("Preview");
    page.wait_for_text("MaxConcurrentOperationsPerUser");
    page.wait_until("document.querySelector('dialog .problem')");
    assert!(page.take_errors().iter().all(|error| error.contains("422")), "only the rejected value");
    page.fill("Value", "77");
    page.click_button("Preview");
    page.wait_for_text("+MaxConcurrentOperationsPerUser = 77");
    examine_everywhere(&page, "the preview of a setting");
    assert_ne!(setting(&runtime, &session, "service", "MaxConcurrentOperationsPerUser"), "77");
    apply(&page);
    assert_eq!(setting(&runtime, &session, "service", "MaxConcurrentOperationsPerUser"), "77");
    page.wait_until(
        "[...document.querySelectorAll('main td')].some((cell) => cell.textContent.trim() === '77')",
    );

    let (first, second) = (free_port(), free_port());
    page.click_button("Add listener");
    page.fill("Address", "IP:127.0.0.1");
    page.choose("Transport", "HTTP");
    page.fill("Port", &first.to_string());
    examine_everywhere(&page, "the form for a listener");
    page.click_button("Preview");
    page.wait_for_text("Add the listener IP:127.0.0.1 HTTP");
    apply(&page);
    wait_for_listener("127.0.0.1", first, true);
    click_labelled(&page, "Change the listener IP:127.0.0.1 HTTP");
    page.fill("Port", &second.to_string());
    page.click_button("Preview");
    page.wait_for_text("If it is the only one");
    apply(&page);
    wait_for_listener("127.0.0.1", second, true);
    wait_for_listener("127.0.0.1", first, false);
    click_labelled(&page, "Delete the listener IP:127.0.0.1 HTTP");
    page.wait_for_heading("Delete the listener IP:127.0.0.1 HTTP");
    apply(&page);
    page.wait_for_text("There is no listener");
    wait_for_listener("127.0.0.1", second, false);
    assert_eq!(page.take_errors(), [""; 0]);
}

#[test]
fn settings_listeners_and_shells_of_another_machine_are_changed() {
    let Some(machine) = Machine::start() else { return };
    let service = Telarchd::start(&[]);
    let page = machine.signed_in(ADMINISTRATOR, "/machines");
    page.wait_for_text("No machine yet.");
    let id = add(&page, "web1", &service);
    let endpoint = Endpoint::parse(service.http()).expect("a URL");
    let credentials = Credentials { user: USER.to_owned(), password: Secret::new(PASSWORD.to_owned()) };
    let session = Session::builder(endpoint).credentials(credentials);
    let session = session.authentication(Authentication::Negotiate).build().expect("a session");
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let shell = runtime.block_on(session.shell(ShellOptions::default())).expect("a shell");
    machine.go(&page, &format!("/machines/{id}/wsman"));
    page.wait_for_heading("WS-Management of web1");
    page.fill("Filter", "Winrs/MaxProcessesPerShell");
    click_labelled(&page, "Change Winrs/MaxProcessesPerShell");
    page.fill("Value", "33");
    page.click_button("Preview");
    page.wait_for_heading("Change Winrs/MaxProcessesPerShell");
    apply(&page);
    assert_eq!(setting(&runtime, &session, "winrs", "MaxProcessesPerShell"), "33");
    let port = free_port();
    page.click_button("Add listener");
    page.fill("Address", "IP:127.0.0.1");
    page.choose("Transport", "HTTP");
    page.click_button("Preview");
    page.wait_for_text("exists already; change it instead");
    assert!(page.take_errors().iter().all(|error| error.contains("422")), "only the existing listener");
    page.fill("Address", "IP:127.0.0.2");
    page.fill("Port", &port.to_string());
    page.click_button("Preview");
    apply(&page);
    wait_for_listener("127.0.0.2", port, true);
    examine_everywhere(&page, "the service of another machine");
    click_labelled(&page, "Delete the listener IP:127.0.0.2 HTTP");
    page.wait_for_text(&port.to_string());
    apply(&page);
    wait_for_listener("127.0.0.2", port, false);
    page.evaluate("document.querySelector('[aria-label=\"Open shells\"] button').click()");
    page.wait_for_text("Its processes are ended at once");
    page.click_button("End shell");
    page.wait_for_text("No shell is open.");
    assert_eq!(page.take_errors(), [""; 0]);
    // Succeeds although the shell has ended.
    runtime.block_on(shell.close()).expect("an answer");
}
