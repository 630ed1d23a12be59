//! `telarchd`, the WS-Management service: reads its arguments, puts the parts together, and waits.

mod arguments;
mod check;
mod drain;
mod ephemeral;
mod inherited;
mod persistent;
mod product;
mod signals;
mod surroundings;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use tracing_subscriber::EnvFilter;

use self::arguments::Arguments;

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        let _ = writeln!(std::io::stderr(), "telarchd: {error}");
        ExitCode::FAILURE
    })
}

fn run() -> Result<ExitCode, Box<dyn std::error::Error>> {
    match Arguments::parse(lexopt::Parser::from_env())? {
        Arguments::Print(text) => std::io::stdout().write_all(text.as_bytes())?,
        Arguments::Check(persistent) => return check::run(&persistent),
        Arguments::Ephemeral(ephemeral) => runtime()?.block_on(ephemeral::run(ephemeral))?,
        Arguments::Persistent(persistent) => {
            // Before anything else of this process is open.
            let inherited = inherited::take();
            runtime()?.block_on(persistent::run(*persistent, inherited))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let filter = EnvFilter::try_from_env("TELARCH_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let is_terminal = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(is_terminal)
        .with_writer(std::io::stderr)
        .init();
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}
