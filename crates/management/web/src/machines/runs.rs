//! An operation on several machines, with a log of its events.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use client::{
    Command, CommandOptions, Error, FleetEvent, FleetHost, FleetLimits, FleetStop, Output, Session,
    ShellOptions, run_fleet,
};
use locks::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;
use wsman::shell::CommandLine;

use super::read_error::ReadError;
use super::reason::reason;
use super::task::Operation;
use super::text_pieces::TextPieces;
use super::wmi::{RemoteWmi, RowLimits};

/// Machine of a run.
pub(super) struct Member {
    pub(super) machine: String,
    pub(super) session: Session,
    pub(super) wmi: Arc<RemoteWmi>,
}

/// A run. Its events stay until the session ends or has many later runs.
pub(super) struct Run {
    id: String,
    log: Mutex<Log>,
    stop: watch::Sender<bool>,
}

#[derive(Default)]
struct Log {
    events: Vec<Value>,
    is_finished: bool,
}

/// Report of a machine.
enum Report {
    Started,
    /// Text of an output stream.
    Text(&'static str, String),
    Rows(Value),
    /// Later output is omitted.
    Cut,
}

/// Result of a machine.
enum End {
    Exited(i32),
    Read,
    Failed(String),
    Stopped(FleetStop),
}

impl Run {
    /// Starts an operation on machines.
    pub(super) fn start(members: Vec<Member>, operation: Operation) -> Arc<Self> {
        let id = random::uuid().to_string().replace('-', "");
        let run = Arc::new(Self { id, log: Mutex::default(), stop: watch::Sender::new(false) });
        tokio::spawn(Arc::clone(&run).perform(members, operation));
        run
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn is_finished(&self) -> bool {
        self.log.lock().is_finished
    }

    /// Ends the commands on all machines.
    pub(super) fn cancel(&self) {
        self.stop.send_replace(true);
    }

    /// Returns the events from a number.
    pub(super) fn events(&self, from: usize) -> Value {
        let log = self.log.lock();
        let events = log.events.get(from..).unwrap_or_default();
        json!({ "from": from, "events": events, "is_finished": log.is_finished })
    }

    async fn perform(self: Arc<Self>, members: Vec<Member>, operation: Operation) {
        let machines: Vec<String> = members.iter().map(|member| member.machine.clone()).collect();
        self.record(None, json!({ "kind": "begun", "machines": machines, "operation": operation }));
        let limits = FleetLimits { parallel: PARALLEL, host_time: Some(HOST_TIME), ..FleetLimits::default() };
        let mut stop = self.stop.subscribe();
        let interrupted = async move {
            if stop.wait_for(|is_stopped| *is_stopped).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let start = |member: Member, host: FleetHost<Report, End>| {
            let operation = operation.clone();
            async move {
                host.report(Report::Started).await;
                match operation {
                    Operation::Command(line) => command(&member.session, line, &host).await,
                    Operation::Query { namespace, query } => rows(&member, &namespace, &query, &host).await,
                }
            }
        };
        let receive = |event: FleetEvent<Report, End>| {
            let (index, event) = match event {
                FleetEvent::Output(index, report) => (index, report.to_json()),
                FleetEvent::Ended(index, end) => (index, end.to_json()),
            };
            self.record(machines.get(index), event);
            ControlFlow::Continue(false)
        };
        let summary = run_fleet(members, limits, interrupted, start, receive).await;
        let mut log = self.log.lock();
        log.events.push(json!({
            "kind": "finished",
            "started": summary.started,
            "not_started": summary.not_started,
            "is_stopped": summary.stop.is_some(),
        }));
        log.is_finished = true;
    }

    fn record(&self, machine: Option<&String>, mut event: Value) {
        if let (Some(event), Some(machine)) = (event.as_object_mut(), machine) {
            event.insert("machine".to_owned(), json!(machine));
        }
        self.log.lock().events.push(event);
    }
}

impl Report {
    fn to_json(&self) -> Value {
        match self {
            Self::Started => json!({ "kind": "started" }),
            Self::Text(stream, text) => json!({ "kind": "output", "stream": stream, "text": text }),
            Self::Rows(rows) => json!({ "kind": "rows", "rows": rows }),
            Self::Cut => json!({ "kind": "cut", "limit": MAX_OUTPUT }),
        }
    }
}

impl End {
    fn to_json(&self) -> Value {
        match self {
            Self::Exited(code) => json!({ "kind": "ended", "exit_code": code }),
            Self::Read => json!({ "kind": "ended", "exit_code": null }),
            Self::Failed(reason) => json!({ "kind": "failed", "reason": reason }),
            Self::Stopped(stop) => json!({ "kind": "stopped", "reason": stop.to_string() }),
        }
    }
}

async fn rows(member: &Member, namespace: &str, query: &str, host: &FleetHost<Report, End>) -> End {
    let read = tokio::select! {
        biased;
        stop = host.stopped() => return End::Stopped(stop),
        read = member.wmi.first_rows(&member.session, namespace, query, ROWS) => read,
    };
    match read {
        Ok(rows) => {
            host.report(Report::Rows(rows)).await;
            End::Read
        }
        Err(ReadError::Client(error)) => End::Failed(reason(&error)),
        Err(ReadError::Failed(failure)) => End::Failed(failure.detail),
    }
}

/// Runs a command line in a shell of its own.
async fn command(session: &Session, line: String, host: &FleetHost<Report, End>) -> End {
    // The shell of a future that is dropped is closed in the background.
    let opened = tokio::select! {
        biased;
        stop = host.stopped() => return End::Stopped(stop),
        shell = session.shell(ShellOptions::default()) => shell,
    };
    let shell = match opened {
        Ok(shell) => shell,
        Err(error) => return End::Failed(reason(&error)),
    };
    let line = CommandLine { command: line, ..CommandLine::default() };
    let end = match shell.start(&line, CommandOptions::default()).await {
        Ok(command) => follow(command, host).await,
        Err(error) => Err(error),
    };
    let closed = shell.close().await;
    match end {
        Ok(end) => {
            if let Err(error) = closed {
                tracing::debug!(%error, "Cannot close a shell");
            }
            end
        }
        Err(error) => End::Failed(reason(&error)),
    }
}

/// Reports the output of a command until it ends, and terminates it if it must stop.
async fn follow(mut command: Command, host: &FleetHost<Report, End>) -> Result<End, Error> {
    let stdin = command.input();
    // A command that reads its input must not wait forever.
    let closing = async move {
        tokio::time::sleep(CLOSE_INPUT_AFTER).await;
        stdin.close().await
    };
    tokio::pin!(closing);
    let (mut is_input_open, mut reported) = (true, Reported::default());
    let end = loop {
        let output = tokio::select! {
            biased;
            stop = host.stopped() => break End::Stopped(stop),
            output = command.next_output() => output?,
            closed = &mut closing, if is_input_open => {
                is_input_open = false;
                if let Err(error) = closed {
                    tracing::debug!(%error, "Cannot close the input of a command");
                }
                continue;
            }
        };
        match output {
            Output::Stdout(piece) => reported.report("stdout", &piece, host).await,
            Output::Stderr(piece) => reported.report("stderr", &piece, host).await,
            Output::Done { exit_code } => break End::Exited(exit_code),
            _ => {}
        }
    };
    command.finish().await?;
    Ok(end)
}

/// Output that was reported.
#[derive(Default)]
struct Reported {
    stdout: TextPieces,
    stderr: TextPieces,
    size: usize,
    pieces: usize,
    is_cut: bool,
}

impl Reported {
    /// Reports a piece of output up to the limit. The rest is read and dropped, so that the command can end.
    async fn report(&mut self, stream: &'static str, piece: &[u8], host: &FleetHost<Report, End>) {
        if self.is_cut {
            return;
        }
        let rest = MAX_OUTPUT.saturating_sub(self.size);
        let shown = piece.get(..rest).unwrap_or(piece);
        let pieces = if stream == "stdout" { &mut self.stdout } else { &mut self.stderr };
        let text = pieces.decode(shown);
        self.size += shown.len();
        self.pieces += 1;
        if !text.is_empty() {
            host.report(Report::Text(stream, text)).await;
        }
        if shown.len() < piece.len() || self.pieces >= MAX_PIECES {
            self.is_cut = true;
            host.report(Report::Cut).await;
        }
    }
}

/// Machines on which an operation runs at the same time.
const PARALLEL: NonZeroUsize = NonZeroUsize::MIN.saturating_add(15);
/// Time limit of each machine.
const HOST_TIME: Duration = Duration::from_secs(15 * 60);
/// Output of each machine that is kept, in bytes and pieces.
const MAX_OUTPUT: usize = 64 << 10;
const MAX_PIECES: usize = 2_000;
/// Rows of each machine. Events of all machines together must fit in one message of the connector.
const ROWS: RowLimits = RowLimits { rows: 100, size: 64 << 10 };
/// Time after which the input of a command ends.
const CLOSE_INPUT_AFTER: Duration = Duration::from_millis(500);
