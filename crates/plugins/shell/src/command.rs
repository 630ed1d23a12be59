//! One command of a shell: a process group on this machine, its streams and its end.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::{Access, access};
use rustix::process::Signal as UnixSignal;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::timeout;

pub use self::input::Stdin;
pub use self::line::{CommandLine, Startup, without_outer_quotes};
pub use self::output::{CommandState, Committed, Delivery, Release, Stream, StreamSet};

use self::group::{Fate, Group, supervise};
use self::input::Input;
use self::line::{Invocation, Search};
use self::output::{Output, Source, pump};
use crate::codepage::CodePage;
use crate::error::CommandError;
use crate::limits::Enclosure;

mod group;
mod input;
mod line;
mod output;

/// What to run, and where.
///
/// `WINRS_CONSOLEMODE_STDIN` has no place here: standard input is always a pipe. Ctrl-C reaches a Linux command
/// whatever its input is, and pywinrm asks for console mode while it streams binary input.
#[derive(Clone)]
pub struct CommandSpec {
    /// The program, or the line for the login shell.
    pub line: CommandLine,
    /// The whole environment; nothing is inherited.
    pub environment: Vec<(OsString, OsString)>,
    /// The working directory: an absolute path that exists.
    pub directory: PathBuf,
    /// What the client wants the streams to be written in.
    pub code_page: CodePage,
    /// What the command may use up.
    pub enclosure: Arc<Enclosure>,
}

/// A running or finished command.
///
/// All its operations may be dropped at any time without losing input or output. [`Command::close`], or dropping the
/// last handle, kills every process of its group. Until then a finished command stays a zombie, which keeps the
/// number of its group from being given to anybody else; so close finished commands soon.
pub struct Command {
    group: Arc<Group>,
    input: Input,
    output: Arc<Output>,
    fate: watch::Sender<Fate>,
    exited: watch::Receiver<Option<i32>>,
    tasks: [AbortHandle; 2],
    supervisor: Mutex<Option<JoinHandle<()>>>,
}

/// What a client can send to a command (MS-WSMV 3.1.4.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// `ctrl_c`: SIGINT.
    CtrlC,
    /// `ctrl_break`: SIGQUIT, the other key of a terminal that ends a program, and for a Java program on both
    /// systems the one that prints its threads. No core file is written.
    CtrlBreak,
    /// `terminate`: SIGTERM, and SIGKILL to what is left two seconds later.
    Terminate,
}

impl Command {
    /// Starts a command. Needs a tokio runtime, and blocks for about a millisecond while the program is executed.
    ///
    /// A missing folder or program, a forbidden one, and names that Linux cannot hold have their own
    /// [`CommandError`]s.
    pub fn spawn(spec: &CommandSpec) -> Result<Self, CommandError> {
        admit_text(spec)?;
        admit_directory(&spec.directory)?;
        let path = spec.environment.iter().rfind(|(name, _)| name == "PATH");
        let search = Search::new(path.map(|(_, value)| value.as_os_str()), &spec.directory);
        let invocation = Invocation::of(&spec.line, &search)?;
        let (leader, pipes) = group::spawn(&invocation, spec)?;

        let failed = |source: io::Error| CommandError::Spawn { program: invocation.name.clone(), source };
        let (input, writer) = Input::new(pipes.stdin, spec.code_page.input()).map_err(failed)?;
        let stdout = Source::new(Stream::Stdout, pipes.stdout).map_err(failed)?;
        let stderr = Source::new(Stream::Stderr, pipes.stderr).map_err(failed)?;

        let group = leader.group();
        tracing::debug!(process = group.id(), "Command started");
        let output = Arc::new(Output::new(spec.code_page));
        let (fate, told) = watch::channel(Fate::Lives);
        let (exit, exited) = watch::channel(None);
        let pump = tokio::spawn(pump(Arc::clone(&output), [stdout, stderr], exited.clone()));
        let writer = tokio::spawn(writer.run());
        let tasks = [pump.abort_handle(), writer.abort_handle()];
        let supervisor = Mutex::new(Some(tokio::spawn(supervise(leader, told, exit))));
        Ok(Self { group, input, output, fate, exited, tasks, supervisor })
    }

    /// The number of the command's process, which is also that of its process group.
    pub fn process_id(&self) -> u32 {
        self.group.id()
    }

    /// Bytes of output that were read and are in no delivery: at most 512 KiB of each stream.
    pub fn buffered(&self) -> usize {
        self.output.buffered()
    }

    /// The next output of `wanted`, `limit` bytes at most, or the end of the command (MS-WSMV 3.1.4.14).
    ///
    /// * Output is held back until it fills the reply, or a buffer is full, or the command ends, for at most 200 ms
    ///   after it came: a short command answers everything at once, and a prompt is not late.
    /// * Nothing within `wait`: [`CommandError::TimedOut`].
    /// * [`CommandState::Done`] comes with the last output of `wanted`, and once; after its commit it is
    ///   [`CommandError::AlreadyDone`]. Streams that were not asked for then are dropped.
    /// * Processes that the command left behind with its streams open delay the end until they were silent for
    ///   500 ms; what they write later is lost.
    /// * A Receive beside another waits for the other's [`Delivery`] to be committed or dropped.
    pub async fn receive(
        &self,
        limit: usize,
        wanted: StreamSet,
        wait: Duration,
    ) -> Result<Delivery, CommandError> {
        Arc::clone(&self.output).receive(limit, wanted, wait).await
    }

    /// Waits until the command's process has ended, or the command is closed.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut exited = self.exited.clone();
        async move { _ = exited.wait_for(Option::is_some).await }
    }

    /// Whether a client was told of the command's end: then nothing more can come of it.
    pub fn is_reported(&self) -> bool {
        self.output.is_reported()
    }

    /// The client says that it is done with the command. [`Release::WithDelivery`] if the end stands in a delivery
    /// that is neither committed nor dropped: then [`Delivery::commit`] answers [`Committed::Released`].
    pub fn release(&self) -> Release {
        self.output.release()
    }

    /// Writes `data` to the command's standard input and waits until the command has room for all of it.
    ///
    /// While it waits, another Send gets [`CommandError::Busy`]. If the future is dropped the data is written all the
    /// same. Data for a command that reads no more, or whose input was closed, is discarded without an error.
    pub async fn send(&self, data: Vec<u8>, stdin: Stdin) -> Result<(), CommandError> {
        self.input.send(data, stdin).await
    }

    /// Signals every process of the command's group. One that has ended is a success.
    pub fn signal(&self, signal: Signal) -> Result<(), CommandError> {
        let result = match signal {
            Signal::CtrlC => self.group.signal(UnixSignal::INT),
            Signal::CtrlBreak => self.group.signal(UnixSignal::QUIT),
            Signal::Terminate => {
                self.fate.send_if_modified(|fate| {
                    let first = *fate == Fate::Lives;
                    if first {
                        *fate = Fate::terminating();
                    }
                    first
                });
                // A stopped process takes the first only with the second.
                self.group.signal(UnixSignal::TERM).and_then(|()| self.group.signal(UnixSignal::CONT))
            }
        };
        result.map_err(|source| CommandError::Signal { source })
    }

    /// Kills what is left of the group, ends every waiting operation with [`CommandError::Closed`] and returns when
    /// the process is gone, which a process stuck in the kernel can delay for two seconds.
    pub async fn close(&self) {
        self.kill();
        let supervisor = self.supervisor.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(supervisor) = supervisor
            && timeout(CLOSE_WAIT, supervisor).await.is_err()
        {
            tracing::warn!(process = self.process_id(), "A killed command has not ended yet");
        }
    }

    fn kill(&self) {
        if let Err(error) = self.group.signal(UnixSignal::KILL) {
            tracing::warn!(process = self.process_id(), %error, "A command could not be killed");
        }
        self.fate.send_replace(Fate::Closed);
        self.output.close();
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Drop for Command {
    fn drop(&mut self) {
        // The supervisor goes on until it has reaped the process.
        self.kill();
    }
}

/// A NUL would cut a text short, and the kernel splits an environment at the first `=`.
fn admit_text(spec: &CommandSpec) -> Result<(), CommandError> {
    let admit = |text: &OsStr, place| match text.as_bytes().contains(&0) {
        true => Err(CommandError::ContainsNul { place }),
        false => Ok(()),
    };
    admit(spec.directory.as_os_str(), "working directory")?;
    match &spec.line {
        CommandLine::Shell { program, line, .. } => {
            admit(program.as_os_str(), "login shell")?;
            admit(line, "command line")?;
        }
        CommandLine::Direct { program, arguments } => {
            admit(program, "program")?;
            arguments.iter().try_for_each(|argument| admit(argument, "arguments"))?;
        }
    }
    for (name, value) in &spec.environment {
        admit(name, "environment")?;
        admit(value, "environment")?;
        if name.is_empty() || name.as_bytes().contains(&b'=') {
            return Err(CommandError::EnvironmentName { name: name.clone() });
        }
    }
    Ok(())
}

/// The kernel's own answer would not tell a missing folder from a missing program.
pub(crate) fn admit_directory(path: &Path) -> Result<(), CommandError> {
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

/// How long a killed process is waited for.
const CLOSE_WAIT: Duration = Duration::from_secs(2);
