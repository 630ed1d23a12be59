//! Communication between the service and a service manager.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

use ports::free_ports;
use rustix::process::Signal;

use crate::http_connection::{Connection, is_open};
use crate::message;
use crate::service_process::{BASIC_OVER_HTTP, Telarchd, listener, loopback};

fn http(port: u16) -> String {
    [BASIC_OVER_HTTP, &listener("IP:127.0.0.1", "HTTP", port, "")].concat()
}

#[test]
fn the_manager_is_notified_of_start_state_reload_and_stop() {
    let [port] = free_ports();
    let mut telarchd = Telarchd::start(&http(port));
    assert!(is_open(loopback(port)), "ready without listening");
    telarchd.wait_for_notification(&format!("STATUS=listening on 127.0.0.1:{port}"));
    telarchd.signal(Signal::HUP);
    let reloading = telarchd.wait_for_notification("RELOADING=1");
    let clock = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
    assert!(clock.parse::<u64>().is_ok(), "{reloading}");
    telarchd.wait_for_notification("READY=1");
    telarchd.end();
}

#[test]
fn the_watchdog_is_notified_while_the_service_responds() {
    let [port] = free_ports();
    let mut telarchd = Telarchd::new(&http(port));
    let mut command = telarchd.command();
    command.env("WATCHDOG_USEC", "400000");
    telarchd.run_as(command);
    let begin = std::time::Instant::now();
    for _ in 0..4 {
        telarchd.wait_for_notification("WATCHDOG=1");
    }
    assert!(begin.elapsed() >= std::time::Duration::from_millis(400), "one every 200 ms is enough");
}

#[test]
fn a_watchdog_for_another_process_is_not_notified() {
    let [port] = free_ports();
    let mut telarchd = Telarchd::new(&http(port));
    let mut command = telarchd.command();
    command.env("WATCHDOG_USEC", "200000").env("WATCHDOG_PID", "1");
    telarchd.run_as(command);
    telarchd.reload();
    telarchd.signal(Signal::TERM);
    telarchd.wait_for_notification_matching(|message| {
        assert_ne!(message, "WATCHDOG=1");
        message == "STOPPING=1"
    });
}

/// Returns a command that passes a socket as descriptor 3 and sets the variables for it.
fn command_with_socket(telarchd: &Telarchd, socket: OwnedFd) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\" 3<&0 </dev/null"]);
    command.arg(env!("CARGO_BIN_EXE_telarchd"));
    telarchd.arguments(&mut command);
    command.stdin(Stdio::from(socket));
    command
}

#[test]
fn an_inherited_socket_is_used_by_its_listener() {
    // The manager keeps the port, so no other process can bind it.
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let mut telarchd = Telarchd::new(&http(port));
    let command = command_with_socket(&telarchd, socket.try_clone().unwrap().into());
    telarchd.run_as(command);
    assert!(Connection::open(loopback(port)).finds("/wsman"));
    assert!(!telarchd.log().contains("cannot listen"), "{}", telarchd.log());

    telarchd.end();
    let waiting = std::net::TcpStream::connect(loopback(port));
    assert!(waiting.is_ok(), "the manager keeps the socket");
}

#[test]
fn an_inherited_socket_for_all_addresses_serves_one_listener() {
    let socket = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let mut telarchd = Telarchd::new(&http(port));
    let command = command_with_socket(&telarchd, socket.into());
    telarchd.run_as(command);
    assert!(Connection::open(loopback(port)).finds("/wsman"));
    assert!(Connection::open(([127, 0, 0, 2], port).into()).is_closed_by_the_service());
}

#[test]
fn an_unused_inherited_socket_is_logged() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let mut telarchd = Telarchd::new("");
    let command = command_with_socket(&telarchd, socket.into());
    telarchd.run_as(command);
    let expected = format!("no listener uses the inherited socket {address}");
    telarchd.wait_for_log(&[&expected]);
}

#[test]
fn an_inherited_unix_socket_serves_local_programs() {
    let mut telarchd = Telarchd::new("");
    let path = telarchd.file("handed-over.sock");
    let socket = UnixListener::bind(&path).unwrap();
    let command = command_with_socket(&telarchd, socket.into());
    telarchd.run_as(command);
    let answer = Connection::open_local(&path).ask_unnamed("/wsman", &message::settings());
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(!telarchd.state().join("local.sock").exists());
}

/// Verifies the units if the machine has systemd.
#[test]
fn the_units_are_valid() {
    let units = concat!(env!("CARGO_MANIFEST_DIR"), "/../../packaging/systemd");
    let paths = ["telarchd.service", "telarchd.socket"].map(|unit| format!("{units}/{unit}"));
    assert!(paths.iter().all(|path| std::path::Path::new(path).is_file()), "{paths:?}");
    let Ok(output) = Command::new("systemd-analyze").arg("verify").arg("--man=no").args(paths).output()
    else {
        skips::skip!("systemd-analyze is not installed");
        return;
    };
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    // The program is not installed at the unit's path, and systemd may be older than version 254.
    let is_expected =
        |line: &str| line.contains("telarchd is not executable") || line.contains("'DelegateSubgroup'");
    let complaints: Vec<&str> =
        text.lines().filter(|line| line.contains("telarchd") && !is_expected(line)).collect();
    assert!(complaints.is_empty(), "{text}");
}
