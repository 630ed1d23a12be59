//! Sessions with machines, for front ends with operations of their own.

use std::io;

use client::FleetSummary;
use tokio::signal::unix::{SignalKind, signal};

use crate::connection::{Connection, Delegation};
use crate::failure::{Failure, Kind, Program};
use crate::hosts::SavedHosts;
use crate::program::Stop;
use crate::session::RemoteService;
use crate::settings::ClientSettings;
use crate::winrm::{self, Invocation};

/// Session with a machine, and the context for its error messages.
#[derive(Clone)]
pub struct Remote {
    service: RemoteService,
    name: String,
}

/// Machines that a command line selects.
pub struct Machines {
    /// Each machine with its name as typed and its connection.
    pub members: Vec<(String, Connection)>,
    /// Maximum number of machines at the same time, if the command line selects a list of machines.
    pub parallel: Option<usize>,
}

impl Machines {
    /// Parses switches of `winrm` that select machines and users; saved hosts are looked up.
    ///
    /// # Errors
    /// [`Stop`] if the switches are invalid.
    pub fn parse(switches: &[String], hosts: &SavedHosts) -> Result<Self, Stop> {
        let words: Vec<String> =
            std::iter::once("identify".to_owned()).chain(switches.iter().cloned()).collect();
        let Invocation::Run(command) = winrm::parse_with(&words, hosts)? else {
            let failure = Failure::here(Kind::Usage, "the switches request help");
            return Err(failure.advise("run winrm help auth for the switches").into());
        };
        Ok(match command.fleet {
            Some(fleet) => {
                let members = winrm::with_shared_passwords(fleet.members).collect();
                Self { members, parallel: Some(fleet.parallel) }
            }
            None => {
                let name = command.connection.target.host().to_owned();
                Self { members: vec![(name, command.connection)], parallel: None }
            }
        })
    }
}

/// Returns whether switches of `winrm` select machines.
#[must_use]
pub fn selects_machines(switches: &[String]) -> bool {
    switches.iter().any(|switch| {
        let name = switch.split(':').next().unwrap_or_default();
        SELECTIONS.iter().any(|known| name.eq_ignore_ascii_case(known))
    })
}

/// Returns the switch of `winrm` that selects a machine; `None` for the service of this machine, which needs no
/// credentials.
#[must_use]
pub fn machine_switch(host: &str) -> Option<String> {
    let is_this_machine = host == "." || host.eq_ignore_ascii_case("localhost");
    (!is_this_machine).then(|| format!("-r:{host}"))
}

/// Returns the summary of an operation on many machines: how many have succeeded, failed, and were not started.
#[must_use]
pub fn summary_of_machines(
    program: &str,
    machines: usize,
    succeeded: usize,
    summary: &FleetSummary,
) -> String {
    let failed = summary.started.saturating_sub(succeeded);
    let text = format!("{program}: {machines} hosts: {succeeded} succeeded, {failed} failed");
    match summary.not_started {
        0 => text,
        not_started => format!("{text}, {not_started} not started"),
    }
}

/// Waits for SIGINT, SIGTERM or SIGHUP.
pub async fn interrupted() {
    let registered = (|| {
        let interrupt = signal(SignalKind::interrupt())?;
        io::Result::Ok((interrupt, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?))
    })();
    let Ok((mut interrupt, mut terminate, mut hang_up)) = registered else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
}

impl Remote {
    /// Reads the password, with a prompt if necessary, and creates the session. Sends nothing.
    ///
    /// # Errors
    /// [`Failure`] if the connection options are invalid or there is no password.
    pub fn new(name: &str, connection: Connection, settings: &ClientSettings) -> Result<Self, Failure> {
        let service = RemoteService::new(connection, settings, Delegation::Refused)?;
        Ok(Self { service, name: name.to_owned() })
    }

    /// Name of the machine as typed.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Session of the client.
    #[must_use]
    pub fn session(&self) -> &client::Session {
        &self.service.session
    }

    /// Returns the message for an error: what failed and, on the next lines, what to do.
    #[must_use]
    pub fn message(&self, error: client::Error) -> String {
        message(&self.service.failure(error))
    }
}

/// Returns the message of a failure without the name of a program.
#[must_use]
pub fn message(failure: &Failure) -> String {
    let summary = failure.summary(Program::Winrm);
    let summary = summary.trim_end();
    summary.strip_prefix("winrm: ").unwrap_or(summary).to_owned()
}

/// Switches of `winrm` that select machines.
const SELECTIONS: [&str; 5] = ["-r", "-remote", "-machine", "-hosts", "-socket"];
