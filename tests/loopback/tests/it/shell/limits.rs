//! Tests of resource limits of shells, and of the cleanup of their processes.

use client::{Command, Profile, Session, Shell, ShellOptions};
use telarch_loopback::{Loopback, Process, TIMEOUT, User};
use tokio::time::timeout;
use wsman::shell::SignalCode;
use wsman::{Subcode, code};

use crate::fault;
use crate::shell::{first_line, open, rest, start, text};
use crate::shell_list::shells;

/// Returns the number of processes of the user's only shell.
async fn processes(session: &Session) -> u32 {
    shells(session).await[0].child_processes.unwrap_or(0)
}

/// Starts a command with this many processes and waits until all of them are counted.
async fn with_processes(shell: &Shell, count: usize) -> Command {
    let others = "sleep 1000 & ids=\"$ids $!\"; ".repeat(count - 1);
    let mut command = start(shell, &format!("{others} echo $ids; wait")).await;
    let ids = first_line(&mut command).await;
    assert_eq!(ids.split_whitespace().count(), count - 1);
    for id in ids.split_whitespace() {
        executes(id, "sleep").await;
    }
    command
}

/// Waits until a process executes a program: while it begins to, it is not counted.
async fn executes(id: &str, program: &str) {
    let file = format!("/proc/{id}/comm");
    let executing = async {
        while std::fs::read_to_string(&file).expect("the process runs").trim_end() != program {
            tokio::task::yield_now().await;
        }
    };
    timeout(TIMEOUT, executing).await.expect("it executes the program");
}

#[tokio::test]
async fn no_command_starts_at_the_process_limit_of_a_shell() {
    let service = Loopback::start_with(&[("Winrs.MaxProcessesPerShell", "4")]).await;
    let session = service.session(User::Ada);
    let shell = open(&session).await;
    let mut first = with_processes(&shell, 2).await;
    let mut second = with_processes(&shell, 2).await;
    let refused = fault(shell.run("true").await);
    assert_eq!((refused.subcode(), refused.code()), (&Subcode::InternalError, code::NOT_ENOUGH_QUOTA));
    assert!(refused.reason().contains("Winrs/MaxProcessesPerShell"), "{refused}");
    // Each shell is counted separately.
    let other = open(&session).await;
    assert_eq!(other.run("exit 3").await.unwrap().exit_code, 3);
    other.close().await.unwrap();
    // Running processes continue, and those that end allow new ones.
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
async fn the_youngest_processes_above_the_limit_are_killed() {
    let service = Loopback::start_with(&[("Winrs.MaxProcessesPerShell", "3")]).await;
    let session = service.session(User::Ada);
    let shell = open(&session).await;
    // The last process has left the process group of its command, which does not evade the limit.
    let line =
        "for n in 1 2 3 4; do sleep 1000 & sleep 0.05; done; setsid sleep 1000 & echo $!; wait; echo over";
    let mut command = start(&shell, line).await;
    // It may have been killed before its PID arrives here.
    if let Some(last) = Process::find(&first_line(&mut command).await) {
        last.ended().await;
    }
    // A process that is executing another program is briefly not counted.
    let settled = async { while processes(&session).await != 3 {} };
    timeout(TIMEOUT, settled).await.expect("it has as many as it may");
    // The oldest process, the command itself, survives.
    command.signal(SignalCode::Terminate).await.unwrap();
    assert_eq!(rest(&mut command).await.exit_code, 143);
    shell.close().await.unwrap();
    service.close().await;
}

#[tokio::test]
async fn a_shell_without_a_limit_can_start_any_number_of_processes() {
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
async fn the_memory_limit_of_a_shell_applies_to_its_processes() {
    let service = Loopback::start_with(&[("Winrs.MaxMemoryPerShellMB", "64")]).await;
    let session = service.session(User::Ada);
    // The limit applies before the service responds to the Command request.
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
    // A changed limit applies to new shells.
    service.set("Winrs.MaxMemoryPerShellMB", "0");
    let shell = open(&session).await;
    assert_eq!(take(&shell, 256).await.exit_code, 0);
    shell.close().await.unwrap();
    service.close().await;
}

/// Starts a command whose child leaves its process group and its parents, and returns the child.
///
/// The command ends when the child has closed the pipe of the substitution, so the child has left the group by then.
async fn escaped(shell: &Shell) -> Process {
    let line = "echo $(setsid sh -c 'echo $$; exec sleep 1000 >/dev/null 2>&1' 2>/dev/null &)";
    let mut command = start(shell, line).await;
    let process = Process::of(&first_line(&mut command).await);
    assert_eq!(rest(&mut command).await.exit_code, 0);
    command.finish().await.unwrap();
    process
}

#[tokio::test]
async fn a_detached_process_ends_with_its_shell() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let (shell, other) = (open(&session).await, open(&session).await);
    let (process, of_other) = (escaped(&shell).await, escaped(&other).await);
    // The command has ended and the shell has not.
    shell.run("true").await.unwrap();
    shell.close().await.unwrap();
    process.ended().await;
    // A process that is executing another program is briefly not counted.
    let counted = async { while processes(&session).await != 1 {} };
    timeout(TIMEOUT, counted).await.expect("the other shell has one, and no command");
    other.run("true").await.unwrap();
    assert!(of_other.is_running(), "the process of another shell was ended");
    other.close().await.unwrap();
    of_other.ended().await;
    service.close().await;
}

#[tokio::test]
async fn the_shutdown_ends_detached_processes() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let shell = open(&session).await;
    let processes = [escaped(&shell).await, escaped(&shell).await];
    timeout(TIMEOUT, service.shut_down()).await.unwrap();
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
