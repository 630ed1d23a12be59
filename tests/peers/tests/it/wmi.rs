//! WMI asked by clients that others wrote and by our own, about the machine that the test runs on.

use std::fs;

use serde_json::{Value, json};
use telarch_peers::{Peer, Pypsrp, Pywinrm, Telarchd, WayIn, Winrm};

const CIMV2: &str = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2";

/// What the kernel and the distribution say of themselves.
fn truth() -> (String, String) {
    let release = fs::read_to_string("/etc/os-release").expect("every distribution has it");
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or("Linux");
    let host = fs::read_to_string("/proc/sys/kernel/hostname").expect("every kernel has it");
    (name.trim_matches('"').to_owned(), host.trim().split('.').next().unwrap_or_default().to_owned())
}

for_each_way_in! {
    pywinrm_queries_and_gets_the_columns_it_names,
    pypsrp_gets_lists_and_calls,
}

fn pywinrm_queries_and_gets_the_columns_it_names(way: WayIn) {
    let service = Telarchd::start_for(way);
    let ask = |query: &str| {
        let query = json!({"resource": format!("{CIMV2}/*"), "query": query});
        Pywinrm::against(&service, way).ask("query", query)
    };
    let (name, host) = truth();
    let rows =
        ask("SELECT Caption, CSName FROM Win32_OperatingSystem WHERE Primary = TRUE").expect("not refused");
    assert_eq!(rows, json!([{"Caption": name, "CSName": host}]));
    let whole = ask("SELECT * FROM Win32_OperatingSystem").expect("not refused");
    assert!(
        whole[0].as_object().is_some_and(|row| row.len() > 40 && row["Caption"] == json!(name)),
        "{whole}"
    );
    assert_eq!(
        ask("SELECT * FROM Win32_OperatingSystem WHERE CSName = 'another'").expect("not refused"),
        json!([])
    );
    let refusal = ask("SELECT Wrong FROM Win32_OperatingSystem").expect_err("there is no such property");
    assert_eq!(refusal.fault_code, Some(2_150_858_778), "{refusal:?}");
}

fn pypsrp_gets_lists_and_calls(way: WayIn) {
    let service = Telarchd::start_for(way);
    let peer = Pypsrp::against(&service, way);
    let system = format!("{CIMV2}/Win32_OperatingSystem");
    let namespaces = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/__Namespace";
    let registry = json!({
        "resource": format!("{CIMV2}/StdRegProv"),
        "method": "EnumKey",
        "parameters": {"hDefKey": "2147483650", "sSubKeyName": "SOFTWARE\\Microsoft"},
    });
    let [whole, listed, references, one, found, called, missing, keyless] = peer.manage([
        ("get", json!({"resource": system})),
        ("enumerate_all", json!({"resource": namespaces})),
        ("enumerate_all", json!({"resource": namespaces, "mode": "EnumerateEPR", "optimize": true})),
        ("get", json!({"resource": namespaces, "selectors": {"Name": "CIMV2"}})),
        ("enumerate_all", json!({"resource": namespaces, "filter": {"Name": "cimv2"}, "optimize": true})),
        ("invoke", registry),
        ("get", json!({"resource": namespaces, "selectors": {"Name": "nothing"}})),
        ("get", json!({"resource": namespaces})),
    ]);
    let (name, _) = truth();
    assert_eq!(whole.expect("not refused")["Win32_OperatingSystem"]["Caption"], json!(name));
    let listed = listed.expect("not refused");
    let items = listed["items"].as_array().expect("a list");
    assert!(items.len() > 1 && items.contains(&json!({"__Namespace": {"Name": "cimv2"}})), "{listed}");
    let references = references.expect("not refused");
    let selectors =
        |item: &Value| item["EndpointReference"]["ReferenceParameters"]["SelectorSet"]["Selector"].clone();
    let named: Vec<Value> = references["items"].as_array().expect("a list").iter().map(selectors).collect();
    assert!(named.len() == items.len() && named.contains(&json!("cimv2")), "{references}");
    assert_eq!(one.expect("not refused"), json!({"__Namespace": {"Name": "cimv2"}}));
    assert_eq!(found.expect("not refused")["items"], json!([{"__Namespace": {"Name": "cimv2"}}]));
    let called = called.expect("not refused");
    assert_eq!(called["EnumKey_OUTPUT"]["ReturnValue"], "0", "{called}");
    assert_eq!(missing.expect_err("not there").fault_code, Some(2_150_858_752));
    assert_eq!(keyless.expect_err("which one").fault_code, Some(2_150_859_002));
}

#[test]
fn our_command_line_performs_every_operation_on_instances() {
    let service = Telarchd::start(&[]);
    let run = |words: &[&str]| Winrm::to(service.http()).run(words);
    let (name, host) = truth();
    let caption = format!("    Caption = {name}\n");
    for words in [
        &["get", "wmicimv2/Win32_OperatingSystem"][..],
        &["enumerate", "wmicimv2/Win32_OperatingSystem"],
        &["enumerate", "wmicimv2/CIM_OperatingSystem"],
        &["get", "cimv2/Win32_OperatingSystem?__cimnamespace=root/cimv2"],
        &["get", "wmicimv2/Win32_OperatingSystem", "-fragment:Caption"],
    ] {
        let done = run(words);
        assert!(done.text().0.contains(&caption) && done.code == 0, "{words:?} {done:?}");
    }
    let query = "-filter:SELECT CSName FROM Win32_OperatingSystem";
    let done = run(&["enumerate", "wmicimv2/*", "-dialect:wql", query]);
    assert_eq!(done.text(), (&*format!("XmlFragment\n    CSName = {host}\n\n"), "", 0));
    let done = run(&["enumerate", "wmi/root/__Namespace", "-dialect:selector", "-filter:{Name=\"cimv2\"}"]);
    assert_eq!(done.text(), ("__Namespace\n    Name = cimv2\n\n", "", 0));
    let done = run(&["enumerate", "wmi/root/__Namespace", "-returntype:epr"]);
    assert!(done.text().0.contains("            Selector: Name = cimv2\n"), "{done:?}");

    let value = "@{hDefKey=\"2147483650\";sSubKeyName=\"SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\";sValueName=\"ProductName\"}";
    let done = run(&["invoke", "GetStringValue", "wmicimv2/StdRegProv", value]);
    assert!(done.text().0.starts_with("GetStringValue_OUTPUT\n") && done.code == 0, "{done:?}");
    assert!(done.text().0.ends_with("    ReturnValue = 0\n\n"), "{done:?}");
    for (words, code) in [
        (&["get", "wmicimv2/Win32_Nothing"][..], "2150858752"),
        (&["invoke", "Fly", "wmicimv2/Win32_OperatingSystem"], "2150858771"),
        (&["set", "wmicimv2/Win32_OperatingSystem", "@{Caption=\"Windows\"}"], "2150858838"),
        (&["create", "wmicimv2/Win32_BIOS", "@{Name=\"x\"}"], "2150859010"),
        (&["delete", "wmi/root/__Namespace?Name=cimv2"], "WBEM_E_INVALID_OPERATION"),
    ] {
        let done = run(words);
        assert!(done.text().1.contains(code) && done.code != 0, "{words:?} {done:?}");
    }
    let done = run(&["create", "wmi/root/__Namespace", "@{Name=\"Site\"}"]);
    assert!(done.text().0.contains("Selector: Name = Site") && done.code == 0, "{done:?}");
    let done = run(&["delete", "wmi/root/__Namespace?Name=Site"]);
    assert_eq!((done.text().1, done.code), ("", 0));
}
