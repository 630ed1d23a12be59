//! `qc`: enables the collector and its service.

use std::io::Read as _;
use std::path::Path;
use std::process::Command;

use config::Store;

use super::error::ToolError;
use super::{Places, Streams};

/// Enables the collector in the settings, and starts the service of the machine now and at boot.
pub(super) fn run(places: &Places, is_quiet: bool, streams: &mut Streams<'_>) -> Result<(), ToolError> {
    let settings = places.settings.display();
    if !is_quiet {
        let and_service = if starts_service(places) { ", and starts telarchd now and at boot" } else { "" };
        write!(
            streams.out,
            "This sets EventCollector.Enabled in {settings}{and_service}.\n\
             Would you like to proceed ( Y- yes or N- no)? "
        )?;
        streams.out.flush()?;
        confirm(streams)?;
    }
    places.subscriptions.prepare()?;
    let store = Store::open(&places.settings)?;
    let was_enabled = store.snapshot().event_collector.enabled;
    store.update::<ToolError>(|draft| {
        draft.config.event_collector.enabled = true;
        Ok(())
    })?;
    if starts_service(places) {
        systemctl("enable")?;
        systemctl("reload-or-restart")?;
    } else if !was_enabled {
        writeln!(streams.errors, "Restart the service for the change to take effect.")?;
    }
    writeln!(streams.out, "The collector of events was configured successfully.")?;
    Ok(())
}

/// Returns whether systemd manages the service.
fn starts_service(places: &Places) -> bool {
    places.is_of_machine && Path::new("/run/systemd/system").exists()
}

/// Reads one line, which must begin with Y.
fn confirm(streams: &mut Streams<'_>) -> Result<(), ToolError> {
    let mut line = String::new();
    std::io::BufRead::read_line(&mut (&mut *streams.input).take(MAX_LINE), &mut line)?;
    if line.trim_start().starts_with(['y', 'Y']) { Ok(()) } else { Err(ToolError::Declined) }
}

/// Maximum length of an answer in bytes.
const MAX_LINE: u64 = 1_024;

fn systemctl(operation: &str) -> Result<(), ToolError> {
    const UNIT: &str = "telarchd.service";
    let failed = |reason: String| {
        let remedy = "The settings are saved; start the service yourself.";
        ToolError::Program(format!("systemctl {operation} {UNIT} failed: {reason}"), remedy)
    };
    let status = Command::new("systemctl").args(["--quiet", operation, UNIT]).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(failed(status.to_string())),
        Err(error) => Err(failed(error.to_string())),
    }
}
