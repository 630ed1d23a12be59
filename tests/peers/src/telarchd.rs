//! The service under test: one process of its own for each test.

use std::ffi::OsStr;
use std::fs;
use std::io::{PipeReader, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::run::{Collected, tail};
use crate::way_in::WayIn;

/// The account that every service of these tests knows.
pub const USER: &str = "ada";

/// Password of the user: colon and markup must survive every header, file and envelope.
pub const PASSWORD: &str = "Correct:horse&<7>";

/// A running `telarchd` on two free ports of the loopback interface.
///
/// Dropping it ends exactly the process it started and checks that nothing was left behind.
pub struct Telarchd {
    child: Child,
    ended: PipeReader,
    stderr: Collected,
    ready: Ready,
    is_reaped: bool,
    _files: TempDir,
}

impl Telarchd {
    /// Starts the service with `settings`, names in dotted form, beside `Service.Auth.Basic = true`, and waits until
    /// it listens.
    ///
    /// # Panics
    ///
    /// When the program has not been built, ends early, or does not listen within twenty seconds; the failure shows the
    /// last lines it wrote.
    #[must_use]
    pub fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_through(&[], settings)
    }

    /// Starts the service through another program that executes it, such as `env`.
    ///
    /// # Panics
    ///
    /// As [`Telarchd::start`].
    #[must_use]
    pub fn start_through(wrapper: &[&str], settings: &[(&str, &str)]) -> Self {
        let files =
            tempfile::Builder::new().prefix("telarch-peers-").tempdir().expect("a folder for its files");
        let accounts = write_accounts(files.path());
        // A folder of its own, so that the first thing to appear in it is the announcement.
        let announcements = files.path().join("ready");
        fs::create_dir(&announcements).expect("a fresh folder");
        let watch = inotify::init(inotify::CreateFlags::CLOEXEC).expect("inotify");
        inotify::add_watch(&watch, &announcements, inotify::WatchFlags::MOVED_TO).expect("inotify");
        let ready_file = announcements.join("ready.json");

        let program = built_program("telarchd");
        let mut words = wrapper.iter().map(OsStr::new).chain([program.as_os_str()]);
        let mut command = Command::new(words.next().expect("at least the service itself"));
        command.args(words).args(["--ephemeral", "--http", "127.0.0.1:0", "--https", "127.0.0.1:0"]);
        command.arg("--accounts").arg(&accounts).arg("--ready").arg(&ready_file);
        for (name, value) in [("Service.Auth.Basic", "true")].iter().chain(settings) {
            command.arg("--set").arg(format!("{name}={value}"));
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));

        let (ended, end_mark) = std::io::pipe().expect("a pipe");
        let stderr = Collected::from(child.stderr.take().expect("it was asked for"), end_mark);

        let ready = wait_until_ready(&watch, &ended, &ready_file).unwrap_or_else(|what| {
            // Harmless when it has ended already, and either way it is reaped.
            let _ = child.kill();
            let status = child.wait().expect("it is ours and not reaped");
            panic!("telarchd {what} ({status}), its last lines:\n{}", tail(&stderr.so_far()));
        });
        Self { child, ended, stderr, ready, is_reaped: false, _files: files }
    }

    /// Starts the service with the settings that `way` needs.
    #[must_use]
    pub fn start_for(way: WayIn) -> Self {
        Self::start(way.settings())
    }

    /// The address for `way`.
    #[must_use]
    pub fn url(&self, way: WayIn) -> &str {
        if way.is_tls() { self.https() } else { self.http() }
    }

    /// The address of the plain listener, `http://127.0.0.1:PORT/wsman`.
    #[must_use]
    pub fn http(&self) -> &str {
        &self.ready.http
    }

    /// The address of the TLS listener, `https://127.0.0.1:PORT/wsman`.
    #[must_use]
    pub fn https(&self) -> &str {
        &self.ready.https
    }

    /// The SHA-1 thumbprint of the certificate it says it serves, forty upper-case hexadecimal digits.
    #[must_use]
    pub fn thumbprint(&self) -> &str {
        &self.ready.thumbprint
    }

    /// The process it runs as.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the temporary state directory.
    #[must_use]
    pub fn state_folder(&self) -> &Path {
        &self.ready.state_folder
    }

    /// Waits for the end of the service, which a program of the test has killed, and removes the state that it left.
    ///
    /// # Panics
    ///
    /// When it ended in another way.
    pub fn reap_killed(mut self) {
        let status = self.child.wait().expect("it is ours and not reaped");
        self.is_reaped = true;
        assert!(!status.success(), "it ended by itself");
        fs::remove_dir_all(&self.ready.state_folder).expect("a killed service leaves its state");
    }

    /// Everything it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&self.stderr.so_far()).into_owned()
    }

    /// Waits until a line of the log has all of these parts, and returns the log up to then.
    ///
    /// # Panics
    ///
    /// When none has within ten seconds.
    pub fn logged(&self, parts: &[&str]) -> String {
        self.logged_times(1, parts)
    }

    /// Waits until so many lines of the log have all of these parts, and returns the log up to then.
    ///
    /// # Panics
    ///
    /// When there are fewer after ten seconds.
    pub fn logged_times(&self, times: usize, parts: &[&str]) -> String {
        let has_all = |line: &&str| parts.iter().all(|part| line.contains(part));
        let log = self.stderr.wait_until(Instant::now() + LOG_LIMIT, |bytes| {
            let log = String::from_utf8_lossy(bytes).into_owned();
            (log.lines().filter(has_all).count() >= times).then_some(log)
        });
        log.unwrap_or_else(|| panic!("no {times} lines with all of {parts:?} in the log:\n{}", self.log()))
    }

    /// Ends the process, and says what was wrong with its end.
    fn end(&mut self) -> Result<(), String> {
        let id = Pid::from_child(&self.child);
        kill_process(id, Signal::TERM).map_err(|error| format!("could not be signalled: {error}"))?;
        let mut ended = [PollFd::new(&self.ended, PollFlags::IN)];
        let in_time = poll(&mut ended, Some(&timespec(END_LIMIT))).is_ok_and(|count| count > 0);
        if !in_time {
            let _ = self.child.kill();
        }
        let status = self.child.wait().map_err(|error| format!("could not be reaped: {error}"))?;
        if !in_time {
            return Err(format!("had not ended {END_LIMIT:?} after SIGTERM and was killed"));
        }
        if !status.success() {
            return Err(format!("ended on SIGTERM with {status}"));
        }
        if self.ready.state_folder.exists() {
            return Err(format!("left {} behind", self.ready.state_folder.display()));
        }
        Ok(())
    }
}

impl Drop for Telarchd {
    fn drop(&mut self) {
        if self.is_reaped {
            return;
        }
        let end = self.end();
        let lines = tail(&self.stderr.so_far());
        match end {
            // A second panic would abort the test program and hide the first.
            Ok(()) if std::thread::panicking() => eprintln!("the last lines of telarchd:\n{lines}"),
            Err(what) if std::thread::panicking() => eprintln!("telarchd {what}, its last lines:\n{lines}"),
            Ok(()) => {}
            Err(what) => panic!("telarchd {what}, its last lines:\n{lines}"),
        }
    }
}

/// The announcement that the service writes once it listens.
struct Ready {
    http: String,
    https: String,
    thumbprint: String,
    state_folder: PathBuf,
}

impl Ready {
    fn read(file: &Path) -> Self {
        let text = fs::read_to_string(file).expect("the announcement is readable");
        let json: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let field = |name: &str| {
            let value = json.get(name).and_then(Value::as_str);
            value.unwrap_or_else(|| panic!("the announcement has no {name}: {text}")).to_owned()
        };
        Self {
            http: field("http"),
            https: field("https"),
            thumbprint: field("thumbprint"),
            state_folder: field("state_dir").into(),
        }
    }
}

/// Waits for the announcement or for the end of the process, whichever comes first.
fn wait_until_ready(
    watch: &impl std::os::fd::AsFd,
    ended: &PipeReader,
    ready_file: &Path,
) -> Result<Ready, String> {
    let until = Instant::now() + READY_LIMIT;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let mut events = [PollFd::new(watch, PollFlags::IN), PollFd::new(ended, PollFlags::IN)];
        if poll(&mut events, Some(&timespec(left))).expect("two open descriptors") == 0 {
            return Err(format!("did not listen within {READY_LIMIT:?}"));
        }
        let [announced, end] = events.map(|event| !event.revents().is_empty());
        if announced {
            let mut event = [0; 4096];
            rustix::io::read(watch, &mut event).expect("an event is there");
            if ready_file.exists() {
                return Ok(Ready::read(ready_file));
            }
        }
        if end {
            return Err("ended before it listened".to_owned());
        }
    }
}

/// Lines `name:password` for each account; the service requires that other users cannot read the file.
fn write_accounts(folder: &Path) -> PathBuf {
    let path = folder.join("accounts");
    let mut file =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).expect("a fresh file");
    writeln!(file, "{USER}:{PASSWORD}").expect("room for one line");
    let mode = file.metadata().expect("an open file").permissions().mode();
    assert_eq!(mode & 0o077, 0, "the accounts are readable by others");
    path
}

/// A program of this workspace, which Cargo puts one folder above the test programs.
///
/// # Panics
///
/// When it has not been built.
#[must_use]
pub fn built_program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test program knows its own path");
    let profile = test.parent().and_then(Path::parent).expect("it lies in target/PROFILE/deps");
    let program = profile.join(name);
    assert!(program.is_file(), "{} is missing\n  build it with: cargo build --bin {name}", program.display());
    program
}

fn timespec(duration: Duration) -> Timespec {
    Timespec::try_from(duration).expect("a few seconds fit")
}

/// Far more than it needs on an idle machine; a loaded one may take seconds.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// Limit for a log line to arrive; a loaded machine can take a while.
const LOG_LIMIT: Duration = Duration::from_secs(60);
const END_LIMIT: Duration = Duration::from_secs(60);
