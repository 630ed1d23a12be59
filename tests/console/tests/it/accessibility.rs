//! Every page in both themes and widths: rules of axe, content security policy, and errors.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use browser::{Page, Theme};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::machine::{ADMINISTRATOR, Machine};

fn vendor() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vendor")
}

/// Text of axe, after a comparison with the list of hashes.
fn axe() -> String {
    let list = fs::read_to_string(vendor().join("SHA256SUMS")).expect("the list");
    let mut script = String::new();
    for line in list.lines() {
        let (hash, path) = line.split_once("  ").expect("a hash and a path");
        let text = fs::read_to_string(vendor().join(path)).expect("a listed file");
        let found = Sha256::digest(&text).iter().fold(String::new(), |mut found, byte| {
            let _ = write!(found, "{byte:02x}");
            found
        });
        assert_eq!(found, hash, "{path} was changed");
        if path.ends_with(".js") {
            script = text;
        }
    }
    script
}

/// Returns the violated rules with their elements.
fn violations(page: &Page) -> Vec<String> {
    let found = page.evaluate(
        "axe.run(document).then(({ violations }) => violations.map(({ id, nodes }) =>
            `${id}: ${nodes.map(({ target, failureSummary }) => `${target} ${failureSummary}`).join('; ')}`))",
    );
    found.as_array().expect("a list").iter().map(Value::to_string).collect()
}

/// Waits until the page shows its data.
fn wait_for_data(page: &Page) {
    page.wait_until(
        "document.querySelector('main h1') && ![...document.querySelectorAll('[role=status]')].some((element) =>
            element.textContent.startsWith('Loading'))",
    );
}

/// Examines the page that is shown, in every theme and width.
pub(crate) fn examine_everywhere(page: &Page, name: &str) {
    examine_everywhere_except(page, name, |_| false);
}

/// Examines the page that is shown, in every theme and width. Some errors of the browser are expected.
pub(crate) fn examine_everywhere_except(page: &Page, name: &str, is_expected: fn(&str) -> bool) {
    page.evaluate(&axe());
    for theme in [Theme::Light, Theme::Dark] {
        for width in [1_280, 360] {
            page.set_theme(theme);
            page.set_width(width);
            examine_except(page, name, is_expected);
        }
    }
    page.set_theme(Theme::Light);
    page.set_width(1_280);
}

fn pages(site: &str) -> Vec<String> {
    let features = [
        "default-documents",
        "directory-browsing",
        "error-pages",
        "redirect",
        "response-headers",
        "mime-types",
        "compression",
        "ip-restrictions",
        "basic-authentication",
        "ssl",
        "limits",
        "logging",
    ];
    let fixed = [
        "/",
        "/web",
        "/web/sites",
        "/web/new-site",
        "/web/history",
        "/web/history/1",
        "/web/logs",
        "/wmi",
        "/wmi/query",
        "/wmi/root%2Fcimv2",
        "/wmi/root%2Fcimv2/Win32_Process",
        "/wmi/root%2Fcimv2/Win32_OperatingSystem/instances",
        "/wmi/root%2Fcimv2/instance/Win32_Process.Handle%3D%221%22",
        "/events",
        "/events/collector",
        "/events/forwarded",
        "/web/pools",
        "/web/certificates",
        "/web/new-certificate",
        "/wsman",
        "/hardware",
        "/management/service",
        "/management/users",
        "/management/deployment-rules",
        "/management/keys",
        "/management/sessions",
        "/management/audit",
        "/web/nothing",
    ];
    let site = format!("/web/sites/{site}");
    let features = features.map(|feature| format!("{site}/{feature}"));
    fixed
        .map(str::to_owned)
        .into_iter()
        .chain(features)
        .chain([site.clone(), format!("{site}/deployments")])
        .collect()
}

/// Examines the page that is shown.
fn examine(page: &Page, name: &str) {
    examine_except(page, name, |_| false);
}

fn examine_except(page: &Page, name: &str, is_expected: fn(&str) -> bool) {
    if let Some(folder) = std::env::var_os("TELARCH_SCREENSHOTS") {
        let file: String = name.chars().map(|one| if one.is_alphanumeric() { one } else { '-' }).collect();
        let width = page.evaluate("innerWidth");
        let theme = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'");
        let file = format!("{file}-{width}-{}.png", theme.as_str().unwrap_or_default());
        fs::write(Path::new(&folder).join(file), page.screenshot()).expect("a file");
    }
    assert_eq!(violations(page), [""; 0], "{name}");
    let mut errors = page.take_errors();
    errors.retain(|error| !is_expected(error));
    assert_eq!(errors, [""; 0], "{name}");
    let overflow =
        page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
    assert_eq!(overflow, 0, "{name} is wider than the window");
}

fn examine_all(theme: Theme, width: u32) {
    let Some(machine) = Machine::start() else { return };
    let axe = axe();
    let page = machine.open("/");
    page.set_theme(theme);
    page.set_width(width);
    page.wait_for_button("Sign in");
    page.evaluate(&axe);
    examine(&page, "sign-in");
    crate::machine::sign_in(&page, ADMINISTRATOR, crate::machine::PASSWORD);
    page.wait_for_button("Sign out");
    for path in pages(&machine.shop(&page)) {
        machine.go(&page, &path);
        wait_for_data(&page);
        page.evaluate(&axe);
        examine(&page, &path);
    }
    // Rows, messages and the preview are part of no page at first.
    machine.go(&page, &format!("/web/sites/{}/ip-restrictions", machine.shop(&page)));
    page.click_button("Add rule");
    page.click_button("Preview changes");
    page.wait_for_text("One field needs a correction.");
    page.evaluate(&axe);
    examine(&page, "a form with a message");
    page.fill("rule 3 > Clients", "10.0.0.0/8");
    page.click_button("Preview changes");
    page.wait_for_button("Apply");
    examine(&page, "a preview");
    for (path, button) in [
        ("/management/users", "Add user"),
        ("/management/deployment-rules", "Add rule"),
        ("/management/keys", "Create API key"),
    ] {
        machine.go(&page, path);
        page.click_button(button);
        page.wait_for_button("Cancel");
        page.evaluate(&axe);
        examine(&page, button);
    }
}

#[test]
fn pages_are_accessible_in_the_light_theme() {
    examine_all(Theme::Light, 1_280);
}

#[test]
fn pages_are_accessible_in_the_dark_theme() {
    examine_all(Theme::Dark, 1_280);
}

#[test]
fn pages_are_accessible_on_a_telephone_in_the_light_theme() {
    examine_all(Theme::Light, 360);
}

#[test]
fn pages_are_accessible_on_a_telephone_in_the_dark_theme() {
    examine_all(Theme::Dark, 360);
}

/// The checks above would see a violation.
#[test]
fn violations_of_the_policy_and_of_axe_are_noticed() {
    let Some(machine) = Machine::start() else { return };
    let page = machine.open("/");
    page.wait_for_button("Sign in");
    page.evaluate(&axe());
    assert_eq!(violations(&page), [""; 0]);
    page.evaluate("document.querySelector('main').insertAdjacentHTML('beforeend', '<img src=\"/favicon.svg\" style=\"width: 1px\">')");
    let errors = page.take_errors();
    assert!(errors.iter().any(|error| error.contains("Content Security Policy")), "{errors:?}");
    assert!(violations(&page).iter().any(|violation| violation.contains("image-alt")));
}
