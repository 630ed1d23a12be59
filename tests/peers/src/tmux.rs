//! tmux, a terminal that others wrote, for one test of our programs in it. All other tests use [`Terminal`].
//!
//! [`Terminal`]: crate::Terminal

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::telarchd::built_program;

/// A session of tmux with a shell in it. Dropping it ends this tmux server and no other.
pub struct Tmux(TempDir);

impl Tmux {
    /// Starts a session of 100 columns and 30 lines, or skips the test if tmux is not installed.
    ///
    /// # Panics
    /// If tmux is installed and does not start.
    #[must_use]
    pub fn start() -> Option<Self> {
        if Command::new("tmux").arg("-V").stdout(Stdio::null()).status().is_err() {
            skips::skip!("there is no tmux here (./test --install, or Debian: apt-get install tmux)");
            return None;
        }
        let tmux = Self(tempfile::Builder::new().prefix("telarch-peers-").tempdir().expect("a folder"));
        let config = tmux.0.path().join("client.toml");
        std::fs::write(&config, "").expect("a fresh folder");
        let programs = built_program("winrm").parent().expect("a folder").display().to_string();
        let path = format!("{programs}:{}", std::env::var("PATH").unwrap_or_default());
        let mut start =
            tmux.command(&["-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "30", "sh"]);
        start.env("PATH", path).env("TELARCH_CLIENT_CONFIG", config);
        start.env("LANG", "C.UTF-8").env("TERM", "xterm-256color").env_remove("TELARCH_PASSWORD");
        assert!(start.status().expect("tmux can be started").success(), "tmux does not start");
        Some(tmux)
    }

    /// Types a line and Enter.
    ///
    /// # Panics
    /// If tmux has ended.
    pub fn line(&self, text: &str) {
        self.run(&["send-keys", "-l", text]);
        self.run(&["send-keys", "Enter"]);
    }

    /// Waits until the screen contains a text, and returns the screen.
    ///
    /// # Panics
    /// If it does not appear in time.
    #[must_use]
    pub fn seen(&self, text: &str) -> String {
        let until = Instant::now() + HANGING;
        loop {
            let screen = self.run(&["capture-pane", "-p"]);
            if screen.contains(text) {
                return screen;
            }
            assert!(Instant::now() < until, "there is no {text:?} on the screen:\n{screen}");
            std::thread::sleep(Duration::from_millis(20)); // tmux reports no changes of the screen.
        }
    }

    fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("tmux can be started");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tmux {arguments:?}: {error}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.0.path().join("socket")).args(arguments);
        command
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = self.command(&["kill-server"]).stderr(Stdio::null()).status();
    }
}

/// Time after which a program hangs.
const HANGING: Duration = Duration::from_secs(120);
