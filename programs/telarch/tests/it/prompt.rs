//! `telarch account` at a terminal.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// The program on a pseudo-terminal, and the user side of the terminal.
struct AtTerminal {
    person: File,
    program: Child,
    shown: String,
}

impl AtTerminal {
    /// Starts the program with `setsid` (util-linux), so that `/dev/tty` is the new terminal.
    fn start(arguments: &[&str], path: &Path) -> Option<Self> {
        let person: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&person).unwrap();
        unlockpt(&person).unwrap();
        let name = ptsname(&person, Vec::new()).unwrap();
        let terminal = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        let program = Command::new("setsid")
            .args(["--ctty", "--wait", env!("CARGO_BIN_EXE_telarch"), "account"])
            .args(arguments)
            .arg("--file")
            .arg(path)
            .stdin(terminal)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        match program {
            Ok(program) => Some(Self { person: File::from(person), program, shown: String::new() }),
            Err(error) => {
                skips::skip!("setsid: {error} (Debian: apt-get install util-linux)");
                None
            }
        }
    }

    /// Waits for a prompt and types a line.
    fn answer(&mut self, question: &str, line: &str) {
        self.wait_for(question);
        self.person.write_all(line.as_bytes()).unwrap();
    }

    fn wait_for(&mut self, text: &str) {
        let mut octet = [0];
        while !self.shown.ends_with(text) {
            match self.person.read(&mut octet) {
                Ok(1..) => self.shown.push(octet[0].into()),
                end => panic!("{text:?} was not prompted, but {:?} ({end:?})", self.shown),
            }
        }
    }

    /// Waits for the end of the program; returns its output, errors and exit status.
    fn end(self) -> (String, String, Option<i32>) {
        let output = self.program.wait_with_output().unwrap();
        let text = |octets| String::from_utf8(octets).unwrap();
        (text(output.stdout), text(output.stderr), output.status.code())
    }
}

#[test]
fn a_password_is_typed_twice_without_echo() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accounts");
    let Some(mut terminal) = AtTerminal::start(&["add", "alice"], &path) else { return };
    terminal.answer("New password for alice: ", "s3cret\r");
    terminal.answer("Repeat the password: ", "s3cret\r");
    terminal.wait_for("\r\n");
    assert!(!terminal.shown.contains("s3cret"), "{}", terminal.shown);
    let (out, errors, code) = terminal.end();
    assert_eq!((errors.as_str(), code), ("", Some(0)));
    assert!(out.starts_with("added alice to "), "{out}");
    assert!(accounts::read(&path).unwrap().find("alice").is_some());
}

#[test]
fn passwords_that_differ_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accounts");
    let Some(mut terminal) = AtTerminal::start(&["add", "alice"], &path) else { return };
    terminal.answer("New password for alice: ", "s3cret\r");
    terminal.answer("Repeat the password: ", "secret\r");
    let (out, errors, code) = terminal.end();
    assert_eq!((out.as_str(), code), ("", Some(1)));
    assert_eq!(errors, "telarch: the two passwords differ; nothing was changed\n");
    assert!(!path.exists());
}

#[test]
fn ctrl_c_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accounts");
    let Some(mut terminal) = AtTerminal::start(&["add", "alice"], &path) else { return };
    terminal.answer("New password for alice: ", "s3c\x03");
    let (_, errors, code) = terminal.end();
    assert_eq!((errors.as_str(), code), ("telarch: no password was entered\n", Some(1)));
    assert!(!path.exists());
}

#[test]
fn without_a_terminal_the_option_for_standard_input_is_named() {
    let folder = tempfile::tempdir().unwrap();
    // A new session has no controlling terminal.
    let output = Command::new("setsid")
        .args(["--wait", env!("CARGO_BIN_EXE_telarch"), "account", "add", "alice", "--file"])
        .arg(folder.path().join("accounts"))
        .stdin(Stdio::null())
        .output();
    let Ok(output) = output else {
        skips::skip!("there is no setsid (Debian: apt-get install util-linux)");
        return;
    };
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("no terminal") && errors.contains("--password-stdin"), "{errors}");
    assert_eq!(output.status.code(), Some(1));
}
