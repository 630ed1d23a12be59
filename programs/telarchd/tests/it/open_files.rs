//! Limits of open files of the service and its commands.

use std::fs;
use std::process::Command;

use client::{CommandOptions, Credentials, Endpoint, Output, Secret, Session, ShellOptions, Unencrypted};
use ports::free_ports;
use wsman::shell::CommandLine;

use crate::service_process::{BASIC_OVER_HTTP, PASSWORD, Telarchd, listener, user};

/// Starts the service with these soft and hard limits.
pub(crate) fn start(config: &str, soft: u32, hard: u32) -> Telarchd {
    let mut telarchd = Telarchd::new(config);
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "ulimit -Sn \"$1\" && ulimit -Hn \"$2\" && shift 2 && exec \"$@\"", "sh"]);
    command.args([soft.to_string(), hard.to_string()]).arg(env!("CARGO_BIN_EXE_telarchd"));
    telarchd.arguments(&mut command);
    telarchd.run_as(command);
    telarchd
}

#[test]
fn the_service_raises_its_limit_and_commands_have_the_original_one() {
    let [port] = free_ports();
    let listener = listener("IP:127.0.0.1", "HTTP", port, "");
    let telarchd = start(&[BASIC_OVER_HTTP, &listener].concat(), 333, 3_000);
    let limits = fs::read_to_string(format!("/proc/{}/limits", telarchd.serving_pid())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert!(line.split_whitespace().skip(3).take(2).eq(["3000", "3000"]), "{line}");
    assert!(!telarchd.log().contains("LimitNOFILE"), "{}", telarchd.log());

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let output = runtime.block_on(async {
        let endpoint = Endpoint::parse(&format!("http://127.0.0.1:{port}/wsman")).unwrap();
        let credentials = Credentials { user: user(), password: Secret::new(PASSWORD.into()) };
        let session = Session::builder(endpoint).credentials(credentials).unencrypted(Unencrypted::Allowed);
        let shell = session.build().unwrap().shell(ShellOptions::default()).await.unwrap();
        let line = "read go; ulimit -Sn; ulimit -Hn; ulimit -n 2000 && ulimit -n".to_owned();
        let line = CommandLine { command: line, ..CommandLine::default() };
        let mut command = shell.start(&line, CommandOptions::default()).await.unwrap();
        // The limits are applied right after the start of the command.
        command.input().write(b"go\n").await.unwrap();
        let mut all = Vec::new();
        while let Output::Stdout(octets) = command.next_output().await.unwrap() {
            all.extend(octets);
        }
        shell.close().await.unwrap();
        all
    });
    assert_eq!(String::from_utf8_lossy(&output), "333\n3000\n2000\n");
}

#[test]
fn a_limit_that_is_too_low_for_the_settings_is_logged_with_advice() {
    let telarchd = start("Service.MaxConnections = 50\n", 200, 250);
    telarchd.wait_for_log(&["WARN", "MaxConnections", "LimitNOFILE", "limit=250", "needed=890"]);
}
