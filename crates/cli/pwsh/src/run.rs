//! Runs a script on one or many machines.

use std::io::{self, BufRead as _};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use cli::connection::Connection;
use cli::remote::{Machines, Remote, interrupted, message};
use cli::{ClientSettings, SavedHosts};
use cli_command::{Failure, output};
use client::{
    FleetEvent, FleetHost, FleetStop, Pipeline, PipelineControls, PipelineEvent, PipelineOutcome,
    PoolOptions, RunspacePool, run_fleet,
};
use psrp::clixml::Value;
use psrp::{Command, CreatePipeline, HostCall};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::arguments::{HistoryUse, Input, Invocation, Output};
use super::console::ConsoleStart;
use super::history::History;
use super::host::{self, Reaction};
use super::output::{HostResult, Printer, STOPPED, Shown};
use super::{json, text};

/// Machine on which the script runs.
type Host = FleetHost<Shown, HostResult>;

/// Runs the script of a command line and prints its output.
pub(super) fn run(invocation: Invocation) -> Result<String, Failure> {
    let Invocation {
        script,
        arguments,
        switches,
        output,
        input,
        configuration,
        compression,
        history,
        connect,
        limits,
    } = invocation;
    let Machines { members, parallel } = Machines::parse(&switches, &SavedHosts::of_this_process())?;
    let is_fleet = parallel.is_some();
    if is_fleet && (output == Output::Clixml || input != Input::None) {
        return Err(Failure::usage(
            "pwsh: --output clixml and --input are for one machine",
            "use --output jsonl, and put the input into the script or its arguments",
        ));
    }
    let names = is_fleet.then(|| members.iter().map(|(name, _)| name.clone()).collect());
    let parallel = parallel.and_then(NonZeroUsize::new).unwrap_or(limits.parallel);
    let limits = client::FleetLimits { parallel, ..limits };
    let options = PoolOptions {
        configuration: configuration.unwrap_or_else(|| PoolOptions::default().configuration),
        host: host::info(),
        compression,
        ..PoolOptions::default()
    };
    let Some(script) = script else {
        let history = match history {
            HistoryUse::Kept => History::of_user(),
            HistoryUse::None => History::none(),
        };
        return console(members, is_fleet, ConsoleStart { options, history, connect });
    };
    let job = Arc::new(Job {
        script,
        arguments,
        output,
        options,
        input: Mutex::new(reader(input)),
        can_ask: !is_fleet && input == Input::None,
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut out, mut errors) = (output::out(), output::errors());
    let mut printer = Printer::new(&mut *out, &mut errors, names, output);
    printer.begin()?;
    let settings = ClientSettings::of_this_process();
    let mut failed_output = None;
    let summary = runtime.block_on(run_fleet(
        members,
        limits,
        interrupted(),
        |(name, connection), host| {
            // The password is read here, so that it is prompted for once.
            let remote = Remote::new(&name, connection, &settings);
            let job = Arc::clone(&job);
            async move {
                match remote {
                    Ok(remote) => job.run_on(&remote, &host).await,
                    Err(failure) => HostResult::Failed(message(&failure)),
                }
            }
        },
        |event| {
            let written = match event {
                FleetEvent::Output(index, shown) => printer.show(index, shown).map(|()| false),
                FleetEvent::Ended(index, result) => printer.result(index, result),
            };
            match written {
                Ok(is_failed) => ControlFlow::Continue(is_failed),
                Err(error) => {
                    failed_output.get_or_insert(error);
                    ControlFlow::Break(())
                }
            }
        },
    ));
    // A thread that waits for standard input must not delay the end.
    runtime.shutdown_background();
    if let Some(error) = failed_output {
        return Err(error.into());
    }
    let status = printer.finish(&summary)?;
    match (summary.stop, status) {
        (Some(FleetStop::Interrupted), _) => Err(Failure::INTERRUPTED),
        (_, 0) => Ok(String::new()),
        (_, status) => Err(Failure::Ended(status)),
    }
}

/// Runs the console.
fn console(
    members: Vec<(String, Connection)>,
    is_fleet: bool,
    start: ConsoleStart,
) -> Result<String, Failure> {
    let [(name, connection)] = <[_; 1]>::try_from(members).ok().filter(|_| !is_fleet).ok_or_else(|| {
        Failure::usage("pwsh: no script given", "write -c SCRIPT or -f FILE; a console is for one machine")
    })?;
    let remote = Remote::new(&name, connection, &ClientSettings::of_this_process());
    let remote = remote.map_err(|failure| Failure::Failed(message(&failure)))?;
    match super::console::run(&remote, start)? {
        0 => Ok(String::new()),
        status => Err(Failure::Ended(status)),
    }
}

/// Script with its settings.
struct Job {
    script: String,
    arguments: Vec<String>,
    output: Output,
    options: PoolOptions,
    /// Objects of standard input; `None` without input, and once it was taken.
    input: Mutex<Option<mpsc::Receiver<Result<Value, String>>>>,
    /// Whether the user can be asked.
    can_ask: bool,
}

impl Job {
    /// Runs the script on a machine, and closes its runspace pool in any case.
    async fn run_on(&self, remote: &Remote, host: &Host) -> HostResult {
        let pool = tokio::select! {
            pool = remote.session().runspace_pool(self.options.clone()) => pool,
            reason = host.stopped() => return HostResult::Stopped(reason),
        };
        let pool = match pool {
            Ok(pool) => pool,
            Err(error) => {
                let configuration = &self.options.configuration;
                return HostResult::Failed(text::of_refused_pool(error, configuration, remote));
            }
        };
        let result = self.run_in(&pool, host).await;
        let _ = timeout(CLOSE_TIMEOUT, pool.close()).await;
        result.unwrap_or_else(|error| HostResult::Failed(remote.message(error)))
    }

    async fn run_in(&self, pool: &RunspacePool, host: &Host) -> Result<HostResult, client::Error> {
        let input = self.input.lock().unwrap_or_else(PoisonError::into_inner).take();
        let pipeline = self.pipeline(input.is_some());
        let mut pipeline = tokio::select! {
            pipeline = pool.start(pipeline) => pipeline?,
            reason = host.stopped() => return Ok(HostResult::Stopped(reason)),
        };
        let controls = pipeline.controls();
        let input_error = Arc::new(OnceLock::new());
        if let Some(input) = input {
            tokio::spawn(feed(input, controls.clone(), Arc::clone(&input_error)));
        }
        let mut exit = None;
        let ended = tokio::select! {
            ended = self.receive(&mut pipeline, pool, host, &mut exit) => Ok(ended?),
            reason = host.stopped() => Err(reason),
        };
        let result = match ended {
            Ok(()) => ended_as(&pipeline, exit, input_error.get()),
            Err(reason) => {
                let stopped = timeout(STOP_TIMEOUT, async {
                    controls.stop().await?;
                    while pipeline.next().await?.is_some() {}
                    Ok::<_, client::Error>(())
                });
                let _ = stopped.await;
                HostResult::Stopped(reason)
            }
        };
        // The result is known, so a failure to release the pipeline is no failure of the script.
        let _ = timeout(STOP_TIMEOUT, pipeline.finish()).await;
        Ok(result)
    }

    /// Returns the pipeline: the script with its arguments, and formatting by the service for tables.
    fn pipeline(&self, has_input: bool) -> CreatePipeline {
        let script = Command::script(&self.script);
        let script = self.arguments.iter().fold(script, |script, text| script.argument(None, text.as_str()));
        let mut pipeline = CreatePipeline::new(script);
        pipeline.host = self.options.host.clone();
        if self.output == Output::Table {
            let width = cli::Screen::of_this_process().table_width().unwrap_or(DEFAULT_WIDTH);
            let width = i32::try_from(width.max(2)).unwrap_or(i32::MAX);
            pipeline.pipe(
                Command::named("Out-String").argument(Some("Stream"), true).argument(Some("Width"), width),
            );
        }
        if has_input { pipeline.with_input() } else { pipeline }
    }

    /// Reports the events of the pipeline until it ends.
    async fn receive(
        &self,
        pipeline: &mut Pipeline,
        pool: &RunspacePool,
        host: &Host,
        exit: &mut Option<i32>,
    ) -> Result<(), client::Error> {
        let controls = pipeline.controls();
        while let Some(event) = pipeline.next().await? {
            match event {
                PipelineEvent::HostCall(call) => {
                    self.answer(&call, pool, &controls, host, exit).await?;
                }
                // The same text arrives as a call to the host.
                PipelineEvent::Information(record) if host::is_for_host(&record) => {}
                event => host.report(Shown::Event(event)).await,
            }
        }
        Ok(())
    }

    async fn answer(
        &self,
        call: &HostCall,
        pool: &RunspacePool,
        controls: &PipelineControls,
        host: &Host,
        exit: &mut Option<i32>,
    ) -> Result<(), client::Error> {
        match host::react(call) {
            Reaction::Write(text) => host.report(Shown::Text(text)).await,
            Reaction::WriteError(text) => host.report(Shown::ErrorText(text)).await,
            Reaction::Exit(code) => *exit = Some(code),
            Reaction::Answer(value) => controls.respond(call, Ok(value)).await?,
            Reaction::Ask(question) if self.can_ask => {
                let introduction = host::introduction(call, &question);
                if !introduction.is_empty() {
                    host.report(Shown::Text(introduction)).await;
                }
                let answer = host::ask(question, pool).await;
                controls.respond(call, answer).await?;
            }
            Reaction::Ask(_) | Reaction::Refuse => controls.refuse(call).await?,
        }
        Ok(())
    }
}

/// Returns the result of a pipeline that has ended.
fn ended_as(pipeline: &Pipeline, exit: Option<i32>, input_error: Option<&String>) -> HostResult {
    let (status, error) = match pipeline.outcome() {
        Some(PipelineOutcome::Failed(error)) => (FAILED, Some(text::of_error(error))),
        Some(PipelineOutcome::Stopped) => (STOPPED, None),
        _ => (u8::from(pipeline.had_errors()), None),
    };
    let status = match exit {
        // An exit status has eight bits: other codes become 1, so that a failure remains a failure.
        Some(code) => u8::try_from(code).unwrap_or(1),
        None => status,
    };
    match input_error {
        Some(message) => HostResult::Ended { status: status.max(1), error: Some(message.clone()) },
        None => HostResult::Ended { status, error },
    }
}

/// Sends input to the pipeline, and its end. Objects that are ready are sent together.
///
/// An error of the input is stored before its end is sent, because the pipeline may end before this task continues.
async fn feed(
    mut input: mpsc::Receiver<Result<Value, String>>,
    controls: PipelineControls,
    input_error: Arc<OnceLock<String>>,
) {
    let mut ready = Vec::new();
    while input_error.get().is_none() && input.recv_many(&mut ready, MOST_OBJECTS).await > 0 {
        let mut values = Vec::with_capacity(ready.len());
        for object in ready.drain(..) {
            match object {
                Ok(value) => values.push(value),
                Err(message) => {
                    input_error.get_or_init(|| message);
                    break;
                }
            }
        }
        if controls.send(values).await.is_err() {
            return; // The script has ended; its output gives the reason.
        }
    }
    let _ = controls.end_input().await;
}

/// Reads standard input on a detached thread, because a blocking read cannot be cancelled.
fn reader(input: Input) -> Option<mpsc::Receiver<Result<Value, String>>> {
    let is_json = match input {
        Input::None => return None,
        Input::Lines => false,
        Input::Json => true,
    };
    let (sender, receiver) = mpsc::channel(MOST_OBJECTS);
    std::thread::spawn(move || {
        for (number, line) in io::stdin().lock().lines().enumerate() {
            let object = match line {
                Ok(line) if is_json && line.trim().is_empty() => continue,
                Ok(line) if is_json => serde_json::from_str(&line)
                    .map(|value| json::to_value(&value))
                    .map_err(|error| format!("line {} of standard input is not JSON: {error}", number + 1)),
                Ok(line) => Ok(line.into()),
                Err(error) => Err(format!("cannot read standard input: {error}")),
            };
            let is_last = object.is_err();
            if sender.blocking_send(object).is_err() || is_last {
                break;
            }
        }
    });
    Some(receiver)
}

/// Number of input objects that are sent together.
const MOST_OBJECTS: usize = 64;
/// Width of tables without a terminal, in characters.
const DEFAULT_WIDTH: usize = 120;
/// Maximum time for a script to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum time to close the runspace pool.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);
/// Exit status if an error ended the script.
const FAILED: u8 = 2;
