//! `winrm configSDDL` with and without a terminal.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::service::{Answer, Request, Service, fault};
use crate::{streams, winrm};

const ROOT: &str = "O:NSG:BAD:P(A;;GA;;;BA)(A;;GR;;;S-1-5-21-1-2-3-3000)S:P(AU;FA;GA;;;WD)";

/// Starts a service with two users.
fn service() -> Service {
    Service::start(|request: &Request| -> Answer {
        let principal = |name: &str, rid: u32| {
            format!("<p:Principal><p:Name>{name}</p:Name><p:Sid>S-1-5-21-1-2-3-{rid}</p:Sid></p:Principal>")
        };
        let body = match request.action.as_str() {
            "Get" => format!("<c:Service xmlns:c=\"urn:c\"><c:RootSDDL>{ROOT}</c:RootSDDL></c:Service>"),
            "LookUpPrincipals" => {
                let known = [("alice", 3_000), ("bob", 3_002)].into_iter();
                let asked_for = known.filter(|(name, rid)| {
                    request.body().contains(&format!(">{name}<"))
                        || request.body().contains(&format!("-{rid}<"))
                });
                let found: String = asked_for.map(|(name, rid)| principal(name, rid)).collect();
                format!("<p:LookUpPrincipals_OUTPUT xmlns:p=\"urn:p\">{found}</p:LookUpPrincipals_OUTPUT>")
            }
            "Put" if request.body().contains("S-1-5-21-1-2-3-3002") || request.body().contains(";;;RM)") => {
                request.body().to_owned()
            }
            _ => return fault(87, "w:InvalidParameter", "not expected"),
        };
        (200, body)
    })
}

fn words(service: &Service) -> Vec<String> {
    let remote = format!("-r:http://127.0.0.1:{}", service.port);
    ["configSDDL", "default", &remote, "-un", "-auth:basic", "-u:ann", "-p:secret"]
        .map(str::to_owned)
        .to_vec()
}

/// The program on a pseudo-terminal.
struct AtTerminal {
    person: File,
    program: Child,
    shown: String,
}

impl AtTerminal {
    fn start(service: &Service) -> Self {
        let person: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&person).unwrap();
        unlockpt(&person).unwrap();
        let name = ptsname(&person, Vec::new()).unwrap();
        let terminal = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        let words = words(service);
        let program = winrm(&words.iter().map(String::as_str).collect::<Vec<_>>())
            .stdin(terminal.try_clone().unwrap())
            .stdout(terminal)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self { person: File::from(person), program, shown: String::new() }
    }

    /// Waits for a prompt and types a line.
    fn answer(&mut self, question: &str, line: &str) -> &mut Self {
        let mut octet = [0];
        while !self.shown.ends_with(question) {
            match self.person.read(&mut octet) {
                Ok(1..) => self.shown.push(octet[0].into()),
                end => panic!("expected prompt {question:?}, found {:?} ({end:?})", self.shown),
            }
        }
        self.person.write_all(format!("{line}\n").as_bytes()).unwrap();
        self
    }

    /// Returns standard error, exit status and terminal output.
    fn end(mut self) -> (String, i32, String) {
        // Read all output, so that the program does not block. The terminal is closed with the program.
        let mut rest = [0; 512];
        while let Ok(read @ 1..) = self.person.read(&mut rest) {
            self.shown.extend(rest.iter().take(read).map(|octet| char::from(*octet)));
        }
        let (status, _, errors) = streams(self.program.wait_with_output().unwrap());
        (errors, status, self.shown)
    }
}

const MENU: &str = "(q)uit? ";

#[test]
fn a_user_is_added_by_name_and_saved_after_confirmation() {
    let service = service();
    let mut terminal = AtTerminal::start(&service);
    terminal
        .answer(MENU, "a")
        .answer("such as BA): ", "bob")
        .answer("all): ", "execute read")
        .answer("(d)eny? ", "a")
        .answer(MENU, "r 2")
        .answer(MENU, "s")
        .answer("[y/n]? ", "y");
    let (errors, status, shown) = terminal.end();
    assert_eq!((errors.as_str(), status), ("winrm: changed RootSDDL\n", 0), "{shown}");
    assert!(shown.contains("1. allow BUILTIN\\Administrators (BA): all"), "{shown}");
    assert!(shown.contains("2. allow alice (S-1-5-21-1-2-3-3000): read"), "{shown}");
    assert!(shown.contains("3. allow bob (S-1-5-21-1-2-3-3002): read, execute"), "{shown}");
    assert!(shown.contains("audit when denied: all by Everyone (WD)"), "{shown}");
    let put = service.requests().pop().unwrap();
    let expected = "O:NSG:BAD:P(A;;GA;;;BA)(A;;GXGR;;;S-1-5-21-1-2-3-3002)S:P(AU;FA;GA;;;WD)";
    assert!(put.body().contains(expected), "{}", put.body());
}

#[test]
fn deny_entries_are_inserted_before_allow_entries() {
    let service = service();
    let mut terminal = AtTerminal::start(&service);
    terminal
        .answer(MENU, "add")
        .answer("such as BA): ", "Remote Management Users")
        .answer("all): ", "everything")
        .answer("all): ", "all")
        .answer("(d)eny? ", "deny")
        .answer(MENU, "c 2")
        .answer("all): ", "write")
        .answer("(d)eny? ", "a")
        .answer(MENU, "save")
        .answer("[y/n]? ", "yes");
    let (errors, status, _) = terminal.end();
    assert_eq!((errors.as_str(), status), ("winrm: changed RootSDDL\n", 0));
    let put = service.requests().pop().unwrap();
    assert!(put.body().contains("D:P(D;;GA;;;RM)(A;;GW;;;BA)(A;;GR;;;S-1-5"), "{}", put.body());
}

#[test]
fn nothing_is_saved_without_confirmation() {
    for last in [&["s", "n", "q"][..], &["q"], &["\u{4}"]] {
        let service = service();
        let mut terminal = AtTerminal::start(&service);
        terminal
            .answer(MENU, "r 9")
            .answer(MENU, "a")
            .answer("such as BA): ", "nobody-at-all")
            .answer(MENU, "r 1");
        for (at, typed) in last.iter().enumerate() {
            terminal.answer(if at == 1 { "[y/n]? " } else { MENU }, typed);
        }
        let (errors, status, shown) = terminal.end();
        assert_eq!((errors.as_str(), status), ("winrm: RootSDDL was not changed\n", 0), "{shown}");
        assert!(
            shown.contains("Invalid command; N must be the number of an entry.")
                && shown.contains("Unknown user or group: nobody-at-all")
        );
        assert!(!service.actions().contains(&"Put".to_owned()));
    }
}

#[test]
fn without_a_terminal_an_editor_or_sddl_is_required() {
    let service = service();
    let words = words(&service);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (status, out, errors) =
        streams(winrm(&words).env_remove("EDITOR").env_remove("VISUAL").output().unwrap());
    assert_eq!((status, out.as_str()), (1, ""));
    assert!(errors.contains("configSDDL requires a terminal, an editor or -sddl\n"), "{errors}");
    assert!(errors.contains("current value of RootSDDL:\n") && errors.contains(ROOT), "{errors}");
    // A script can set an editor.
    let edited = winrm(&words).env("VISUAL", "sed -i s/;BA/;RM/").output().unwrap();
    let (status, _, errors) = streams(edited);
    assert_eq!((status, errors.as_str()), (0, "winrm: changed RootSDDL\n"));
}
