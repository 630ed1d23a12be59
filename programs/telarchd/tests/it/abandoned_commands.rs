//! Commands whose clients have disconnected.

use std::time::Duration;

use client::{CommandOptions, Output, ShellOptions};
use rustix::process::{Pid, test_kill_process};
use wsman::shell::CommandLine;

use crate::separated::{block_on, start};
use crate::test_user::TestUser;

#[test]
fn a_command_whose_client_has_disconnected_is_terminated() {
    let Some(ann) = TestUser::create() else { return };
    let (telarchd, port) = start("Shell.AbandonedCommandTimeoutms = 1000\n");
    block_on(async {
        // A Receive that the client has sent in advance ends soon.
        let session = ann.session_with(port, |session| session.operation_timeout(Duration::from_secs(10)));
        let shell = session.shell(ShellOptions::default()).await.unwrap();
        let line = CommandLine { command: "echo $$; exec sleep 1000".to_owned(), ..CommandLine::default() };
        let mut command = shell.start(&line, CommandOptions::default()).await.unwrap();
        let Output::Stdout(number) = command.next_output().await.unwrap() else { panic!("no process ID") };
        let number: i32 = String::from_utf8(number).unwrap().trim().parse().unwrap();
        let process = Pid::from_raw(number).unwrap();
        // The client disappears while a Receive longer than the timeout is pending.
        let receiving = command.next_output();
        assert!(tokio::time::timeout(Duration::from_secs(3), receiving).await.is_err(), "unexpected output");
        assert!(test_kill_process(process).is_ok(), "the client was connected");
        std::mem::forget((command, shell));
        // This process is not the parent, so it is not notified of the end.
        while test_kill_process(process).is_ok_and(|()| !is_zombie(number)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    telarchd.wait_for_log(&["Command ended: its client", "AbandonedCommandTimeoutms"]);
}

fn is_zombie(process: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{process}/status"))
        .is_ok_and(|status| status.contains("State:\tZ"))
}
