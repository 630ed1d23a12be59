//! Real commands on this machine, run the way the plug-in runs them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use telarch_plugin_shell::{
    CodePage, Command, CommandLine, CommandSpec, CommandState, Delivery, Enclosure, Startup, Stream,
    StreamSet,
};

mod corpus;
mod delivery;
mod end;
mod input;
mod output;
mod start;

/// Long enough for anything but a failure.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a reply of the default envelope size can hold.
const REPLY: usize = 380_000;

/// A line for the shell, in the way most clients have it.
fn line(line: &str) -> CommandSpec {
    let startup = Startup::AsIsUsual;
    spec(CommandLine::Shell { program: "/bin/sh".into(), startup, line: line.into() })
}

/// A program without a shell.
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
        enclosure: Arc::new(Enclosure::unlimited()),
    }
}

fn spawn(spec: CommandSpec) -> Command {
    Command::spawn(&spec).unwrap()
}

/// What a client knows when the command is over.
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

/// Asks for output until Done, as clients do.
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

/// The next reply, not committed yet.
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

/// The processes of the group that run or can run. Orphans that were killed are init's to reap.
fn alive_in(group: u32) -> Vec<u32> {
    let member = |entry: std::fs::DirEntry| -> Option<u32> {
        let process = entry.file_name().to_str()?.parse().ok()?;
        let alive = !matches!(field_of_stat(process, STATE)?.as_str(), "Z" | "X");
        (alive && field_of_stat(process, PROCESS_GROUP)? == group.to_string()).then_some(process)
    };
    std::fs::read_dir("/proc").unwrap().filter_map(|entry| member(entry.unwrap())).collect()
}

/// A field of `/proc/PID/stat` behind the name; the first is the state.
fn field_of_stat(process: u32, field: usize) -> Option<String> {
    let stat = std::fs::read_to_string(PathBuf::from(format!("/proc/{process}/stat"))).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(field).map(str::to_owned)
}

const STATE: usize = 0;
const PROCESS_GROUP: usize = 2;

/// For what the system does by itself a moment later and tells nobody.
async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let polling = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, polling).await.is_ok(), "{what}");
}
