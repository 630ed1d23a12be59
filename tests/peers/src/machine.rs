//! The service of a machine under test: started by root, for users of the machine.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::kdc::{REALM, Realm};
use crate::python::script_command;
use crate::run::{Run, run};
use crate::telarchd::{PASSWORD, USER, built_program};

/// A running `telarchd` of root with one user, whose processes are separated; both are gone when it is dropped.
///
/// The user has a name of its own and the password [`PASSWORD`], by which PAM knows it. In a realm the principal of
/// [`USER`] is this user.
pub struct Machine {
    service: Child,
    person: Person,
    url: String,
    _folder: TempDir,
}

/// A user of this machine who is there for a while.
struct Person(String);

impl Machine {
    /// Starts it; none, and a word about it, where nobody may.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(realm: Option<&Realm>) -> Option<Self> {
        Self::start_with(realm, "Service.RootSDDL = \"O:NSG:BAD:P(A;;GA;;;BA)(A;;GRGX;;;AU)\"\n")
    }

    /// Starts one that takes client certificates, and lets its user map them.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[must_use]
    pub fn start_for_holders() -> Option<Self> {
        let settings = "Service.RootSDDL = \"O:NSG:BAD:P(A;;GA;;;AU)\"\nService.Auth.Certificate = true\n";
        Self::start_with(None, settings)
    }

    fn start_with(realm: Option<&Realm>, settings: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("SKIPPED: it takes root to serve a machine");
            return None;
        }
        let person = Person::make();
        let folder = tempfile::Builder::new().prefix("telarch-peers-").tempdir().expect("a folder");
        let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port");
        let transport = if realm.is_some() { "HTTP" } else { "HTTPS" };
        let config = format!(
            "{settings}Service.Auth.Basic = true\n\
             [[Listener]]\nAddress = \"IP:127.0.0.1\"\nTransport = \"{transport}\"\nPort = {}\n",
            free.port()
        );
        let path = |name: &str| folder.path().join(name);
        let write = |name: &str, text: &str| fs::write(path(name), text).expect("a file");
        write("config.toml", &config);
        write("principals", &format!("{USER}@{REALM} {}\n", person.0));
        let manager = UnixDatagram::bind(path("notify")).expect("a socket");
        manager.set_read_timeout(Some(LIMIT)).expect("a limit");
        let mut command = Command::new(built_program("telarchd"));
        command.arg("--config").arg(path("config.toml")).arg("--state").arg(path("state"));
        command.args(["--gateway-user", "nobody"]).env("NOTIFY_SOCKET", path("notify"));
        command.envs(realm.map(Realm::environment).into_iter().flatten());
        let service = command.stdin(Stdio::null()).spawn().expect("telarchd");
        let url = format!("{}://localhost:{}/wsman", transport.to_ascii_lowercase(), free.port());
        let machine = Self { service, person, url, _folder: folder };
        let until = Instant::now() + LIMIT;
        let mut message = [0; 4_096];
        while Instant::now() < until {
            if manager.recv(&mut message).is_ok_and(|length| message.starts_with(b"READY=1") && length == 7) {
                return Some(machine);
            }
        }
        panic!("telarchd does not get ready");
    }

    /// The name of the user.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.person.0
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Has pywinrm sign in as the user by Basic and run a command line; its standard output.
    ///
    /// # Panics
    /// When pywinrm fails.
    #[must_use]
    pub fn pywinrm(&self, line: &str) -> String {
        let arguments = json!({"command": line, "arguments": []});
        let request = json!({
            "steps": [{"action": "run_with_session", "arguments": arguments}],
            "login": {"url": self.url, "transport": "basic", "user": self.user(), "password": PASSWORD},
        });
        let ended = run(&mut script_command("run_pywinrm.py"), request.to_string().as_bytes(), LIMIT);
        let answers: Value = serde_json::from_slice(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"));
        let stdout = answers.pointer("/0/answer/stdout").and_then(Value::as_str);
        let octets = BASE64.decode(stdout.unwrap_or_else(|| panic!("{answers}"))).expect("base64");
        String::from_utf8_lossy(&octets).into_owned()
    }

    /// Has `winrs` sign in by Kerberos with the ticket that is there, and run a command line.
    ///
    /// # Panics
    /// When it is not built.
    #[must_use]
    pub fn winrs(&self, realm: &Realm, switches: &[&str], line: &str) -> Run {
        let mut winrs = Command::new(built_program("winrs"));
        winrs.arg(format!("-r:{}", self.url)).args(switches).arg(line).envs(realm.environment());
        run(&mut winrs, b"", LIMIT)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.service), Signal::TERM);
        let _ = self.service.wait();
    }
}

impl Person {
    fn make() -> Self {
        let mut random = [0; 4];
        let filled = rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty());
        assert_eq!(filled, Ok(4));
        let person = Self(format!("tel{:08x}", u32::from_ne_bytes(random)));
        let made = Command::new("useradd").args(["--create-home", "--shell", "/bin/sh", &person.0]).status();
        assert!(made.is_ok_and(|status| status.success()), "useradd");
        let mut chpasswd = Command::new("chpasswd").stdin(Stdio::piped()).spawn().expect("chpasswd");
        let mut stdin = chpasswd.stdin.take().expect("it was asked for");
        writeln!(stdin, "{}:{PASSWORD}", person.0).expect("it reads");
        drop(stdin);
        assert!(chpasswd.wait().is_ok_and(|status| status.success()), "chpasswd");
        person
    }

    fn home(&self) -> PathBuf {
        Path::new("/home").join(&self.0)
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        let _ = Command::new("pkill").args(["-KILL", "-U", &self.0]).status();
        let _ = Command::new("userdel").args(["--force", "--remove", &self.0]).stderr(Stdio::null()).status();
        if self.home().exists() {
            eprintln!("{} is still there", self.home().display());
        }
    }
}

/// Whatever takes longer hangs.
const LIMIT: Duration = Duration::from_secs(60);
