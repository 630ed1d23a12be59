//! Tests of input and output of commands.

mod answers;
mod limits;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use client::{
    Command, CommandOptions, CommandResult, Console, Interpreter, Locator, Output, Session, Shell,
    ShellOptions,
};
use config::Section;
use telarch_loopback::{Loopback, TIMEOUT, User};
use tokio::task::JoinSet;
use tokio::time::timeout;
use wsman::shell::{CommandLine, SignalCode};
use wsman::{Subcode, code};

use crate::message::fragment;
use crate::{fault, refusal, uri};

pub(crate) async fn open(session: &Session) -> Shell {
    session.shell(ShellOptions::default()).await.unwrap()
}

pub(crate) fn line(line: &str) -> CommandLine {
    CommandLine { command: line.to_owned(), ..CommandLine::default() }
}

pub(crate) async fn start(shell: &Shell, text: &str) -> Command {
    shell.start(&line(text), CommandOptions::default()).await.unwrap()
}

/// Returns the remaining output of a command and its exit code.
pub(crate) async fn rest(command: &mut Command) -> CommandResult {
    let mut finished = CommandResult::default();
    loop {
        match timeout(TIMEOUT, command.next_output()).await.unwrap().unwrap() {
            Output::Stdout(octets) => finished.stdout.extend(octets),
            Output::Stderr(octets) => finished.stderr.extend(octets),
            Output::Done { exit_code } => return CommandResult { exit_code, ..finished },
            other => panic!("{other:?}"),
        }
    }
}

/// Waits until a command has printed a line, and returns it.
pub(crate) async fn first_line(command: &mut Command) -> String {
    let mut text = String::new();
    while !text.ends_with('\n') {
        match timeout(TIMEOUT, command.next_output()).await.unwrap().unwrap() {
            Output::Stdout(octets) => text.push_str(str::from_utf8(&octets).unwrap()),
            other => panic!("{other:?} after {text:?}"),
        }
    }
    text
}

pub(crate) fn text(finished: &CommandResult) -> (&str, &str, i32) {
    let text = |octets| str::from_utf8(octets).unwrap();
    (text(&finished.stdout), text(&finished.stderr), finished.exit_code)
}

/// `Shell/LoginShell` and `Shell/Profiles` apply to the next shell. No message can change them, not even of an
/// administrator.
#[tokio::test]
async fn shell_startup_is_configured_on_the_machine() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let reader = service.home().join("reader");
    std::fs::write(&reader, "#!/bin/sh\necho \"$@\"\n").unwrap();
    std::fs::set_permissions(&reader, Permissions::from_mode(0o755)).unwrap();
    std::fs::write(service.home().join(".profile"), "echo profile\n").unwrap();
    let printed = async |settings: &[(&str, &str)]| {
        for (name, value) in settings {
            service.set(name, value);
        }
        let shell = open(&session).await;
        let finished = shell.run("echo line").await.unwrap();
        String::from_utf8(finished.stdout).unwrap()
    };
    assert_eq!(printed(&[]).await, "line\n");
    assert_eq!(printed(&[("Shell.Profiles", "WhenAsked")]).await, "profile\nline\n");
    assert_eq!(printed(&[("Shell.LoginShell", reader.to_str().unwrap())]).await, "-l -c echo line\n");
    let back = [("Shell.LoginShell", ""), ("Shell.Profiles", "Never")];
    assert_eq!(printed(&back).await, "line\n");

    let locator = Locator::new(uri(Section::Config.resource()));
    for (table, name) in [("cfg:Shell", "cfg:LoginShell"), ("cfg:Groups", "cfg:Administrators")] {
        let body = fragment(|writer| {
            writer.start("cfg:Config").namespace("cfg", Section::Config.resource());
            writer.start(table).start(name).text("/bin/true").end().end().end();
        });
        let refused = refusal(session.put(&locator, &body).await);
        assert_eq!(refused, (Subcode::SchemaValidationError, code::SCHEMA_VALIDATION_ERROR), "{name}");
    }
    assert_eq!(printed(&[]).await, "line\n");
    service.close().await;
}

/// Returns bytes of all values without a short period.
fn octets(count: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(count).collect()
}

#[tokio::test]
async fn both_streams_and_the_exit_code_arrive_separately() {
    let service = Loopback::start().await;
    for session in [service.session(User::Ada), service.over_https(User::Ada).build().unwrap()] {
        let shell = open(&session).await;
        for code in [0, 1, 3, 127, 255] {
            let finished = shell.run(&format!("echo out; echo err >&2; exit {code}")).await.unwrap();
            assert_eq!(text(&finished), ("out\n", "err\n", code));
        }
        assert_eq!(text(&shell.run("true").await.unwrap()), ("", "", 0));
        // The exit code of a command that a signal ended is the one that shells report.
        assert_eq!(shell.run("kill -KILL $$").await.unwrap().exit_code, 137);
        shell.close().await.unwrap();
    }
    service.close().await;
}

#[tokio::test]
async fn text_of_every_kind_arrives_unchanged() {
    let service = Loopback::start().await;
    let utf16 = service.over_http(User::Ada).encoding(xml::Encoding::Utf16).build().unwrap();
    for session in [service.session(User::Ada), utf16] {
        let shell = open(&session).await;
        let finished = shell.run("printf '%s' 'grün <&> \"日本\" 🦀 ]]> \\t'").await.unwrap();
        assert_eq!(text(&finished), ("grün <&> \"日本\" 🦀 ]]> \\t", "", 0));
        let all = shell.run(r"printf '\000\001\377\r\n'").await.unwrap();
        assert_eq!(all.stdout, [0, 1, 255, 13, 10]);
        shell.close().await.unwrap();
    }
    service.close().await;
}

#[tokio::test]
async fn a_command_inherits_environment_and_directory_of_its_shell() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let inner = service.home().join("a b");
    std::fs::create_dir(&inner).unwrap();
    let environment = vec![("GREETING".to_owned(), "a 'b' \"c\" <&> ü".to_owned())];
    for (directory, expected) in [
        (None, service.home()),
        (Some("a b".to_owned()), inner.clone()),
        (Some(inner.to_string_lossy().into_owned()), inner),
    ] {
        let options = ShellOptions { directory, environment: environment.clone(), ..ShellOptions::default() };
        let shell = session.shell(options).await.unwrap();
        let finished = shell.run("printf %s \"$GREETING\"; pwd >&2").await.unwrap();
        let directory = format!("{}\n", expected.display());
        assert_eq!(text(&finished), ("a 'b' \"c\" <&> ü", directory.as_str(), 0));
        shell.close().await.unwrap();
    }
    let options = ShellOptions { directory: Some("/nowhere".to_owned()), ..ShellOptions::default() };
    let refused = fault(session.shell(options).await);
    assert_eq!((refused.subcode(), refused.code()), (&Subcode::InternalError, code::DIRECTORY_INVALID));
    assert!(refused.reason().contains("/nowhere"), "{refused}");
    service.close().await;
}

#[tokio::test]
async fn input_and_output_use_the_code_page_of_the_shell() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let shell = session.shell(ShellOptions { code_page: 1252, ..ShellOptions::default() }).await.unwrap();
    let mut command = start(&shell, "read word; echo \"$word ü\"; test \"$word\" = é").await;
    let mut stdin = command.input();
    stdin.write(&[0xE9, b'\n']).await.unwrap();
    let finished = rest(&mut command).await;
    assert_eq!((finished.stdout.as_slice(), finished.exit_code), ([0xE9, b' ', 0xFC, b'\n'].as_slice(), 0));
    command.finish().await.unwrap();
    shell.close().await.unwrap();
    let refused = fault(session.shell(ShellOptions { code_page: 1, ..ShellOptions::default() }).await);
    assert_eq!((refused.subcode(), refused.code()), (&Subcode::InvalidOptions, code::INVALID_OPTION_VALUE));
    service.close().await;
}

#[tokio::test]
async fn an_undeclared_stream_accepts_no_input() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let input_streams = vec!["pr".to_owned()];
    let shell = session.shell(ShellOptions { input_streams, ..ShellOptions::default() }).await.unwrap();
    let command = start(&shell, "cat").await;
    let refused = fault(command.input().write(b"x").await);
    assert_eq!((refused.subcode(), refused.code()), (&Subcode::InvalidParameter, code::UNDECLARED_STREAM));
    command.finish().await.unwrap();
    shell.close().await.unwrap();
    service.close().await;
}

#[tokio::test]
async fn a_program_can_be_started_without_an_interpreter() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let shell = open(&session).await;
    let directly = CommandOptions { interpreter: Interpreter::Skipped, ..CommandOptions::default() };
    let arguments = ["%s|%s", "$HOME", "a  'b'"].map(str::to_owned).to_vec();
    let printf = CommandLine { command: "printf".to_owned(), arguments, command_id: None };
    let mut command = shell.start(&printf, directly).await.unwrap();
    assert_eq!(text(&rest(&mut command).await), ("$HOME|a  'b'", "", 0));
    command.finish().await.unwrap();
    let refused = fault(shell.start(&line("no-such-program"), directly).await);
    assert_eq!((refused.subcode(), refused.code()), (&Subcode::InternalError, code::FILE_NOT_FOUND));
    shell.close().await.unwrap();
    service.close().await;
}

#[tokio::test]
async fn five_megabytes_are_transferred_in_both_directions() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let shell = open(&session).await;
    let sent = octets(5 << 20, 1);
    let mut command = start(&shell, "tee /dev/stderr").await;
    let mut stdin = command.input();
    let sending = async {
        stdin.write(&sent).await.unwrap();
        stdin.close().await.unwrap();
    };
    let (finished, ()) = tokio::join!(rest(&mut command), sending);
    assert_eq!((finished.stdout.len(), finished.stderr.len()), (sent.len(), sent.len()));
    assert!(finished.stdout == sent, "the output is not what was sent");
    assert!(finished.stderr == sent, "the error output is not what was sent");
    assert_eq!(finished.exit_code, 0);
    command.finish().await.unwrap();
    shell.close().await.unwrap();
    service.close().await;
}

#[tokio::test]
async fn large_output_is_split_into_small_envelopes() {
    let service = Loopback::start().await;
    let session = service.over_http(User::Ada).max_envelope_size(8_192).build().unwrap();
    let shell = open(&session).await;
    let mut command = start(&shell, "seq 1 50000; seq 1 50000 >&2; exit 4").await;
    let (mut finished, mut largest) = (CommandResult::default(), 0);
    let exit_code = loop {
        match timeout(TIMEOUT, command.next_output()).await.unwrap().unwrap() {
            Output::Stdout(octets) => {
                largest = largest.max(octets.len());
                finished.stdout.extend(octets);
            }
            Output::Stderr(octets) => {
                largest = largest.max(octets.len());
                finished.stderr.extend(octets);
            }
            Output::Done { exit_code } => break exit_code,
            other => panic!("{other:?}"),
        }
    };
    let expected: String = (1..=50_000).map(|number| format!("{number}\n")).collect();
    assert!(finished.stdout == expected.as_bytes() && finished.stderr == expected.as_bytes());
    assert_eq!(exit_code, 4);
    // Headers and tags take only as much as they need.
    assert!((4_500..8_192 / 4 * 3).contains(&largest), "{largest}");
    command.finish().await.unwrap();

    // Input is split into messages that fit as well.
    let sent = octets(100_000, 2);
    let mut command = start(&shell, "cat").await;
    let mut stdin = command.input();
    let sending = async {
        stdin.write(&sent).await.unwrap();
        stdin.close().await.unwrap();
    };
    let (finished, ()) = tokio::join!(rest(&mut command), sending);
    assert!(finished.stdout == sent);
    command.finish().await.unwrap();
    shell.close().await.unwrap();
    service.close().await;
}

#[tokio::test]
async fn input_arrives_during_receive_and_can_be_closed() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let shell = open(&session).await;
    let mut command = start(&shell, "while read line; do echo got $line; done; echo end").await;
    let mut stdin = command.input();
    for number in 0..3 {
        let said = format!("{number}\n");
        let (answer, sent) = tokio::join!(first_line(&mut command), stdin.write(said.as_bytes()));
        sent.unwrap();
        assert_eq!(answer, format!("got {number}\n"));
    }
    stdin.close().await.unwrap();
    assert_eq!(text(&rest(&mut command).await), ("end\n", "", 0));
    command.finish().await.unwrap();
    // Without input, the command receives the end of input at once.
    assert_eq!(text(&shell.run("cat; echo after").await.unwrap()), ("after\n", "", 0));
    shell.close().await.unwrap();
    service.close().await;
}

#[tokio::test]
async fn a_command_with_a_console_can_handle_an_interrupt() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let shell = open(&session).await;
    for console in [Console::Pipe, Console::Console] {
        let options = CommandOptions { console, ..CommandOptions::default() };
        let deaf = line("trap 'echo interrupted; exit 7' INT; echo ready; while :; do read x; done");
        let mut command = shell.start(&deaf, options).await.unwrap();
        assert_eq!(first_line(&mut command).await, "ready\n");
        command.signal(SignalCode::CtrlC).await.unwrap();
        assert_eq!(text(&rest(&mut command).await), ("interrupted\n", "", 7));
        command.finish().await.unwrap();

        let mut command = shell.start(&line("echo ready; exec sleep 1000"), options).await.unwrap();
        assert_eq!(first_line(&mut command).await, "ready\n");
        command.signal(SignalCode::CtrlC).await.unwrap();
        assert_eq!(text(&rest(&mut command).await), ("", "", 130));
        command.finish().await.unwrap();
    }
    shell.close().await.unwrap();
    service.close().await;
}

/// A task to run concurrently with others. Each has a distinct result.
async fn work(shell: Shell, number: u32) {
    match number % 5 {
        0 => {
            let finished =
                shell.run(&format!("echo {number}; echo e{number} >&2; exit {number}")).await.unwrap();
            let (out, err) = (format!("{number}\n"), format!("e{number}\n"));
            assert_eq!(text(&finished), (out.as_str(), err.as_str(), i32::try_from(number).unwrap()));
        }
        1 => {
            let sent = octets(200_000, number);
            let mut command = start(&shell, "cat").await;
            let mut stdin = command.input();
            let sending = async {
                stdin.write(&sent).await.unwrap();
                stdin.close().await.unwrap();
            };
            let (finished, ()) = tokio::join!(rest(&mut command), sending);
            assert!(finished.stdout == sent, "shell {number}");
            command.finish().await.unwrap();
        }
        2 => {
            let mut command = start(&shell, &format!("echo {number}; exec sleep 1000")).await;
            assert_eq!(first_line(&mut command).await, format!("{number}\n"));
            command.signaller().signal(SignalCode::Terminate).await.unwrap();
            assert_eq!(rest(&mut command).await.exit_code, 143);
            command.finish().await.unwrap();
        }
        3 => {
            let expected: String = (number..number + 30_000).map(|line| format!("{line}\n")).collect();
            let finished = shell.run(&format!("seq {number} {}", number + 29_999)).await.unwrap();
            assert!(finished.stdout == expected.as_bytes(), "shell {number}");
        }
        _ => {
            let (first, second) = (format!("echo {number}; cat"), format!("sleep 0.1; exit {number}"));
            let (first, second, third) =
                tokio::join!(shell.run(&first), shell.run(&second), shell.run("echo 3 >&2"));
            assert_eq!(text(&first.unwrap()), (format!("{number}\n").as_str(), "", 0));
            assert_eq!(second.unwrap().exit_code, i32::try_from(number).unwrap());
            assert_eq!(text(&third.unwrap()), ("", "3\n", 0));
        }
    }
    shell.close().await.unwrap();
}

#[tokio::test]
async fn twenty_shells_of_one_session_run_concurrently() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let mut shells = JoinSet::new();
    for number in 0..20 {
        let session = session.clone();
        shells.spawn(async move { work(open(&session).await, number).await });
    }
    shells.join_all().await;
    service.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_sessions_run_commands_concurrently() {
    let service = Loopback::start_with(&[("Winrs.MaxShellsPerUser", "25")]).await;
    let mut sessions = JoinSet::new();
    for number in 0..50 {
        let user = if number % 2 == 0 { User::Ada } else { User::Ben };
        let session = match number % 3 {
            0 => service.over_https(user).build().unwrap(),
            _ => service.session(user),
        };
        sessions.spawn(async move {
            let shell = open(&session).await;
            for round in 0..3 {
                let finished = shell.run(&format!("echo {number}.{round}")).await.unwrap();
                assert_eq!(text(&finished).0, format!("{number}.{round}\n"));
            }
            shell.close().await.unwrap();
        });
    }
    sessions.join_all().await;
    service.close().await;
}
