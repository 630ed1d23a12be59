//! The service of the user who runs the tests, with files of its own and policies beside them.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::machine::until_ready;
use crate::run::{Run, run};
use crate::telarchd::built_program;

/// A running `telarchd` without listeners, which programs of this machine ask over its socket; it is gone when this is
/// dropped.
pub struct Governed {
    service: Child,
    folder: TempDir,
}

impl Governed {
    /// Starts it with a file of policies of this name.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(settings: &str, name: &str, policy: &[u8]) -> Self {
        let folder = tempfile::Builder::new().prefix("telarch-peers-").tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("config.toml"), settings).expect("a file");
        fs::create_dir(path("policy.d")).expect("a folder");
        fs::write(path("policy.d").join(name), policy).expect("a file");
        let manager = UnixDatagram::bind(path("notify")).expect("a socket");
        let mut command = Command::new(built_program("telarchd"));
        command.arg("--config").arg(path("config.toml")).arg("--state").arg(path("state"));
        command.args(["--gateway-user", "nobody"]).env("NOTIFY_SOCKET", path("notify"));
        let service = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("telarchd");
        let governed = Self { service, folder };
        until_ready(&manager);
        governed
    }

    /// A file of the service.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Has `winrm` ask it as the user who runs the tests.
    ///
    /// # Panics
    /// When it is not built.
    #[must_use]
    pub fn winrm(&self, words: &[&str]) -> Run {
        let socket = format!("-socket:{}", self.file("state/local.sock").display());
        run(Command::new(built_program("winrm")).args(words).arg(socket), b"", LIMIT)
    }

    /// Has `telarch policy` read its files.
    ///
    /// # Panics
    /// When it is not built.
    #[must_use]
    pub fn telarch_policy(&self, words: &[&str]) -> Run {
        let mut telarch = Command::new(built_program("telarch"));
        run(telarch.arg("policy").args(words).arg("--file").arg(self.file("config.toml")), b"", LIMIT)
    }
}

impl Drop for Governed {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.service), Signal::TERM);
        let _ = self.service.wait();
    }
}

const LIMIT: Duration = Duration::from_secs(60);
