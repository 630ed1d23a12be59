//! Our Python package, as pip has installed it, against our service.

use std::process::Command;

use telarch_peers::{PASSWORD, Telarchd, USER, check_package, python_of_peers, served_pem, test_package};

#[test]
fn test_session_passes() {
    test_package("test_session.py");
}

#[test]
fn test_asyncio_passes() {
    test_package("test_asyncio.py");
}

#[test]
fn test_fleet_passes() {
    test_package("test_fleet.py");
}

#[test]
fn test_remoting_passes() {
    test_package("test_remoting.py");
}

#[test]
fn samples_for_windows_run_line_by_line() {
    test_package("test_automation.py");
}

#[test]
fn the_examples_of_other_clients_run_with_their_imports_changed() {
    test_package("test_readmes.py");
}

#[test]
fn its_types_pass_mypy_strict() {
    check_package(&["mypy", "--strict", "-p", "telarch"]);
}

#[test]
fn its_stubs_match_the_native_module() {
    check_package(&["mypy.stubtest", "telarch._telarch"]);
}

#[test]
fn basic_as_the_only_scheme_is_logged_once() {
    let service = Telarchd::start(&[("Service.Auth.Negotiate", "false")]);
    let folder = tempfile::tempdir().expect("a temporary directory");
    let pem = folder.path().join("served.pem");
    std::fs::write(&pem, served_pem(service.https())).expect("a temporary directory");
    // Without configuration, the module logging writes warnings to standard error.
    let script = "import sys, telarch\n\
        session = telarch.Session(sys.argv[1], ca=sys.argv[2], username=sys.argv[3], password=sys.argv[4])\n\
        session.identify()\n\
        session.get('winrm/config')\n\
        print(session.scheme)\n";
    let output = Command::new(python_of_peers())
        .args(["-c", script, service.https()])
        .arg(&pem)
        .args([USER, PASSWORD])
        .current_dir(folder.path())
        .output()
        .expect("the Python of the peers");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(stdout, "Basic\n", "{stderr}");
    let mut lines = stderr.lines();
    let line = lines.next().expect("a warning");
    assert!(
        line.starts_with("Signed in with Basic, which sends the password to the service (peer: "),
        "{line}"
    );
    assert!(line.ends_with("reasons: Negotiate: not offered by the service)"), "{line}");
    assert_eq!(lines.next(), None, "{stderr}");
}
