//! Tests with real commands, run as the plug-in runs them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use shells::ProcessLimiter;
use telarch_plugin_shell::{
    CodePage, Command, CommandLine, CommandSpec, CommandState, Delivery, Startup, Stream, StreamSet,
};

mod delivery;
mod end;
mod input;
mod output;
mod start;

/// Timeout of operations that must succeed.
const PATIENCE: Duration = Duration::from_secs(60);
/// Capacity of a reply of the default envelope size, in bytes.
const REPLY: usize = 380_000;

/// Returns a command line for the shell, as most clients send it.
fn line(line: &str) -> CommandSpec {
    let startup = Startup::NoProfile;
    spec(CommandLine::Shell { program: "/bin/sh".into(), startup, line: line.into() })
}

/// Returns a program to be run without a shell.
fn program(program: &str, arguments: &[&str]) -> CommandSpec {
    let arguments = arguments.iter().map(OsString::from).collect();
    spec(CommandLine::Direct { program: program.into(), arguments })
}

fn spec(line: CommandLine) -> CommandSpec {
    CommandSpec {
        line,
        environment: vec![("PATH".into(), "/usr/bin:/bin".into())],
        directory: "/".into(),
        code_page: CodePage::UTF_8,
        limiter: Arc::new(ProcessLimiter::unlimited()),
    }
}

fn spawn(spec: CommandSpec) -> Command {
    Command::spawn(&spec).unwrap()
}

/// Complete output and exit code of a command.
#[derive(Debug, Default, PartialEq, Eq)]
struct Ran {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    exit_code: i32,
}

impl Ran {
    fn text(&self) -> (&str, &str, i32) {
        (str::from_utf8(&self.stdout).unwrap(), str::from_utf8(&self.stderr).unwrap(), self.exit_code)
    }

    fn take(&mut self, delivery: &Delivery) {
        for (stream, bytes) in delivery.chunks() {
            match stream {
                Stream::Stdout => self.stdout.extend_from_slice(bytes),
                Stream::Stderr => self.stderr.extend_from_slice(bytes),
            }
        }
    }
}

/// Receives output until Done.
async fn finish(command: &Command) -> Ran {
    let mut ran = Ran::default();
    loop {
        let delivery = next(command).await;
        ran.take(&delivery);
        let state = delivery.state();
        delivery.commit();
        if let CommandState::Done { exit_code } = state {
            return Ran { exit_code, ..ran };
        }
    }
}

/// Returns the next delivery without committing it.
async fn next(command: &Command) -> Delivery {
    command.receive(REPLY, StreamSet::Both, PATIENCE).await.unwrap()
}

/// Waits until the command has written `text` to its standard output, and nothing else.
async fn expect(command: &Command, text: &str) {
    let delivery = next(command).await;
    assert_eq!(delivery.chunks().collect::<Vec<_>>(), [(Stream::Stdout, text.as_bytes())]);
    delivery.commit();
}

async fn run(spec: CommandSpec) -> Ran {
    let command = spawn(spec);
    let ran = finish(&command).await;
    command.close().await;
    ran
}

/// Returns the processes of the group that are not zombies. Killed orphans are reaped by init.
fn alive_in(group: u32) -> Vec<u32> {
    fn running_member(entry: &std::fs::DirEntry, group: u32) -> Option<u32> {
        let process = entry.file_name().to_str()?.parse().ok()?;
        let alive = !matches!(field_of_stat(process, STATE)?.as_str(), "Z" | "X");
        (alive && field_of_stat(process, PROCESS_GROUP)? == group.to_string()).then_some(process)
    }
    let entries = std::fs::read_dir("/proc").unwrap();
    entries.filter_map(|entry| running_member(&entry.unwrap(), group)).collect()
}

/// Returns a field of `/proc/PID/stat` after the program name; field 0 is the state.
fn field_of_stat(process: u32, field: usize) -> Option<String> {
    let stat = std::fs::read_to_string(PathBuf::from(format!("/proc/{process}/stat"))).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(field).map(str::to_owned)
}

/// Returns whether the process of the command has ended. It stays a zombie until the command is dropped.
fn has_ended(command: &Command) -> bool {
    field_of_stat(command.process_id(), STATE).as_deref() == Some("Z")
}

const STATE: usize = 0;
const PROCESS_GROUP: usize = 2;

/// Polls until a condition holds that the system reports by no event. Independent of the clock of the runtime, which
/// some tests stop.
async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "{what}");
        let pause = || std::thread::sleep(Duration::from_millis(2));
        tokio::task::spawn_blocking(pause).await.unwrap();
    }
}

/// Runs all tasks until each of them waits for an event.
async fn run_pending_tasks() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// A clock of the runtime that stands still unless a test advances it, also while all tasks wait.
struct StoppedClock {
    /// A paused clock does not advance by itself while a blocking task runs; this one ends with the sender.
    _blocking_task: std::sync::mpsc::Sender<()>,
}

impl StoppedClock {
    fn stop() -> Self {
        tokio::time::pause();
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || receiver.recv());
        Self { _blocking_task: sender }
    }

    /// Advances the clock, and runs the tasks whose time has come.
    async fn advance(&self, time: Duration) {
        tokio::time::advance(time).await;
        run_pending_tasks().await;
    }
}

impl Drop for StoppedClock {
    fn drop(&mut self) {
        tokio::time::resume();
    }
}
