//! Sources of passwords.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use telarch_cli::secret::{PasswordError, PasswordSource, Secret, ask_on};

fn from_file(content: &str, mode: u32) -> Result<Secret, PasswordError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    PasswordSource::File(path).resolve("me", "server7")
}

#[test]
fn a_file_readable_only_by_its_owner_is_accepted() {
    for mode in [0o600, 0o400, 0o700] {
        assert_eq!(from_file("secret\nnotes\n", mode).expect("readable").expose(), "secret", "mode {mode:o}");
    }
}

#[test]
fn a_file_readable_by_others_is_refused() {
    for mode in [0o640, 0o604, 0o666, 0o620] {
        let error = from_file("secret\n", mode).expect_err("exposed");
        assert!(matches!(error, PasswordError::File(_)), "mode {mode:o}: {error}");
        assert!(error.to_string().contains(&format!("{mode:03o}")), "{error}");
        assert!(error.way_out().is_some_and(|line| line.starts_with("chmod 600 ")));
    }
}

#[test]
fn a_file_without_a_password_is_reported() {
    let error = from_file("\n", 0o600).expect_err("empty");
    assert!(error.to_string().starts_with("no password in the first line of the password file "), "{error}");
    let missing = PasswordSource::File("/nonexistent/password".into()).resolve("me", "server7");
    let error = missing.expect_err("missing").to_string();
    assert!(
        error.starts_with("cannot use the password file: cannot read /nonexistent/password: "),
        "{error}"
    );
}

#[test]
fn only_passwords_on_the_command_line_cause_a_warning() {
    assert!(PasswordSource::Argument(Secret::new("x".to_owned())).warning().is_some());
    assert_eq!(PasswordSource::Ask.warning(), None);
}

/// Opens a pseudo-terminal and returns the sides of the user and of the program.
fn terminal() -> (File, File) {
    let person: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&person).unwrap();
    unlockpt(&person).unwrap();
    let name = ptsname(&person, Vec::new()).unwrap();
    let program = File::options().read(true).write(true).open(Path::new(name.to_str().unwrap())).unwrap();
    (File::from(person), program)
}

/// Types a line at the prompt and returns the password and the output of the terminal.
fn typed(line: &'static [u8]) -> (Result<Secret, PasswordError>, String) {
    let (mut person, program) = terminal();
    let echoes = |program: &File| tcgetattr(program).unwrap().local_modes.contains(LocalModes::ECHO);
    assert!(echoes(&program), "echo was off before");
    let typing = thread::spawn(move || {
        let mut shown = String::new();
        let mut buffer = [0; 64];
        while !shown.ends_with("? ") {
            let count = person.read(&mut buffer).unwrap();
            shown.push_str(std::str::from_utf8(buffer.get(..count).unwrap()).unwrap());
        }
        person.write_all(line).unwrap();
        while !shown.ends_with('\n') {
            let count = person.read(&mut buffer).unwrap();
            shown.push_str(std::str::from_utf8(buffer.get(..count).unwrap()).unwrap());
        }
        (person, shown)
    });
    let answer = ask_on(&program, "who? ");
    let (_person, shown) = typing.join().unwrap();
    assert!(echoes(&program), "echo was not restored");
    (answer, shown)
}

#[test]
fn typed_passwords_are_not_echoed() {
    let (answer, shown) = typed(b"s3cret\r");
    assert_eq!(answer.expect("an answer").expose(), "s3cret");
    assert_eq!(shown, "who? \r\n");
}

#[test]
fn editing_keys_work_in_the_prompt() {
    let (answer, _) = typed("wrong\u{15}gürx\u{7F}\u{7F}\u{7F}ut\n".as_bytes());
    assert_eq!(answer.expect("an answer").expose(), "gut");
}

#[test]
fn cancelling_the_prompt_restores_the_terminal() {
    for line in [&b"abc\x03"[..], b"\x04", b"\r"] {
        let (answer, shown) = typed(line);
        assert!(matches!(answer, Err(PasswordError::Cancelled)), "{answer:?}");
        assert_eq!(shown, "who? \r\n");
    }
}

#[test]
fn a_file_that_is_not_a_terminal_is_rejected() {
    let file = tempfile::tempfile().unwrap();
    let error = ask_on(&file, "who? ").expect_err("a file");
    assert!(matches!(error, PasswordError::NoTerminal(_)), "{error}");
    assert!(error.way_out().is_some_and(|line| line.contains("-passwordfile:FILE")));
}
