//! Commands on the other machine.

use std::sync::Arc;

use client::{CommandOptions, Finished, Output, ShellOptions};
use tokio::sync::Mutex;
use wsman::shell::{CommandLine, SignalCode};

use crate::error::Error;
use crate::session::{About, Session};

/// A shell on the service, in which commands run. Dropping it closes it in the background, if it can.
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
    about: Arc<About>,
}

/// A command in a shell. Dropping it before [`Command::finish`] ends it in the background, if it can.
#[derive(Debug)]
pub struct Command {
    command: client::Command,
    controls: Controls,
    about: Arc<About>,
}

/// Input and signals for a command, for whoever has something to say while somebody else waits for its output.
#[derive(Clone, Debug)]
pub struct Controls {
    /// One piece after the other; none once its end was said.
    stdin: Arc<Mutex<Option<client::Stdin>>>,
    signaller: client::Signaller,
    about: Arc<About>,
}

impl Session {
    /// Opens a shell.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn shell(&self, options: ShellOptions) -> Result<Shell, Error> {
        let shell = self.client.shell(options).await.map_err(|error| self.explain(error))?;
        Ok(Shell { shell, about: self.about() })
    }

    /// Runs one command in a shell of its own and gathers its output; the shell is closed on every path.
    ///
    /// Arguments are joined by spaces, not quoted: the shell of the other machine reads them.
    ///
    /// # Errors
    /// [`Error`]. A command that fails is none: see its exit code.
    pub async fn run(
        &self,
        command: &str,
        arguments: &[String],
        options: ShellOptions,
    ) -> Result<Finished, Error> {
        let shell = self.shell(options).await?;
        let finished = shell.run(command, arguments).await;
        let closed = shell.close().await;
        let finished = finished?;
        closed.map(|()| finished)
    }
}

impl Shell {
    /// The identifier the service gave it.
    #[must_use]
    pub fn id(&self) -> &str {
        self.shell.id()
    }

    /// Runs a command and gathers its output. One that still runs after half a second finds its input at an end.
    ///
    /// # Errors
    /// [`Error`]; [`Error::Argument`] beyond [`ShellOptions::output_limit`].
    pub async fn run(&self, command: &str, arguments: &[String]) -> Result<Finished, Error> {
        let line = [&[command.to_owned()], arguments].concat().join(" ");
        self.shell.run(&line).await.map_err(|error| self.about.explain(error))
    }

    /// Starts a command.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn start(
        &self,
        command: &str,
        arguments: &[String],
        options: CommandOptions,
    ) -> Result<Command, Error> {
        let line =
            CommandLine { command: command.to_owned(), arguments: arguments.to_vec(), ..Default::default() };
        let started = self.shell.start(&line, options).await;
        let command = started.map_err(|error| self.about.explain(error))?;
        let controls = Controls {
            stdin: Arc::new(Mutex::new(Some(command.input()))),
            signaller: command.signaller(),
            about: Arc::clone(&self.about),
        };
        Ok(Command { command, controls, about: Arc::clone(&self.about) })
    }

    /// Ends the shell and all of its commands; one that is gone already counts as closed.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn close(self) -> Result<(), Error> {
        let Self { shell, about } = self;
        shell.close().await.map_err(|error| about.explain(error))
    }
}

impl Command {
    /// The identifier the service gave it.
    #[must_use]
    pub fn id(&self) -> &str {
        self.command.id()
    }

    /// Waits for the next piece of output, for as long as the command takes; after [`Output::Done`] it is that again
    /// and again. Nothing is lost if the future is dropped before it is ready.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn next_output(&mut self) -> Result<Output, Error> {
        self.command.next_output().await.map_err(|error| self.about.explain(error))
    }

    /// Input and signals for the command.
    #[must_use]
    pub fn controls(&self) -> Controls {
        self.controls.clone()
    }

    /// Lets go of the command: ends it if it still runs, and frees what the service keeps of it.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn finish(self) -> Result<(), Error> {
        let Self { command, about, .. } = self;
        command.finish().await.map_err(|error| about.explain(error))
    }
}

impl Controls {
    /// Gives octets to the command, in as many requests as their number needs.
    ///
    /// # Errors
    /// [`Error`]; [`Error::Argument`] after [`Self::close_input`].
    pub async fn write(&self, octets: &[u8]) -> Result<(), Error> {
        match self.stdin.lock().await.as_mut() {
            Some(stdin) => stdin.write(octets).await.map_err(|error| self.about.explain(error)),
            None => Err(Error::argument("the input of the command was ended", None)),
        }
    }

    /// Says that there is no further input; a second time it does nothing.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn close_input(&self) -> Result<(), Error> {
        match self.stdin.lock().await.take() {
            Some(stdin) => stdin.close().await.map_err(|error| self.about.explain(error)),
            None => Ok(()),
        }
    }

    /// Sends a signal; one to a command that has ended is lost without an error.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn signal(&self, code: SignalCode) -> Result<(), Error> {
        match self.signaller.signal(code).await {
            Err(error) if error.is_gone() => Ok(()),
            sent => sent.map_err(|error| self.about.explain(error)),
        }
    }
}
