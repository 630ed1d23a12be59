//! Events that the collector of this machine has stored: the log `ForwardedEvents`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use config::Paths;
use eventing::{CollectorError, ForwardedFile};
use eventlog::Selection;
use winevent::Timestamp;
use winevent::event::Record;

/// Name of the log of a collector.
pub const FORWARDED_EVENTS: &str = "ForwardedEvents";

/// Error of reading the log.
#[derive(Debug, thiserror::Error)]
pub enum ForwardedLogError {
    /// There is no service with a state directory.
    #[error(
        "the environment names no home directory\n  set TELARCH_STATE to the state directory of the service"
    )]
    NoState,
    /// The folder of the events cannot be read.
    #[error("cannot read the events in {}: {source}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Error of the system call.
        source: io::Error,
    },
    /// A file of events cannot be read.
    #[error(transparent)]
    File(#[from] CollectorError),
}

/// Events of all sources, of one source after the other, and each in the order of their arrival.
pub struct ForwardedLog {
    files: std::vec::IntoIter<PathBuf>,
    current: Option<ForwardedFile>,
}

impl ForwardedLog {
    /// Opens the log of the service of this user, or of the one whose state directory `TELARCH_STATE` names.
    ///
    /// # Errors
    /// [`ForwardedLogError`] if its folder cannot be read.
    pub fn open() -> Result<Self, ForwardedLogError> {
        let named = std::env::var_os("TELARCH_STATE").map(PathBuf::from);
        let state = named.or_else(|| Paths::of_this_process().map(|paths| paths.state));
        let files = files_of_sources(&state.ok_or(ForwardedLogError::NoState)?)?;
        Ok(Self { files: files.into_iter(), current: None })
    }

    /// Returns the next event that a query selects; `None` if all are read. Lines without an event are omitted.
    ///
    /// # Errors
    /// [`ForwardedLogError`] if a file cannot be read.
    pub fn next_event(&mut self, selection: &Selection) -> Result<Option<Record>, ForwardedLogError> {
        loop {
            let Some(file) = &mut self.current else {
                let Some(path) = self.files.next() else { return Ok(None) };
                self.current = Some(ForwardedFile::open_oldest(&path)?);
                continue;
            };
            let Some(line) = file.next_event()? else {
                self.current = None;
                continue;
            };
            let Ok(record) = line.record else { continue };
            let channel = record.channel().unwrap_or_default().into_owned();
            let now = Timestamp::from(SystemTime::now());
            if selection.is_selected(&record, &[channel.as_str(), FORWARDED_EVENTS], now) {
                return Ok(Some(record));
            }
        }
    }
}

/// Returns the newest file of each source of the collector with a state directory.
///
/// # Errors
/// [`ForwardedLogError::Folder`] if the folder of the sources cannot be read.
pub(crate) fn files_of_sources(state: &Path) -> Result<Vec<PathBuf>, ForwardedLogError> {
    let folder = state.join("events/sources");
    let unreadable = |source| ForwardedLogError::Folder { folder: folder.clone(), source };
    let mut files = Vec::new();
    for source in fs::read_dir(&folder).map_err(unreadable)? {
        let file = source.map_err(unreadable)?.path().join("events.jsonl");
        if file.exists() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}
