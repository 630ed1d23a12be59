//! A command of a shell: process group, streams and exit code.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use locks::Mutex;
use rustix::fs::{Access, access};
use rustix::process::Signal as UnixSignal;
use shells::ProcessLimiter;
use shells::process_group::{self, Group, GroupState, Program, supervise};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::timeout;

pub use self::input::Stdin;
pub use self::line::{CommandLine, Startup, without_outer_quotes};
pub use self::output::{CommandState, CommitResult, Delivery, Release, Stream, StreamSet};

use self::input::Input;
use self::line::{Invocation, Search};
use self::output::{Output, Source, pump};
use crate::codepage::CodePage;
use crate::error::CommandError;

mod input;
mod line;
mod output;

/// Program to run and its environment.
///
/// `WINRS_CONSOLEMODE_STDIN` is ignored: standard input is always a pipe. Ctrl-C reaches a Linux command with any kind
/// of input, and pywinrm requests console mode although it sends binary input.
#[derive(Clone)]
pub struct CommandSpec {
    /// Command line.
    pub line: CommandLine,
    /// Complete environment; nothing is inherited from the service.
    pub environment: Vec<(OsString, OsString)>,
    /// Working directory: an existing absolute path.
    pub directory: PathBuf,
    /// Code page of the streams.
    pub code_page: CodePage,
    /// Limits of the shell's processes.
    pub limiter: Arc<ProcessLimiter>,
}

/// A running or finished command.
///
/// All operations are cancel-safe: dropping their future loses neither input nor output. [`Command::close`], or
/// dropping the last handle, kills every process of the group. Until then a finished command stays a zombie, which
/// reserves its process group ID, so callers should close finished commands soon.
pub struct Command {
    group: Arc<Group>,
    input: Input,
    output: Arc<Output>,
    state: watch::Sender<GroupState>,
    exited: watch::Receiver<Option<i32>>,
    tasks: [AbortHandle; 2],
    supervisor: Mutex<Option<JoinHandle<()>>>,
}

/// Signals that a client can send to a command (MS-WSMV 3.1.4.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// `ctrl_c`: sends SIGINT.
    CtrlC,
    /// `ctrl_break`: sends SIGQUIT, the terminal's other key to end a program, with which Java prints its threads on
    /// both systems. No core file is written.
    CtrlBreak,
    /// `terminate`: sends SIGTERM, and SIGKILL two seconds later to the remaining processes.
    Terminate,
}

impl Command {
    /// Starts a command. Requires a tokio runtime, and blocks for about a millisecond until the program is executed.
    ///
    /// Missing or inaccessible directories and programs, and strings that Linux cannot represent, have their own
    /// [`CommandError`] variants.
    pub fn spawn(spec: &CommandSpec) -> Result<Self, CommandError> {
        check_text(spec)?;
        check_directory(&spec.directory)?;
        let path = spec.environment.iter().rfind(|(name, _)| name == "PATH");
        let search = Search::new(path.map(|(_, value)| value.as_os_str()), &spec.directory);
        let invocation = Invocation::of(&spec.line, &search)?;
        let (leader, pipes) = process_group::spawn(&Program {
            path: &invocation.program,
            name: &invocation.name,
            arguments: &invocation.arguments,
            environment: &spec.environment,
            directory: &spec.directory,
            limiter: &spec.limiter,
        })
        .map_err(|source| spawn_error(source, &invocation))?;

        let spawn_failed =
            |source: io::Error| CommandError::Spawn { program: invocation.name.clone(), source };
        let (input, writer) = Input::new(pipes.stdin, spec.code_page.input()).map_err(spawn_failed)?;
        let stdout = Source::new(Stream::Stdout, pipes.stdout).map_err(spawn_failed)?;
        let stderr = Source::new(Stream::Stderr, pipes.stderr).map_err(spawn_failed)?;

        let group = leader.group();
        tracing::debug!(process = group.id(), "Command started");
        let output = Arc::new(Output::new(spec.code_page));
        let (state, state_changes) = watch::channel(GroupState::Running);
        let (exit, exited) = watch::channel(None);
        let pump = tokio::spawn(pump(Arc::clone(&output), [stdout, stderr], exited.clone()));
        let writer = tokio::spawn(writer.run());
        let tasks = [pump.abort_handle(), writer.abort_handle()];
        let supervisor = Mutex::new(Some(tokio::spawn(supervise(leader, state_changes, exit))));
        Ok(Self { group, input, output, state, exited, tasks, supervisor })
    }

    /// Returns the ID of the command's process, which is also its process group ID.
    pub fn process_id(&self) -> u32 {
        self.group.id()
    }

    /// Returns the number of buffered output bytes that are in no delivery: at most 512 KiB per stream.
    pub fn buffered(&self) -> usize {
        self.output.buffered()
    }

    /// Waits for output of the streams `wanted`, at most `limit` bytes, or for the end of the command (MS-WSMV
    /// 3.1.4.14).
    ///
    /// * Output is delayed for at most 200 ms, until it fills the reply, a buffer is full, or the command ends. A short
    ///   command is therefore answered by a single reply.
    /// * Without output within `wait` the result is [`CommandError::TimedOut`].
    /// * [`CommandState::Done`] accompanies the last output of `wanted`. Once that delivery is committed, further calls
    ///   return [`CommandError::AlreadyDone`]; output of streams that were not requested is dropped.
    /// * Background processes that keep the streams open delay the end until they have written nothing for 500 ms;
    ///   their later output is lost.
    /// * Concurrent calls wait until the [`Delivery`] of the previous one is committed or dropped.
    pub async fn receive(
        &self,
        limit: usize,
        wanted: StreamSet,
        wait: Duration,
    ) -> Result<Delivery, CommandError> {
        Arc::clone(&self.output).receive(limit, wanted, wait).await
    }

    /// Returns a future that completes when the command's process has ended or the command is closed.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut exited = self.exited.clone();
        async move { _ = exited.wait_for(Option::is_some).await }
    }

    /// Returns whether a client has received the end of the command, after which it produces nothing more.
    pub fn is_reported(&self) -> bool {
        self.output.is_reported()
    }

    /// Marks the command as released by the client. Returns [`Release::WithDelivery`] if a pending delivery contains
    /// the end; its [`Delivery::commit`] then returns [`CommitResult::Released`].
    pub fn release(&self) -> Release {
        self.output.release()
    }

    /// Writes `data` to the command's standard input and waits until all of it is in the pipe.
    ///
    /// A concurrent call returns [`CommandError::Busy`]. The data is written even if the future is dropped. Data for a
    /// command that no longer reads its input, or whose input was closed, is discarded without an error.
    pub async fn send(&self, data: Vec<u8>, stdin: Stdin) -> Result<(), CommandError> {
        self.input.send(data, stdin).await
    }

    /// Signals every process of the command's group. Succeeds if the group has ended.
    pub fn signal(&self, signal: Signal) -> Result<(), CommandError> {
        let result = match signal {
            Signal::CtrlC => self.group.signal(UnixSignal::INT),
            Signal::CtrlBreak => self.group.signal(UnixSignal::QUIT),
            Signal::Terminate => {
                self.state.send_if_modified(|state| {
                    let first = *state == GroupState::Running;
                    if first {
                        *state = GroupState::terminating();
                    }
                    first
                });
                // A stopped process handles SIGTERM only after SIGCONT.
                self.group.signal(UnixSignal::TERM).and_then(|()| self.group.signal(UnixSignal::CONT))
            }
        };
        result.map_err(|source| CommandError::Signal { source })
    }

    /// Kills the process group, fails all pending operations with [`CommandError::Closed`], and waits for at most two
    /// seconds until the process has ended.
    pub async fn close(&self) {
        self.kill();
        let supervisor = self.supervisor.lock().take();
        if let Some(supervisor) = supervisor
            && timeout(CLOSE_WAIT, supervisor).await.is_err()
        {
            tracing::warn!(process = self.process_id(), "Killed command has not ended yet");
        }
    }

    fn kill(&self) {
        if let Err(error) = self.group.signal(UnixSignal::KILL) {
            tracing::warn!(process = self.process_id(), %error, "Cannot kill a command");
        }
        self.state.send_replace(GroupState::Closed);
        self.output.close();
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Drop for Command {
    fn drop(&mut self) {
        // The supervisor runs until it has reaped the process.
        self.kill();
    }
}

fn spawn_error(source: io::Error, invocation: &Invocation) -> CommandError {
    let program = invocation.name.clone();
    match source.kind() {
        io::ErrorKind::NotFound => CommandError::NoSuchProgram { program },
        io::ErrorKind::PermissionDenied => CommandError::ProgramForbidden { program },
        _ => CommandError::Spawn { program, source },
    }
}

/// Rejects NUL characters, which end every C string, and variable names that the kernel cannot represent.
fn check_text(spec: &CommandSpec) -> Result<(), CommandError> {
    require_no_nul(spec.directory.as_os_str(), "working directory")?;
    match &spec.line {
        CommandLine::Shell { program, line, .. } => {
            require_no_nul(program.as_os_str(), "login shell")?;
            require_no_nul(line, "command line")?;
        }
        CommandLine::Direct { program, arguments } => {
            require_no_nul(program, "program")?;
            arguments.iter().try_for_each(|argument| require_no_nul(argument, "arguments"))?;
        }
    }
    for (name, value) in &spec.environment {
        require_no_nul(name, "environment")?;
        require_no_nul(value, "environment")?;
        if name.is_empty() || name.as_bytes().contains(&b'=') {
            return Err(CommandError::EnvironmentName { name: name.clone() });
        }
    }
    Ok(())
}

fn require_no_nul(text: &OsStr, place: &'static str) -> Result<(), CommandError> {
    match text.as_bytes().contains(&0) {
        true => Err(CommandError::ContainsNul { place }),
        false => Ok(()),
    }
}

/// Checks the working directory before the start, because the error of execve(2) does not distinguish a missing
/// directory from a missing program.
pub(crate) fn check_directory(path: &Path) -> Result<(), CommandError> {
    let path = path.to_owned();
    match path.metadata() {
        Ok(metadata) if !metadata.is_dir() => Err(CommandError::NotADirectory { path }),
        Ok(_) if access(&path, Access::EXEC_OK).is_err() => Err(CommandError::DirectoryForbidden { path }),
        Ok(_) => Ok(()),
        Err(error) => Err(match error.kind() {
            io::ErrorKind::PermissionDenied => CommandError::DirectoryForbidden { path },
            io::ErrorKind::NotADirectory => CommandError::NotADirectory { path },
            _ => CommandError::NoSuchDirectory { path },
        }),
    }
}

/// How long `close` waits for a killed process.
const CLOSE_WAIT: Duration = Duration::from_secs(2);
