//! A service with files that are kept: settings, accounts, state; it may also not run at all.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::run::run;
use crate::telarchd::built_program;

/// The files of a service, and the service itself while it runs; dropping it ends exactly the process it started.
pub struct StoredService {
    folder: TempDir,
    service: Option<Child>,
}

impl StoredService {
    /// The files alone: nothing runs.
    ///
    /// # Panics
    /// When they cannot be written.
    #[must_use]
    pub fn files(config: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("telarch-peers-").tempdir().expect("a folder");
        let stored = Self { folder, service: None };
        stored.write("config.toml", config, 0o644);
        stored
    }

    /// Writes a file beside the settings.
    ///
    /// # Panics
    /// When that is not possible.
    pub fn write(&self, name: &str, text: &str, mode: u32) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("it is in the folder")).expect("a folder");
        let mut options = fs::OpenOptions::new();
        let mut file =
            options.write(true).create(true).truncate(true).mode(mode).open(&path).expect("a file");
        file.write_all(text.as_bytes()).expect("room");
        file.set_permissions(fs::Permissions::from_mode(mode)).expect("it is ours");
    }

    /// Puts a certificate with its key, both in PEM, where listeners find it; returns its thumbprint.
    ///
    /// # Panics
    /// When that is not possible.
    #[must_use]
    pub fn put_certificate(&self, certificate: &str, key: &str) -> String {
        self.write("certificates/new.pem", &format!("{certificate}{key}"), 0o600);
        let file = self.path("certificates/new.pem");
        let thumbprint = crate::holder::thumbprint(&file);
        fs::rename(&file, file.with_file_name(format!("{thumbprint}.pem"))).expect("the same folder");
        thumbprint
    }

    /// Has `telarch account` do something with the accounts; `input` is the first line of its standard input.
    ///
    /// # Panics
    /// When it refuses.
    pub fn account(&self, words: &[&str], input: &str) {
        let mut telarch = Command::new(built_program("telarch"));
        telarch.arg("account").args(words).arg("--file").arg(self.path("accounts"));
        telarch.arg("--state").arg(self.state());
        let ended = run(&mut telarch, format!("{input}\n").as_bytes(), LIMIT);
        assert_eq!(ended.code, 0, "{telarch:?}: {ended:?}");
    }

    /// Starts the service and waits until it is ready.
    ///
    /// # Panics
    /// When it does not get ready.
    #[must_use]
    pub fn start(mut self) -> Self {
        let manager = UnixDatagram::bind(self.path("notify")).expect("a socket");
        manager.set_read_timeout(Some(LIMIT)).expect("a limit");
        let mut command = Command::new(built_program("telarchd"));
        command.arg("--config").arg(self.config()).arg("--state").arg(self.state());
        if rustix::process::geteuid().is_root() {
            command.args(["--gateway-user", "nobody"]);
        }
        command.env("NOTIFY_SOCKET", self.path("notify")).stdin(Stdio::null());
        command.stderr(fs::File::create(self.log_file()).expect("a file"));
        self.service = Some(command.spawn().expect("telarchd"));
        let until = Instant::now() + LIMIT;
        let mut message = [0; 4_096];
        while Instant::now() < until {
            let length = manager.recv(&mut message).unwrap_or_default();
            let text = String::from_utf8_lossy(message.get(..length).unwrap_or_default());
            if text.lines().any(|line| line == "READY=1") {
                return self;
            }
        }
        panic!("telarchd does not get ready: {}", self.log());
    }

    /// Returns the log of the service so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Waits until the log contains a text, and returns the log.
    ///
    /// # Panics
    /// If the log does not contain it in time.
    #[must_use]
    pub fn wait_for_log(&self, text: &str) -> String {
        let until = Instant::now() + LIMIT;
        loop {
            let log = self.log();
            if log.contains(text) {
                return log;
            }
            assert!(Instant::now() < until, "{text} is not in the log: {log}");
            std::thread::sleep(Duration::from_millis(10)); // A file sends no notification.
        }
    }

    fn log_file(&self) -> PathBuf {
        self.path("service.log")
    }

    /// The file of settings.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.path("config.toml")
    }

    /// The folder of its state.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// A file beside the settings.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        Path::new(self.folder.path()).join(name)
    }
}

impl Drop for StoredService {
    fn drop(&mut self) {
        let Some(mut service) = self.service.take() else { return };
        // The service ends its other processes before itself.
        let _ = kill_process(Pid::from_child(&service), Signal::TERM);
        let _ = service.wait();
    }
}

const LIMIT: Duration = Duration::from_secs(60);
