//! A pseudo-terminal with a shell, for tests of programs at a terminal.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::num::NonZeroU16;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use locks::{Condvar, Mutex};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tempfile::TempDir;
use vt100::{Callbacks, Parser, Screen};

use crate::telarchd::built_program;

/// A terminal of 30 lines with a shell in it. Dropping it hangs up, which ends the shell.
///
/// The prompt of the shell carries the exit status of the command before it (`OSC 133 ; D ; status`), so the end of a
/// command is an event and not a guess from the text of the screen.
pub struct Terminal {
    shell: Child,
    keyboard: File,
    display: Arc<Display>,
    columns: u16,
    /// Settings and saved hosts of the clients in this terminal.
    _folder: TempDir,
}

/// A command that has ended, with the screen at that moment.
#[derive(Debug)]
pub struct Ended {
    /// Exit status.
    pub status: u8,
    /// Text of the screen, without the prompt of the next command.
    pub screen: String,
}

struct Display {
    state: Mutex<Parser<Events>>,
    changed: Condvar,
}

/// Events in the output that do not change the screen.
#[derive(Default)]
struct Events {
    /// Exit status of each command, in order. The first one belongs to the prompt with which the shell starts.
    ended: Vec<u8>,
    /// Responses to requests for the position of the cursor.
    responses: Vec<u8>,
    /// The shell has closed the terminal.
    is_closed: bool,
}

impl Callbacks for Events {
    fn unhandled_osc(&mut self, _: &mut Screen, parameters: &[&[u8]]) {
        if let [b"133", b"D", status] = parameters {
            let status = std::str::from_utf8(status).ok().and_then(|status| status.parse().ok());
            self.ended.push(status.expect("an exit status in the prompt"));
        }
    }

    fn unhandled_csi(
        &mut self,
        screen: &mut Screen,
        _: Option<u8>,
        _: Option<u8>,
        parameters: &[&[u16]],
        kind: char,
    ) {
        if let ('n', [[6]]) = (kind, parameters) {
            let (row, column) = screen.cursor_position();
            self.responses.extend(format!("\x1b[{};{}R", row + 1, column + 1).bytes());
        }
    }
}

impl Terminal {
    /// Opens a terminal with these columns and environment variables, and waits for the prompt of the shell.
    ///
    /// Our programs are first in its search path, and the only settings of clients are those in `settings`.
    ///
    /// # Panics
    /// If the terminal or the shell cannot be started.
    #[must_use]
    pub fn start(columns: u16, settings: &str, variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::Builder::new().prefix("telarch-peers-").tempdir().expect("a folder");
        let config = folder.path().join("client.toml");
        std::fs::write(&config, settings).expect("a fresh folder");
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).expect("a pseudo-terminal");
        unlockpt(&master).expect("a new pseudo-terminal");
        let size = Winsize { ws_row: LINES, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size).expect("a size");
        let line = ioctl_tiocgptpeer(&master, flags).expect("the other end");
        let programs = built_program("winrm").parent().expect("a folder").display().to_string();
        let shell = Command::new("setsid")
            .args(["--ctty", "sh"])
            .env("PATH", format!("{programs}:{}", std::env::var("PATH").unwrap_or_default()))
            .env("TELARCH_CLIENT_CONFIG", config)
            .env("TELARCH_HOSTS", folder.path().join("hosts.toml"))
            .envs([("LANG", "C.UTF-8"), ("TERM", "xterm-256color"), ("PS1", PROMPT)])
            .env_remove("NO_COLOR")
            .env_remove("TELARCH_PASSWORD")
            .envs(variables.iter().copied())
            .stdin(Stdio::from(line.try_clone().expect("a descriptor")))
            .stdout(Stdio::from(line.try_clone().expect("a descriptor")))
            .stderr(Stdio::from(line))
            .spawn()
            .expect("setsid and sh can be started");
        let keyboard = File::from(master);
        let display = Arc::new(Display::new(columns));
        // The thread ends when the last process has closed the terminal.
        std::thread::spawn({
            let (output, display) = (keyboard.try_clone().expect("a descriptor"), Arc::clone(&display));
            move || display.read(output)
        });
        let terminal = Self { shell, keyboard, display, columns, _folder: folder };
        terminal.wait("the prompt of the shell", |_, events| (!events.ended.is_empty()).then_some(()));
        terminal
    }

    /// Runs a command line and waits for its end.
    ///
    /// # Panics
    /// If it does not end in time.
    pub fn run(&mut self, command: &str) -> Ended {
        let before = self.commands();
        self.line(command);
        self.ended_after(before)
    }

    /// Runs a command line, and another function while it runs; then waits for the end of the command.
    ///
    /// # Panics
    /// If it does not end in time.
    pub fn run_with(&mut self, command: &str, during: impl FnOnce(&mut Self)) -> Ended {
        let before = self.commands();
        self.line(command);
        during(self);
        self.ended_after(before)
    }

    /// Types a line and Enter.
    pub fn line(&mut self, text: &str) {
        self.keys(text);
        self.keys("\r");
    }

    /// Types characters; control characters are keys, such as [`CTRL_C`].
    ///
    /// # Panics
    /// If the shell has ended.
    pub fn keys(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("the shell runs");
    }

    /// Clears the screen.
    pub fn clear(&mut self) {
        let cleared = self.run("clear");
        assert_eq!(cleared.status, 0, "{}", cleared.screen);
    }

    /// Waits until the screen contains a text, and returns the screen.
    ///
    /// # Panics
    /// If it does not appear in time.
    pub fn seen(&self, text: &str) -> String {
        self.wait(text, |screen, _| screen.contains(text).then(|| screen.to_owned()))
    }

    /// Waits until a program has printed its prompt, and nothing is behind it. Keys that are typed before can be lost.
    ///
    /// # Panics
    /// If it does not appear in time.
    pub fn prompt(&self, prompt: &str) {
        self.wait(prompt, |screen, _| screen.trim_end().ends_with(prompt).then_some(()));
    }

    /// Returns the lines of the screen with the escape sequences for their colours.
    #[must_use]
    pub fn coloured(&self) -> String {
        let parser = self.display.state.lock();
        let rows: Vec<_> = parser.screen().rows_formatted(0, self.columns).collect();
        rows.join("\n")
    }

    fn commands(&self) -> usize {
        self.display.state.lock().callbacks().ended.len()
    }

    fn ended_after(&self, before: usize) -> Ended {
        self.wait("the end of the command", |screen, events| {
            let status = *events.ended.get(before)?;
            let screen = screen.trim_end().strip_suffix('$').unwrap_or(screen).to_owned();
            Some(Ended { status, screen })
        })
    }

    /// Waits for a state of the screen; the reader wakes it at each change.
    fn wait<T>(&self, wanted: &str, look: impl Fn(&str, &Events) -> Option<T>) -> T {
        let mut parser = self.display.state.lock();
        loop {
            let rows: Vec<String> =
                parser.screen().rows(0, self.columns).map(|row| row.trim_end().to_owned()).collect();
            let screen = format!("{}\n", rows.join("\n").trim_end_matches('\n'));
            if let Some(found) = look(&screen, parser.callbacks()) {
                return found;
            }
            assert!(!parser.callbacks().is_closed, "the shell has ended without {wanted:?}:\n{screen}");
            let (next, waited) = self.display.changed.wait_timeout(parser, HANGING);
            assert!(!waited.timed_out(), "nothing happens, and there is no {wanted:?}:\n{screen}");
            parser = next;
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Ends what runs in the foreground and then the shell: both have the terminal as their controlling one.
        let _ = self.keyboard.write_all(b"\x03\x04");
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

impl Display {
    fn new(columns: u16) -> Self {
        let size = |count| NonZeroU16::new(count).expect("a size above 0");
        let parser = Parser::new_with_callbacks(size(LINES), size(columns), 0, Events::default());
        Self { state: Mutex::new(parser), changed: Condvar::new() }
    }

    /// Draws output until the last process has closed the terminal, which reads as an error (EIO).
    fn read(&self, mut output: File) {
        let mut buffer = [0; 4_096];
        loop {
            let read = output.read(&mut buffer).unwrap_or(0);
            let mut parser = self.state.lock();
            parser.process(buffer.get(..read).unwrap_or_default());
            parser.callbacks_mut().is_closed = read == 0;
            let responses = std::mem::take(&mut parser.callbacks_mut().responses);
            self.changed.notify_all();
            drop(parser);
            if read == 0 {
                return;
            }
            let _ = output.write_all(&responses);
        }
    }
}

/// Ctrl-C.
pub const CTRL_C: &str = "\x03";
/// Ctrl-D.
pub const CTRL_D: &str = "\x04";
/// Cursor up.
pub const UP: &str = "\x1b[A";
/// Tabulator.
pub const TAB: &str = "\t";

const LINES: u16 = 30;
/// The shell expands `$?` each time it prints the prompt.
const PROMPT: &str = "\x1b]133;D;$?\x07$ ";
/// Time without any output after which a program hangs.
const HANGING: Duration = Duration::from_secs(120);
