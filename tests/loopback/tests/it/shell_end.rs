//! Tests of the end of commands and shells, and of complete cleanup.

use std::time::Duration;

use client::{CommandOptions, Error, Locator, Session, ShellOptions};
use config::Section;
use telarch_loopback::{Loopback, Process, TIMEOUT, User};
use tokio::time::timeout;
use wsman::shell::{OpenShell, Signal, SignalCode};
use wsman::{ShellVerb, Subcode, code};

use crate::message::{self, ask, open_shell, receive};
use crate::shell::{first_line, line, open, rest, start, text};
use crate::shell_list::shells;
use crate::{config_read, refusal};

/// Command that prints its PID and runs for a long time, together with a child in its process group.
const ENDLESS: &str = "sleep 1000 & echo $$ $!; wait";

const UNKNOWN: (Subcode, u32) = (Subcode::InvalidSelectors, 2_150_858_843);

/// Returns the process of the command and its child.
fn processes(line: &str) -> Vec<Process> {
    let processes: Vec<_> = line.split_whitespace().map(Process::of).collect();
    assert_eq!(processes.len(), 2);
    processes
}

async fn ended(processes: &[Process]) {
    for process in processes {
        process.ended().await;
    }
}

/// Waits until the service has no shell of the session's user.
async fn no_shells(session: &Session) {
    let gone = async { while !shells(session).await.is_empty() {} };
    timeout(TIMEOUT, gone).await.expect("every shell is gone");
}

async fn ids(session: &Session) -> Vec<String> {
    shells(session).await.into_iter().map(|shell| shell.shell_id).collect()
}

/// Waits until a request of the user is in progress. No other request may be sent meanwhile.
async fn wait_until_busy(service: &Loopback, session: &Session) {
    service.set("Service.MaxConcurrentOperationsPerUser", "1");
    let there_is_room = async {
        // The request that reads the configuration has ended before the service reads another one.
        while session.get(&config_read::of(Section::Winrs)).await.is_ok() {}
    };
    timeout(TIMEOUT, there_is_room).await.expect("the request arrives");
    service.set("Service.MaxConcurrentOperationsPerUser", "1500");
}

#[tokio::test]
async fn terminate_ends_a_command_with_its_children_only() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let shell = open(&session).await;
    let mut command = start(&shell, ENDLESS).await;
    let running = processes(&first_line(&mut command).await);
    command.signal(SignalCode::Terminate).await.unwrap();
    assert_eq!(text(&rest(&mut command).await), ("", "", 143));
    ended(&running).await;
    command.finish().await.unwrap();
    assert_eq!(text(&shell.run("echo on").await.unwrap()), ("on\n", "", 0));
    shell.close().await.unwrap();
    service.close().await;
}

#[tokio::test]
async fn interrupts_reach_a_command_and_its_children() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let shell = open(&session).await;
    for (signal, exit_code) in [(SignalCode::CtrlC, 130), (SignalCode::CtrlBreak, 131)] {
        let mut command = start(&shell, "sh -c 'echo $$ $PPID; exec sleep 1000'; echo not reached").await;
        let running = processes(&first_line(&mut command).await);
        command.signal(signal).await.unwrap();
        assert_eq!(text(&rest(&mut command).await), ("", "", exit_code));
        ended(&running).await;
        command.finish().await.unwrap();
    }
    shell.close().await.unwrap();
    service.close().await;
}

#[tokio::test]
async fn a_signal_reaches_a_command_during_receive() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let shell = open(&session).await;
    let mut command = start(&shell, ENDLESS).await;
    first_line(&mut command).await;
    let signaller = command.signaller();
    let (finished, signalled) =
        tokio::join!(rest(&mut command), async { signaller.signal(SignalCode::Terminate).await });
    signalled.unwrap();
    assert_eq!(finished.exit_code, 143);
    command.finish().await.unwrap();
    shell.close().await.unwrap();
    service.close().await;
}

#[tokio::test]
async fn dropping_a_command_ends_it_and_not_its_shell() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let shell = open(&session).await;
    let mut command = start(&shell, ENDLESS).await;
    let running = processes(&first_line(&mut command).await);
    drop(command);
    ended(&running).await;
    assert_eq!(text(&shell.run("echo on").await.unwrap()), ("on\n", "", 0));
    shell.close().await.unwrap();
    service.close().await;
}

#[tokio::test]
async fn closing_a_shell_ends_its_commands_and_waiting_receives() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let shell = open(&session).await;
    let mut command = start(&shell, ENDLESS).await;
    let running = processes(&first_line(&mut command).await);
    let waiting = tokio::spawn(async move { command.next_output().await });
    wait_until_busy(&service, &session).await;
    shell.close().await.unwrap();
    let reported = timeout(TIMEOUT, waiting).await.unwrap().unwrap();
    assert_eq!(refusal(reported), (Subcode::InternalError, code::OPERATION_ABORTED));
    ended(&running).await;
    no_shells(&session).await;
    service.close().await;
}

#[tokio::test]
async fn dropping_a_shell_deletes_it_with_its_commands() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let shell = open(&session).await;
    assert_eq!(ids(&session).await, [shell.id()]);
    let mut command = start(&shell, ENDLESS).await;
    let running = processes(&first_line(&mut command).await);
    drop(shell);
    ended(&running).await;
    no_shells(&session).await;
    assert!(command.next_output().await.unwrap_err().is_gone());
    service.close().await;
}

#[tokio::test]
async fn closing_a_deleted_shell_succeeds() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let shell = open(&session).await;
    session.delete(&message::shell(shell.id())).await.unwrap();
    assert!(shell.run("true").await.unwrap_err().is_gone());
    shell.close().await.unwrap();
    service.close().await;
}

#[tokio::test]
async fn unknown_and_released_commands_are_a_fault() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let shell = open_shell(&session, &OpenShell::default()).await.unwrap();
    let known = message::start(&session, &shell, "exit 2").await.unwrap();
    let done = receive(&session, &shell, &known).await.unwrap();
    assert_eq!(done.state, Some(wsman::shell::CommandState::Done { exit_code: 2 }));
    // Some clients clean up this way (pypsrp).
    let interrupt = Signal { command_id: Some(known.clone()), code: SignalCode::CtrlC };
    ask(&session, &shell, ShellVerb::Signal, |body| interrupt.write(body)).await.unwrap();
    // The state Done is reported once.
    assert_eq!(refusal(receive(&session, &shell, &known).await), UNKNOWN);
    terminate(&session, &shell, &known).await.unwrap();
    for unknown in [known.as_str(), "22222222-2222-4222-8222-222222222222"] {
        assert_eq!(refusal(receive(&session, &shell, unknown).await), UNKNOWN);
        assert_eq!(refusal(terminate(&session, &shell, unknown).await), UNKNOWN);
    }
    session.delete(&shell).await.unwrap();
    service.close().await;
}

#[tokio::test]
async fn unknown_shells_and_those_of_other_users_are_a_fault() {
    let service = Loopback::start().await;
    let (ada, ben) = (service.session(User::Ada), service.session(User::Ben));
    let of_ada = open(&ada).await;
    let mut command = start(&of_ada, ENDLESS).await;
    first_line(&mut command).await;
    for id in [of_ada.id(), "11111111-1111-4111-8111-111111111111"] {
        let shell = message::shell(id);
        assert_eq!(refusal(message::start(&ben, &shell, "true").await), UNKNOWN);
        assert_eq!(refusal(receive(&ben, &shell, command.id()).await), UNKNOWN);
        assert_eq!(refusal(terminate(&ben, &shell, command.id()).await), UNKNOWN);
        let send = ask(&ben, &shell, ShellVerb::Send, |body| {
            let piece = wsman::shell::StreamData { name: "stdin", octets: b"x" };
            wsman::shell::Send::write(body, piece, command.id(), false);
        });
        assert_eq!(refusal(send.await), UNKNOWN);
        assert_eq!(refusal(ben.delete(&shell).await), UNKNOWN);
        let generic = crate::uri("http://schemas.microsoft.com/wbem/wsman/1/windows/shell");
        let get = Locator::new(generic).with_selectors(shell.selectors);
        assert_eq!(refusal(ben.get(&get).await), UNKNOWN);
    }
    assert_eq!(ids(&ben).await, Vec::<String>::new());
    command.signal(SignalCode::Terminate).await.unwrap();
    assert_eq!(rest(&mut command).await.exit_code, 143);
    of_ada.close().await.unwrap();
    service.close().await;
}

async fn terminate(session: &Session, shell: &Locator, command: &str) -> Result<wsman::Response, Error> {
    let signal = Signal { command_id: Some(command.to_owned()), code: SignalCode::Terminate };
    ask(session, shell, ShellVerb::Signal, |body| signal.write(body)).await
}

/// Advances the clock.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_lifetime_ends_a_busy_shell() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let brief = OpenShell { lifetime: Some(Duration::from_secs(30)), ..OpenShell::default() };
    let shell = open_shell(&session, &brief).await.unwrap();
    let command = message::start(&session, &shell, ENDLESS).await.unwrap();
    let received = receive(&session, &shell, &command).await.unwrap();
    let running = processes(str::from_utf8(&received.streams[0].octets).unwrap());
    let waiting = {
        let (session, shell, command) = (session.clone(), shell.clone(), command.clone());
        tokio::spawn(async move { receive(&session, &shell, &command).await })
    };
    wait_until_busy(&service, &session).await;
    pass(Duration::from_secs(31)).await;
    let reported = timeout(TIMEOUT, waiting).await.unwrap().unwrap();
    assert_eq!(refusal(reported), (Subcode::InternalError, code::OPERATION_ABORTED));
    ended(&running).await;
    assert_eq!(refusal(receive(&session, &shell, &command).await), UNKNOWN);
    assert_eq!(refusal(session.delete(&shell).await), UNKNOWN);
    no_shells(&session).await;
    service.close().await;
}

#[tokio::test]
async fn the_default_idle_timeout_deletes_a_shell() {
    let service = Loopback::start_with(&[("Winrs.IdleTimeout", "90000")]).await;
    let session = service.session(User::Ada);
    let shell = open(&session).await;
    let mut command = start(&shell, ENDLESS).await;
    let running = processes(&first_line(&mut command).await);
    pass(Duration::from_secs(88)).await;
    assert_eq!(text(&shell.run("echo here").await.unwrap()), ("here\n", "", 0));
    pass(Duration::from_secs(91)).await;
    ended(&running).await;
    no_shells(&session).await;
    assert!(shell.run("echo here").await.unwrap_err().is_gone());
    service.close().await;
}

#[tokio::test]
async fn the_shortest_lifetime_ends_without_a_request() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let brief = OpenShell { lifetime: Some(Duration::from_secs(1)), ..OpenShell::default() };
    open_shell(&session, &brief).await.unwrap();
    no_shells(&session).await;
    service.close().await;
}

#[tokio::test]
async fn an_idle_shell_is_deleted_at_its_timeout() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    // Timeouts below a minute are raised.
    for (requested, lasts) in [(1, 60), (60, 60), (90, 90)] {
        let options =
            ShellOptions { idle_timeout: Some(Duration::from_secs(requested)), ..ShellOptions::default() };
        let shell = session.shell(options).await.unwrap();
        let mut command = start(&shell, ENDLESS).await;
        let running = processes(&first_line(&mut command).await);
        for _ in 0..3 {
            pass(Duration::from_secs(lasts - 2)).await;
            assert_eq!(text(&shell.run("echo here").await.unwrap()), ("here\n", "", 0));
        }
        pass(Duration::from_secs(lasts + 1)).await;
        ended(&running).await;
        assert!(shell.run("echo here").await.unwrap_err().is_gone());
        assert!(command.next_output().await.unwrap_err().is_gone());
    }
    no_shells(&session).await;
    service.close().await;
}

#[tokio::test]
async fn a_disconnected_client_does_not_keep_its_shell_alive() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let options = ShellOptions { idle_timeout: Some(Duration::from_secs(60)), ..ShellOptions::default() };
    let shell = session.shell(options).await.unwrap();
    let mut command = start(&shell, ENDLESS).await;
    let running = processes(&first_line(&mut command).await);
    let patient = service.over_http(User::Ada).operation_timeout(Duration::from_secs(3_600)).build().unwrap();
    let (there, id) = (message::shell(shell.id()), command.id().to_owned());
    let waiting = tokio::spawn(async move { receive(&patient, &there, &id).await.map(|_| ()) });
    wait_until_busy(&service, &session).await;
    pass(Duration::from_secs(70)).await;
    assert_eq!(ids(&session).await.len(), 1, "as long as it waits the shell is not idle");
    // Aborting the task drops its connection.
    waiting.abort();
    service.set("Service.MaxConcurrentOperationsPerUser", "1");
    let noticed = async { while session.get(&config_read::of(Section::Winrs)).await.is_err() {} };
    timeout(TIMEOUT, noticed).await.expect("the service notices");
    pass(Duration::from_secs(61)).await;
    ended(&running).await;
    no_shells(&session).await;
    service.close().await;
}

#[tokio::test]
async fn the_shutdown_ends_shells_and_waiting_receives() {
    let service = Loopback::start().await;
    let mut waiting = tokio::task::JoinSet::new();
    let mut running = Vec::new();
    for session in [service.session(User::Ada), service.over_https(User::Ben).build().unwrap()] {
        for _ in 0..3 {
            let shell = open(&session).await;
            let mut command = shell.start(&line(ENDLESS), CommandOptions::default()).await.unwrap();
            running.extend(processes(&first_line(&mut command).await));
            waiting.spawn(async move {
                let reported = command.next_output().await.unwrap_err();
                let again = shell.run("true").await.unwrap_err();
                (reported, again)
            });
        }
    }
    timeout(TIMEOUT, service.shut_down()).await.unwrap();
    ended(&running).await;
    let is_end = |error: &Error| {
        let closed = matches!(error, Error::Disconnected { .. } | Error::Connect { .. });
        closed || matches!(error, Error::Http { status: 503 }) || error.is_gone()
    };
    while let Some(reported) = timeout(TIMEOUT, waiting.join_next()).await.unwrap() {
        let (reported, again) = reported.unwrap();
        assert!(is_end(&reported), "{reported}");
        assert!(is_end(&again), "{again}");
    }
    service.close().await;
}
