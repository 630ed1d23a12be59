//! Remote shells (MS-WSMV 3.1.4.10 onwards).

mod command;
mod run;
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
pub use run::Finished;
pub use stdin::Stdin;

use crate::error::Error;
use crate::patience::Patience;
use crate::session::Repeat;
use crate::{Locator, Session};

/// A shell on the service, in which commands run. Dropping it closes it in the background, if it can.
#[derive(Debug)]
pub struct Shell {
    channel: Channel,
    output_streams: Vec<String>,
    output_limit: usize,
    is_closed: bool,
}

/// What a shell is to be like.
///
/// `Debug` shows the names of variables only: passwords travel in their values.
#[derive(Clone)]
pub struct ShellOptions {
    /// Variables for every command, beside those of the user.
    pub environment: Vec<(String, String)>,
    /// Where commands start; the user's folder if there is none.
    pub directory: Option<String>,
    /// The code page of input and output; 65001, which is UTF-8, by default.
    pub code_page: u32,
    /// Whether the user's profile is loaded.
    pub profile: Profile,
    /// When the service may end the shell for want of requests.
    pub idle_timeout: Option<Duration>,
    /// A name for people.
    pub name: Option<String>,
    /// Streams to send, `stdin` by default.
    pub input_streams: Vec<String>,
    /// Streams to read, `stdout` and `stderr` by default.
    pub output_streams: Vec<String>,
    /// How many octets [`Shell::run`] gathers before it ends the command; 64 MiB by default.
    pub output_limit: usize,
}

/// Whether the user's profile is loaded into a shell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// It is.
    #[default]
    Loaded,
    /// It is left out, which is quicker.
    LeftOut,
}

/// How a command is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommandOptions {
    /// What its input is.
    pub console: Console,
    /// Who understands its line.
    pub interpreter: Interpreter,
}

/// What a command's input is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Console {
    /// A pipe.
    #[default]
    Pipe,
    /// A console, so that Ctrl and C reaches it.
    Console,
}

/// Who understands the line of a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interpreter {
    /// The command interpreter of the service.
    #[default]
    Used,
    /// Nobody: the program is started itself.
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
    /// The first one of a session is asked for again if the service does not answer in time: a machine that
    /// has just started takes long over its first shell.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn shell(&self, options: ShellOptions) -> Result<Shell, Error> {
        let answer = match self.create_shell(&options).await {
            Err(error)
                if (error.is_operation_timeout() || matches!(error, Error::TimedOut { .. }))
                    && !self.0.has_shell.load(Ordering::Relaxed) =>
            {
                tracing::debug!(peer = self.peer(), %error, "First shell asked for again");
                self.create_shell(&options).await?
            }
            answer => answer?,
        };
        let Some(id) = answer.body().and_then(parse_created) else {
            return Err(self.lacking("the identifier of the shell", &answer));
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
            .with(option::NO_PROFILE, flag(options.profile == Profile::LeftOut))
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
        self.exchange(&head, Repeat::Harmful, &self.patience(), |body| open.write(body)).await
    }
}

impl Shell {
    /// The identifier the service gave it.
    #[must_use]
    pub fn id(&self) -> &str {
        self.channel.locator.selectors.text(option::SHELL_ID).unwrap_or_default()
    }

    /// Starts a command.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn start(&self, line: &CommandLine, options: CommandOptions) -> Result<Command, Error> {
        let session = &self.channel.session;
        let switches = OptionSet::new()
            .with(option::CONSOLE_MODE_STDIN, flag(options.console == Console::Console))
            .with(option::SKIP_CMD_SHELL, flag(options.interpreter == Interpreter::Skipped));
        let patience = session.patience();
        let channel = self.channel.clone();
        let answer = channel
            .ask(ShellVerb::Command, switches, Repeat::Harmful, &patience, |body| line.write(body))
            .await?;
        let id = answer.content_named("CommandResponse").and_then(parse_command_response);
        let id = id.ok_or_else(|| session.lacking("the identifier of the command", &answer))?;
        let channel = Channel { command_id: Some(id), ..channel };
        Ok(Command::new(channel, self.output_streams.clone(), patience))
    }

    /// Ends the shell and all of its commands; one that is gone already counts as closed.
    ///
    /// # Errors
    /// [`Error`].
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

/// The way to one shell, or to one command in it.
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
        repeat: Repeat,
        patience: &Patience,
        body: impl FnOnce(&mut Writer),
    ) -> Result<Response, Error> {
        let mut head = self.session.head(Action::Shell(verb), &self.locator);
        head.options = options;
        self.session.exchange(&head, repeat, patience, body).await
    }

    async fn delete(self) -> Result<(), Error> {
        let head = self.session.head(Action::Delete, &self.locator);
        // A shell that is gone is what was wanted, so that asking twice does no harm.
        let patience = self.session.patience();
        ignoring_gone(self.session.exchange(&head, Repeat::Harmless, &patience, |_| {}).await)
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

/// Does what nobody waits for, if there is a runtime to do it.
fn in_background(work: impl Future<Output = Result<(), Error>> + Send + 'static) {
    let Ok(runtime) = Handle::try_current() else { return };
    runtime.spawn(async move {
        if let Err(error) = work.await {
            tracing::debug!(%error, "Could not tidy up on the service");
        }
    });
}

fn resource() -> Result<ResourceUri, Error> {
    Ok(ResourceUri::parse(namespace::SHELL_CMD)?)
}

/// Options of shells are written in capitals, as Windows writes them.
fn flag(set: bool) -> &'static str {
    if set { "TRUE" } else { "FALSE" }
}
