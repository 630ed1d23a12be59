//! ansible-core 2.19, over its connection plug-ins `winrm` and `psrp`, and over ours.

use serde_json::json;
use telarch_peers::{
    Ansible, Connection, KerberosPeer, Keys, Outcome, PASSWORD, Pwsh, Report, Run, Telarchd, USER, WayIn,
    in_realm, ping_saved_host, playbook_over_telarch,
};

for_each_way_in! {
    a_raw_command_succeeds_with_both_streams,
    a_raw_command_that_fails_does_so_with_its_exit_code_and_both_streams,
    a_raw_command_keeps_quotes_markup_and_unicode,
    a_wrong_password_makes_the_host_unreachable,
    powershell_remoting_makes_the_host_unreachable_with_the_reason,
}

fn a_raw_command_succeeds_with_both_streams(way: WayIn) {
    let service = service_with_powershell(way);
    let report = Ansible::against(&service, way, Connection::Winrm).raw("echo 'hi'; echo err >&2");
    assert_eq!((report.code, ran(&report).text()), (0, ("hi\n", "err\n", 0)), "{report:?}");
}

fn a_raw_command_that_fails_does_so_with_its_exit_code_and_both_streams(way: WayIn) {
    let service = service_with_powershell(way);
    let report = Ansible::against(&service, way, Connection::Winrm).raw("echo out; echo err >&2; exit 7");
    assert_eq!((report.code, ran(&report).text()), (2, ("out\n", "err\n", 7)), "{report:?}");
}

fn a_raw_command_keeps_quotes_markup_and_unicode(way: WayIn) {
    let service = service_with_powershell(way);
    let report =
        Ansible::against(&service, way, Connection::Winrm).raw("printf '%s|' \"a  b\" '<&>' 'Grüße 漢字 😀'");
    assert_eq!(ran(&report).text(), ("a  b|<&>|Grüße 漢字 😀|", "", 0), "{report:?}");
}

fn a_wrong_password_makes_the_host_unreachable(way: WayIn) {
    let service = Telarchd::start_for(way);
    let report = Ansible::against(&service, way, Connection::Winrm).with_password("wrong").raw("echo 'hi'");
    assert!(why_unreachable(&report).contains("credentials were rejected"), "{report:?}");
}

fn powershell_remoting_makes_the_host_unreachable_with_the_reason(way: WayIn) {
    let missing = [("PowerShell.Program", "/nonexistent/pwsh")];
    let service = Telarchd::start(&[way.settings(), &missing].concat());
    let report = Ansible::against(&service, way, Connection::Psrp).raw("echo 'hi'");
    let reason = why_unreachable(&report);
    let names_the_program = reason.contains("cannot start PowerShell /nonexistent/pwsh");
    assert!(reason.contains("WSManFault") && names_the_program, "{report:?}");
}

#[test]
fn a_raw_command_succeeds_by_every_scheme_that_needs_a_password_only() {
    assert_all_run(&BY_PASSWORD);
}

/// Ansible gets the ticket itself, by the password.
#[test]
fn a_raw_command_succeeds_by_kerberos() {
    in_a_realm("a_raw_command_succeeds_by_kerberos", || assert_all_run(&BY_KERBEROS));
}

fn assert_all_run(ways: &[WayIn]) {
    let service = service_with_powershell_and(&[CREDSSP]);
    let hosts: Vec<_> = ways.iter().map(|way| Ansible::against(&service, *way, Connection::Winrm)).collect();
    let outcomes = Ansible::raw_on_all(&hosts, "echo 'hi'; echo err >&2");
    for (way, outcome) in ways.iter().zip(&outcomes) {
        assert!(
            matches!(outcome, Outcome::Ran(run) if run.text() == ("hi\n", "err\n", 0)),
            "{way:?}: {outcome:?}"
        );
    }
}

#[test]
fn a_wrong_password_makes_the_host_unreachable_by_every_scheme() {
    assert_all_refused(&BY_PASSWORD, &["credentials were rejected", "STATUS_LOGON_FAILURE"]);
}

#[test]
fn a_wrong_password_makes_the_host_unreachable_by_kerberos() {
    in_a_realm("a_wrong_password_makes_the_host_unreachable_by_kerberos", || {
        assert_all_refused(&BY_KERBEROS, &["Kerberos auth failure"]);
    });
}

fn assert_all_refused(ways: &[WayIn], reasons: &[&str]) {
    let service = service_with_powershell_and(&[CREDSSP]);
    let hosts: Vec<_> = ways
        .iter()
        .map(|way| Ansible::against(&service, *way, Connection::Winrm).with_password("wrong"))
        .collect();
    for (way, outcome) in ways.iter().zip(Ansible::raw_on_all(&hosts, "echo 'hi'")) {
        let says = |why: &String| reasons.iter().any(|reason| why.contains(reason));
        assert!(matches!(&outcome, Outcome::Unreachable(why) if says(why)), "{way:?}: {outcome:?}");
    }
}

/// The stand-in for PowerShell returns the script.
#[test]
fn powershell_remoting_works_by_every_scheme() {
    assert_powershell(&BY_PASSWORD);
}

#[test]
fn powershell_remoting_works_by_kerberos() {
    in_a_realm("powershell_remoting_works_by_kerberos", || assert_powershell(&BY_KERBEROS));
}

fn assert_powershell(ways: &[WayIn]) {
    let pwsh = Pwsh::new();
    let program = pwsh.program().to_str().expect("UTF-8");
    let service = service_with_powershell_and(&[CREDSSP, ("PowerShell.Program", program)]);
    let hosts: Vec<_> = ways.iter().map(|way| Ansible::against(&service, *way, Connection::Psrp)).collect();
    for (way, outcome) in ways.iter().zip(Ansible::raw_on_all(&hosts, "echo 'hi'")) {
        let Outcome::Ran(run) = &outcome else { panic!("{way:?}: {outcome:?}") };
        let (stdout, _, code) = run.text();
        assert!(stdout.starts_with("echo 'hi'") && code == 0, "{way:?}: {outcome:?}");
    }
}

#[test]
fn modules_run_over_our_connection() {
    let service = Telarchd::start(&[]);
    let here = "{{ files }}/{{ inventory_hostname }}";
    let tasks = json!([
        {"ansible.builtin.setup": {"gather_subset": ["min"]}},
        {"ansible.builtin.copy": {"content": "Grüße\n", "dest": here, "mode": "0600"}},
        {"ansible.builtin.command": format!("cat {here}"), "register": "shown"},
        {"ansible.builtin.shell": "echo err >&2; exit 3", "register": "failed", "failed_when": "failed.rc != 3"},
        {"ansible.builtin.fetch": {"src": here, "dest": format!("{here}.fetched"), "flat": true}},
        {"ansible.builtin.assert": {"that": [
            "shown.stdout == 'Grüße'",
            "failed.stderr == 'err'",
            "ansible_facts.system == 'Linux'",
            "lookup('file', files ~ '/' ~ inventory_hostname ~ '.fetched') == 'Grüße'",
        ]}},
        // Modules come over the standard input of their command.
        {"ansible.builtin.ping": {}, "vars": {"ansible_pipelining": true}},
    ]);
    let ended = playbook_over_telarch(&service, &tasks, PASSWORD);
    let (out, errors, code) = ended.text();
    assert_eq!(code, 0, "{out}{errors}");
    let recaps: Vec<&str> = out.lines().filter(|line| line.contains("ok=7")).collect();
    assert_eq!(recaps.len(), 2, "{out}");
}

#[test]
fn a_wrong_password_over_our_connection_makes_the_host_unreachable() {
    let service = Telarchd::start(&[]);
    let ended = playbook_over_telarch(&service, &json!([{"ansible.builtin.ping": {}}]), "wrong");
    let (out, errors, code) = ended.text();
    assert_eq!(code, 4, "{out}{errors}");
    let unreachable = out.lines().chain(errors.lines()).filter(|line| line.contains("UNREACHABLE!"));
    assert_eq!(unreachable.filter(|line| line.contains("login refused")).count(), 2, "{out}{errors}");
}

#[test]
fn saved_hosts_are_an_inventory() {
    let service = Telarchd::start(&[]);
    let saved = ping_saved_host(&service);
    let host = &saved.inventory["_meta"]["hostvars"]["saved1"];
    assert_eq!(saved.inventory["telarch"]["hosts"], json!(["saved1"]), "{saved:?}");
    assert_eq!(host["ansible_connection"], "telarch", "{saved:?}");
    assert_eq!(host["ansible_telarch_scheme"], "http", "{saved:?}");
    assert_eq!(host["ansible_telarch_auth"], "negotiate", "{saved:?}");
    assert_eq!(host["ansible_user"], USER, "{saved:?}");
    let (out, errors, code) = saved.ping.text();
    assert_eq!(code, 0, "{out}{errors}");
    assert!(out.contains("\"ping\": \"pong\""), "{out}{errors}");
}

#[test]
fn tasks_become_another_user_over_our_connection() {
    if !rustix::process::geteuid().is_root() {
        return skips::skip!("sudo without a password needs root");
    }
    let service = Telarchd::start(&[]);
    let tasks = json!([
        {"ansible.builtin.raw": "id -un", "become": true, "become_user": "nobody", "register": "shown"},
        {"ansible.builtin.assert": {"that": ["shown.stdout | trim == 'nobody'"]}},
    ]);
    let ended = playbook_over_telarch(&service, &tasks, PASSWORD);
    let (out, errors, code) = ended.text();
    assert_eq!(code, 0, "{out}{errors}");
}

fn in_a_realm(name: &str, body: impl FnOnce()) {
    if KerberosPeer::is_installed() {
        in_realm(&format!("ansible::{name}"), Keys::AesSha1, |_| body());
    }
}

const BY_PASSWORD: [WayIn; 4] =
    [WayIn::NtlmOverHttp, WayIn::NtlmOverHttps, WayIn::CredSspOverHttp, WayIn::CredSspOverHttps];
const BY_KERBEROS: [WayIn; 2] = [WayIn::KerberosOverHttp, WayIn::KerberosOverHttps];
const CREDSSP: (&str, &str) = ("Service.Auth.CredSSP", "true");

/// Whatever it runs, Ansible starts `PowerShell` for it; a script of that name takes its place.
fn service_with_powershell(way: WayIn) -> Telarchd {
    service_with_powershell_and(way.settings())
}

fn service_with_powershell_and(settings: &[(&str, &str)]) -> Telarchd {
    let stand_ins = concat!(env!("CARGO_MANIFEST_DIR"), "/stand-ins");
    let path = format!("PATH={stand_ins}:{}", std::env::var("PATH").expect("a PATH"));
    // Remote commands inherit the PATH of the service.
    Telarchd::start_through(&["env", &path], settings)
}

fn ran(report: &Report) -> &Run {
    match &report.outcome {
        Outcome::Ran(run) => run,
        Outcome::Unreachable(reason) | Outcome::Failed(reason) => panic!("it did not run: {reason}"),
    }
}

fn why_unreachable(report: &Report) -> &str {
    match &report.outcome {
        Outcome::Unreachable(reason) if report.code == 4 => reason,
        _ => panic!("not unreachable: {report:?}"),
    }
}
