//! A `telarchd` process for a test, with a service manager that receives its notifications.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use accounts::{IfMissing, UnixUsers};
use auth::Secret;
use auth::account_file::{AccountName, Comment, NewAccount, NewPassword, PasswordHash, Role, UnixTime};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::PATIENCE;

/// Password of all accounts in the tests.
pub(crate) const PASSWORD: &str = "correct horse";

/// User of the gateway if root runs the tests; it exists on every machine.
pub(crate) const GATEWAY_USER: &str = "nobody";

/// Settings that allow a test to use Basic without TLS.
pub(crate) const BASIC_OVER_HTTP: &str =
    "Service.AllowUnencrypted = true\nService.Auth.Basic = true\nService.IPv6Filter = \"\"\n";

/// Standard error of the service, collected continuously.
#[derive(Default)]
struct Log {
    text: Mutex<String>,
    line_added: Condvar,
}

/// A folder with all files of a service, and the service once it is started.
pub(crate) struct Telarchd {
    pub(crate) folder: TempDir,
    manager: UnixDatagram,
    child: Option<Child>,
    log: Arc<Log>,
}

impl Telarchd {
    /// Creates a folder with this configuration and the user of the test as an administrator.
    pub(crate) fn new(config: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("telarchd-it-").tempdir().unwrap();
        let manager = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        manager.set_read_timeout(Some(PATIENCE)).unwrap();
        let telarchd = Self { folder, manager, child: None, log: Arc::default() };
        fs::create_dir(telarchd.file("certificates")).unwrap();
        telarchd.configure(config);
        telarchd.add_account(&user(), Role::Administrator);
        telarchd
    }

    /// Starts a service with this configuration and waits until it is ready.
    pub(crate) fn start(config: &str) -> Self {
        let mut telarchd = Self::new(config);
        telarchd.run();
        telarchd
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.file("state")
    }

    /// Writes the configuration.
    pub(crate) fn configure(&self, config: &str) {
        fs::write(self.file("config.toml"), config).unwrap();
    }

    /// Adds an account to the account file.
    pub(crate) fn add_account(&self, name: &str, role: Role) {
        let password = NewPassword::new(Secret::new(PASSWORD.to_owned())).unwrap();
        let password = PasswordHash::make(&password, accounts::random().unwrap());
        accounts::update(&self.file("accounts"), IfMissing::Create, |file| {
            let (name, changed) = (AccountName::parse(name)?, UnixTime::new(1_763_719_754));
            file.add(NewAccount { name, password, role, changed, comment: Comment::default() })?;
            Ok::<_, Box<dyn std::error::Error>>(())
        })
        .unwrap();
    }

    /// Returns a command that runs the program with its files.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_telarchd"));
        self.arguments(&mut command);
        command
    }

    pub(crate) fn arguments(&self, command: &mut Command) {
        command.arg("--config").arg(self.file("config.toml")).arg("--state").arg(self.state());
        command.args(["--gateway-user", GATEWAY_USER]);
    }

    /// Starts the program and waits until it is ready.
    pub(crate) fn run(&mut self) {
        let command = self.command();
        self.run_as(command);
    }

    /// Starts a command that executes the program, and waits until it is ready.
    pub(crate) fn run_as(&mut self, mut command: Command) {
        command.env("NOTIFY_SOCKET", self.file("notify"));
        if command.get_envs().all(|(name, _)| name != "TELARCH_LOG") {
            command.env("TELARCH_LOG", "debug");
        }
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let log = Arc::clone(&self.log);
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                *log.text.lock().unwrap() += &format!("{line}\n");
                log.line_added.notify_all();
            }
        });
        self.child = Some(child);
        self.wait_for_notification("READY=1");
    }

    /// Starts a copy of the program as the user `nobody`, who becomes the owner of all files, and waits until it is ready.
    pub(crate) fn run_as_nobody(&mut self) {
        const NOBODY: &str = "65534";
        let program = self.file("telarchd");
        fs::copy(env!("CARGO_BIN_EXE_telarchd"), &program).unwrap();
        let mut chown = Command::new("chown");
        chown.args(["--recursive", &format!("{NOBODY}:{NOBODY}")]).arg(self.folder.path());
        assert!(chown.status().unwrap().success());
        let mut command = Command::new("setpriv");
        command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--"]).arg(program);
        command.arg("--config").arg(self.file("config.toml")).arg("--state").arg(self.state());
        command.env("HOME", self.folder.path());
        self.run_as(command);
    }

    /// Reloads the service and waits until it is done.
    pub(crate) fn reload(&self) {
        self.signal(Signal::HUP);
        self.wait_for_notification("RELOADING=1");
        self.wait_for_notification("READY=1");
    }

    /// Changes the configuration and waits until it is in force.
    pub(crate) fn reconfigure(&self, config: &str) {
        self.configure(config);
        self.reload();
    }

    /// Waits for a notification of the service manager that begins with this text.
    pub(crate) fn wait_for_notification(&self, beginning: &str) -> String {
        self.wait_for_notification_matching(|message| message.starts_with(beginning))
    }

    /// Waits for a notification of the service manager that satisfies a condition.
    pub(crate) fn wait_for_notification_matching(&self, is_match: impl Fn(&str) -> bool) -> String {
        let until = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        while Instant::now() < until {
            let mut message = [0; 4_096];
            let Ok(length) = self.manager.recv(&mut message) else { break };
            let message = String::from_utf8_lossy(&message[..length]).into_owned();
            if is_match(&message) {
                return message;
            }
            seen.push(message);
        }
        panic!("the manager received only {seen:?}; the log:\n{}", self.log());
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(self.child.as_ref().unwrap())
    }

    /// Returns the process that reads the network, which is the gateway if root runs the service.
    pub(crate) fn serving_pid(&self) -> i32 {
        let own = self.pid().as_raw_nonzero().get();
        if is_root() {
            children(own).into_iter().find(|child| command_line(*child).contains(": gateway")).unwrap()
        } else {
            own
        }
    }

    /// Returns the log so far.
    pub(crate) fn log(&self) -> String {
        self.log.text.lock().unwrap().clone()
    }

    /// Waits for a log line that contains all of these parts.
    pub(crate) fn wait_for_log(&self, parts: &[&str]) {
        let is_missing =
            |log: &mut String| !log.lines().any(|line| parts.iter().all(|part| line.contains(part)));
        let log = self.log.text.lock().unwrap();
        let (log, waited) = self.log.line_added.wait_timeout_while(log, PATIENCE, is_missing).unwrap();
        let log = log.clone();
        assert!(!waited.timed_out(), "no line with {parts:?} in the log:\n{log}");
    }

    /// Waits until the audit records satisfy a condition, and returns all of them.
    pub(crate) fn wait_for_records(&self, condition: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        wait_for_records_in(&self.state().join("audit.jsonl"), condition)
    }

    /// Waits until the process has ended by itself.
    pub(crate) fn wait_for_exit(&mut self) -> ExitStatus {
        self.child.take().unwrap().wait().unwrap()
    }

    /// Kills all processes of the service at once.
    pub(crate) fn kill(&mut self) {
        let own = self.pid().as_raw_nonzero().get();
        let mut processes = vec![own];
        let mut at = 0;
        while let Some(process) = processes.get(at) {
            processes.extend(children(*process));
            at += 1;
        }
        for process in &processes {
            // A child ends by itself when its parent has gone.
            let _ = kill_process(Pid::from_raw(*process).unwrap(), Signal::KILL);
        }
        self.child.take().unwrap().wait().unwrap();
        let until = Instant::now() + PATIENCE;
        // Children of the killed process are reaped by another one; their names stay the same until then.
        while processes.iter().any(|process| command_line(*process).contains("telarchd")) {
            assert!(Instant::now() < until, "processes of the service still run: {processes:?}");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    /// Stops the service and waits until it has ended.
    pub(crate) fn end(&mut self) {
        self.signal(Signal::TERM);
        self.wait_for_notification("STOPPING=1");
        let status = self.child.take().unwrap().wait().unwrap();
        assert!(status.success(), "{status}; the log:\n{}", self.log());
    }
}

impl Drop for Telarchd {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = kill_process(Pid::from_child(child), Signal::TERM);
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("the log of telarchd:\n{}", self.log());
        }
    }
}

/// Waits until the audit records in a file satisfy a condition, and returns all of them.
pub(crate) fn wait_for_records_in(file: &Path, condition: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let read = || {
        let text = fs::read_to_string(file).unwrap_or_default();
        assert!(!text.contains(PASSWORD), "{text}");
        let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        whole.map(|line| serde_json::from_str(line).expect(line)).collect::<Vec<Value>>()
    };
    // Watches the folder, because the file may be replaced by a new one.
    let changes = inotify::init(CreateFlags::CLOEXEC).unwrap();
    let of_folder = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO;
    inotify::add_watch(&changes, file.parent().unwrap(), of_folder).unwrap();
    let until = Instant::now() + PATIENCE;
    loop {
        let records = read();
        if condition(&records) {
            return records;
        }
        let left = Timespec::try_from(until.saturating_duration_since(Instant::now())).unwrap();
        let ready = poll(&mut [PollFd::new(&changes, PollFlags::IN)], Some(&left)).unwrap();
        assert_ne!(ready, 0, "only {} records: {records:#?}", records.len());
        rustix::io::read(&changes, &mut [0; 4_096]).unwrap();
    }
}

/// Returns the child processes of a process.
pub(crate) fn children(process: i32) -> Vec<i32> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().filter_map(Result::ok);
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().map(|child| child.parse().unwrap()).collect::<Vec<_>>())
        .collect()
}

/// Returns the private memory of a process in KiB (proc_pid_status(5), `RssAnon`).
pub(crate) fn memory(process: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Returns the command line of a process.
pub(crate) fn command_line(process: i32) -> String {
    let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).replace('\0', " ")
}

/// Returns the configuration section of a listener.
pub(crate) fn listener(address: &str, transport: &str, port: u16, more: &str) -> String {
    format!("[[Listener]]\nAddress = \"{address}\"\nTransport = \"{transport}\"\nPort = {port}\n{more}\n")
}

pub(crate) fn loopback(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

/// Returns the name of the user who runs the test.
pub(crate) fn user() -> String {
    let uid = rustix::process::geteuid().as_raw();
    UnixUsers::of_this_machine().find_uid(uid).unwrap().unwrap().name
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Writes a file that other users cannot read.
pub(crate) fn write_private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    set_mode(path, 0o600);
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Returns the permissions of a file.
pub(crate) fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}
