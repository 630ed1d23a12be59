//! Shells and commands.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use client::{
    Command, CommandOptions, CommandResult, Console, Error, Interpreter, Output, Profile, Session,
    ShellOptions, Violation,
};
use telarch_client as client;
use tokio::sync::Notify;
use wsman::shell::{
    CommandLine, CommandState, OpenShell, Receive, Send, Signal, SignalCode, StreamData,
    write_command_response, write_received, write_send_response,
};
use wsman::{EndpointReference, ResourceUri, SelectorSet, code, namespace};

use crate::service::{Reply, Request, Service, Step, response};

const SHELL: &str = "11111111-1111-4111-8111-111111111111";
const COMMAND: &str = "22222222-2222-4222-8222-222222222222";
const STREAMS: [&str; 2] = ["stdout", "stderr"];

fn created(request: &Request) -> Reply {
    let resource = ResourceUri::parse(namespace::SHELL_CMD).unwrap();
    let reference = EndpointReference::anonymous(resource, SelectorSet::new().with("ShellId", SHELL));
    request.answer(|body| wsman::write_resource_created(body, &reference))
}

fn output(request: &Request, pieces: &[(&str, &[u8])], state: CommandState) -> Reply {
    let pieces: Vec<_> = pieces.iter().map(|(name, octets)| StreamData { name, octets }).collect();
    let ended: &[&str] = if matches!(state, CommandState::Done { .. }) { &STREAMS } else { &[] };
    request.answer(|body| write_received(body, COMMAND, &pieces, ended, state))
}

/// Response to every request except Receive.
fn usual(request: &Request) -> Reply {
    match request.verb().as_str() {
        "Create" => created(request),
        "Command" => request.answer(|body| write_command_response(body, COMMAND)),
        "Send" => request.answer(write_send_response),
        "Signal" => request.answer(|body| {
            body.start("rsp:SignalResponse").end_empty();
        }),
        _ => request.answer(|_| {}),
    }
}

/// A service whose responses to Receive depend on their number, from zero.
async fn shell_service(
    receive: impl Fn(usize, &Request) -> Reply + std::marker::Send + Sync + 'static,
) -> Service {
    let receives = AtomicUsize::new(0);
    Service::start(move |request| match request.verb().as_str() {
        "Receive" => receive(receives.fetch_add(1, Ordering::SeqCst), request),
        _ => usual(request),
    })
    .await
}

async fn run(session: &Session) -> Result<CommandResult, Error> {
    let shell = session.shell(ShellOptions::default()).await?;
    let finished = shell.run("dir").await?;
    shell.close().await?;
    Ok(finished)
}

async fn command(session: &Session) -> (client::Shell, Command) {
    let shell = session.shell(ShellOptions::default()).await.unwrap();
    let line = CommandLine { command: "dir".to_owned(), ..CommandLine::default() };
    let command = shell.start(&line, CommandOptions::default()).await.unwrap();
    (shell, command)
}

const DONE: CommandState = CommandState::Done { exit_code: 3 };

#[tokio::test]
async fn a_short_command_needs_five_requests_on_one_connection() {
    let mut service =
        shell_service(|_, request| output(request, &[("stdout", b"out\n"), ("stderr", b"err\n")], DONE))
            .await;
    let finished = run(&service.session()).await.unwrap();
    assert_eq!(
        finished,
        CommandResult { stdout: b"out\n".to_vec(), stderr: b"err\n".to_vec(), exit_code: 3 }
    );
    for verb in ["Create", "Command", "Receive", "Signal", "Delete"] {
        let request = service.request().await;
        assert_eq!((request.verb().as_str(), request.connection), (verb, 0));
        let head = request.parsed().head().clone();
        assert_eq!(head.resource.unwrap().as_str(), namespace::SHELL_CMD);
        assert_eq!(head.selectors.text("ShellId"), (verb != "Create").then_some(SHELL));
    }
    assert!(service.requests.try_recv().is_err());
}

#[tokio::test]
async fn shell_and_command_options_are_sent() {
    let mut service = shell_service(|_, request| output(request, &[], DONE)).await;
    let options = ShellOptions {
        environment: vec![("A".to_owned(), "<b>".to_owned())],
        directory: Some("/tmp".to_owned()),
        code_page: 437,
        profile: Profile::Skipped,
        idle_timeout: Some(Duration::from_secs(90)),
        name: Some("n".to_owned()),
        ..ShellOptions::default()
    };
    let shell = service.session().shell(options).await.unwrap();
    assert_eq!(shell.id(), SHELL);
    let line = CommandLine {
        command: "netdom".to_owned(),
        arguments: vec!["join".to_owned(), "x & y".to_owned()],
        command_id: None,
    };
    let switches = CommandOptions { console: Console::Console, interpreter: Interpreter::Skipped };
    let command = shell.start(&line, switches).await.unwrap();
    assert_eq!(command.id(), COMMAND);

    let create = service.request().await.parsed();
    assert!(create.head().options.is_set("WINRS_NOPROFILE"));
    assert_eq!(create.head().options.value("WINRS_CODEPAGE"), Some("437"));
    let open = OpenShell::parse(create.body().unwrap()).unwrap();
    assert_eq!(open.environment, [("A".to_owned(), "<b>".to_owned())]);
    assert_eq!((open.working_directory.as_deref(), open.name.as_deref()), (Some("/tmp"), Some("n")));
    assert_eq!(open.idle_timeout.unwrap().text, "PT90.000S");
    assert_eq!(
        (open.input_streams.join(" "), open.output_streams.join(" ")),
        ("stdin".into(), "stdout stderr".into())
    );
    let start = service.request().await.parsed();
    assert!(start.head().options.is_set("WINRS_CONSOLEMODE_STDIN"));
    assert!(start.head().options.is_set("WINRS_SKIP_CMD_SHELL"));
    assert_eq!(CommandLine::parse(start.body().unwrap()).unwrap(), line);
}

#[tokio::test]
async fn a_silent_command_is_polled_again() {
    let mut service = shell_service(|number, request| match number {
        0..3 => request.fault(code::TIMED_OUT),
        3 => output(request, &[("stdout", b"late")], CommandState::Running),
        4 => output(request, &[], CommandState::Pending),
        _ => output(request, &[("stdout", b"r")], DONE),
    })
    .await;
    let session = service.session();
    let (_shell, mut command) = command(&session).await;
    assert_eq!(command.next_output().await.unwrap(), Output::Stdout(b"late".to_vec()));
    assert_eq!(command.next_output().await.unwrap(), Output::Stdout(b"r".to_vec()));
    for _ in 0..2 {
        assert_eq!(command.next_output().await.unwrap(), Output::Done { exit_code: 3 });
    }
    let mut receives = 0;
    while let Ok(request) = service.requests.try_recv() {
        if request.verb() == "Receive" {
            receives += 1;
            let receive = Receive::parse(request.parsed().body().unwrap()).unwrap();
            assert_eq!(
                (receive.command_id.as_deref(), receive.streams),
                (Some(COMMAND), STREAMS.map(String::from).to_vec())
            );
        }
    }
    assert_eq!(receives, 6);
}

#[tokio::test]
async fn only_the_total_timeout_limits_a_command() {
    let service = shell_service(|_, request| {
        let mut steps = vec![Step::Wait(Duration::from_secs(25))];
        steps.extend(request.fault(code::TIMED_OUT));
        steps
    })
    .await;
    let session = service.builder().total_timeout(Some(Duration::from_secs(600))).build().unwrap();
    let (_shell, mut command) = command(&session).await;
    tokio::time::pause();
    let error = command.next_output().await.expect_err("no end");
    assert!(matches!(error, Error::TimedOut { what: client::Waiting::Total, .. }), "{error}");
}

#[tokio::test]
async fn output_is_not_lost_if_next_output_is_cancelled() {
    let release = Arc::new(Notify::new());
    let held = Arc::clone(&release);
    let mut service = shell_service(move |_, request| {
        let mut steps = vec![Step::WaitFor(Arc::clone(&held))];
        steps.extend(output(request, &[("stdout", b"out")], DONE));
        steps
    })
    .await;
    let (_shell, mut command) = command(&service.session()).await;
    for _ in ["Create", "Command"] {
        service.request().await;
    }
    tokio::select! {
        biased;
        _ = command.next_output() => panic!("the output is held back"),
        request = service.request() => assert_eq!(request.verb(), "Receive"),
    }
    release.notify_one();
    assert_eq!(command.next_output().await.unwrap(), Output::Stdout(b"out".to_vec()));
    assert!(service.requests.try_recv().is_err(), "the service was asked twice");
}

#[tokio::test]
async fn input_and_signals_are_sent_while_output_is_awaited() {
    let release = Arc::new(Notify::new());
    let held = Arc::clone(&release);
    let mut service = shell_service(move |_, request| {
        let mut steps = vec![Step::WaitFor(Arc::clone(&held))];
        steps.extend(output(request, &[], DONE));
        steps
    })
    .await;
    let (_shell, mut command) = command(&service.session()).await;
    let (mut input, signaller) = (command.input(), command.signaller());
    let talking = tokio::spawn(async move {
        input.write(b"in\n").await.unwrap();
        input.close().await.unwrap();
        signaller.signal(SignalCode::CtrlC).await.unwrap();
    });
    let observing = async {
        let mut seen = Vec::new();
        while seen.len() < 6 {
            seen.push(service.request().await);
        }
        release.notify_one();
        seen
    };
    let (done, seen) = tokio::join!(command.next_output(), observing);
    assert_eq!(done.unwrap(), Output::Done { exit_code: 3 });
    talking.await.unwrap();
    let receive = seen.iter().find(|request| request.verb() == "Receive").unwrap();
    let others: Vec<_> =
        seen.iter().filter(|request| request.number > 1 && request.verb() != "Receive").collect();
    assert!(others.iter().all(|request| request.connection != receive.connection));
    let sent: Vec<_> = others
        .iter()
        .filter(|request| request.verb() == "Send")
        .map(|request| Send::parse(request.parsed().body().unwrap()).unwrap().streams.remove(0))
        .map(|piece| (piece.name, piece.octets, piece.end))
        .collect();
    assert_eq!(sent, [("stdin".into(), b"in\n".to_vec(), false), ("stdin".into(), vec![], true)]);
    let signal = others.iter().find(|request| request.verb() == "Signal").unwrap().parsed();
    let signal = Signal::parse(signal.body().unwrap()).unwrap();
    assert_eq!(signal, Signal { command_id: Some(COMMAND.to_owned()), code: SignalCode::CtrlC });
}

#[tokio::test]
async fn large_input_is_split_into_small_envelopes() {
    let given = Arc::new(Mutex::new(Vec::new()));
    let taken = Arc::clone(&given);
    let service = Service::start(move |request| {
        if request.verb() == "Send" {
            assert!(request.body.len() <= 150 * 1_024, "{} octets", request.body.len());
            assert!(request.body.len() > 140 * 1_024 || request.number > 4, "{} octets", request.body.len());
            let piece = Send::parse(request.parsed().body().unwrap()).unwrap().streams.remove(0);
            taken.lock().unwrap().extend(piece.octets);
        }
        usual(request)
    })
    .await;
    let (_shell, command) = command(&service.session()).await;
    let octets: Vec<u8> = (0..400_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    command.input().write(&octets).await.unwrap();
    assert!(*given.lock().unwrap() == octets);
}

#[tokio::test]
async fn input_is_resent_to_a_busy_service() {
    let sends = AtomicUsize::new(0);
    let busy_for = Arc::new(AtomicUsize::new(3));
    let busy = Arc::clone(&busy_for);
    let service = Service::start(move |request| match request.verb().as_str() {
        "Send" if sends.fetch_add(1, Ordering::SeqCst) < busy.load(Ordering::SeqCst) => {
            request.fault(code::BUSY)
        }
        _ => usual(request),
    })
    .await;
    let (_shell, command) = command(&service.session()).await;
    command.input().write(b"x").await.unwrap();
    busy_for.store(usize::MAX, Ordering::SeqCst);
    let error = command.input().write(b"x").await.expect_err("busy for ever");
    assert_eq!(error.code(), Some(170));
}

#[tokio::test]
async fn input_is_not_resent_after_an_operation_timeout() {
    let mut service = Service::start(|request| match request.verb().as_str() {
        "Send" => request.fault(code::TIMED_OUT),
        _ => usual(request),
    })
    .await;
    let (_shell, command) = command(&service.session()).await;
    command.input().write(b"x").await.unwrap();
    let mut sends = 0;
    while let Ok(request) = service.requests.try_recv() {
        sends += usize::from(request.verb() == "Send");
    }
    assert_eq!(sends, 1);
}

#[tokio::test]
async fn closing_what_no_longer_exists_succeeds() {
    let service = Service::start(|request| match request.verb().as_str() {
        "Signal" | "Delete" => request.fault(code::UNEXPECTED_SELECTORS),
        _ => usual(request),
    })
    .await;
    let (shell, command) = command(&service.session()).await;
    assert!(command.signal(SignalCode::CtrlBreak).await.expect_err("gone").is_gone());
    command.finish().await.unwrap();
    shell.close().await.unwrap();
}

#[tokio::test]
async fn dropped_shells_and_commands_are_ended_on_the_service() {
    let mut service = Service::start(usual).await;
    let (shell, command) = command(&service.session()).await;
    drop(command);
    assert_eq!(service.request().await.verb(), "Create");
    assert_eq!(service.request().await.verb(), "Command");
    let signal = service.request().await;
    assert_eq!(Signal::parse(signal.parsed().body().unwrap()).unwrap().code, SignalCode::Terminate);
    drop(shell);
    assert_eq!(service.request().await.verb(), "Delete");
}

#[tokio::test]
async fn the_first_shell_is_retried_after_a_timeout() {
    let mut service = Service::start(|request| match request.number {
        0 | 2 => request.fault(code::TIMED_OUT),
        _ => usual(request),
    })
    .await;
    let session = service.session();
    let shell = session.shell(ShellOptions::default()).await.unwrap();
    let error = session.shell(ShellOptions::default()).await.expect_err("a warm service");
    assert!(error.is_operation_timeout());
    shell.close().await.unwrap();
    for verb in ["Create", "Create", "Create", "Delete"] {
        assert_eq!(service.request().await.verb(), verb);
    }
}

#[tokio::test]
async fn run_closes_the_input_of_a_command() {
    let ended = Arc::new(Notify::new());
    let (reported, held) = (Arc::clone(&ended), Arc::clone(&ended));
    let service = Service::start(move |request| match request.verb().as_str() {
        "Receive" => {
            let mut steps = vec![Step::WaitFor(Arc::clone(&held))];
            steps.extend(output(request, &[("stdout", b"sorted")], DONE));
            steps
        }
        "Send" => {
            let mut steps = vec![Step::Tell(Arc::clone(&reported))];
            steps.extend(usual(request));
            steps
        }
        _ => usual(request),
    })
    .await;
    assert_eq!(run(&service.session()).await.unwrap().stdout, b"sorted");
}

#[tokio::test]
async fn output_beyond_the_limit_terminates_the_command() {
    let mut service =
        shell_service(|_, request| output(request, &[("stdout", &[b'x'; 600])], CommandState::Running)).await;
    let options = ShellOptions { output_limit: 1_000, ..ShellOptions::default() };
    let shell = service.session().shell(options).await.unwrap();
    let error = shell.run("yes").await.expect_err("too much");
    assert!(matches!(error, Error::OutputTooLarge { limit: 1_000 }), "{error}");
    for verb in ["Create", "Command", "Receive", "Receive", "Signal"] {
        assert_eq!(service.request().await.verb(), verb);
    }
}

#[tokio::test]
async fn streams_of_other_commands_are_ignored() {
    let service = shell_service(|_, request| {
        let message = request.message(|body| {
            body.start("rsp:ReceiveResponse");
            for (id, text) in [("33333333-3333-4333-8333-333333333333", "bm8="), (COMMAND, "eWVz")] {
                body.start("rsp:Stream").attribute("Name", "pr").attribute("CommandId", id).text(text).end();
            }
            body.start("rsp:CommandState").attribute("State", "urn:CommandState/Done").end().end();
        });
        vec![Step::Send(response(200, &message))]
    })
    .await;
    let (_shell, mut command) = command(&service.session()).await;
    let expected = Output::Stream { name: "pr".to_owned(), octets: b"yes".to_vec() };
    assert_eq!(command.next_output().await.unwrap(), expected);
    assert_eq!(command.next_output().await.unwrap(), Output::Done { exit_code: 0 });
}

#[tokio::test]
async fn incomplete_responses_are_rejected() {
    let violation = |error: Error| match error {
        Error::Protocol { violation, .. } => violation,
        other => panic!("{other}"),
    };
    let empty = Service::start(|request| request.answer(|_| {})).await;
    let error = empty.session().shell(ShellOptions::default()).await.expect_err("no shell");
    assert!(matches!(violation(error), Violation::Missing { what: "the identifier of the shell", .. }));

    let garbled = shell_service(|_, request| {
        request.answer(|body| {
            body.start("rsp:ReceiveResponse").start("rsp:Stream").attribute("Name", "stdout");
            body.text("not base64!").end().end();
        })
    })
    .await;
    let error = run(&garbled.session()).await.expect_err("garbled");
    assert!(error.to_string().contains("s:Envelope/s:Body/rsp:ReceiveResponse: "), "{error}");
    assert!(matches!(violation(error), Violation::Body { .. }));

    let other = shell_service(|_, request| {
        request.answer(|body| {
            body.start("rsp:SignalResponse").end_empty();
        })
    })
    .await;
    let error = run(&other.session()).await.expect_err("another answer");
    let expected = "a ReceiveResponse is missing in s:Envelope/s:Body, which contains rsp:SignalResponse";
    assert!(error.to_string().ends_with(expected), "{error}");
}
