//! The Unix socket for local programs.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use auth::account_file::Role;
use ports::free_ports;

use crate::http_connection::Connection;
use crate::message;
use crate::service_process::{BASIC_OVER_HTTP, Telarchd, is_root, listener, loopback, mode};

#[test]
fn a_local_program_is_authenticated_by_the_kernel() {
    let telarchd = Telarchd::start("");
    let mut connection = Connection::open_local(&telarchd.state().join("local.sock"));
    let answer = connection.ask_unnamed("/wsman", &message::settings());
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.body.contains("<cfg:MaxEnvelopeSizekb>"), "{answer:?}");
    let answer = connection.ask_unnamed("/wsman", &message::create_shell());
    assert_eq!(answer.status, 200, "the user of the service is an administrator: {answer:?}");
    assert_eq!(connection.ask_unnamed("/elsewhere", &message::settings()).status, 404);
    // Credentials in headers are ignored.
    let answer = connection.exchange("/wsman", "Authorization: Basic !\r\n", &message::settings()).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn the_socket_is_public_for_root_s_service_and_private_otherwise() {
    let mut telarchd = Telarchd::start("");
    let path = telarchd.state().join("local.sock");
    assert_eq!(mode(&path), if is_root() { 0o666 } else { 0o600 });
    telarchd.end();
    assert!(!path.exists());
}

#[test]
fn a_second_service_with_the_same_state_does_not_start() {
    let telarchd = Telarchd::start("");
    let output = telarchd.command().output().unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("another telarchd runs with the same state"), "{text}");
    let path = telarchd.state().join("local.sock");
    assert_eq!(Connection::open_local(&path).ask_unnamed("/wsman", &message::settings()).status, 200);
}

/// Sends a request over the Unix socket as another user; returns status and body.
fn ask_as_unprivileged_user(telarchd: &Telarchd, message: &str) -> Option<(String, String)> {
    let socket = telarchd.state().join("local.sock");
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--", "curl", "--silent", "--show-error"])
        .args(["--write-out", "\n%{http_code}", "-H", "Content-Type: application/soap+xml;charset=UTF-8"])
        .arg("--unix-socket")
        .arg(socket)
        .args(["--data", message, "http://localhost/wsman"])
        .output()
        .ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    Some((status.to_owned(), body.to_owned()))
}

#[test]
fn another_local_user_may_read_but_not_open_a_shell() {
    if !is_root() {
        skips::skip!("only root can become somebody else");
        return;
    }
    let telarchd = Telarchd::start("");
    for folder in [telarchd.folder.path().to_owned(), telarchd.state()] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let Some((status, body)) = ask_as_unprivileged_user(&telarchd, &message::settings()) else {
        skips::skip!("setpriv or curl is not installed");
        return;
    };
    assert_eq!(status, "200", "an interactive user may read: {body}");
    let (status, body) = ask_as_unprivileged_user(&telarchd, &message::create_shell()).unwrap();
    assert_eq!(status, "500", "{body}");
    assert!(body.contains("AccessDenied") && body.contains("nobody"), "{body}");
}

#[test]
fn an_account_without_a_local_user_cannot_run_commands() {
    if !is_root() {
        skips::skip!("only the service of root runs commands as other users");
        return;
    }
    let [port] = free_ports();
    let open_to_all = "Service.RootSDDL = \"O:NSG:BAD:P(A;;GA;;;WD)\"\n";
    let http = listener("IP:127.0.0.1", "HTTP", port, "");
    let telarchd = Telarchd::new(&[BASIC_OVER_HTTP, open_to_all, &http].concat());
    telarchd.add_account("clerk", Role::User);
    let mut telarchd = telarchd;
    telarchd.run();
    let mut connection = Connection::open(loopback(port));
    assert_eq!(connection.ask_as("clerk", "/wsman", &message::settings()).status, 200);
    let answer = connection.ask_as("clerk", "/wsman", &message::create_shell());
    assert_eq!(answer.status, 500, "{answer:?}");
    assert!(
        answer.body.contains("AccessDenied") && answer.body.contains("not a user of this machine"),
        "{answer:?}"
    );
    assert_eq!(connection.ask("/wsman", &message::create_shell()).status, 200);
}
