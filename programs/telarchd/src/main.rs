//! `telarchd`, the WS-Management service: reads its arguments, puts the parts together, and waits.

mod accounts;
mod arguments;
mod ephemeral;
mod signals;
mod surroundings;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use tracing_subscriber::EnvFilter;

use self::arguments::Arguments;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "telarchd: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = match Arguments::parse(lexopt::Parser::from_env())? {
        Arguments::Print(text) => {
            std::io::stdout().write_all(text.as_bytes())?;
            return Ok(());
        }
        Arguments::Ephemeral(arguments) => arguments,
    };
    let filter = EnvFilter::try_from_env("TELARCH_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let is_terminal = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(is_terminal)
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(ephemeral::run(arguments))
}
