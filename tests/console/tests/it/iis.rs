//! The IIS of another machine.

use browser::Page;
use serde_json::Value;
use telarch_peers::Telarchd;

use crate::accessibility::examine_everywhere_except;
use crate::machine::{ADMINISTRATOR, Machine};
use crate::machines::{add, add_at, send};
use crate::windows::WindowsMachine;

#[test]
fn sites_and_pools_of_a_windows_machine_are_stopped_and_started() {
    let Some(machine) = Machine::start() else { return };
    let windows = WindowsMachine::start();
    let page = machine.signed_in(ADMINISTRATOR, "/machines");
    let id = add_at(&page, "web1", &windows.url);
    // The machine has no classes of other namespaces.
    machine.go(&page, &format!("/machines/{id}"));
    page.wait_for_text("Sites and application pools of IIS");
    page.click_link("Sites and application pools of IIS");
    page.wait_for_heading("Web server of web1");
    for text in ["shop.example", "443 TLS", r"%SystemDrive%\inetpub\wwwroot", ".NET v4.5", "shop/cart"] {
        page.wait_for_text(text);
    }
    examine_everywhere_except(&page, "iis of a machine", |error| {
        error.contains("502") || error.contains("422")
    });

    page.click_button("Recycle DefaultAppPool");
    page.wait_for_text("DefaultAppPool was recycled.");
    page.click_button("Stop shop");
    page.wait_for_heading("Stop the site shop?");
    page.click_button("Stop");
    page.wait_for_text("shop is stopped.");
    assert!(windows.iis.dump().contains(r#"("Site", "shop")"#));
    page.click_button("Start shop");
    page.wait_for_text("shop is started.");
    assert!(!windows.iis.dump().contains(r#"("Site", "shop")"#));
    page.click_button("Stop .NET v4.5");
    page.wait_for_heading("Stop the pool .NET v4.5?");
    page.click_button("Stop");
    page.wait_for_text(".NET v4.5 is stopped.");

    windows.iis.fail("Stop", 2_150_859_011, "the service does not answer");
    page.click_button("Stop shop");
    page.wait_for_heading("Stop the site shop?");
    page.click_button("Stop");
    page.wait_for_text("the service does not answer");
    let (status, audit) = send(&page, "GET", "/management/audit", &Value::Null);
    let audit = audit.to_string();
    assert_eq!(status, 200);
    for record in [
        "stop the site shop of IIS",
        "recycle the pool DefaultAppPool of IIS",
        "stop the site shop of IIS: failed",
    ] {
        assert!(audit.contains(record), "{record}: {audit}");
    }
}

#[test]
fn a_machine_without_iis_and_unknown_objects_are_explained() {
    let Some(machine) = Machine::start() else { return };
    let service = Telarchd::start(&[]);
    let windows = WindowsMachine::start();
    let page = machine.signed_in(ADMINISTRATOR, "/machines");
    let id = add(&page, "linux1", &service);
    let (status, problem) = send(&page, "GET", &format!("/machines/{id}/iis"), &Value::Null);
    assert_eq!(
        (status, problem["type"].as_str()),
        (422, Some("urn:telarch:problem:machine-refused")),
        "{problem}"
    );
    assert!(
        problem["detail"].as_str().is_some_and(|text| text.contains("Install-WindowsFeature")),
        "{problem}"
    );
    let id = add_at(&page, "web1", &windows.url);
    for (object, status) in [
        ("sites/blog/actions/stop", 404),
        ("sites/shop/actions/pause", 404),
        ("pools/Other/actions/stop", 404),
        ("pools/DefaultAppPool/actions/delete", 404),
        ("sites/a%2Fb/actions/stop", 404),
    ] {
        let path = format!("/machines/{id}/iis/{object}");
        let (found, problem) = send(&page, "POST", &path, &Value::Null);
        assert_eq!(found, status, "{object}: {problem}");
    }
}

/// Confirms the preview that is shown, and waits for the result.
fn apply(page: &Page) {
    page.wait_for_text("IIS has no validator");
    page.click_button("Apply");
    page.wait_until("!document.querySelector('dialog')");
    page.wait_for_text("IIS uses the new configuration");
}

#[test]
fn sites_of_a_windows_machine_are_changed_with_a_history() {
    let Some(machine) = Machine::start() else { return };
    let windows = WindowsMachine::start();
    let page = machine.signed_in(ADMINISTRATOR, "/machines");
    let id = add_at(&page, "web1", &windows.url);
    machine.go(&page, &format!("/machines/{id}/iis"));
    page.wait_for_heading("Web server of web1");
    page.click_link("shop");
    page.wait_for_heading("Bindings and folder");
    page.wait_for_text("Default documents");
    let before = windows.iis.dump();
    page.fill("Folder", r"D:\shop");
    page.click_button("Preview changes");
    page.wait_for_text(r"D:\\shop");
    let is_expected = |error: &str| error.contains("502") || error.contains("422");
    examine_everywhere_except(&page, "a site of IIS and its preview", is_expected);
    assert_eq!(windows.iis.dump(), before, "a preview changes nothing");
    apply(&page);
    assert!(windows.iis.dump().contains(r"D:\shop"), "{}", windows.iis.dump());

    machine.go(&page, &format!("/machines/{id}/web/sites/shop/directory-browsing"));
    page.wait_for_heading("Directory browsing");
    examine_everywhere_except(&page, "a feature of IIS", is_expected);

    machine.go(&page, &format!("/machines/{id}/web/history"));
    page.wait_for_heading("History");
    page.wait_for_text(ADMINISTRATOR);
    examine_everywhere_except(&page, "the history of IIS", is_expected);
    // The oldest commit is the state that the console has found.
    page.evaluate("[...document.querySelectorAll('main td a')].at(-1).click()");
    page.wait_for_button("Restore this commit");
    page.click_button("Restore this commit");
    page.wait_for_text("IIS has no validator");
    page.click_button("Apply");
    page.wait_until("!document.querySelector('dialog')");
    page.wait_for_heading("History");
    assert!(!windows.iis.dump().contains(r"D:\shop"), "{}", windows.iis.dump());

    machine.go(&page, &format!("/machines/{id}/iis"));
    page.click_button("Add site");
    page.wait_for_heading("Add site");
    page.fill("Name of the site", "blog");
    page.fill("Port or address", "8081");
    page.fill("Folder", r"D:\blog");
    page.click_button("Preview");
    apply(&page);
    page.wait_for_heading("blog");
    assert!(windows.iis.dump().contains("blog"), "{}", windows.iis.dump());
}
