//! Local logs of this machine, or those of another machine that an environment variable names.

use std::path::{Path, PathBuf};

use eventlog::journal::Sequences;
use eventlog::local::{LocalLogs, LogPaths};
use eventlog::{EventOptions, LogError};

/// Returns the paths of the logs: a journal file, the journal that `TELARCH_JOURNAL` names, or the logs of this machine.
#[must_use]
pub fn paths(file: Option<&Path>) -> LogPaths {
    let other = std::env::var_os("TELARCH_JOURNAL").map(PathBuf::from);
    match file.map(Path::to_owned).or(other) {
        Some(journal) => LogPaths { journal: Some(journal), audit: None },
        None => LogPaths::of_this_machine(),
    }
}

/// Opens logs at their beginning. `has_rendering` says whether events have texts for people.
///
/// # Errors
/// [`LogError`] if a log cannot be read.
pub fn open(paths: &LogPaths, has_rendering: bool) -> Result<LocalLogs, LogError> {
    let computer = rustix::system::uname().nodename().to_string_lossy().into_owned();
    LocalLogs::open(paths, Sequences::default(), EventOptions { computer, has_rendering })
}
