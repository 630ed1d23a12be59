//! The service of a user who is not root.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use auth::account_file::Role;
use client::{Credentials, Endpoint, Secret, Session, ShellOptions, Unencrypted};
use ports::free_ports;

use crate::PATIENCE;
use crate::http_connection::Connection;
use crate::message;
use crate::service_process::{BASIC_OVER_HTTP, PASSWORD, Telarchd, is_root, listener, mode};

/// A user that exists on the machine but has no login shell.
const NOBODY: u32 = 65_534;
/// A user ID that does not exist on the machine, with the default shell.
const STRANGER: u32 = 54_321;

/// A temporary home of another user, with a copy of the program that this user can run.
struct Home {
    folder: tempfile::TempDir,
    program: PathBuf,
    uid: u32,
}

impl Home {
    /// Creates a home; `None` without root's rights or setpriv.
    fn of(uid: u32) -> Option<Self> {
        if !is_root() || Command::new("setpriv").arg("--version").output().is_err() {
            skips::skip!("running as an ordinary user requires root and setpriv");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("telarchd-it-").tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let program = folder.path().join("telarchd");
        fs::copy(env!("CARGO_BIN_EXE_telarchd"), &program).unwrap();
        let home = Self { folder, program, uid };
        fs::create_dir(home.path("home")).unwrap();
        chown(home.path("home"), Some(uid), Some(uid)).unwrap();
        Some(home)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
        chown(self.path(name), Some(self.uid), Some(self.uid)).unwrap();
    }

    /// Returns a command that runs as this user.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("setpriv");
        command.arg(format!("--reuid={}", self.uid)).arg(format!("--regid={}", self.uid));
        command.args(["--clear-groups", "--"]).arg(program);
        command.env_clear().env("HOME", self.path("home")).env("PATH", "/usr/bin:/bin");
        command.current_dir(self.folder.path());
        command
    }

    /// Starts the service and waits until it is ready.
    fn start(&self) -> Running {
        let notify = self.path("notify");
        let _ = fs::remove_file(&notify);
        let manager = UnixDatagram::bind(&notify).unwrap();
        fs::set_permissions(&notify, fs::Permissions::from_mode(0o777)).unwrap();
        manager.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut command = self.command(&self.program);
        let running = Running(command.env("NOTIFY_SOCKET", notify).stdout(Stdio::null()).spawn().unwrap());
        let mut message = [0; 4_096];
        loop {
            let length = manager.recv(&mut message).unwrap();
            if message[..length] == *b"READY=1" {
                return running;
            }
        }
    }
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        use rustix::process::{Pid, Signal, kill_process};
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        let _ = self.0.wait();
    }
}

#[test]
fn all_files_of_the_service_belong_to_its_user() {
    let Some(home) = Home::of(NOBODY) else { return };
    let _running = home.start();
    for (path, expected) in [
        ("home/.config/telarch", 0o700),
        ("home/.config/telarch/accounts", 0o600),
        ("home/.local/state/telarch", 0o700),
        ("home/.local/state/telarch/local.sock", 0o600),
    ] {
        assert_eq!(mode(&home.path(path)), expected, "{path}");
        assert_eq!(fs::symlink_metadata(home.path(path)).unwrap().uid(), NOBODY, "{path}");
    }
}

#[test]
fn only_its_own_user_may_connect_locally_not_even_root() {
    let Some(home) = Home::of(NOBODY) else { return };
    let _running = home.start();
    let socket = home.path("home/.local/state/telarch/local.sock");
    let mut curl = home.command("curl");
    curl.args(["--silent", "--show-error", "--write-out", "\n%{http_code}", "--unix-socket"]).arg(&socket);
    curl.args(["-H", "Content-Type: application/soap+xml;charset=UTF-8"]);
    curl.args(["--data", &message::create_shell(), "http://localhost/wsman"]);
    let output = curl.output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).ends_with("\n200"), "{output:?}");
    assert!(Connection::open_local(&socket).is_closed_by_the_service());
}

#[test]
fn commands_run_as_the_user_of_the_service() {
    let Some(home) = Home::of(STRANGER) else { return };
    drop(home.start());
    let [port] = free_ports();
    let files = Telarchd::new("");
    files.add_account("ada", Role::Administrator);
    home.write("home/.config/telarch/accounts", &fs::read_to_string(files.file("accounts")).unwrap());
    let listener = listener("IP:127.0.0.1", "HTTP", port, "");
    home.write("home/.config/telarch/config.toml", &[BASIC_OVER_HTTP, &listener].concat());
    let _running = home.start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let finished = runtime.block_on(async {
        let endpoint = Endpoint::parse(&format!("http://127.0.0.1:{port}/wsman")).unwrap();
        let credentials = Credentials { user: "ada".into(), password: Secret::new(PASSWORD.into()) };
        let session = Session::builder(endpoint).credentials(credentials).unencrypted(Unencrypted::Allowed);
        let shell = session.build().unwrap().shell(ShellOptions::default()).await.unwrap();
        let finished = shell.run("id -u").await.unwrap();
        shell.close().await.unwrap();
        finished
    });
    assert_eq!(String::from_utf8_lossy(&finished.stdout), format!("{STRANGER}\n"), "{finished:?}");
}

#[test]
fn an_endpoint_that_runs_as_another_account_is_refused_without_root() {
    let Some(home) = Home::of(NOBODY) else { return };
    drop(home.start());
    let settings = "[[Plugin]]\nName = \"PowerShell\"\n[[Plugin.Endpoint]]\nName = \"PowerShell.7\"\n\
                    RunAsUser = \"daemon\"\n";
    home.write("home/.config/telarch/config.toml", settings);
    let _running = home.start();
    let socket = home.path("home/.local/state/telarch/local.sock");
    let create = |endpoint: &str| {
        let resource = format!("http://schemas.microsoft.com/powershell/{endpoint}");
        let request = message::custom(&resource, "http://schemas.xmlsoap.org/ws/2004/09/transfer/Create");
        let mut curl = home.command("curl");
        curl.args(["--silent", "--show-error", "--unix-socket"]).arg(&socket);
        curl.args(["-H", "Content-Type: application/soap+xml;charset=UTF-8"]);
        curl.args(["--data", &request, "http://localhost/wsman"]);
        String::from_utf8_lossy(&curl.output().unwrap().stdout).into_owned()
    };
    for endpoint in ["PowerShell.7", "powershell.7", "PowerShell.7.4"] {
        let fault = create(endpoint);
        assert!(fault.contains("2150859231") && fault.contains("runs as daemon"), "{endpoint}: {fault}");
    }
    let other = create("Microsoft.PowerShell");
    assert!(other.contains("Fault") && !other.contains("2150859231"), "{other}");
}
