//! `telarchd`, the WS-Management service: reads its arguments, puts the parts together, and waits.

mod arguments;
mod audit;
mod check;
mod credssp_certificate;
mod drain;
mod ephemeral;
mod inherited;
mod kerberos_setup;
mod ntlm_setup;
mod open_files;
mod persistent;
mod product;
mod quick_config;
mod separate;
mod signals;
mod surroundings;
mod wmi_engine;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use service::AUDIT;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use self::arguments::Arguments;
use self::audit::AuditFile;

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        let _ = writeln!(std::io::stderr(), "telarchd: {error}");
        ExitCode::FAILURE
    })
}

fn run() -> Result<ExitCode, Box<dyn std::error::Error>> {
    // Before anything else of this process is open.
    inherited::keep_from_children();
    if let Some(code) = separate::hidden()? {
        return Ok(code);
    }
    match Arguments::parse(lexopt::Parser::from_env())? {
        Arguments::Print(text) => std::io::stdout().write_all(text.as_bytes())?,
        Arguments::Check(persistent) => return check::run(&persistent),
        Arguments::Ephemeral(ephemeral) => {
            begin_log(None);
            runtime()?.block_on(ephemeral::run(ephemeral))?;
        }
        Arguments::Persistent(persistent) => {
            if persistent.separate.is_gateway {
                inherited::close_all();
            }
            let inherited = inherited::take();
            persistent::make_state(&persistent)?;
            let audit = AuditFile::open(&persistent.audit).map_err(|error| {
                format!("cannot open {} for audit records: {error}", persistent.audit.display())
            })?;
            begin_log(Some(audit.clone()));
            if rustix::process::geteuid().is_root() {
                return separate::run(&persistent, inherited, audit);
            }
            runtime()?.block_on(persistent::run(*persistent, inherited, audit))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Sends the log to standard error, and audit records into their file as well, whatever the log leaves out.
fn begin_log(audit: Option<AuditFile>) {
    let filter = EnvFilter::try_from_env("TELARCH_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let is_terminal = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt::layer().with_ansi(is_terminal).with_writer(std::io::stderr);
    // Fields stay fields in the journal; elsewhere there is only text.
    let journal = std::env::var_os("JOURNAL_STREAM").and_then(|_| tracing_journald::layer().ok());
    let (journal, log) = match journal {
        Some(journal) => (Some(journal.with_filter(filter)), None),
        None => (None, Some(log.with_filter(filter))),
    };
    // Without a filter of its own it would have every event of the program made, only to be thrown away.
    let audit = audit.map(|file| file.with_filter(Targets::new().with_target(AUDIT, LevelFilter::TRACE)));
    tracing_subscriber::registry().with(journal).with(log).with(audit).init();
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}
