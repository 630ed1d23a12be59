//! `telarch wmi security --edit` on a pseudo-terminal.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tempfile::TempDir;

use crate::{run, telarch};

/// Returns a folder with a machine SID, and the path of the repository in it.
fn repository() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("machine-sid"), "S-1-5-21-1-2-3\n").unwrap();
    let file = folder.path().join("repository.mof");
    (folder, file)
}

/// The program on a pseudo-terminal.
struct AtTerminal {
    user: File,
    program: Child,
    shown: String,
}

impl AtTerminal {
    fn start(repository: &Path, editor: &str) -> Self {
        let user: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&user).unwrap();
        unlockpt(&user).unwrap();
        let name = ptsname(&user, Vec::new()).unwrap();
        let terminal = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        let program = telarch(&["wmi", "security", "root/cimv2", "--edit", "--repository"])
            .arg(repository)
            .env("VISUAL", editor)
            .stdin(terminal.try_clone().unwrap())
            .stdout(terminal)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self { user: File::from(user), program, shown: String::new() }
    }

    /// Waits for a prompt and types a line.
    fn answer(&mut self, question: &str, line: &str) -> &mut Self {
        let mut byte = [0];
        while !self.shown.ends_with(question) {
            match self.user.read(&mut byte) {
                Ok(1..) => self.shown.push(byte[0].into()),
                end => panic!("expected prompt {question:?}, found {:?} ({end:?})", self.shown),
            }
        }
        self.user.write_all(format!("{line}\n").as_bytes()).unwrap();
        self
    }

    /// Returns terminal output, standard error and exit status.
    fn end(mut self) -> (String, String, Option<i32>) {
        let mut rest = [0; 512];
        while let Ok(read @ 1..) = self.user.read(&mut rest) {
            self.shown.extend(rest.iter().take(read).map(|byte| char::from(*byte)));
        }
        let output = self.program.wait_with_output().unwrap();
        (self.shown.replace('\r', ""), String::from_utf8(output.stderr).unwrap(), output.status.code())
    }
}

const MENU: &str = "(q)uit? ";
const WHO: &str = "such as BA): ";
const RIGHTS: &str = "Enter for enable, methods, remote-enable): ";
const KIND: &str = "(d)eny? ";
const REACH: &str = "(w)ith child namespaces? ";

#[test]
fn entries_are_added_changed_removed_and_saved() {
    let (_folder, file) = repository();
    let daemon = linux_uid("daemon");
    let sid = format!("S-1-5-21-1-2-3-{}", 1_000 + 2 * daemon);
    let mut terminal = AtTerminal::start(&file, "");
    terminal.answer(MENU, "a").answer(WHO, "daemon").answer(RIGHTS, "").answer(KIND, "a").answer(REACH, "w");
    terminal.answer(MENU, "a").answer(WHO, "AU").answer(RIGHTS, "fly").answer(RIGHTS, "methods, subscribe");
    terminal.answer(KIND, "d").answer(REACH, "t");
    terminal.answer(MENU, "a").answer(WHO, "Remote Management Users").answer(RIGHTS, "all");
    terminal.answer(KIND, "allow").answer(REACH, "this");
    // The deny entry is the first one; daemon follows.
    terminal.answer(MENU, "c 2").answer(RIGHTS, "enable").answer(KIND, "a").answer(REACH, "w");
    terminal.answer(MENU, "r 3").answer(MENU, "s").answer("[y/n]? ", "y");
    let (shown, errors, code) = terminal.end();
    assert_eq!((errors.as_str(), code), ("", Some(0)), "{shown}");
    assert!(shown.contains("unknown right \"fly\""), "{shown}");
    let added = format!("1. allow daemon ({sid}): ENABLE, METHOD_EXECUTE, REMOTE_ENABLE\n");
    assert!(shown.contains(&added), "{shown}");
    assert!(shown.contains("allow BUILTIN\\Administrators (BA): full control (inherited)\n"), "{shown}");
    let denied =
        "1. deny NT AUTHORITY\\Authenticated Users (AU): METHOD_EXECUTE, SUBSCRIBE (this namespace only)\n";
    assert!(shown.contains(denied), "{shown}");
    assert!(shown.contains("(RM): full control (this namespace only)\n"), "{shown}");
    let own = format!("(D;;DCDT;;;AU)(A;CI;CC;;;{sid})");
    let text = fs::read_to_string(&file).unwrap();
    let descriptor = text.lines().find(|line| line.contains("security(")).unwrap_or_else(|| panic!("{text}"));
    assert!(descriptor.contains(&own) && !descriptor.contains("RM"), "{descriptor} {own}");
    // The result is printed as without --edit.
    let mut show = telarch(&["wmi", "security", "root/cimv2", "--repository"]);
    let expected = run(show.arg(&file), "").out;
    assert!(shown.ends_with(&expected), "{shown} does not end with {expected}");
}

#[test]
fn nothing_is_written_without_confirmation() {
    for last in [&["s", "n", "q"][..], &["q"], &["\u{4}"]] {
        let (_folder, file) = repository();
        let mut terminal = AtTerminal::start(&file, "");
        terminal.answer(MENU, "r 1").answer(MENU, "r 99");
        terminal.answer(MENU, "a").answer(WHO, "no-such-user");
        terminal.answer(MENU, "a").answer(WHO, "BG").answer(RIGHTS, "").answer(KIND, "a").answer(REACH, "t");
        for (at, typed) in last.iter().enumerate() {
            terminal.answer(if at == 1 { "[y/n]? " } else { MENU }, typed);
        }
        let (shown, errors, code) = terminal.end();
        let message = "telarch: the rights in root/cimv2 were not changed\n";
        assert_eq!((errors.as_str(), code), (message, Some(0)), "{shown}");
        let inherited =
            "inherited from the parent namespace; edit it there: telarch wmi security root --edit\n";
        assert!(shown.contains(inherited), "{shown}");
        assert!(shown.contains("Invalid command; N must be the number of an entry."), "{shown}");
        assert!(shown.contains("unknown user or group \"no-such-user\" on this machine"), "{shown}");
        assert!(!file.exists() || !fs::read_to_string(&file).unwrap().contains("BG"));
    }
}

#[test]
fn the_editor_shows_and_replaces_the_entries_of_the_namespace_itself() {
    let (_folder, file) = repository();
    let mut terminal = AtTerminal::start(&file, "sed -i s/D:AI/D:AI(A;CI;CCWP;;;RM)/");
    terminal.answer(MENU, "t").answer(MENU, "s").answer("[y/n]? ", "y");
    let (shown, errors, code) = terminal.end();
    assert_eq!((errors.as_str(), code), ("", Some(0)), "{shown}");
    assert!(
        shown.contains("1. allow BUILTIN\\Remote Management Users (RM): ENABLE, REMOTE_ENABLE\n"),
        "{shown}"
    );
    assert!(fs::read_to_string(&file).unwrap().contains("(A;CI;CCWP;;;RM)"));
    assert!(shown.contains("(BA): full control (inherited)\n"), "{shown}");
}

#[test]
fn without_a_terminal_the_other_options_are_named() {
    let (_folder, file) = repository();
    let mut command = telarch(&["wmi", "security", "root/cimv2", "--edit", "--repository"]);
    let ran = run(command.arg(&file), "s\n");
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(
        ran.errors.contains("--edit requires a terminal\n  change single entries with --allow"),
        "{}",
        ran.errors
    );
}

fn linux_uid(user: &str) -> u32 {
    let output = std::process::Command::new("id").args(["-u", user]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}
