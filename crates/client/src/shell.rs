//! Remote shells (MS-WSMV 3.1.4.5).

mod command;
mod run;
mod runspace;
mod stdin;

use std::fmt;
use std::future::Future;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::runtime::Handle;
use wsman::shell::{CommandLine, OpenShell, option, parse_command_response, parse_created};
use wsman::{Action, OptionSet, ResourceUri, Response, SelectorSet, ShellVerb, namespace};
use xml::Writer;

pub use command::{Command, Output, Signaller};
pub use run::CommandResult;
pub use runspace::{
    DisconnectedPool, Pipeline, PipelineControls, PipelineEvent, PipelineOutcome, PoolOptions, RunspacePool,
};
pub use stdin::Stdin;

use crate::error::Error;
use crate::session::Retry;
use crate::timeouts::Timeouts;
use crate::{Locator, Session};

/// Open shell on the service. Dropping it closes the shell in the background if a tokio runtime is running.
#[derive(Debug)]
pub struct Shell {
    channel: Channel,
    output_streams: Vec<String>,
    output_limit: usize,
    is_closed: bool,
}

/// Parameters of a shell.
///
/// `Debug` omits the values of environment variables, because they may be passwords.
#[derive(Clone)]
pub struct ShellOptions {
    /// Environment variables for every command, in addition to the user's.
    pub environment: Vec<(String, String)>,
    /// Working directory of commands; the default is the user's home directory.
    pub directory: Option<String>,
    /// Code page of input and output; the default is 65001 (UTF-8).
    pub code_page: u32,
    /// Whether the user's profile is loaded.
    pub profile: Profile,
    /// Time without requests after which the service may close the shell.
    pub idle_timeout: Option<Duration>,
    /// Display name of the shell.
    pub name: Option<String>,
    /// Input streams; the default is `stdin`.
    pub input_streams: Vec<String>,
    /// Output streams; the default is `stdout` and `stderr`.
    pub output_streams: Vec<String>,
    /// Maximum output of [`Shell::run`] in bytes, after which the command is terminated; the default is 64 MiB.
    pub output_limit: usize,
}

/// Loading of the user's profile into a shell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// The profile is loaded.
    #[default]
    Loaded,
    /// The profile is not loaded, which is faster.
    Skipped,
}

/// Parameters of a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommandOptions {
    /// Type of standard input.
    pub console: Console,
    /// Interpreter of the command line.
    pub interpreter: Interpreter,
}

/// Type of standard input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Console {
    /// A pipe.
    #[default]
    Pipe,
    /// A console, so that the command receives Ctrl-C.
    Console,
}

/// Interpreter of the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interpreter {
    /// The service's command interpreter.
    #[default]
    Used,
    /// None: the program is started directly.
    Skipped,
}

impl Default for ShellOptions {
    fn default() -> Self {
        Self {
            environment: Vec::new(),
            directory: None,
            code_page: 65_001,
            profile: Profile::Loaded,
            idle_timeout: None,
            name: None,
            input_streams: vec!["stdin".to_owned()],
            output_streams: vec!["stdout".to_owned(), "stderr".to_owned()],
            output_limit: 64 << 20,
        }
    }
}

impl fmt::Debug for ShellOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.environment.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("ShellOptions")
            .field("environment", &names)
            .field("directory", &self.directory)
            .field("code_page", &self.code_page)
            .field("profile", &self.profile)
            .field("idle_timeout", &self.idle_timeout)
            .field("name", &self.name)
            .field("input_streams", &self.input_streams)
            .field("output_streams", &self.output_streams)
            .field("output_limit", &self.output_limit)
            .finish()
    }
}

impl Session {
    /// Opens a shell.
    ///
    /// If the first shell of a session times out, it is requested again, because a machine that has just started may
    /// need a long time for its first shell.
    ///
    /// # Errors
    /// [`Error`] if the request or the response fails.
    pub async fn shell(&self, options: ShellOptions) -> Result<Shell, Error> {
        let answer = match self.create_shell(&options).await {
            Err(error)
                if (error.is_operation_timeout() || matches!(error, Error::TimedOut { .. }))
                    && !self.0.has_shell.load(Ordering::Relaxed) =>
            {
                tracing::debug!(peer = self.peer(), %error, "First shell timed out; trying again");
                self.create_shell(&options).await?
            }
            answer => answer?,
        };
        let Some(id) = answer.body().and_then(parse_created) else {
            return Err(self.missing("the identifier of the shell", &answer));
        };
        self.0.has_shell.store(true, Ordering::Relaxed);
        let locator = Locator::new(resource()?).with_selectors(SelectorSet::new().with(option::SHELL_ID, id));
        Ok(Shell {
            channel: Channel { session: self.clone(), locator, command_id: None },
            output_streams: options.output_streams,
            output_limit: options.output_limit,
            is_closed: false,
        })
    }

    async fn create_shell(&self, options: &ShellOptions) -> Result<Response, Error> {
        let switches = OptionSet::new()
            .with(option::NO_PROFILE, flag(options.profile == Profile::Skipped))
            .with(option::CODE_PAGE, options.code_page.to_string());
        let open = OpenShell {
            name: options.name.clone(),
            environment: options.environment.clone(),
            working_directory: options.directory.clone(),
            idle_timeout: options.idle_timeout.map(Into::into),
            input_streams: options.input_streams.clone(),
            output_streams: options.output_streams.clone(),
            ..OpenShell::default()
        };
        let head = self.head(Action::Create, &Locator::new(resource()?).with_options(switches));
        self.exchange(&head, Retry::Unsafe, &self.timeouts(), |body| open.write(body)).await
    }
}

impl Shell {
    /// Identifier of the shell, assigned by the service.
    #[must_use]
    pub fn id(&self) -> &str {
        self.channel.locator.selectors.text(option::SHELL_ID).unwrap_or_default()
    }

    /// Starts a command.
    ///
    /// # Errors
    /// [`Error`] if the request or the response fails.
    pub async fn start(&self, line: &CommandLine, options: CommandOptions) -> Result<Command, Error> {
        let session = &self.channel.session;
        let switches = OptionSet::new()
            .with(option::CONSOLE_MODE_STDIN, flag(options.console == Console::Console))
            .with(option::SKIP_CMD_SHELL, flag(options.interpreter == Interpreter::Skipped));
        let timeouts = session.timeouts();
        let channel = self.channel.clone();
        let answer = channel
            .ask(ShellVerb::Command, switches, Retry::Unsafe, &timeouts, |body| line.write(body))
            .await?;
        let id = answer.content_named("CommandResponse").and_then(parse_command_response);
        let id = id.ok_or_else(|| session.missing("the identifier of the command", &answer))?;
        let channel = Channel { command_id: Some(id), ..channel };
        Ok(Command::new(channel, self.output_streams.clone(), timeouts))
    }

    /// Closes the shell and terminates its commands; succeeds if the shell no longer exists.
    ///
    /// # Errors
    /// [`Error`] if the request or the response fails.
    pub async fn close(mut self) -> Result<(), Error> {
        let closed = self.channel.clone().delete().await;
        self.is_closed = true;
        closed
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        if !self.is_closed {
            in_background(self.channel.clone().delete());
        }
    }
}

/// Target of requests: a shell, or a command in it.
#[derive(Clone, Debug)]
struct Channel {
    session: Session,
    locator: Locator,
    command_id: Option<String>,
}

impl Channel {
    async fn ask(
        &self,
        verb: ShellVerb,
        options: OptionSet,
        retry: Retry,
        timeouts: &Timeouts,
        body: impl FnOnce(&mut Writer),
    ) -> Result<Response, Error> {
        let mut head = self.session.head(Action::Shell(verb), &self.locator);
        head.options = options;
        self.session.exchange(&head, retry, timeouts, body).await
    }

    async fn delete(self) -> Result<(), Error> {
        let head = self.session.head(Action::Delete, &self.locator);
        // Deleting a shell that no longer exists is harmless.
        let timeouts = self.session.timeouts();
        ignoring_gone(self.session.exchange(&head, Retry::Safe, &timeouts, |_| {}).await)
    }

    fn command_id(&self) -> &str {
        self.command_id.as_deref().unwrap_or_default()
    }
}

fn ignoring_gone(answer: Result<Response, Error>) -> Result<(), Error> {
    match answer {
        Ok(_) => Ok(()),
        Err(error) if error.is_gone() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Runs a clean-up request in the background if a tokio runtime is running.
fn in_background(work: impl Future<Output = Result<(), Error>> + Send + 'static) {
    let Ok(runtime) = Handle::try_current() else { return };
    runtime.spawn(async move {
        if let Err(error) = work.await {
            tracing::debug!(%error, "Cannot clean up on the service");
        }
    });
}

fn resource() -> Result<ResourceUri, Error> {
    Ok(ResourceUri::parse(namespace::SHELL_CMD)?)
}

/// Returns the value of a Boolean shell option, in upper case like the Windows client.
fn flag(set: bool) -> &'static str {
    if set { "TRUE" } else { "FALSE" }
}
