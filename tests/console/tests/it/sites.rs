//! Sites.

use browser::Key;
use ports::free_port;

use crate::accessibility::examine_everywhere;
use crate::machine::{ADMINISTRATOR, Machine, Nginx, apply};

#[test]
fn a_site_is_created_served_stopped_and_deleted() {
    let Some(machine) = Machine::start() else { return };
    let page = machine.signed_in(ADMINISTRATOR, "/web/sites");
    page.click_button("Add site");
    page.wait_for_heading("Add site");
    let port = free_port();
    page.fill("Name of the site", "blog");
    page.fill("binding 1 > Port or address", &format!("127.0.0.1:{port}"));
    page.click_button("Add host name");
    page.fill("host name 1 > Host name", "blog.example");
    page.fill("Folder", &machine.nginx.root().join("blog").display().to_string());
    page.click_button("Preview");
    page.wait_for_text("sites/blog.conf");
    page.fill("Reason, for the history", "a blog for the shop");
    apply(&page);
    page.wait_for_heading("blog.example");
    assert!(Nginx::get(port, "/").ends_with("the blog"));

    page.click_button("Stop site");
    apply(&page);
    page.wait_for_text("Start the site to see and change its features.");
    machine.go(&page, "/web/sites/blog");
    page.wait_for_text("Start the site to see and change its features.");
    page.click_button("Delete site");
    apply(&page);
    page.wait_for_heading("Sites");
    page.click_link("History");
    page.wait_for_text("a blog for the shop");
    assert_eq!(page.take_errors(), [""; 0]);
}

#[test]
fn invalid_values_are_reported_beside_their_fields() {
    let Some(machine) = Machine::start() else { return };
    let page = machine.signed_in(ADMINISTRATOR, "/web/new-site");
    page.click_button("Preview");
    page.wait_for_text("2 fields need a correction.");
    // Missing values are found by the page, and the first has the focus.
    page.wait_until("document.activeElement?.getAttribute('aria-invalid') === 'true'");
    let message = "document.getElementById(document.activeElement.getAttribute('aria-describedby').split(' ').at(-1)).textContent";
    assert_eq!(page.evaluate(message), "Enter a value");
    page.fill("Name of the site", "blog");
    page.fill("Folder", "/srv/../etc");
    page.fill("binding 1 > Port or address", "70000");
    assert_eq!(page.take_errors(), [""; 0]);
    // Other values are checked by the server.
    page.click_button("Preview");
    page.wait_for_text("the port must be 1 to 65535");
    page.wait_until("document.activeElement === pageOfTest.find('field', 'binding 1 > Port or address')");
    page.fill("binding 1 > Port or address", "8080");
    page.click_button("Preview");
    page.wait_for_text("it contains a . or .. component");
    page.wait_until("document.activeElement === pageOfTest.find('field', 'Folder')");
    let errors = page.take_errors();
    assert!(errors.len() == 2 && errors.iter().all(|error| error.contains("dry_run=true")), "{errors:?}");
}

#[test]
fn a_page_with_unsaved_changes_is_left_only_after_a_confirmation() {
    let Some(machine) = Machine::start() else { return };
    let page = machine.signed_in(ADMINISTRATOR, "/web/sites");
    page.click_button("Add site");
    page.wait_for_heading("Add site");
    page.fill("Name of the site", "blog");
    page.click_link("History");
    page.wait_for_text("Leave without applying?");
    page.press(Key::Escape);
    page.wait_until("!document.querySelector('dialog')");
    let name = page.evaluate("pageOfTest.find('field', 'Name of the site').value");
    assert_eq!(name, "blog", "the page and its input stay");
    page.evaluate("history.back()");
    page.wait_for_text("Leave without applying?");
    assert_eq!(page.evaluate("location.pathname"), "/web/new-site");
    page.click_button("Leave");
    page.wait_for_heading("Sites");
    // A page without changes is left at once.
    page.click_button("Add site");
    page.wait_for_heading("Add site");
    page.click_link("History");
    page.wait_for_heading("History");
    assert_eq!(page.take_errors(), [""; 0]);
}

#[test]
fn an_application_passes_requests_to_a_pool() {
    let Some(machine) = Machine::start() else { return };
    let page = machine.signed_in(ADMINISTRATOR, "/web/pools");
    page.wait_for_text("There is no pool.");
    examine_everywhere(&page, "no pools");
    page.click_button("Add pool");
    page.wait_for_heading("Add pool");
    let port = machine.nginx.port;
    page.fill("Name of the pool", "backend");
    page.fill("server 1 > Address", &format!("127.0.0.1:{port}"));
    page.fill("Unit of systemd", "shop-app.service");
    examine_everywhere(&page, "add a pool");
    page.click_button("Preview");
    page.wait_for_text("# telarch-unit: shop-app.service");
    apply(&page);
    page.wait_for_heading("backend");
    page.wait_for_text("The unit does not exist, or systemd does not run.");
    page.click_button("Add server");
    page.fill("server 2 > Address", "127.0.0.1:9");
    page.click_field("server 2 > Backup");
    page.click_button("Preview changes");
    page.wait_for_text("server 127.0.0.1:9 backup;");
    apply(&page);
    examine_everywhere(&page, "a pool");

    let shop = machine.shop(&page);
    machine.go(&page, &format!("/web/sites/{shop}"));
    page.click_link("Add an application or a virtual directory");
    page.wait_for_heading("Add an application or a virtual directory");
    page.fill("Path", "/copy/");
    page.choose("Content", "Application");
    page.fill("Path at the server", "/");
    examine_everywhere(&page, "add an application");
    page.click_button("Preview");
    page.wait_for_text("proxy_pass http://backend/;");
    apply(&page);
    page.wait_for_heading("shop.example");
    page.wait_for_text("http to backend");
    assert!(Nginx::get(port, "/copy/").ends_with("the shop"));
    page.click_button("Delete /copy/");
    apply(&page);
    page.wait_for_text("There is none.");

    machine.go(&page, "/web/pools/backend");
    page.wait_for_text("The unit does not exist, or systemd does not run.");
    assert_eq!(page.take_errors(), [""; 0]);
    page.click_button("Start");
    page.wait_for_text("the unit shop-app.service");
    page.click_button("Delete pool");
    apply(&page);
    page.wait_for_text("There is no pool.");
}

#[test]
fn a_certificate_is_created_requested_and_deleted() {
    let Some(machine) = Machine::start() else { return };
    let page = machine.signed_in(ADMINISTRATOR, "/web/certificates");
    page.wait_for_text("No certificate is stored.");
    page.click_button("Add certificate");
    page.wait_for_heading("Add certificate");
    page.fill("Name", "shop");
    page.fill("Host names and addresses", "shop.example, 192.0.2.7");
    page.choose("Key", "RSA 2048, for old clients");
    page.click_button("Preview");
    page.wait_for_heading("Store the certificate shop?");
    page.wait_for_text("certificates/shop.pem");
    examine_everywhere(&page, "the preview of a certificate");
    let key = machine.nginx.root().join("certificates/shop.key");
    assert!(!key.exists(), "a preview stores nothing");
    page.click_button("Store");
    page.wait_for_text("The certificate shop was stored.");
    page.wait_for_text("shop.example, 192.0.2.7");
    page.click_button("Add certificate");
    page.choose("Kind", "Request to a certification authority");
    page.fill("Name", "blog");
    page.fill("Host names and addresses", "blog.example");
    page.click_button("Preview");
    page.wait_for_heading("Store the certificate blog?");
    page.click_button("Store");
    page.wait_for_text("send the request to the authority");
    page.wait_for_text("Request to an authority");
    examine_everywhere(&page, "stored certificates");
    page.click_button("Complete blog");
    page.wait_for_heading("Complete the certificate blog");
    examine_everywhere(&page, "complete a certificate");
    assert_eq!(page.take_errors(), [""; 0]);
    page.fill("Certificate", "no certificate");
    page.click_button("Preview");
    page.wait_for_text("cannot be read");
    assert!(page.take_errors().iter().all(|error| error.contains("400")), "only the rejected certificate");
    let shop = machine.shop(&page);
    machine.go(&page, &format!("/web/sites/{shop}/ssl"));
    let suggested = |file: &str| {
        format!(
            "[...document.querySelectorAll('datalist option')].some(({{ value }}) => value.endsWith('/{file}'))"
        )
    };
    page.wait_until(&format!("{} && {}", suggested("shop.pem"), suggested("shop.key")));
    assert_eq!(page.evaluate(&suggested("blog.key")), false, "no certificate was issued for it");
    examine_everywhere(&page, "TLS with stored certificates");
    machine.go(&page, "/web/certificates");
    page.wait_for_heading("Stored");
    page.click_button("Delete shop");
    page.wait_for_heading("Delete the certificate shop?");
    page.click_button("Delete");
    page.wait_for_text("The certificate shop was deleted.");
    assert!(!key.exists());
}
