//! Execution of a `winrm` command on one host.

use std::rc::Rc;

use super::service_command::Run;
use super::streams::{Completion, Streams};
use super::{Command, Intent, Operation};
use super::{hosts, quick_config, sddl, shells, trust, what_if};
use crate::connection::{Connection, Delegation};
use crate::program::Stop;
use crate::screen::{Progress, Screen};
use crate::session::RemoteService;
use crate::settings::ClientSettings;

/// Executes several commands over one authenticated session.
pub struct CommandRunner(pub(super) RemoteService);

impl CommandRunner {
    /// Creates the session. Reads the password, with a prompt if necessary; sends nothing.
    ///
    /// # Errors
    /// [`Stop`] if the connection options are invalid or there is no password.
    pub fn new(connection: Connection, settings: &ClientSettings) -> Result<Self, Stop> {
        Ok(Self(RemoteService::new(connection, settings, Delegation::Refused)?))
    }

    /// Executes a command like [`run`](super::run()), but over this session. The connection of the command is ignored.
    ///
    /// # Errors
    /// [`Stop`] if the command fails or its output cannot be written.
    pub async fn run(&self, command: Command, streams: &mut Streams<'_>) -> Result<Completion, Stop> {
        on_service(&Screen::none(), self.0.clone(), command, streams).await
    }
}

/// Executes a command on one host.
pub(super) async fn run_one(
    screen: &Screen,
    mut command: Command,
    settings: &ClientSettings,
    streams: &mut Streams<'_>,
) -> Result<Completion, Stop> {
    match command.operation {
        Operation::Hosts { task, hosts } => {
            hosts::run(task, &hosts, command.format, screen, streams)?;
            return Ok(Completion::Success);
        }
        Operation::Trust(task) => {
            trust::run(task, settings, streams)?;
            return Ok(Completion::Success);
        }
        operation => command.operation = operation,
    }
    let service = RemoteService::new(command.connection.clone(), settings, Delegation::Refused)?;
    on_service(screen, service, command, streams).await
}

async fn on_service(
    screen: &Screen,
    service: RemoteService,
    command: Command,
    streams: &mut Streams<'_>,
) -> Result<Completion, Stop> {
    let Command { operation, options, format, intent, .. } = command;
    let progress = Rc::new(Progress::new(screen, service.host()));
    let run = Run { service, options, format, intent, progress: Rc::clone(&progress) };
    let (mut out, mut errors) = (progress.clearing(streams.out), progress.clearing(streams.errors));
    let mut streams = Streams { out: &mut out, errors: &mut errors, input: streams.input };
    // A read from the terminal cannot be cancelled, so Ctrl-C must end the process during prompts.
    let asks = matches!(operation, Operation::QuickConfig { .. } | Operation::ConfigSddl { .. });
    let work = run.execute(operation, screen, &mut streams);
    let outcome = if asks { progress.during(work).await } else { progress.unless_interrupted(work).await };
    if let Some(note) = run.service.scheme_note() {
        writeln!(streams.errors, "winrm: {note}")?;
    }
    outcome
}

impl Run {
    async fn execute(
        &self,
        operation: Operation,
        screen: &Screen,
        streams: &mut Streams<'_>,
    ) -> Result<Completion, Stop> {
        match operation {
            Operation::QuickConfig { transport, confirmation, public_zone, task, options } => {
                let intent = self.intent;
                let plan = quick_config::Plan { transport, confirmation, public_zone, task, options, intent };
                return quick_config::run(self, &plan, streams).await;
            }
            Operation::Enumerate { locator, enumeration } => {
                self.enumerate(&locator, enumeration, streams).await?;
            }
            Operation::ConfigSddl { target, sddl } => sddl::run(self, target, sddl, streams).await?,
            Operation::Shells { selection, action } => {
                shells::run(self, selection, action, screen, streams).await?;
            }
            operation if self.intent == Intent::Preview => what_if::show(self, operation, streams).await?,
            operation => self.single(operation, streams).await?,
        }
        Ok(Completion::Success)
    }
}
