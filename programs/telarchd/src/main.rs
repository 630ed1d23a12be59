//! `telarchd`, the WS-Management service: parses the command line and starts the processes.

mod arguments;
mod audit;
mod check;
mod child_process;
mod credssp_certificate;
mod drain;
mod ephemeral;
mod event_collector;
mod event_layers;
mod event_log;
mod folder_watch;
mod inherited;
mod installed_endpoints;
mod kerberos_setup;
mod log;
mod metrics_export;
mod ntlm_setup;
mod open_files;
mod options;
mod persistent;
mod product;
mod quick_config;
mod run_as_check;
mod separate;
mod shell_environment;
mod sign_in_state;
mod signals;
mod wmi_engine;

use std::io::Write as _;
use std::process::ExitCode;

use self::arguments::Arguments;
use self::audit::{AuditFile, AuditRecords};
use self::event_layers::begin_log;

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        let _ = writeln!(std::io::stderr(), "telarchd: {error}");
        ExitCode::FAILURE
    })
}

fn run() -> Result<ExitCode, Box<dyn std::error::Error>> {
    // Must precede everything that opens descriptors.
    confinement::keep_from_children();
    confinement::map_large_blocks();
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
                confinement::close_all();
                return separate::run_gateway(&persistent);
            }
            let inherited = inherited::take();
            persistent::make_state(&persistent)?;
            let audit = AuditFile::open(&persistent.audit, persistent.audit_limits).map_err(|error| {
                format!("cannot open {} for audit records: {error}", persistent.audit.display())
            })?;
            let records = AuditRecords::from(audit.clone());
            begin_log(Some(records.clone()));
            if rustix::process::geteuid().is_root() {
                return separate::run(&persistent, inherited, audit);
            }
            let served = runtime()?.block_on(persistent::run(*persistent, inherited, audit));
            records.finish();
            served?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}
