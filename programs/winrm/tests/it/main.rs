//! Streams and exit status of `winrm`.

#![allow(clippy::unwrap_used)]

mod hostile;
mod sddl;
#[path = "../../../../crates/cli/tests/it/service.rs"]
#[allow(dead_code)] // Shared with other tests.
mod service;

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;
use std::process::{Command, Output, Stdio};

use service::{Request, Service, fault};

fn winrm(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_winrm"));
    command.args(words).env_remove("TELARCH_PASSWORD").stdin(Stdio::null());
    command
}

fn ran(words: &[&str]) -> (i32, String, String) {
    streams(winrm(words).output().unwrap())
}

fn streams(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn help_and_version_are_written_to_standard_output() {
    for words in [&[][..], &["-?"], &["help"], &["--help"], &["help", "nonsense"], &["get", "-?"]] {
        let (status, out, errors) = ran(words);
        assert!(status == 0 && out.starts_with("winrm ") && errors.is_empty(), "{words:?}: {out}{errors}");
    }
    assert!(ran(&["--version"]).1.starts_with("winrm (Telarch) "));
    assert!(ran(&["helpmsg", "-2144108526"]).1.starts_with("cannot connect\n"));
    assert_eq!(ran(&["helpmsg", "nonsense"]).0, 0);
}

#[test]
fn usage_errors_are_written_to_standard_error() {
    let (status, out, errors) = ran(&["get", "winrm/config", "-nonsense"]);
    assert_eq!((status, out.as_str()), (1, ""));
    assert!(errors.starts_with("Error: unknown switch -nonsense\n"), "{errors}");
    assert_eq!(ran(&["gett", "-exitcode:detailed"]).0, 2);
    let odd = winrm(&["get"]).arg(OsStr::from_bytes(b"\xFF")).output().unwrap();
    assert_eq!(streams(odd).0, 1);
}

#[test]
fn results_and_failures_are_written_to_separate_streams() {
    let service =
        Service::start(|request: &Request| match request.text("w:ResourceURI").rsplit('/').next() {
            Some("config") => (200, "<c:Config xmlns:c=\"urn:c\"><c:A>1</c:A></c:Config>".to_owned()),
            _ => fault(5, "w:AccessDenied", "access is denied"),
        });
    let remote = format!("-r:http://127.0.0.1:{}", service.port);
    let session = [remote.as_str(), "-un", "-auth:basic", "-u:ann", "-exitcode:detailed"];
    let run = |uri: &str| {
        let output = winrm(&["get", uri]).args(session).env("TELARCH_PASSWORD", "secret").output();
        streams(output.unwrap())
    };
    assert_eq!(run("winrm/config"), (0, "Config\n    A = 1\n\n".to_owned(), String::new()));
    let (status, out, errors) = run("winrm/secret");
    assert_eq!((status, out.as_str()), (5, ""));
    assert!(
        errors.starts_with("WSManFault\n    Message = access is denied\n\nError number:  5 0x5\n"),
        "{errors}"
    );
    assert_eq!(service.requests().len(), 2);
}

const CONFIG: &str = "<c:Config xmlns:c=\"urn:c\"><c:A>1</c:A></c:Config>";

#[test]
fn without_remote_the_service_of_the_user_is_found() {
    if std::path::Path::new("/run/telarch/local.sock").exists() {
        skips::skip!("this machine has a service of its own, which comes first");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("telarch")).unwrap();
    let socket = folder.path().join("telarch/local.sock");
    let service = Service::at(UnixListener::bind(socket).unwrap(), |_| (200, CONFIG.to_owned()));
    let mut command = winrm(&["get", "winrm/config"]);
    let output = command.env("XDG_STATE_HOME", folder.path()).output().unwrap();
    assert_eq!(streams(output), (0, "Config\n    A = 1\n\n".to_owned(), String::new()));
    assert!(!service.requests().pop().unwrap().headers.contains("Authorization"));
}

#[test]
fn notices_are_written_to_standard_error() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("sock");
    let _service = Service::at(UnixListener::bind(&socket).unwrap(), |_| (200, CONFIG.to_owned()));
    let (status, out, errors) =
        ran(&["get", "winrm/config", &format!("-socket:{}", socket.display()), "--verbose"]);
    assert_eq!((status, out.as_str()), (0, "Config\n    A = 1\n\n"));
    assert_eq!(errors, "winrm: --verbose is ignored: switches begin with a single - or /\n");
}

#[test]
fn password_and_xml_can_both_come_from_standard_input() {
    let service = Service::start(|request: &Request| (200, request.body().to_owned()));
    let remote = format!("-r:http://127.0.0.1:{}", service.port);
    let words = ["set", "winrm/config", "-file:-", "-password:-", &remote, "-un", "-auth:basic", "-u:ann"];
    let mut child = winrm(&words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"secret\n<A><B>1</B></A>\n").unwrap();
    let (status, out, _) = streams(child.wait_with_output().unwrap());
    assert_eq!((status, out.as_str()), (0, "A\n    B = 1\n\n"));
    let request = service.requests().pop().unwrap();
    assert!(request.headers.contains("Basic YW5uOnNlY3JldA=="), "{}", request.headers);
}

#[test]
fn a_broken_pipe_is_not_a_failure() {
    let mut child = winrm(&["help", "all"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert_eq!((child.wait().unwrap().code(), errors.as_str()), (Some(0), ""));
}

#[test]
fn a_full_disk_is_a_failure() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = winrm(&["help"]).stdout(full).output().unwrap();
    let (status, _, errors) = streams(output);
    assert_eq!(status, 1);
    assert!(errors.starts_with("Error: cannot write the output: "), "{errors}");
}
