//! Other machines: connections, their pages, and operations on several of them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use browser::Page;
use ports::free_port;
use serde_json::{Value, json};
use telarch_peers::{Flaw, OpenwsmanService, PASSWORD, PyspnegoService, Telarchd, USER, built_program};
use telarch_simulated_bmc::SimulatedBmc;

use crate::accessibility::{examine_everywhere, examine_everywhere_except};
use crate::hardware::add as add_controller;
use crate::machine::{ADMINISTRATOR, DELEGATED, Machine};

/// Sends a request with the session of the page; returns status and body.
pub(crate) fn send(page: &Page, method: &str, path: &str, body: &Value) -> (u64, Value) {
    let script = format!(
        "(async () => {{
            const session = await (await fetch('/api/v1/session')).json();
            const headers = {{ 'content-type': 'application/json', 'x-csrf-token': session.csrf_token }};
            const body = {body} === null ? undefined : JSON.stringify({body});
            const response = await fetch('/api/v1{path}', {{ method: '{method}', headers, body }});
            const text = await response.text();
            return [response.status, text ? JSON.parse(text) : null];
        }})()"
    );
    let result = page.evaluate(&script);
    (result[0].as_u64().expect("a status"), result[1].clone())
}

/// Adds a service with its certificate, and returns the identifier of the machine.
pub(crate) fn add(page: &Page, name: &str, service: &Telarchd) -> String {
    add_at(page, name, service.https())
}

/// Adds the service at a URL with its certificate, and returns the identifier of the machine.
pub(crate) fn add_at(page: &Page, name: &str, url: &str) -> String {
    let machine = json!({ "name": name, "url": url, "account": USER, "password": PASSWORD });
    let (status, added) = send(page, "POST", "/machines", &machine);
    assert_eq!((status, added["status"]["state"].as_str()), (201, Some("untrusted")), "{added}");
    let id = added["id"].as_str().expect("an identifier").to_owned();
    let trust = json!({ "password": PASSWORD, "thumbprint": added["status"]["certificate"]["sha256"] });
    let (status, connected) = send(page, "POST", &format!("/machines/{id}/connect"), &trust);
    assert_eq!((status, connected["status"]["state"].as_str()), (200, Some("reachable")), "{connected}");
    id
}

/// Writes subscriptions for `wecutil`, and a program of this name that reads them. Returns the search path with this
/// program as the assignment of a variable.
fn install_wecutil(folder: &Path) -> String {
    let [config, state, program] = ["config", "state", "wecutil"].map(|name| folder.join(name));
    let text = format!(
        "#!/bin/sh\nTELARCH_CONFIG='{}' TELARCH_STATE='{}' exec '{}' \"$@\"\n",
        config.join("telarch.toml").display(),
        state.display(),
        built_program("wecutil").display()
    );
    fs::write(&program, text).expect("a new file");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let subscriptions = config.join("event-subscriptions");
    for folder in [&state, &subscriptions] {
        fs::create_dir_all(folder).expect("a new folder");
    }
    for (file, id, sources) in [
        ("1.xml", "Logons", &["web1.example.com", "db1.example.com"] as &[&str]),
        ("2.xml", "Servers (new)", &[]),
        ("3.xml", "$(touch injected)", &[]),
    ] {
        fs::write(subscriptions.join(file), subscription(id, sources)).expect("a new file");
    }
    let usual = std::env::var("PATH").unwrap_or_default();
    format!("PATH={}:{usual}", folder.display())
}

/// Returns a subscription of the collector to listed sources.
fn subscription(id: &str, sources: &[&str]) -> String {
    let sources: String = sources
        .iter()
        .map(|name| format!("<EventSource Enabled=\"true\"><Address>{name}</Address></EventSource>"))
        .collect();
    format!(
        "<Subscription xmlns=\"http://schemas.microsoft.com/2006/03/windows/events/subscription\">
        <SubscriptionId>{id}</SubscriptionId><SubscriptionType>CollectorInitiated</SubscriptionType>
        <ConfigurationMode>Normal</ConfigurationMode>
        <Query><![CDATA[<QueryList><Query Id=\"0\"><Select Path=\"Security\">*</Select></Query></QueryList>]]></Query>
        <EventSources>{sources}</EventSources></Subscription>"
    )
}

#[test]
fn a_server_is_added_after_its_certificate_was_compared_and_shows_when_it_is_gone() {
    let Some(machine) = Machine::start() else { return };
    let service = Telarchd::start(&[]);
    let page = machine.signed_in(ADMINISTRATOR, "/machines");
    page.wait_for_text("No machine yet.");
    examine_everywhere(&page, "no machines");
    page.click_button("Connect to a server");
    examine_everywhere(&page, "connect to a server");
    page.fill("Server", service.https());
    page.fill("Name in this console (optional)", "web1");
    page.fill("User name", USER);
    page.fill("Password", PASSWORD);
    page.click_button("Connect");
    page.wait_for_heading("Trust the certificate of web1?");
    page.wait_for_text(service.thumbprint());
    examine_everywhere(&page, "trust the certificate");
    page.click_button("Trust and connect");
    page.wait_for_heading("web1");
    for text in ["Connected to web1.", "Disks", "running"] {
        page.wait_for_text(text);
    }
    page.wait_until("document.querySelectorAll('main .card strong').length === 4");
    let cards = page.evaluate("document.querySelector('main .cards').innerText");
    assert!(cards.as_str().is_some_and(|text| !text.contains("unknown")), "{cards}");
    examine_everywhere(&page, "a machine");

    // The machine of the console has such links, too.
    let follow = |page: &Page, end: &str| {
        let link = format!("document.querySelector('nav a[href^=\"/machines/\"][href$=\"{end}\"]')");
        page.wait_until(&link);
        page.evaluate(&format!("{link}.click()"));
    };
    follow(&page, "/wmi/query");
    page.wait_for_heading("Query");
    page.fill("Query", "SELECT Name FROM Win32_Process WHERE ProcessId = 1");
    page.click_button("Run");
    page.wait_for_text("Win32_Process");
    page.wait_for_text("1 rows");
    examine_everywhere(&page, "query of a machine");
    follow(&page, "/wsman");
    page.wait_for_heading("Listeners");
    page.wait_for_text("MaxEnvelopeSizekb");
    examine_everywhere(&page, "WS-Management of a machine");

    page.click_link("web1");
    page.wait_for_heading("Web server");
    page.wait_for_text("usually at https://127.0.0.1:8172/");
    drop(service);
    page.click_button("Ask again");
    page.wait_for_text("web1: unreachable since");
    page.wait_for_text("web1 (unreachable)");
    page.wait_for_text("Last answer:");
    // Queries that failed meanwhile.
    let _ = page.take_errors();
    examine_everywhere(&page, "an unreachable machine");
    machine.go(&page, "/machines");
    page.wait_for_text("cannot connect to");
    page.click_button("Remove web1");
    page.click_button("Remove machine");
    page.wait_for_text("No machine yet.");
    machine.go(&page, "/management/audit");
    page.wait_for_text("as ada: reachable");
    let text = page.evaluate("document.body.innerText").to_string();
    assert!(!text.contains(PASSWORD) && text.contains("removed the machine"), "{text}");
}

#[test]
fn classes_instances_and_methods_of_a_machine_have_the_pages_of_this_machine() {
    let Some(machine) = Machine::start() else { return };
    let collector = tempfile::tempdir().expect("a directory");
    let path = install_wecutil(collector.path());
    let service = Telarchd::start_through(&["env", &path], &[]);
    let page = machine.signed_in(ADMINISTRATOR, "/machines");
    page.wait_for_text("No machine yet.");
    let id = add(&page, "web1", &service);
    machine.go(&page, &format!("/machines/{id}/wmi"));
    page.wait_for_text("root/standardcimv2");
    examine_everywhere(&page, "namespaces of a machine");
    page.click_link("root/cimv2");
    page.wait_for_heading("root/cimv2");
    page.fill("Filter", "win32_operatingsystem");
    examine_everywhere(&page, "classes of a machine");
    page.click_link("Win32_OperatingSystem");
    page.wait_for_heading("Win32_OperatingSystem");
    page.wait_for_text("CIM_OperatingSystem");
    examine_everywhere(&page, "a class of a machine");
    page.click_link("Instances");
    page.wait_for_heading("Instances of Win32_OperatingSystem");
    page.wait_until("document.querySelectorAll('main tbody tr').length === 1");
    examine_everywhere(&page, "instances of a machine");
    page.evaluate("document.querySelector('main tbody a').click()");
    page.wait_for_text("Properties without a value");
    page.wait_for_text("LastBootUpTime");
    page.click_button("Find associated instances");
    page.wait_for_text("Win32_ComputerSystem");
    examine_everywhere(&page, "an instance of a machine");

    machine.go(&page, &format!("/machines/{id}/events"));
    page.wait_for_text("Condition (WQL)");
    page.wait_for_text("The event logs of the machine, the newest first.");
    page.wait_until("!document.body.innerText.includes('Loading…')");
    examine_everywhere(&page, "events of a machine");
    page.click_link("Collector");
    page.wait_for_heading("Collector of web1");
    page.wait_for_text("db1.example.com");
    for text in
        ["Logons", "Servers (new)", "web1.example.com", "Trying", "never", "1 more subscription is not shown"]
    {
        page.wait_for_text(text);
    }
    examine_everywhere(&page, "the collector of a machine");
    let events = format!("/machines/{id}/events?query=");
    let (status, found) = send(&page, "GET", &format!("{events}EventType%20%3C%203"), &Value::Null);
    assert_eq!((status, found["events"].is_array()), (200, true), "{found}");
    let (status, problem) = send(&page, "GET", &format!("{events}EventType%20%3D%201)"), &Value::Null);
    assert_eq!((status, problem["type"].as_str()), (400, Some("urn:telarch:problem:invalid-query")));

    // Next rows come from the same enumeration.
    let query = json!({ "query": "SELECT ProcessId, Handle FROM Win32_Process", "limit": 1 });
    let path = format!("/machines/{id}/wmi/query");
    let (status, first) = send(&page, "POST", &path, &query);
    assert_eq!((status, first["rows"].as_array().map(Vec::len)), (200, Some(1)), "{first}");
    assert_eq!(
        first["rows"][0]["path"],
        json!(format!(
            "Win32_Process.Handle=\"{}\"",
            first["rows"][0]["values"]["Handle"].as_str().expect("a key")
        ))
    );
    let next = json!({ "cursor": first["next"] });
    let (status, second) = send(&page, "POST", &path, &next);
    assert_eq!(status, 200, "{second}");
    assert_ne!(second["rows"][0], first["rows"][0]);
    let (status, problem) = send(&page, "POST", &path, &next);
    assert_eq!((status, problem["type"].as_str()), (410, Some("urn:telarch:problem:cursor-expired")));

    machine.go(&page, &format!("/machines/{id}/wmi/root%2Fdefault/StdRegProv"));
    page.click_button("Call EnumKey");
    page.fill("hDefKey", "2147483650");
    page.fill("sSubKeyName", "SOFTWARE");
    page.click_button("Call EnumKey");
    page.wait_for_heading("Output of EnumKey");
    page.wait_for_text("Microsoft");
    page.click_button("Close");
    let (status, problem) =
        send(&page, "GET", &format!("/machines/{id}/wmi/namespaces/root%2Fcimv2/classes/None"), &Value::Null);
    assert!(matches!(status, 404 | 422), "{problem}");
    assert_eq!(page.take_errors().len(), 3, "the answers 400, 410 and {status}");
    machine.go(&page, "/management/audit");
    page.wait_for_text("StdRegProv, method EnumKey, parameters hDefKey, sSubKeyName");
    assert!(!page.evaluate("document.body.innerText").as_str().unwrap_or_default().contains("SOFTWARE"));
}

#[test]
fn power_of_a_machine_is_switched_through_its_service() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let Some(machine) = Machine::start() else { return };
    let service = Telarchd::start(&[]);
    add_controller(&bmc, service.state_folder());
    let page = machine.signed_in(ADMINISTRATOR, "/machines");
    page.wait_for_text("No machine yet.");
    let id = add(&page, "web1", &service);
    machine.go(&page, &format!("/machines/{id}/hardware"));
    page.wait_for_text("CPU1 Temp");
    page.wait_until("[...document.querySelectorAll('main meter')].length > 0");
    examine_everywhere(&page, "hardware of a machine");
    page.click_button("Power off");
    page.wait_for_heading("Power off: node7");
    page.type_text("node7");
    page.click_button("Power off");
    page.wait_for_text("Power off: node7 has accepted it.");
    assert!(bmc.chassis_log().lines().any(|line| line == "power=0"), "{}", bmc.chassis_log());
    assert_eq!(page.take_errors(), [""; 0]);
}

#[test]
fn the_list_shows_that_a_machine_is_gone_and_is_back() {
    let Some(machine) = Machine::start() else { return };
    let service = Telarchd::start(&[]);
    let page = machine.signed_in(ADMINISTRATOR, "/machines");
    page.wait_for_text("No machine yet.");
    add(&page, "web1", &service);
    let silent = json!({ "name": "web2", "url": format!("https://127.0.0.1:{}", free_port()), "account": "ada", "password": "x" });
    assert_eq!(send(&page, "POST", "/machines", &silent).1["status"]["state"], "unreachable");
    machine.go(&page, "/machines");
    page.wait_for_text("Each machine is asked every ten seconds");
    let row = |name: &str| {
        format!(
            "[...document.querySelectorAll('main tbody tr')].find((row) => row.innerText.includes('{name}'))?.innerText"
        )
    };
    page.wait_until(&format!("{0}.includes('reachable') && !{0}.includes('unreachable')", row("web1")));
    page.wait_until(&format!("{}.includes('cannot connect to')", row("web2")));
    examine_everywhere(&page, "machines with live states");
    drop(service);
    page.wait_until(&format!("{}.includes('unreachable')", row("web1")));
    page.wait_until(&format!("{}.includes('cannot connect to')", row("web1")));
    page.wait_for_text("web1 (unreachable)");
    // Another session has no password, but learns whether the machines answer.
    let other = machine.signed_in(ADMINISTRATOR, "/machines");
    other.wait_until(&format!("{}.includes('unreachable')", row("web1")));
    assert_eq!(page.take_errors(), [""; 0]);
}

#[test]
fn a_service_of_other_software_shows_who_it_is_and_why_pages_are_missing() {
    let Some(machine) = Machine::start() else { return };
    // Sign-in and sealing are those of pyspnego and pypsrp. It answers Identify, and has no WMI.
    let service = PyspnegoService::start(&["Negotiate"], Flaw::None);
    let page = machine.signed_in(ADMINISTRATOR, "/machines");
    page.wait_for_text("No machine yet.");
    let id = add_at(&page, "other", service.https());
    let (_, connected) = send(&page, "GET", &format!("/machines/{id}"), &Value::Null);
    assert!(
        connected["status"]["product"].as_str().is_some_and(|name| name.contains("Negotiate")),
        "{connected}"
    );
    machine.go(&page, &format!("/machines/{id}"));
    page.wait_for_heading("other");
    page.wait_for_text("Negotiate");
    page.wait_until("document.querySelector('main .problem')");
    page.wait_for_text("The services of this machine cannot be read.");
    // Queries are refused now and whenever the page repeats them.
    examine_everywhere_except(&page, "a machine without WMI", is_refused_query);
}

fn is_refused_query(error: &str) -> bool {
    error.contains("502 (Bad Gateway)") && error.contains("/wmi/query")
}

#[test]
fn commands_and_queries_run_on_several_machines_and_are_stopped() {
    let Some(machine) = Machine::start() else { return };
    let services = [Telarchd::start(&[]), Telarchd::start(&[])];
    let page = machine.signed_in(ADMINISTRATOR, "/machines");
    page.wait_for_text("No machine yet.");
    for (name, service) in ["web1", "web2"].into_iter().zip(&services) {
        add(&page, name, service);
    }
    machine.go(&page, "/machines");
    page.click_button("Select all reachable machines");
    page.fill("Command line", "echo to stdout; echo to stderr >&2; exit 3");
    examine_everywhere(&page, "several machines");
    page.click_button("Run on 2 machines");
    page.wait_for_text("Finished: 2 of 2 ended, 2 with problems.");
    page.wait_until("document.querySelector('.member h2').innerText.includes('web1')");
    let sections = page.evaluate("[...document.querySelectorAll('.member')].map((one) => one.innerText)");
    for (section, name) in [0, 1].into_iter().zip(["web1", "web2"]) {
        let text = sections[section].as_str().expect("a section");
        for part in [name, "exit code 3", "to stdout", "to stderr"] {
            assert!(text.contains(part), "{sections}");
        }
    }
    assert_eq!(page.evaluate("document.querySelector('.stderr').textContent.trim()"), "to stderr");
    examine_everywhere(&page, "output of several machines");

    page.click_link("All machines");
    page.click_button("Select all reachable machines");
    page.click_field("WMI query");
    page.click_button("Run on 2 machines");
    page.wait_for_text("Finished: 2 of 2 ended.");
    page.wait_until("document.querySelectorAll('.member tbody tr').length === 2");

    // The argument identifies the processes of this test.
    let duration = format!("{}.25", 86_400 + u32::from(free_port()));
    page.click_link("All machines");
    page.click_button("Select all reachable machines");
    page.fill("Command line", &format!("echo begins; exec sleep {duration}"));
    page.click_button("Run on 2 machines");
    page.wait_until("document.querySelectorAll('.member pre').length === 2");
    assert_eq!(processes_with(&duration).len(), 2);
    page.click_button("Stop on all machines");
    page.wait_for_text("Stopped: 2 of 2 ended, 2 with problems.");
    assert!(processes_with(&duration).is_empty());
    assert_eq!(page.take_errors(), [""; 0]);
}

/// Returns the processes with an argument.
fn processes_with(argument: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").expect("processes").filter_map(Result::ok);
    let ids = processes.map(|process| process.file_name().to_string_lossy().into_owned());
    ids.filter(|id| {
        let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|part| part == argument.as_bytes())
    })
    .collect()
}

#[test]
fn only_ws_management_is_addressed_and_foreign_pages_are_not_shown() {
    let Some(machine) = Machine::start() else { return };
    let page = machine.signed_in(ADMINISTRATOR, "/machines");
    page.wait_for_text("No machine yet.");
    let new = |url: &str| json!({ "url": url, "account": "ada", "password": "secret" });
    for url in
        ["https://169.254.169.254/latest/meta-data", "file:///etc/passwd", "https://ada:x@web1", "web1/x"]
    {
        let (status, problem) = send(&page, "POST", "/machines", &new(url));
        assert_eq!((status, problem["type"].as_str()), (400, Some("urn:telarch:problem:invalid-request")));
    }
    // An nginx is no WS-Management service; its page says "nginx".
    let (status, added) =
        send(&page, "POST", "/machines", &new(&format!("http://127.0.0.1:{}", machine.nginx.port)));
    assert_eq!(status, 201, "{added}");
    let reason = added["status"]["reason"].as_str().expect("a reason");
    assert!(!added.to_string().contains("nginx") && !reason.is_empty(), "{added}");
    let id = added["id"].as_str().expect("an identifier");
    let query = json!({ "query": "SELECT * FROM Win32_Process" });
    let (status, problem) = send(&page, "POST", &format!("/machines/{id}/wmi/query"), &query);
    assert!(matches!(status, 409 | 502), "{problem}");
    // A machine belongs to its user, and other users may not connect at all.
    let other = machine.signed_in(DELEGATED, "/");
    assert_eq!(send(&other, "POST", "/machines", &new("web1")).0, 403);
    assert_eq!(send(&other, "GET", &format!("/machines/{id}/wsman"), &Value::Null).0, 403);
    assert_eq!(send(&page, "GET", "/machines/none", &Value::Null).0, 404);
}

#[test]
fn a_rejected_password_is_not_sent_again() {
    let Some(machine) = Machine::start() else { return };
    let service = Telarchd::start(&[]);
    let page = machine.signed_in(ADMINISTRATOR, "/machines");
    page.wait_for_text("No machine yet.");
    let id = add(&page, "web1", &service);
    let wrong = json!({ "password": "wrong" });
    let (_, rejected) = send(&page, "POST", &format!("/machines/{id}/connect"), &wrong);
    assert_eq!(rejected["status"]["state"], "rejected", "{rejected}");
    let (_, checked) = send(&page, "GET", &format!("/machines/{id}"), &Value::Null);
    assert_eq!(checked["status"]["since"], rejected["status"]["since"]);
    let query = json!({ "query": "SELECT * FROM Win32_Process" });
    let (status, problem) = send(&page, "POST", &format!("/machines/{id}/wmi/query"), &query);
    assert_eq!((status, problem["type"].as_str()), (409, Some("urn:telarch:problem:machine-not-connected")));
    machine.go(&page, &format!("/machines/{id}"));
    page.wait_for_text("sign-in rejected");
    page.click_button("Connect…");
    page.fill("Password of ada", PASSWORD);
    page.click_button("Connect");
    page.wait_for_text("Connected to web1.");
    // The end of the session forgets the password.
    page.click_button("Sign out");
    let page = machine.signed_in(ADMINISTRATOR, &format!("/machines/{id}"));
    page.wait_for_text("This session is not connected to web1.");
}

#[test]
fn connections_of_a_machines_service_belong_to_a_process_without_rights() {
    if !rustix::process::geteuid().is_root() {
        skips::skip!("the processes of a machine's service require root");
        return;
    }
    let Some(machine) = Machine::start_stored(|_| ()) else { return };
    let service = Telarchd::start(&[]);
    let page = machine.signed_in(ADMINISTRATOR, "/machines");
    page.wait_for_text("No machine yet.");
    let earlier = processes_with("--management-connector");
    let id = add(&page, "web1", &service);
    let connectors: Vec<String> =
        processes_with("--management-connector").into_iter().filter(|id| !earlier.contains(id)).collect();
    let [connector] = connectors.as_slice() else { panic!("one process: {connectors:?}") };
    let status = fs::read_to_string(format!("/proc/{connector}/status")).expect("a status");
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
        line.split_whitespace().next().unwrap_or_default().to_owned()
    };
    assert_ne!(value("Uid:"), "0");
    assert_eq!((value("CapEff:"), value("NoNewPrivs:")), ("0000000000000000".to_owned(), "1".to_owned()));
    let run = json!({ "machines": [id], "command": "echo out" });
    let (status, started) = send(&page, "POST", "/machine-runs", &run);
    assert_eq!(status, 201, "{started}");
    machine.go(&page, &format!("/machine-runs/{}", started["run"].as_str().expect("an identifier")));
    page.wait_for_text("Finished: 1 of 1 ended.");
    page.wait_for_text("exit code 0");
    // A failure of the process loses the connections, but not the list.
    let pid = rustix::process::Pid::from_raw(connector.parse().expect("a number")).expect("a process");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("its end");
    machine.go(&page, "/machines");
    page.wait_for_text("not connected");
}

#[test]
fn a_machine_with_openwsman_is_identified_and_its_faults_are_shown() {
    let Some(machine) = Machine::start() else { return };
    let Some(service) = OpenwsmanService::start() else { return };
    let page = machine.signed_in(ADMINISTRATOR, "/machines");
    page.wait_for_text("No machine yet.");
    let id = add_at(&page, "other", &service.https());
    machine.go(&page, "/machines");
    page.wait_for_text("Openwsman Project, ");
    // It has neither WMI nor the configuration of Windows, and answers Get and Enumerate with faults.
    machine.go(&page, &format!("/machines/{id}"));
    page.wait_for_text("No route can be determined to reach the destination");
    page.wait_for_text("The services of this machine cannot be read.");
    machine.go(&page, &format!("/machines/{id}/wsman"));
    page.wait_until("document.body?.innerText.split('Not readable: ').length === 4");
    machine.go(&page, &format!("/machines/{id}/wmi/root%2Fcimv2"));
    page.wait_until("document.querySelector('main .problem')");
    machine.go(&page, &format!("/machines/{id}"));
    page.wait_for_text("reachable");
}
