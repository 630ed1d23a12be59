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
use crate::failure::{ExitCodes, Kind};
use crate::format::Format;
use crate::program::Stop;
use crate::screen::Screen;
use crate::settings::ClientSettings;

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
