//! `telarch pwsh` against psrpcore, an implementation of PowerShell remoting in Python.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

#[expect(unreachable_pub, reason = "the tests of the client use the same file")]
#[path = "../../../../crates/client/tests/it/powershell_peer.rs"]
mod powershell_peer;

use self::powershell_peer::PowerShellPeer;
use super::{Ran, run, telarch};

fn start() -> Option<PowerShellPeer> {
    PowerShellPeer::start(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
}

fn command(words: &[&str]) -> Command {
    let mut command = telarch(&["pwsh"]);
    command.args(words).args(["-un", "-auth:basic", "-u:ann"]).env("TELARCH_PASSWORD", "secret");
    command
}

/// Runs `telarch pwsh HOST WORDS`.
fn pwsh(peer: &PowerShellPeer, words: &[&str]) -> Ran {
    pwsh_with(peer, words, "")
}

fn pwsh_with(peer: &PowerShellPeer, words: &[&str], input: &str) -> Ran {
    let host = format!("http://127.0.0.1:{}", peer.port);
    run(&mut command(&[&[host.as_str()], words].concat()), input)
}

#[test]
fn scripts_write_every_stream_and_have_exit_statuses() {
    let Some(peer) = start() else { return };
    let ran = pwsh(&peer, &["-c", "streams"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, "output text\n"), "{}", ran.errors);
    assert_eq!(
        ran.errors,
        "Error: went wrong\nDEBUG: debug text\nVERBOSE: verbose text\nWARNING: warning text\n"
    );
    for (script, code, out, errors) in [
        ("echo hello", 0, "hello\n", ""),
        ("fail", 2, "", "terminated"),
        ("exit 7", 7, "", ""),
        ("error", 1, "", "went wrong"),
        ("print", 0, "printed\npartly", ""),
        ("nonsense", 1, "", "is not recognized"),
        // Standard input is no terminal.
        ("read", 0, "refused: telarch pwsh cannot ask: standard input is no terminal\n", ""),
        ("choose", 0, "Title\nSure?\n", ""),
    ] {
        let ran = pwsh(&peer, &["-c", script]);
        assert_eq!(ran.code, code, "{script}: {}", ran.errors);
        assert!(
            ran.out.starts_with(out) && ran.errors.contains(errors),
            "{script}: {} {}",
            ran.out,
            ran.errors
        );
    }
}

#[test]
fn objects_are_printed_as_json_lines_and_clixml() {
    let Some(peer) = start() else { return };
    let ran = pwsh(&peer, &["-c", "objects 2", "--output", "jsonl"]);
    assert_eq!(ran.out, "{\"Index\":0,\"Name\":\"object 0\"}\n{\"Index\":1,\"Name\":\"object 1\"}\n");
    let ran = pwsh(&peer, &["-c", "objects 2", "--output", "json"]);
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(json[1]["Name"], "object 1");
    assert_eq!(pwsh(&peer, &["-c", "objects 0", "--output", "json"]).out, "[]\n");
    let ran = pwsh(&peer, &["-c", "objects 1", "--output", "clixml"]);
    assert!(
        ran.out.starts_with("<Objs Version=\"1.1.0.1\"") && ran.out.ends_with("</Objs>\n"),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("<S N=\"Name\">object 0</S>"), "{}", ran.out);
}

#[test]
fn scripts_come_from_files_and_standard_input_and_get_input_objects() {
    let Some(peer) = start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("script.ps1");
    std::fs::write(&file, "\u{FEFF}echo from a file").unwrap();
    assert_eq!(pwsh(&peer, &["-f", file.to_str().unwrap()]).out, "from a file\n");
    assert_eq!(pwsh_with(&peer, &["-f", "-"], "echo from a pipe").out, "from a pipe\n");
    assert_eq!(pwsh_with(&peer, &[], "echo the same").out, "the same\n");
    assert_eq!(pwsh_with(&peer, &["-c", "input", "--input", "lines"], "one\ntwo\n").out, "one\ntwo\n");
    let words = ["-c", "input", "--input", "json", "--output", "jsonl"];
    assert_eq!(pwsh_with(&peer, &words, "{\"a\":[1,null]}\n\n\"x\"\n").out, "{\"a\":[1,null]}\n\"x\"\n");
    let ran = pwsh_with(&peer, &words, "1\n{\n");
    assert_eq!((ran.code, ran.out.as_str()), (1, "1\n"));
    assert!(ran.errors.contains("line 2 of standard input is not JSON"), "{}", ran.errors);

    for (words, part) in [
        (&["-c", "x", "-f", "y"][..], "mutually exclusive"),
        (&["-f", "/nonexistent"], "cannot read /nonexistent"),
        (&["--input", "lines"], "--input requires -c or -f FILE"),
        (&["-c", "x", "--configuration", "Other"], "has no PowerShell endpoint Other"),
    ] {
        let ran = pwsh(&peer, words);
        assert!(ran.code != 0 && ran.errors.contains(part), "{words:?}: {}", ran.errors);
    }
}

#[test]
fn many_machines_are_prefixed_and_summarized() {
    let (Some(first), Some(second)) = (start(), start()) else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let refused = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let names = [first.port, second.port].map(|port| format!("http://127.0.0.1:{port}"));
    let hosts = format!("-hosts:{},{},{refused}", names[0], names[1]);
    let ran = run(&mut command(&[&hosts, "-c", "echo hello", "-parallel:1"]), "");
    assert_eq!((ran.code, ran.out), (1, format!("{}: hello\n{}: hello\n", names[0], names[1])));
    assert!(ran.errors.contains("telarch pwsh: 3 hosts: 2 succeeded, 1 failed\n"), "{}", ran.errors);
    assert!(
        ran.errors.contains(&format!("  exit status 0 (2): {}, {}\n", names[0], names[1])),
        "{}",
        ran.errors
    );

    let hosts = format!("-hosts:{},{}", names[0], names[1]);
    let ran = run(&mut command(&[&hosts, "-c", "objects 1", "--output", "jsonl", "-parallel:1"]), "");
    let line =
        |name: &str| format!("{{\"host\":\"{name}\",\"output\":{{\"Index\":0,\"Name\":\"object 0\"}}}}\n");
    assert_eq!((ran.code, ran.out), (0, line(&names[0]) + &line(&names[1])));

    let ran = run(&mut command(&[&hosts, "-c", "wait", "--host-time", "2"]), "");
    assert_eq!(ran.code, 1);
    assert!(ran.errors.contains("stopped: the time limit of the host expired (2)"), "{}", ran.errors);
}

#[test]
fn ctrl_c_stops_the_script() {
    let Some(peer) = start() else { return };
    let host = format!("http://127.0.0.1:{}", peer.port);
    let mut child = command(&[&host, "-c", "wait"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "waiting\n");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

/// `telarch pwsh` on a terminal.
struct Console {
    child: Child,
    person: File,
    shown: Vec<u8>,
}

impl Console {
    /// Starts a console with its files in a folder.
    fn start(peer: &PowerShellPeer, folder: &Path, words: &[&str]) -> Self {
        let person: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&person).unwrap();
        unlockpt(&person).unwrap();
        let name = ptsname(&person, Vec::new()).unwrap();
        let terminal = || File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&person, size).unwrap();
        let host = format!("http://127.0.0.1:{}", peer.port);
        let child = command(&[&[host.as_str()], words].concat())
            .env("TERM", "xterm")
            .env("HOME", folder)
            .env("XDG_STATE_HOME", folder)
            .stdin(terminal())
            .stdout(terminal())
            .stderr(terminal())
            .spawn()
            .unwrap();
        Self { child, person: File::from(person), shown: Vec::new() }
    }

    /// Waits for text at the end of what is shown, and types.
    fn wait_for(&mut self, text: &str, then: &str) -> String {
        let mut byte = [0];
        while !self.shown.ends_with(text.as_bytes()) {
            let shown = String::from_utf8_lossy(&self.shown);
            assert!(matches!(self.person.read(&mut byte), Ok(1)), "{text:?}: {shown}");
            self.shown.push(byte[0]);
        }
        self.person.write_all(then.as_bytes()).unwrap();
        String::from_utf8_lossy(&std::mem::take(&mut self.shown)).into_owned()
    }
}

#[test]
fn a_console_keeps_its_history_without_secrets_and_shows_progress() {
    let Some(peer) = start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("telarch/pwsh-history");
    let mut console = Console::start(&peer, folder.path(), &[]);
    console.wait_for("PS peer> ", "print first\r");
    console.wait_for("PS peer> ", "print $password\r");
    console.wait_for("PS peer> ", "streams\r");
    let shown = console.wait_for("WARNING: warning text\r\n", "");
    assert!(!shown.contains("copying"), "{shown:?}");
    let shown = console.wait_for("PS peer> ", "exit\r");
    assert!(shown.contains("\r\x1b[Kcopying 50%: half\r\x1b[K"), "{shown:?}");
    assert_eq!(console.child.wait().unwrap().code(), Some(0));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "print first\nstreams\nexit\n");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    let mut console = Console::start(&peer, folder.path(), &[]);
    // The last line but two.
    console.wait_for("PS peer> ", "\x1b[A\x1b[A\x1b[A\r");
    console.wait_for("printed\r\n", "");
    console.wait_for("PS peer> ", "exit\r");
    assert_eq!(console.child.wait().unwrap().code(), Some(0));

    let before = std::fs::read(&file).unwrap();
    let mut console = Console::start(&peer, folder.path(), &["--no-history"]);
    console.wait_for("PS peer> ", "print other\r");
    console.wait_for("PS peer> ", "exit\r");
    assert_eq!(console.child.wait().unwrap().code(), Some(0));
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[test]
fn a_console_is_disconnected_and_connected_again() {
    let Some(peer) = start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut console = Console::start(&peer, folder.path(), &[]);
    console.wait_for("PS peer> ", "disconnect-pssession\r");
    console.wait_for("--connect ", "");
    let line = console.wait_for("\n", "");
    assert_eq!(console.child.wait().unwrap().code(), Some(0));
    let mut console = Console::start(&peer, folder.path(), &["--connect", line.trim()]);
    console.wait_for("PS peer> ", "print\r");
    console.wait_for("printed\r\n", "");
    console.wait_for("PS peer> ", "exit 3\r");
    assert_eq!(console.child.wait().unwrap().code(), Some(3));
    let ran = pwsh(&peer, &["--connect", "1"]);
    assert!(ran.code == 2 && ran.errors.contains("expected the identifier of a session"), "{}", ran.errors);
}

#[test]
fn a_console_runs_lines_completes_them_and_ends_with_an_exit_code() {
    let Some(peer) = start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut console = Console::start(&peer, folder.path(), &[]);
    console.wait_for("PS peer> ", "pri\t");
    console.wait_for("print", "\r");
    console.wait_for("printed\r\n", "");
    console.wait_for("PS peer> ", "read\r");
    console.wait_for("\r\n", "");
    // The question has no text of its own.
    console.wait_for("", "typed\r");
    console.wait_for("answer: typed\r\n", "");
    console.wait_for("PS peer> ", "exit 5\r");
    assert_eq!(console.child.wait().unwrap().code(), Some(5));
}
