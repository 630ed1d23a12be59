//! Streams, signals and exit status of `winrs`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod fleet;
#[path = "../../../../crates/cli/tests/it/service.rs"]
#[allow(dead_code)] // Shared with other tests.
mod service;

use std::io::{Read, Write};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex};

use rustix::process::{Pid, Signal, kill_process};

use service::{Answer, Request, Service};

/// Starts a service with one shell and command; `receive` answers Receive, Signal and Send requests.
fn shell(receive: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Service {
    Service::start(move |request: &Request| answer(request, &receive))
}

fn answer(request: &Request, receive: &impl Fn(&Request) -> Answer) -> Answer {
    match request.action.as_str() {
        "Create" => (200, CREATED.to_owned()),
        "Command" => {
            (200, body("<rsp:CommandResponse XMLNS><rsp:CommandId>C1</rsp:CommandId></rsp:CommandResponse>"))
        }
        "Receive" | "Signal" | "Send" => receive(request),
        _ => (200, String::new()),
    }
}

const CREATED: &str = "<x:ResourceCreated xmlns:x=\"http://schemas.xmlsoap.org/ws/2004/09/transfer\">\
    <a:Address>http://127.0.0.1/wsman</a:Address><a:ReferenceParameters>\
    <w:ResourceURI>http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd</w:ResourceURI>\
    <w:SelectorSet><w:Selector Name=\"ShellId\">S1</w:Selector></w:SelectorSet>\
    </a:ReferenceParameters></x:ResourceCreated>";

fn body(markup: &str) -> String {
    markup.replace("XMLNS", "xmlns:rsp=\"http://schemas.microsoft.com/wbem/wsman/1/windows/shell\"")
}

/// Returns a ReceiveResponse with Base64 output and the final state of the command.
fn ended(stdout: &str, stderr: &str, exit_code: i64) -> Answer {
    let markup = format!(
        "<rsp:ReceiveResponse XMLNS><rsp:Stream Name=\"stdout\" CommandId=\"C1\">{stdout}</rsp:Stream>\
         <rsp:Stream Name=\"stderr\" CommandId=\"C1\">{stderr}</rsp:Stream><rsp:CommandState CommandId=\"C1\" \
         State=\"http://schemas.microsoft.com/wbem/wsman/1/windows/shell/CommandState/Done\">\
         <rsp:ExitCode>{exit_code}</rsp:ExitCode></rsp:CommandState></rsp:ReceiveResponse>"
    );
    (200, body(&markup))
}

fn done(action: &str) -> Answer {
    (200, body(&format!("<rsp:{action}Response XMLNS/>")))
}

fn winrs(service: &Service, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_winrs"));
    command.arg(format!("-r:http://127.0.0.1:{}", service.port));
    command.args(["-un", "-auth:basic", "-u:ann"]).args(words).env("TELARCH_PASSWORD", "secret");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn streams(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn both_streams_and_the_exit_code_are_returned() {
    // "out\n" and "err\n" in Base64.
    for (code, status) in [(0, 0), (3, 3), (255, 255), (256, 1), (-1, 1)] {
        let service = shell(move |request| match request.action.as_str() {
            "Receive" => ended("b3V0Cg==", "ZXJyCg==", code),
            action => done(action),
        });
        let ran = streams(winrs(&service, &["netdom", "join", "x", "/domain:d"]).output().unwrap());
        assert_eq!(ran, (status, "out\n".to_owned(), "err\n".to_owned()), "exit code {code}");
        let requests = service.requests();
        let command = requests.iter().find(|request| request.action == "Command").unwrap();
        assert!(command.body().contains("<rsp:Command>netdom join x /domain:d</rsp:Command>"));
        assert_eq!(requests.last().unwrap().action, "Delete");
    }
}

#[test]
fn a_local_command_needs_no_password() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("sock");
    let receive = |request: &Request| match request.action.as_str() {
        "Receive" => ended("b3V0Cg==", "", 3),
        action => done(action),
    };
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let service = Service::at(listener, move |request| answer(request, &receive));
    let mut command = Command::new(env!("CARGO_BIN_EXE_winrs"));
    command.arg(format!("-socket:{}", socket.display())).args(["-compression", "ls"]).stdin(Stdio::null());
    let (status, out, errors) = streams(command.output().unwrap());
    assert_eq!((status, out.as_str()), (3, "out\n"));
    assert_eq!(errors, "winrs: -compression has no effect: messages are never compressed\n");
    let requests = service.requests();
    assert!(requests.iter().all(|request| !request.headers.contains("Authorization")));
    assert_eq!(requests.last().unwrap().action, "Delete");
}

#[test]
fn showexit_prints_the_complete_exit_code() {
    let service = shell(|request| match request.action.as_str() {
        "Receive" => ended("", "", -1_073_741_510),
        action => done(action),
    });
    let (status, _, errors) = streams(winrs(&service, &["-showexit", "x"]).output().unwrap());
    assert_eq!((status, errors.as_str()), (1, "winrs: exit code -1073741510\n"));
}

#[test]
fn directory_variables_and_profile_are_sent() {
    let service = shell(|request| match request.action.as_str() {
        "Receive" => ended("", "", 0),
        action => done(action),
    });
    let words = ["-d:C:\\", "-env:A=b c", "-nop", "x"];
    assert_eq!(streams(winrs(&service, &words).output().unwrap()).0, 0);
    let requests = service.requests();
    let create = &requests.iter().find(|request| request.action == "Create").unwrap().envelope;
    for part in [
        "Name=\"WINRS_NOPROFILE\">TRUE<",
        "Name=\"WINRS_CODEPAGE\">65001<",
        "<rsp:WorkingDirectory>C:\\</rsp:WorkingDirectory>",
        "<rsp:Variable Name=\"A\">b c</rsp:Variable>",
    ] {
        assert!(create.contains(part), "{part} is not in {create}");
    }
}

/// Counter of events that another thread can wait for.
#[derive(Clone, Default)]
struct Event(Arc<(Mutex<usize>, Condvar)>);

impl Event {
    fn happen(&self) {
        *self.0.0.lock().unwrap() += 1;
        self.0.1.notify_all();
    }

    fn wait(&self, times: usize) {
        let count = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(count, |count| *count < times).unwrap());
    }
}

#[test]
fn standard_input_and_its_end_are_sent() {
    let ended_input = Event::default();
    let end = ended_input.clone();
    let service = shell(move |request| match request.action.as_str() {
        "Receive" => {
            ended_input.wait(1);
            ended("", "", 0)
        }
        action => {
            if request.body().contains("End=\"true\"") {
                end.happen();
            }
            done(action)
        }
    });
    let mut child = winrs(&service, &["sort"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"hello\n").unwrap();
    assert_eq!(streams(child.wait_with_output().unwrap()).0, 0);
    let sent: Vec<String> = service
        .requests()
        .iter()
        .filter(|request| request.action == "Send")
        .map(|request| request.text("rsp:Stream"))
        .collect();
    assert_eq!(sent, ["aGVsbG8K", ""]);
}

#[test]
fn the_password_can_precede_the_input_of_the_command() {
    let ended_input = Event::default();
    let end = ended_input.clone();
    let service = shell(move |request| match request.action.as_str() {
        "Receive" => {
            ended_input.wait(1);
            ended("", "", 0)
        }
        action => {
            if request.body().contains("End=\"true\"") {
                end.happen();
            }
            done(action)
        }
    });
    let mut child = winrs(&service, &["-password:-", "sort"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"secret\nhello\n").unwrap();
    assert_eq!(streams(child.wait_with_output().unwrap()).0, 0);
    let requests = service.requests();
    let create = requests.iter().find(|request| request.action == "Create").unwrap();
    assert!(create.headers.contains("Basic YW5uOnNlY3JldA=="), "{}", create.headers);
    let send = requests.iter().find(|request| request.action == "Send").unwrap();
    assert_eq!(send.text("rsp:Stream"), "aGVsbG8K");
}

fn interrupt(child: &Child) {
    let id = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(id, Signal::INT).unwrap();
}

#[test]
fn the_first_interrupt_is_sent_to_the_command() {
    let (receiving, signalled) = (Event::default(), Event::default());
    let (began, arrived) = (receiving.clone(), signalled.clone());
    let service = shell(move |request| match request.action.as_str() {
        "Receive" => {
            began.happen();
            arrived.wait(1);
            ended("", "", 130)
        }
        "Signal" => {
            if request.body().contains("/signal/ctrl_c<") {
                arrived.happen();
            }
            done("Signal")
        }
        action => done(action),
    });
    let child = winrs(&service, &["ping", "-t", "x"]).spawn().unwrap();
    receiving.wait(1);
    interrupt(&child);
    signalled.wait(1);
    assert_eq!(streams(child.wait_with_output().unwrap()).0, 130);
    // The Send request with the end of input may arrive late.
    let actions = service.actions();
    assert_eq!(actions.iter().rfind(|action| *action != "Send").map(String::as_str), Some("Delete"));
}

#[test]
fn the_second_interrupt_ends_the_program_and_the_shell() {
    let (receiving, signalled) = (Event::default(), Event::default());
    let (began, arrived) = (receiving.clone(), signalled.clone());
    let never = Event::default();
    let service = shell(move |request| match request.action.as_str() {
        "Receive" => {
            began.happen();
            never.wait(1);
            ended("", "", 0)
        }
        "Signal" => {
            arrived.happen();
            done("Signal")
        }
        action => done(action),
    });
    let child = winrs(&service, &["ping", "-t", "x"]).spawn().unwrap();
    receiving.wait(1);
    interrupt(&child);
    signalled.wait(1);
    interrupt(&child);
    assert_eq!(streams(child.wait_with_output().unwrap()).0, 130);
    assert!(service.actions().contains(&"Delete".to_owned()), "{:?}", service.actions());
}

#[test]
fn a_broken_pipe_ends_the_program_and_the_shell() {
    let service = shell(|request| match request.action.as_str() {
        "Receive" => (
            200,
            body(
                "<rsp:ReceiveResponse XMLNS><rsp:Stream Name=\"stdout\" CommandId=\"C1\">b3V0Cg==</rsp:Stream>\
                 <rsp:CommandState CommandId=\"C1\" State=\"http://schemas.microsoft.com/wbem/wsman/1/windows/\
                 shell/CommandState/Running\"/></rsp:ReceiveResponse>",
            ),
        ),
        action => done(action),
    });
    let mut child = winrs(&service, &["yes"]).spawn().unwrap();
    drop(child.stdout.take());
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert_eq!((child.wait().unwrap().code(), errors.as_str()), (Some(0), ""));
    assert!(service.actions().contains(&"Delete".to_owned()), "{:?}", service.actions());
}

#[test]
fn error_messages_have_the_format_of_windows() {
    let refused = Service::start(|_: &Request| (401, String::new()));
    let (status, out, errors) = streams(winrs(&refused, &["x"]).output().unwrap());
    assert_eq!((status, out.as_str()), (1, ""));
    assert!(errors.starts_with("Winrs error: "), "{errors}");
    let wrong = Command::new(env!("CARGO_BIN_EXE_winrs")).args(["-zz", "x"]).output().unwrap();
    let (status, _, errors) = streams(wrong);
    assert_eq!(
        (status, errors.as_str()),
        (1, "Winrs.exe: Unrecognized switch \"zz\"\nUse \"winrs -?\" to obtain the usage information\n")
    );
}
