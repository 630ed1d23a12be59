//! What a shell may use up, and what it leaves behind wherever its processes go.

use std::time::Duration;

use client::{Command, Profile, Session, Shell, ShellOptions};
use telarch_loopback::{Loopback, PATIENCE, Process, User};
use tokio::time::timeout;
use wsman::shell::SignalCode;
use wsman::{Subcode, code};

use crate::fault;
use crate::shell::{first_line, open, rest, start, text};
use crate::shell_list::shells;

/// How many processes the only shell of the session's user has.
async fn processes(session: &Session) -> u32 {
    shells(session).await[0].child_processes.unwrap_or(0)
}

/// A command of so many processes, all of which are there.
async fn with_processes(shell: &Shell, count: usize) -> Command {
    let others = "sleep 1000 & ".repeat(count - 1);
    let mut command = start(shell, &format!("{others} echo ready; wait")).await;
    assert_eq!(first_line(&mut command).await, "ready\n");
    command
}

#[tokio::test]
async fn no_command_is_started_in_a_shell_with_as_many_processes_as_it_may_have() {
    let service = Loopback::start_with(&[("Winrs.MaxProcessesPerShell", "4")]).await;
    let session = service.session(User::Ada);
    let shell = open(&session).await;
    let mut first = with_processes(&shell, 2).await;
    let mut second = with_processes(&shell, 2).await;
    let refused = fault(shell.run("true").await);
    assert_eq!((refused.subcode(), refused.code()), (&Subcode::InternalError, code::NOT_ENOUGH_QUOTA));
    assert!(refused.reason().contains("Winrs/MaxProcessesPerShell"), "{refused}");
    // Another shell is another count.
    let other = open(&session).await;
    assert_eq!(other.run("exit 3").await.unwrap().exit_code, 3);
    other.close().await.unwrap();
    // What ran goes on, and what ends makes room.
    assert_eq!(processes(&session).await, 4);
    first.signal(SignalCode::Terminate).await.unwrap();
    assert_eq!(rest(&mut first).await.exit_code, 143);
    assert_eq!(shell.run("exit 4").await.unwrap().exit_code, 4);
    second.signal(SignalCode::Terminate).await.unwrap();
    rest(&mut second).await;
    shell.close().await.unwrap();
    service.close().await;
}

#[tokio::test]
async fn a_command_that_starts_more_processes_than_it_may_loses_the_youngest() {
    let service = Loopback::start_with(&[("Winrs.MaxProcessesPerShell", "3")]).await;
    let session = service.session(User::Ada);
    let shell = open(&session).await;
    // The last one has left the group of its command, which is no way around.
    let line =
        "for n in 1 2 3 4; do sleep 1000 & sleep 0.05; done; setsid sleep 1000 & echo $!; wait; echo over";
    let mut command = start(&shell, line).await;
    let last = Process::of(&first_line(&mut command).await);
    last.ended().await;
    let settled = async { while processes(&session).await > 3 {} };
    timeout(PATIENCE, settled).await.expect("it has no more than it may");
    // The oldest, which is the command itself, was spared.
    assert_eq!(processes(&session).await, 3);
    command.signal(SignalCode::Terminate).await.unwrap();
    assert_eq!(rest(&mut command).await.exit_code, 143);
    shell.close().await.unwrap();
    service.close().await;
}

#[tokio::test]
async fn a_shell_without_a_limit_has_as_many_processes_as_it_likes() {
    let service = Loopback::start_with(&[("Winrs.MaxProcessesPerShell", "0")]).await;
    let session = service.session(User::Ada);
    let shell = open(&session).await;
    let mut command = with_processes(&shell, 30).await;
    assert_eq!(shell.run("exit 3").await.unwrap().exit_code, 3);
    assert_eq!(processes(&session).await, 30);
    command.signal(SignalCode::Terminate).await.unwrap();
    rest(&mut command).await;
    shell.close().await.unwrap();
    service.close().await;
}

#[tokio::test]
async fn a_process_gets_no_more_memory_than_its_shell_may_have() {
    let service = Loopback::start_with(&[("Winrs.MaxMemoryPerShellMB", "64")]).await;
    let session = service.session(User::Ada);
    // The limit is in place when the service has answered that there is a command.
    let take = async |shell: &Shell, megabytes: u32| {
        let line = format!("read go; dd bs={megabytes}M count=1 if=/dev/zero of=/dev/null 2>&1");
        let mut command = start(shell, &line).await;
        command.input().write(b"go\n").await.unwrap();
        let finished = rest(&mut command).await;
        command.finish().await.unwrap();
        finished
    };
    let shell = open(&session).await;
    assert_eq!(take(&shell, 16).await.exit_code, 0);
    let refused = take(&shell, 256).await;
    let said = text(&refused);
    assert!(said.0.contains("memory") && said.2 != 0, "{said:?}");
    shell.close().await.unwrap();
    // A limit holds for the shells that are opened from then on.
    service.set("Winrs.MaxMemoryPerShellMB", "0");
    let shell = open(&session).await;
    assert_eq!(take(&shell, 256).await.exit_code, 0);
    shell.close().await.unwrap();
    service.close().await;
}

/// Starts a command whose child leaves its process group and its parents, and returns the child.
async fn escaped(shell: &Shell) -> Process {
    let mut command = start(shell, "sh -c 'setsid sleep 1000 >/dev/null 2>&1 & echo $!'").await;
    let process = Process::of(&first_line(&mut command).await);
    assert_eq!(rest(&mut command).await.exit_code, 0);
    command.finish().await.unwrap();
    process
}

#[tokio::test]
async fn a_process_that_left_its_command_ends_with_the_shell() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let (shell, other) = (open(&session).await, open(&session).await);
    let (process, of_other) = (escaped(&shell).await, escaped(&other).await);
    // Its command is gone, the shell is not.
    shell.run("true").await.unwrap();
    shell.close().await.unwrap();
    process.ended().await;
    // A process that is just replacing its program is not counted for a moment.
    let counted = async { while processes(&session).await != 1 {} };
    timeout(PATIENCE, counted).await.expect("the other shell has one, and no command");
    let still = timeout(Duration::from_millis(300), of_other.ended()).await;
    assert!(still.is_err(), "the process of another shell was ended");
    other.close().await.unwrap();
    of_other.ended().await;
    service.close().await;
}

#[tokio::test]
async fn a_service_that_stops_leaves_no_process_that_left_its_command() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let shell = open(&session).await;
    let processes = [escaped(&shell).await, escaped(&shell).await];
    timeout(PATIENCE, service.shut_down()).await.unwrap();
    for process in processes {
        process.ended().await;
    }
    service.close().await;
}

#[tokio::test]
async fn no_profile_is_read_as_with_sshd() {
    let service = Loopback::start().await;
    std::fs::write(service.home().join(".profile"), "GREETING=hello; export GREETING\n").unwrap();
    let session = service.session(User::Ada);
    for profile in [Profile::Loaded, Profile::Skipped] {
        let shell = session.shell(ShellOptions { profile, ..ShellOptions::default() }).await.unwrap();
        assert_eq!(text(&shell.run("echo \"$GREETING|\"").await.unwrap()), ("|\n", "", 0));
        shell.close().await.unwrap();
    }
    service.close().await;
}
