//! Pages of the machine: WMI, events and WS-Management.

use browser::Key;

use crate::machine::{ADMINISTRATOR, DELEGATED, Machine};

#[test]
fn a_class_leads_to_its_instances_and_to_one_of_them() {
    let Some(machine) = Machine::start() else { return };
    let page = machine.signed_in(ADMINISTRATOR, "/wmi");
    page.click_link("root/cimv2");
    page.wait_for_heading("root/cimv2");
    page.fill("Filter", "operatingsystem");
    page.click_link("Win32_OperatingSystem");
    page.wait_for_heading("Win32_OperatingSystem");
    page.wait_for_text("Show all");
    page.fill("Filter", "lastboot");
    page.wait_for_text("LastBootUpTime");
    page.wait_until("document.querySelector('main tbody').rows.length === 1");
    page.click_link("Instances");
    page.wait_for_heading("Instances of Win32_OperatingSystem");
    page.wait_until("document.querySelectorAll('main tbody tr').length === 1");
    page.evaluate("document.querySelector('main tbody a').click()");
    page.wait_for_text("Properties without a value");
    assert_eq!(page.take_errors(), [""; 0]);
}

#[test]
fn a_query_is_completed_run_and_corrected() {
    let Some(machine) = Machine::start() else { return };
    let page = machine.signed_in(ADMINISTRATOR, "/wmi/query");
    page.fill("Query", "SELECT ProcessId, Name FROM Win32_Proces");
    // The classes have arrived when the completion has words.
    page.wait_until("document.querySelector('#words li')?.textContent.startsWith('Win32_Proces')");
    page.press(Key::Escape);
    page.fill("Query", "SELECT ProcessId FROM Win32_Process WHERE ProcessId = 1");
    page.press(Key::Escape);
    page.click_button("Run");
    page.wait_for_text("Win32_Process.Handle=\"1\"");
    assert_eq!(page.take_errors(), [""; 0]);
    page.fill("Query", "SELECT ProcessId FORM Win32_Process");
    page.press(Key::Escape);
    page.click_button("Run");
    page.wait_until("document.querySelector('mark')?.textContent === 'FORM'");
}

#[test]
fn a_method_is_called_and_audited_without_its_values() {
    let Some(machine) = Machine::start() else { return };
    let page = machine.signed_in(ADMINISTRATOR, "/wmi/root%2Fdefault/StdRegProv");
    page.click_button("Call EnumKey");
    page.fill("hDefKey", "2147483650");
    page.fill("sSubKeyName", "SOFTWARE");
    page.click_button("Call EnumKey");
    // The sign-in was in the last five minutes, so the password is not repeated.
    page.wait_for_heading("Output of EnumKey");
    page.click_button("Close");
    machine.go(&page, "/management/audit");
    page.wait_for_text("method EnumKey, parameters hDefKey, sSubKeyName");
    assert!(!page.evaluate("document.body.innerText").as_str().unwrap_or_default().contains("SOFTWARE"));
}

#[test]
fn the_overview_follows_the_load_and_lists_services() {
    let Some(machine) = Machine::start() else { return };
    let page = machine.signed_in(ADMINISTRATOR, "/");
    page.wait_for_text("Live data.");
    page.wait_until("document.querySelectorAll('.chart polyline').length === 3");
    page.wait_for_heading("Services");
    assert_eq!(page.take_errors(), [""; 0]);
}

#[test]
fn a_delegated_user_gets_nothing_of_the_machine() {
    let Some(machine) = Machine::start() else { return };
    let page = machine.signed_in(DELEGATED, "/");
    for path in ["/wmi/namespaces", "/events", "/events/collector", "/wsman", "/machine"] {
        let status = page.evaluate(&format!("fetch('/api/v1{path}').then(({{ status }}) => status)"));
        assert_eq!(status, 403, "{path}");
    }
    assert_eq!(page.evaluate("document.querySelectorAll('nav a[href^=\"/wmi\"]').length"), 0);
}
