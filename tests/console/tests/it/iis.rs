//! The IIS of another machine.

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
