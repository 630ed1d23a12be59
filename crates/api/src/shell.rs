//! Remote shells and commands.

use std::sync::Arc;

use client::{CommandOptions, CommandResult, Output, ShellOptions};
use tokio::sync::Mutex;
use wsman::shell::{CommandLine, SignalCode};

use crate::error::Error;
use crate::error_context::ErrorContext;
use crate::session::Session;

/// Open shell on the service. Dropping it closes the shell in the background if a tokio runtime is running.
///
/// ```no_run
/// # async fn example(session: telarch::Session) -> Result<(), telarch::Error> {
/// let shell = session.shell(Default::default()).await?;
/// let finished = shell.run("uname -a", &[]).await?;
/// print!("{}", String::from_utf8_lossy(&finished.stdout));
/// shell.close().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Shell {
    shell: client::Shell,
    context: Arc<ErrorContext>,
}

/// Running command in a shell. Dropping it before [`Command::finish`] terminates it in the background.
#[derive(Debug)]
pub struct Command {
    command: client::Command,
    controls: Controls,
    context: Arc<ErrorContext>,
}

/// Handle for the input and the signals of a command, usable while another task waits for its output.
#[derive(Clone, Debug)]
pub struct Controls {
    /// Pieces of input are sent one after the other; `None` after the input was closed.
    stdin: Arc<Mutex<Option<client::Stdin>>>,
    signaller: client::Signaller,
    context: Arc<ErrorContext>,
}

impl Session {
    /// Opens a shell.
    ///
    /// [`Error`] if the request or the response fails.
    /// [`Error`].
    pub async fn shell(&self, options: ShellOptions) -> Result<Shell, Error> {
        let shell = self.client.shell(options).await.map_err(|error| self.explain(error))?;
        Ok(Shell { shell, context: self.context() })
    }

    /// Runs one command in a new shell and collects its output; the shell is closed in any case.
    ///
    /// Arguments are joined with spaces and not quoted; the remote shell interprets them.
    ///
    /// # Errors
    /// [`Error`] if a request fails. A failed command is not an error; check its exit code.
    pub async fn run(
        &self,
        command: &str,
        arguments: &[String],
        options: ShellOptions,
    ) -> Result<CommandResult, Error> {
        let shell = self.shell(options).await?;
        let finished = shell.run(command, arguments).await;
        let closed = shell.close().await;
        let finished = finished?;
        closed.map(|()| finished)
    }
}

impl Shell {
    /// Identifier of the shell, assigned by the service.
    #[must_use]
    pub fn id(&self) -> &str {
        self.shell.id()
    }

    /// Runs a command and collects its output. Its input is closed after half a second.
    ///
    /// # Errors
    /// [`Error`] if a request fails; [`Error::Argument`] beyond [`ShellOptions::output_limit`].
    pub async fn run(&self, command: &str, arguments: &[String]) -> Result<CommandResult, Error> {
        let line = [&[command.to_owned()], arguments].concat().join(" ");
        self.shell.run(&line).await.map_err(|error| self.context.explain(error))
    }

    /// Starts a command.
    ///
    /// # Errors
    /// [`Error`] if the request or the response fails.
    pub async fn start(
        &self,
        command: &str,
        arguments: &[String],
        options: CommandOptions,
    ) -> Result<Command, Error> {
        let line =
            CommandLine { command: command.to_owned(), arguments: arguments.to_vec(), ..Default::default() };
        let started = self.shell.start(&line, options).await;
        let command = started.map_err(|error| self.context.explain(error))?;
        let controls = Controls {
            stdin: Arc::new(Mutex::new(Some(command.input()))),
            signaller: command.signaller(),
            context: Arc::clone(&self.context),
        };
        Ok(Command { command, controls, context: Arc::clone(&self.context) })
    }

    /// Closes the shell and terminates its commands; succeeds if the shell no longer exists.
    ///
    /// # Errors
    /// [`Error`] if the request fails.
    pub async fn close(self) -> Result<(), Error> {
        let Self { shell, context } = self;
        shell.close().await.map_err(|error| context.explain(error))
    }
}

impl Command {
    /// Identifier of the command, assigned by the service.
    #[must_use]
    pub fn id(&self) -> &str {
        self.command.id()
    }

    /// Waits for the next output, for as long as the command runs. After [`Output::Done`], every call returns `Done`.
    /// The future is cancellation-safe.
    ///
    /// # Errors
    /// [`Error`] if a request or a response fails.
    pub async fn next_output(&mut self) -> Result<Output, Error> {
        self.command.next_output().await.map_err(|error| self.context.explain(error))
    }

    /// Returns a handle for input and signals.
    #[must_use]
    pub fn controls(&self) -> Controls {
        self.controls.clone()
    }

    /// Terminates the command if it is running, and releases its resources on the service.
    ///
    /// # Errors
    /// [`Error`] if the request fails.
    pub async fn finish(self) -> Result<(), Error> {
        let Self { command, context, .. } = self;
        command.finish().await.map_err(|error| context.explain(error))
    }
}

impl Controls {
    /// Sends bytes to the command, in as many requests as needed.
    ///
    /// # Errors
    /// [`Error`] if a request fails; [`Error::Argument`] after [`Self::close_input`].
    pub async fn write(&self, octets: &[u8]) -> Result<(), Error> {
        match self.stdin.lock().await.as_mut() {
            Some(stdin) => stdin.write(octets).await.map_err(|error| self.context.explain(error)),
            None => Err(Error::argument("the input of the command is closed", None)),
        }
    }

    /// Closes the input; further calls do nothing.
    ///
    /// # Errors
    /// [`Error`] if the request fails.
    pub async fn close_input(&self) -> Result<(), Error> {
        match self.stdin.lock().await.take() {
            Some(stdin) => stdin.close().await.map_err(|error| self.context.explain(error)),
            None => Ok(()),
        }
    }

    /// Sends a signal; succeeds without effect if the command has ended.
    ///
    /// # Errors
    /// [`Error`] if the request fails.
    pub async fn signal(&self, code: SignalCode) -> Result<(), Error> {
        match self.signaller.signal(code).await {
            Err(error) if error.is_gone() => Ok(()),
            sent => sent.map_err(|error| self.context.explain(error)),
        }
    }
}
