//! Features of a site, each changed through its form.

use std::fs;

use browser::{Key, Page};

use crate::machine::{ADMINISTRATOR, Machine, Nginx, apply};

/// Opens the form of a feature of the site `shop.example`.
fn open(machine: &Machine, page: &Page, feature: &str, heading: &str) {
    let site = machine.shop(page);
    machine.go(page, &format!("/web/sites/{site}/{feature}"));
    page.wait_for_heading(heading);
    page.wait_for_button("Preview changes");
}

/// Previews the form, applies it, and returns the file of the site.
fn save(machine: &Machine, page: &Page) -> String {
    page.click_button("Preview changes");
    page.wait_for_text("sites/shop.conf");
    apply(page);
    fs::read_to_string(machine.nginx.root().join("sites/shop.conf")).expect("the site's file")
}

#[test]
fn error_pages_are_added_and_removed() {
    let Some(machine) = Machine::start() else { return };
    let page = machine.signed_in(ADMINISTRATOR, "/");
    open(&machine, &page, "error-pages", "Error pages");
    page.wait_for_text("shop.conf:6, applies by reload");
    page.click_button("Add error page");
    page.wait_until("document.activeElement === pageOfTest.find('field', 'error page 2 > Status codes')");
    page.type_text("500 99");
    page.fill("error page 2 > Page", "/index.html");
    page.fill("error page 2 > Send with status", "503");
    page.click_button("Preview changes");
    page.wait_for_text("Enter a whole number from 300 to 599");
    page.fill("error page 2 > Status codes", "500, 502");
    page.click_button("Remove error page 1");
    let text = save(&machine, &page);
    // The port of the site may contain 404.
    let pages: Vec<&str> = text.lines().filter(|line| line.contains("error_page")).collect();
    assert_eq!(pages, ["    error_page 500 502 =503 /index.html;"], "{text}");
    page.click_button("Revert to inherited");
    apply(&page);
    page.wait_for_text("No directive sets this feature");
    assert_eq!(page.take_errors(), [""; 0]);
}

#[test]
fn rules_for_clients_are_moved_with_the_keyboard() {
    let Some(machine) = Machine::start() else { return };
    let page = machine.signed_in(ADMINISTRATOR, "/");
    open(&machine, &page, "ip-restrictions", "IP restrictions");
    page.evaluate("pageOfTest.find('button', 'Move rule 1 down').focus()");
    page.press(Key::Enter);
    page.wait_until("pageOfTest.find('field', 'rule 1 > Clients').value === 'all'");
    // The focus stays at the rule that was moved.
    page.wait_until("document.activeElement.ariaLabel === 'Move rule 2 up'");
    page.fill("rule 2 > Clients", "10.0.0.0/40");
    page.click_button("Preview changes");
    page.wait_for_text("it is neither all, an address nor a network");
    page.wait_until("document.activeElement === pageOfTest.find('field', 'rule 2 > Clients')");
    page.fill("rule 2 > Clients", "10.0.0.0/8");
    let text = save(&machine, &page);
    assert!(text.contains("    deny all;\n    allow 10.0.0.0/8;\n"), "{text}");
    assert!(Nginx::get(machine.nginx.port, "/").contains(" 403 "));
}

#[test]
fn a_redirection_reaches_clients() {
    let Some(machine) = Machine::start() else { return };
    let page = machine.signed_in(ADMINISTRATOR, "/");
    open(&machine, &page, "redirect", "Redirect");
    page.fill("Redirect all requests to", "https://new.example$request_uri");
    page.choose("Kind", "308 Permanent, keeps the method");
    let _ = save(&machine, &page);
    let response = Nginx::get(machine.nginx.port, "/a?b");
    assert!(
        response.contains(" 308 ") && response.contains("Location: https://new.example/a?b"),
        "{response}"
    );
    assert_eq!(page.take_errors(), [""; 0]);
}

#[test]
fn media_types_replace_the_inherited_ones() {
    let Some(machine) = Machine::start() else { return };
    let page = machine.signed_in(ADMINISTRATOR, "/");
    open(&machine, &page, "mime-types", "MIME types");
    page.choose("Types of file name extensions", "Set here");
    page.click_button("Add type");
    page.fill("type 1 > Media type", "text/x-shop");
    page.fill("type 1 > Extensions", "html htm");
    page.fill("Type of other files", "application/octet-stream");
    let _ = save(&machine, &page);
    assert!(Nginx::get(machine.nginx.port, "/").contains("Content-Type: text/x-shop"));
    assert_eq!(page.take_errors(), [""; 0]);
}

#[test]
fn a_site_asks_for_a_password() {
    let Some(machine) = Machine::start() else { return };
    let users = machine.nginx.root().join("users");
    fs::write(&users, "").expect("a file");
    let page = machine.signed_in(ADMINISTRATOR, "/");
    open(&machine, &page, "basic-authentication", "Basic authentication");
    page.choose("Access", "With a user name and password");
    page.fill("Realm", "Members");
    page.fill("File with users", &users.display().to_string());
    let _ = save(&machine, &page);
    let response = Nginx::get(machine.nginx.port, "/");
    assert!(response.contains("WWW-Authenticate: Basic realm=\"Members\""), "{response}");
    // The form has the new value.
    page.wait_for_text("shop.conf:9, 10");
    page.choose("Access", "Without a password");
    let text = save(&machine, &page);
    assert!(text.contains("    auth_basic off;\n") && !text.contains("auth_basic_user_file"), "{text}");
    assert_eq!(page.take_errors(), [""; 0]);
}

#[test]
fn tls_settings_are_validated_by_the_web_server() {
    let Some(machine) = Machine::start() else { return };
    let page = machine.signed_in(ADMINISTRATOR, "/");
    open(&machine, &page, "ssl", "SSL");
    page.choose("Versions of TLS", "Set here");
    page.click_field("TLS 1.2");
    page.click_field("TLS 1.3");
    page.choose("Choice of the cipher", "By the server");
    let text = save(&machine, &page);
    assert!(text.contains("ssl_protocols TLSv1.3 TLSv1.2;"), "{text}");
    assert!(text.contains("ssl_prefer_server_ciphers on;"), "{text}");
    page.wait_for_text("shop.conf:9, 10");
    page.fill("Certificate", "/nonexistent/site.pem");
    page.click_button("Preview changes");
    page.wait_for_text("The validator of the web server rejects the new files.");
    page.wait_for_text("no \"ssl_certificate_key\" is defined");
    assert_eq!(page.evaluate("pageOfTest.find('button', 'Apply').disabled"), true);
    page.press(Key::Escape);
    page.wait_until("!document.querySelector('dialog')");
    assert_eq!(page.take_errors(), [""; 0]);
}

#[test]
fn logs_are_written_to_other_files() {
    let Some(machine) = Machine::start() else { return };
    let log = machine.nginx.root().join("logs/shop.log");
    let page = machine.signed_in(ADMINISTRATOR, "/");
    open(&machine, &page, "logging", "Logging");
    page.choose("Access log", "To a file");
    page.fill("File of the access log", &log.display().to_string());
    page.fill("Format", "unknown");
    page.click_button("Preview changes");
    // The validator names the file and the line.
    page.wait_for_text("unknown log format \"unknown\"");
    page.wait_until("/shop\\.conf:\\d+$/.test(document.querySelector('dialog .problem code')?.textContent)");
    page.click_button("Cancel");
    page.fill("Format", "combined");
    let _ = save(&machine, &page);
    assert!(Nginx::get(machine.nginx.port, "/visit").contains(" 404 "));
    page.click_link("Logs");
    page.choose("File", &format!("{} ({} bytes)", log.display(), fs::metadata(&log).expect("the log").len()));
    page.wait_for_text("GET /visit");
    assert_eq!(page.take_errors(), [""; 0]);
}

#[test]
fn other_features_have_forms_of_the_same_kind() {
    let Some(machine) = Machine::start() else { return };
    let page = machine.signed_in(ADMINISTRATOR, "/");
    open(&machine, &page, "directory-browsing", "Directory browsing");
    page.click_field("List folders without a default document");
    page.choose("Format", "JSON");
    let text = save(&machine, &page);
    assert!(text.contains("autoindex on;") && text.contains("autoindex_format json;"), "{text}");

    open(&machine, &page, "response-headers", "Response headers");
    page.click_button("Add header");
    page.fill("header 1 > Name", "X-Shop");
    page.fill("header 1 > Value", "a \"b\"; always");
    page.click_field("header 1 > Also for error responses");
    let _ = save(&machine, &page);
    assert!(Nginx::get(machine.nginx.port, "/missing").contains("X-Shop: a \"b\"; always\r\n"));

    open(&machine, &page, "limits", "Limits");
    page.fill("Maximum request body in bytes", "-1");
    page.click_button("Preview changes");
    page.wait_for_text("Enter a whole number, at least 0");
    page.fill("Maximum request body in bytes", "1048576");
    assert!(save(&machine, &page).contains("client_max_body_size 1048576;"));
    assert_eq!(page.take_errors(), [""; 0]);
}

#[test]
fn a_change_by_others_is_reported_and_can_be_repeated() {
    let Some(machine) = Machine::start() else { return };
    let page = machine.signed_in(ADMINISTRATOR, "/");
    open(&machine, &page, "redirect", "Redirect");
    page.fill("Redirect all requests to", "https://new.example/");
    let file = machine.nginx.root().join("sites/shop.conf");
    let text = fs::read_to_string(&file).expect("the site's file");
    fs::write(&file, format!("# Changed with an editor.\n{text}")).expect("a file");
    page.click_button("Preview changes");
    page.wait_for_text("the configuration was changed meanwhile");
    page.click_button("Preview with the current files");
    apply(&page);
    let text = fs::read_to_string(&file).expect("the site's file");
    assert!(
        text.starts_with("# Changed with an editor.\n") && text.contains("return 301 https://new.example/;")
    );
}
