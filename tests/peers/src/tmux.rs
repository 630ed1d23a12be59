//! A terminal that somebody looks at: tmux, which draws what programs write and types what it is told.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::telarchd::built_program;

/// One terminal with a shell in it; dropping it ends the tmux that belongs to it, and no other.
pub struct Tmux {
    folder: TempDir,
}

impl Tmux {
    /// A terminal of so many columns and 30 lines, with these variables; none, and a word about it, where tmux is missing.
    ///
    /// Our programs are first in its search path, and there are no settings of clients but those in `settings`.
    ///
    /// # Panics
    /// When tmux is there and does not start.
    #[must_use]
    pub fn start(columns: u16, settings: &str, variables: &[(&str, &str)]) -> Option<Self> {
        if Command::new("tmux").arg("-V").stdout(Stdio::null()).status().is_err() {
            skips::skip!("there is no tmux here (./test --install, or Debian: apt-get install tmux)");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("telarch-peers-").tempdir().expect("a folder for tmux");
        let config = folder.path().join("client.toml");
        std::fs::write(&config, settings).expect("a fresh folder");
        let programs = built_program("winrm").parent().expect("a folder").display().to_string();
        let path = format!("{programs}:{}", std::env::var("PATH").unwrap_or_default());
        let tmux = Self { folder };
        let mut start =
            tmux.command(&["-f", "/dev/null", "new-session", "-d", "-x", &columns.to_string(), "-y", "30"]);
        start
            .env("PATH", path)
            .env("TELARCH_CLIENT_CONFIG", config)
            .env_remove("NO_COLOR")
            .env_remove("TELARCH_PASSWORD");
        start.env("TELARCH_HOSTS", tmux.folder.path().join("hosts.toml"));
        start.env("LANG", "C.UTF-8").env("TERM", "xterm-256color").envs(variables.iter().copied());
        let started = start.args(["sh"]).status().expect("tmux can be started");
        assert!(started.success(), "tmux does not start");
        let _ = tmux.wait(|screen| !screen.trim().is_empty(), "prompt of a shell");
        Some(tmux)
    }

    /// Types a line and its end.
    ///
    /// # Panics
    /// When tmux has ended.
    pub fn line(&self, text: &str) {
        self.text(text);
        self.key("Enter");
    }

    /// Removes what there is to be seen, so that nothing that is waited for then was there before; what runs has ended.
    ///
    /// # Panics
    /// When it stays.
    pub fn clear(&self) {
        self.line("clear");
        let _ = self.wait(|screen| matches!(screen.trim(), "#" | "$"), "prompt alone");
    }

    /// Types a text and nothing behind it.
    ///
    /// # Panics
    /// When tmux has ended.
    pub fn text(&self, text: &str) {
        self.run(&["send-keys", "-l", text]);
    }

    /// Presses a key by its name in tmux, such as `C-c`.
    ///
    /// # Panics
    /// When tmux has ended.
    pub fn key(&self, name: &str) {
        self.run(&["send-keys", name]);
    }

    /// What is to be seen, without what gives it colour.
    #[must_use]
    pub fn screen(&self) -> String {
        self.run(&["capture-pane", "-p"])
    }

    /// The same with the escape sequences for colour.
    #[must_use]
    pub fn coloured(&self) -> String {
        self.run(&["capture-pane", "-p", "-e"])
    }

    /// Waits until a text is to be seen, and returns the whole screen.
    ///
    /// # Panics
    /// When it is not in time.
    #[must_use]
    pub fn seen(&self, text: &str) -> String {
        self.wait(|screen| screen.contains(text), text)
    }

    /// Waits until a text is to be seen.
    ///
    /// # Panics
    /// When it is not in time.
    pub fn wait_for(&self, text: &str) {
        let _ = self.seen(text);
    }

    /// Waits until a text is not to be seen any more, and returns the whole screen.
    ///
    /// # Panics
    /// When it still is.
    #[must_use]
    pub fn gone(&self, text: &str) -> String {
        self.wait(|screen| !screen.contains(text), &format!("no {text}"))
    }

    fn wait(&self, is_so: impl Fn(&str) -> bool, what: &str) -> String {
        let until = Instant::now() + LIMIT;
        loop {
            let screen = self.screen();
            if is_so(&screen) {
                return screen;
            }
            assert!(Instant::now() < until, "there is no {what:?} on the screen:\n{screen}");
            std::thread::sleep(Duration::from_millis(20)); // A screen tells nobody that it changes.
        }
    }

    fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("tmux can be started");
        let text = |octets| String::from_utf8_lossy(octets).into_owned();
        assert!(output.status.success(), "tmux {arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.folder.path().join("socket")).args(arguments);
        command
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = self.command(&["kill-server"]).stderr(Stdio::null()).status();
    }
}

/// What takes longer hangs.
const LIMIT: Duration = Duration::from_secs(30);
