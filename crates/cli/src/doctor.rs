//! `winrm doctor`: diagnoses connection problems and suggests fixes.
//!
//! The diagnosis is a sequence of [checks](Check), each with its own time limit. Checks that depend on a failed check
//! are skipped, so that the first failure is the one to fix first. The doctor changes nothing, except that it opens and
//! closes a shell.

mod finding;
mod local;
mod remote;
mod report;
mod runner;
mod units;

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use crate::connection::{Connection, Target};
use crate::endpoint::Address;
use crate::error::Error;
use crate::failure::{ExitCodes, Kind};
use crate::format::Format;
use crate::hosts::SavedHosts;
use crate::program::Stop;
use crate::screen::Screen;
use crate::settings::ClientSettings;
use crate::winrm::switches::Draft;

pub use finding::{Check, Finding, Verdict};
use report::Report;
use runner::CheckRunner;

/// A parsed `winrm doctor` command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoctorCommand {
    /// Service to check, with the credentials to use.
    pub connection: Connection,
    /// Configuration file of the local service; `None` for the default.
    pub config: Option<PathBuf>,
    /// State directory of the local service; `None` for the default.
    pub state: Option<PathBuf>,
    /// Time limit of every check; `None` for the default of each check.
    pub limit: Option<Duration>,
    /// Output format: text, one JSON document, or one line of JSON for each finding.
    pub format: Format,
    /// Mapping of failures to exit statuses.
    pub exit_codes: ExitCodes,
    /// Warnings about switches without effect, one line each.
    pub notices: Vec<String>,
}

impl DoctorCommand {
    /// Validates the optional endpoint and the switches.
    pub(crate) fn build(
        endpoint: Option<String>,
        mut draft: Draft,
        hosts: &SavedHosts,
    ) -> Result<Self, Error> {
        if let Some(endpoint) = endpoint {
            if draft.connection.remote.is_some() {
                return Err(Error::Rule {
                    problem: "the endpoint is given twice, as an argument and with -remote",
                    way_out: "omit one of them: winrm doctor server7",
                });
            }
            draft.connection.remote = Some(Address::parse(&endpoint)?);
        }
        draft.connection.look_up(hosts)?;
        let format = draft.format.unwrap_or_default();
        if !matches!(format, Format::Text | Format::Json | Format::Ndjson) {
            return Err(Error::Rule {
                problem: "doctor supports only the formats text, json and ndjson",
                way_out: "use -format:text, -format:json, or -format:ndjson for one line per finding",
            });
        }
        let is_local = draft.connection.is_local();
        if !is_local && (draft.config.is_some() || draft.state.is_some()) {
            return Err(Error::Rule {
                problem: "-config and -state require the local service",
                way_out: "omit them, or omit the endpoint",
            });
        }
        let notices = draft.connection.notices();
        let limit = draft.connection.timeout.take();
        let connection = draft.connection.connection()?;
        let (config, state, exit_codes) = (draft.config, draft.state, draft.exit_codes);
        Ok(Self { connection, config, state, limit, format, exit_codes, notices })
    }
}

/// Runs the checks and prints each finding as soon as it is available. Returns the kind of the first failure, or `None`
/// if no check failed.
///
/// # Errors
/// [`Stop`] if the output cannot be written or the client settings cannot be read.
pub async fn run(
    command: DoctorCommand,
    settings: &ClientSettings,
    out: &mut dyn Write,
    screen: &Screen,
) -> Result<Option<Kind>, Stop> {
    let DoctorCommand { connection, config, state, limit, format, .. } = command;
    let mut report = Report::new(format, *screen, out);
    match &connection.target {
        Target::Local(sockets) => {
            let service = local::LocalService::find(config, state, sockets.clone());
            report.begin(&service.title())?;
            let mut runner = CheckRunner::new(&mut report, limit);
            local::check_all(&service, &mut runner).await?;
        }
        Target::Remote(_) => {
            let target = remote::RemoteTarget::new(connection, settings, limit)?;
            report.begin(&target.title())?;
            let mut runner = CheckRunner::new(&mut report, limit);
            remote::check_all(&target, &mut runner).await?;
        }
    }
    Ok(report.end()?)
}

/// Receiver of findings.
trait FindingSink {
    /// Adds a finding, and prints it if possible.
    fn add(&mut self, finding: Finding) -> io::Result<()>;
}
