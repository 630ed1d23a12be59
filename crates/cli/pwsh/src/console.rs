//! The interactive console: each line is a pipeline in one runspace pool.

use std::io::{self, Write as _};
use std::time::Duration;

use cli::Screen;
use cli::remote::Remote;
use cli_command::{Failure, output};
use client::{PipelineEvent, PipelineOutcome, PoolOptions, RunspacePool};
use psrp::clixml::Value;
use psrp::{Command, CreatePipeline, Guid};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Config, Context, Editor, Helper};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::completeness::is_complete;
use super::history::{History, MAX_LINES};
use super::host::{self, Reaction};
use super::status_line::StatusLine;
use super::text;

/// Settings of a console.
pub(super) struct ConsoleStart {
    pub(super) options: PoolOptions,
    pub(super) history: History,
    /// Disconnected pool to connect to; `None` for a new one.
    pub(super) connect: Option<Guid>,
}

/// Runs the console until `exit`, Ctrl-D or a disconnection, and returns the exit code.
pub(super) fn run(remote: &Remote, start: ConsoleStart) -> Result<u8, Failure> {
    let ConsoleStart { options, mut history, connect } = start;
    // The pool is kept alive by a task while a line is edited.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let opened = runtime.block_on(async {
        match connect {
            Some(id) => remote.session().connect_runspace_pool(id, options.clone()).await,
            None => remote.session().runspace_pool(options.clone()).await,
        }
    });
    let pool = opened
        .map_err(|error| Failure::Failed(text::of_refused_pool(error, &options.configuration, remote)))?;
    let console = Console { runtime: &runtime, remote, pool: &pool, options: &options };
    let ended = console.run(&mut history);
    if let Err(error) = history.save() {
        writeln!(output::errors(), "telarch: cannot save the history: {error}")?;
    }
    let status = match ended {
        Ok(ConsoleEnd::Disconnected) => {
            let name = remote.name();
            writeln!(
                output::errors(),
                "disconnected; connect again with: telarch pwsh {name} --connect {}",
                pool.id()
            )?;
            pool.leave();
            Ok(0)
        }
        ended => {
            let _ = runtime.block_on(async { timeout(CLOSE_TIMEOUT, pool.close()).await });
            ended.map(|end| if let ConsoleEnd::Exit(code) = end { code } else { 0 })
        }
    };
    // A thread that waits for the terminal must not delay the end.
    runtime.shutdown_background();
    status
}

/// End of a console.
enum ConsoleEnd {
    /// The pool is to be closed; with an exit code.
    Exit(u8),
    /// The pool stays on the service.
    Disconnected,
}

struct Console<'c> {
    runtime: &'c Runtime,
    remote: &'c Remote,
    pool: &'c RunspacePool,
    options: &'c PoolOptions,
}

impl Console<'_> {
    fn run(&self, history: &mut History) -> Result<ConsoleEnd, Failure> {
        let config = Config::builder().max_history_size(MAX_LINES).map_err(terminal_failure)?.build();
        let empty = MemHistory::with_config(&config);
        let mut editor =
            Editor::<Assistant<'_>, MemHistory>::with_history(config, empty).map_err(terminal_failure)?;
        editor.set_helper(Some(Assistant { console: self }));
        for line in history.load() {
            // A line that cannot be added to the history is ignored.
            let _ = editor.add_history_entry(line);
        }
        loop {
            let line = match editor.readline(&self.prompt()) {
                Ok(line) => line,
                Err(ReadlineError::Interrupted) => continue,
                Err(ReadlineError::Eof) => return Ok(ConsoleEnd::Exit(0)),
                Err(error) => return Err(terminal_failure(error)),
            };
            if line.trim().is_empty() {
                continue;
            }
            // A line that cannot be added to the history can still be run.
            let _ = editor.add_history_entry(line.as_str());
            history.add(&line);
            if line.trim().eq_ignore_ascii_case("exit") {
                return Ok(ConsoleEnd::Exit(0));
            }
            let ran = match line.trim().eq_ignore_ascii_case(DISCONNECT) {
                true => match self.runtime.block_on(self.pool.disconnect(None)) {
                    Ok(()) => return Ok(ConsoleEnd::Disconnected),
                    Err(error) => Err(error),
                },
                false => self.runtime.block_on(self.run_line(&line)),
            };
            match ran {
                Ok(None) => {}
                Ok(Some(code)) => return Ok(ConsoleEnd::Exit(u8::try_from(code).unwrap_or(1))),
                Err(error) => {
                    if self.pool.state() != psrp::PoolState::Opened {
                        return Err(Failure::Failed(self.remote.message(error)));
                    }
                    writeln!(output::errors(), "telarch: {}", self.remote.message(error))?;
                }
            }
        }
    }

    /// Returns the prompt of the service: the text of its function `prompt`.
    fn prompt(&self) -> String {
        let texts = self.runtime.block_on(self.texts(CreatePipeline::script("prompt")));
        let text = texts.into_iter().flatten().next();
        // Control characters would confuse the line editor.
        let text = text.map(|text| text.chars().filter(|c| !c.is_control()).collect::<String>());
        let text = text.filter(|text| !text.is_empty()).unwrap_or_else(|| "PS> ".to_owned());
        format!("[{}]: {text}", self.remote.name())
    }

    /// Returns the text output of a pipeline that must end soon; `None` if it does not.
    async fn texts(&self, pipeline: CreatePipeline) -> Option<Vec<String>> {
        let running = async {
            let mut pipeline = self.pool.start(pipeline).await.ok()?;
            let mut texts = Vec::new();
            while let Some(event) = pipeline.next().await.ok()? {
                match event {
                    PipelineEvent::Output(value) => texts.push(text::of_value(&value)),
                    PipelineEvent::HostCall(call) => pipeline.controls().refuse(&call).await.ok()?,
                    _ => {}
                }
            }
            pipeline.finish().await.ok()?;
            Some(texts)
        };
        timeout(ASSISTANCE_TIMEOUT, running).await.ok().flatten()
    }

    /// Runs a line and writes its output. Returns the exit code if the line ends the console.
    async fn run_line(&self, line: &str) -> Result<Option<i32>, client::Error> {
        let mut create =
            CreatePipeline::new(Command { use_local_scope: Some(false), ..Command::script(line) });
        create.pipe(Command::named("Out-Default"));
        create.add_to_history = true;
        create.host = self.options.host.clone();
        let mut pipeline = self.pool.start(create).await?;
        let controls = pipeline.controls();
        let (mut out, mut errors) = (output::out(), output::errors());
        let (mut exit, mut stops) = (None, 0);
        let mut status = StatusLine::new(Screen::of_this_process().progress_width());
        loop {
            let event = tokio::select! {
                event = pipeline.next() => event?,
                _ = tokio::signal::ctrl_c() => {
                    stops += 1;
                    if stops > 1 {
                        break;
                    }
                    let controls = controls.clone();
                    // Send the signal in a task, so that output continues. An error means that the script has ended.
                    tokio::spawn(async move { controls.stop().await });
                    continue;
                }
            };
            // An error while writing the line means that the terminal was closed. The line has no control characters
            // of the other machine, and those of its own must not be escaped.
            let _ = match &event {
                Some(PipelineEvent::Progress(record)) => status.show(record, &mut io::stderr()),
                _ => status.clear(&mut io::stderr()),
            };
            let Some(event) = event else { break };
            // An error while writing to the terminal means that it was closed; the next line ends the console.
            let _ = match event {
                PipelineEvent::Output(value) => writeln!(out, "{}", text::of_value(&value)),
                PipelineEvent::Error(record) => writeln!(errors, "{}", text::of_error(&record)),
                PipelineEvent::Warning(record) => writeln!(errors, "WARNING: {}", record.message),
                PipelineEvent::Verbose(record) => writeln!(errors, "VERBOSE: {}", record.message),
                PipelineEvent::Debug(record) => writeln!(errors, "DEBUG: {}", record.message),
                PipelineEvent::Information(record) if !host::is_for_host(&record) => {
                    writeln!(out, "{}", text::of_value(&record.data))
                }
                PipelineEvent::HostCall(call) => match host::react(&call) {
                    Reaction::Write(text) => write!(out, "{text}").and_then(|()| out.flush()),
                    Reaction::WriteError(text) => write!(errors, "{text}"),
                    Reaction::Exit(code) => {
                        exit = Some(code);
                        Ok(())
                    }
                    Reaction::Answer(value) => {
                        controls.respond(&call, Ok(value)).await?;
                        Ok(())
                    }
                    Reaction::Ask(question) => {
                        let written = write!(out, "{}", host::introduction(&call, &question));
                        let _ = out.flush();
                        let answer = host::ask(question, self.pool).await;
                        controls.respond(&call, answer).await?;
                        written
                    }
                    Reaction::Refuse => {
                        controls.refuse(&call).await?;
                        Ok(())
                    }
                },
                _ => Ok(()),
            };
        }
        let _ = status.clear(&mut io::stderr());
        if let Some(PipelineOutcome::Failed(error)) = pipeline.outcome() {
            let _ = writeln!(errors, "{}", text::of_error(error));
        }
        let _ = timeout(CLOSE_TIMEOUT, pipeline.finish()).await;
        Ok(exit)
    }

    /// Returns the completions of the service for a line: their place, and their texts.
    fn completions(&self, line: &str, place: usize) -> Option<(usize, Vec<String>)> {
        // PowerShell counts UTF-16 units.
        let before = line.get(..place)?;
        let cursor = i32::try_from(before.encode_utf16().count()).ok()?;
        let script = "$c = TabExpansion2 -inputScript $args[0] -cursorColumn $args[1]; \
                      $c.ReplacementIndex; $c.CompletionMatches | ForEach-Object { $_.CompletionText }";
        let command = Command::script(script).argument(None, line).argument(None, Value::from(cursor));
        let texts = self.runtime.block_on(self.texts(CreatePipeline::new(command)))?;
        let (index, matches) = texts.split_first()?;
        let units: usize = index.parse().ok()?;
        let start = before.char_indices().scan(0, |count, (at, c)| {
            let here = (*count, at);
            *count += c.len_utf16();
            Some(here)
        });
        let start =
            start.chain([(usize::try_from(cursor).ok()?, place)]).find(|(count, _)| *count >= units)?.1;
        let is_plain = |text: &&String| !text.chars().any(char::is_control);
        Some((start, matches.iter().filter(is_plain).take(MOST_COMPLETIONS).cloned().collect()))
    }
}

/// Completion and continuation lines of the editor.
struct Assistant<'c> {
    console: &'c Console<'c>,
}

impl Helper for Assistant<'_> {}
impl Highlighter for Assistant<'_> {}

impl Hinter for Assistant<'_> {
    type Hint = String;
}

impl Validator for Assistant<'_> {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(if is_complete(context.input()) {
            ValidationResult::Valid(None)
        } else {
            ValidationResult::Incomplete
        })
    }
}

impl Completer for Assistant<'_> {
    type Candidate = String;

    fn complete(&self, line: &str, place: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(self.console.completions(line, place).unwrap_or((place, Vec::new())))
    }
}

fn terminal_failure(error: ReadlineError) -> Failure {
    Failure::Failed(format!("cannot read the terminal: {}", io::Error::other(error)))
}

/// Line that leaves the pool on the service, as the cmdlet of this name does for a session.
const DISCONNECT: &str = "Disconnect-PSSession";
/// Maximum number of completions.
const MOST_COMPLETIONS: usize = 500;
/// Maximum time for the prompt and for completion.
const ASSISTANCE_TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum time to release a pipeline or to close the runspace pool.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
