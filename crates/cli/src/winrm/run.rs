//! Execution of a `winrm` command.

use super::one_host::run_one;
use super::streams::{Completion, Streams};
use super::{Command, fleet};
use crate::program::Stop;
use crate::screen::Screen;
use crate::settings::ClientSettings;

/// Executes a command and prints its result, without a progress line.
///
/// # Errors
/// [`Stop`] if the command fails or its output cannot be written.
pub async fn run(
    command: Command,
    settings: &ClientSettings,
    streams: &mut Streams<'_>,
) -> Result<Completion, Stop> {
    run_on(&Screen::none(), command, settings, streams).await
}

/// Executes a command and prints its result. A progress line is shown if it takes longer than two seconds.
///
/// # Errors
/// [`Stop`] if the command fails or its output cannot be written, or if it is interrupted.
pub async fn run_on(
    screen: &Screen,
    command: Command,
    settings: &ClientSettings,
    streams: &mut Streams<'_>,
) -> Result<Completion, Stop> {
    match command {
        Command { fleet: Some(fleet), .. } => {
            let command = Command { fleet: None, ..command };
            fleet::run(screen, command, fleet, settings, streams).await
        }
        command => run_one(screen, command, settings, streams).await,
    }
}
