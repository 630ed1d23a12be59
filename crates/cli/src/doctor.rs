//! `winrm doctor`: looks for what keeps somebody from a service, step by step, and says how to mend it.
//!
//! An examination is a row of [checks](Check), each with a limit of its own.
//! What cannot be looked at, because something before it has failed, is skipped with the reason, so that the first
//! failure is the one to begin with.
//! Nothing is changed, but for a shell that is opened and closed again.

mod finding;
mod here;
mod report;
mod round;
mod there;
mod words;

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
use round::Round;

/// What is to be examined, and how that is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examination {
    /// The service, and who wants to use it; without `-remote` that of this machine.
    pub connection: Connection,
    /// The settings of the service of this machine, if they are not where they usually are.
    pub config: Option<PathBuf>,
    /// Its state, if that is not where it usually is.
    pub state: Option<PathBuf>,
    /// How long each check may take, in place of what it usually may.
    pub limit: Option<Duration>,
    /// How the findings are printed: as text, as one JSON document, or as a line of JSON for each.
    pub format: Format,
    /// How to tell failures apart by exit status.
    pub exit_codes: ExitCodes,
    /// What was said on the command line and changes nothing, a line each.
    pub notices: Vec<String>,
}

impl Examination {
    /// Puts together what was typed: perhaps an endpoint as a word, and the switches.
    pub(crate) fn read(
        endpoint: Option<String>,
        mut draft: Draft,
        hosts: &SavedHosts,
    ) -> Result<Self, Error> {
        if let Some(endpoint) = endpoint {
            if draft.connection.remote.is_some() {
                return Err(Error::Rule {
                    problem: "the host is given as a word and with -remote",
                    way_out: "leave one of them away: winrm doctor server7",
                });
            }
            draft.connection.remote = Some(Address::parse(&endpoint)?);
        }
        draft.connection.look_up(hosts)?;
        let format = draft.format.unwrap_or_default();
        if !matches!(format, Format::Text | Format::Json | Format::Ndjson) {
            return Err(Error::Rule {
                problem: "the doctor prints text or JSON",
                way_out: "use -format:text, -format:json, or -format:ndjson for one line a finding",
            });
        }
        let is_local = draft.connection.is_local();
        if !is_local && (draft.config.is_some() || draft.state.is_some()) {
            return Err(Error::Rule {
                problem: "-config and -state are about the service of this machine",
                way_out: "leave them away, or leave the host away",
            });
        }
        let notices = draft.connection.notices();
        let limit = draft.connection.timeout.take();
        let connection = draft.connection.connection()?;
        let (config, state, exit_codes) = (draft.config, draft.state, draft.exit_codes);
        Ok(Self { connection, config, state, limit, format, exit_codes, notices })
    }
}

/// Examines, and prints each finding as soon as it is there, in colour where the screen shows them; returns the kind of the first failure, if there was one.
///
/// # Errors
/// [`Stop`] where nothing can be printed, or the settings of clients cannot be read.
pub async fn run(
    examination: Examination,
    settings: &ClientSettings,
    out: &mut dyn Write,
    screen: &Screen,
) -> Result<Option<Kind>, Stop> {
    let Examination { connection, config, state, limit, format, .. } = examination;
    let mut report = Report::new(format, *screen, out);
    match &connection.target {
        Target::Local(sockets) => {
            let place = here::Place::find(config, state, sockets.clone());
            report.begin(&place.title())?;
            let mut round = Round::new(&mut report, limit);
            here::examine(&place, &mut round).await?;
        }
        Target::Remote(_) => {
            let patient = there::Patient::new(connection, settings, limit)?;
            report.begin(&patient.title())?;
            let mut round = Round::new(&mut report, limit);
            there::examine(&patient, &mut round).await?;
        }
    }
    Ok(report.end()?)
}

/// What takes a finding: it may be unable to print it.
trait Audience {
    fn hear(&mut self, finding: Finding) -> io::Result<()>;
}
