//! Local logs of this machine, or those of another machine that environment variables name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use config::{Paths, Store};
use eventlog::journal::Sequences;
use eventlog::local::{LocalLogs, LogPaths, Positions};
use eventlog::text::{Generations, TextLogPath};
use eventlog::{EventOptions, LogError, channel};

/// Logs that the event tools read: the journal, the audit log, and the syslog and text files of the settings.
pub struct LocalSources {
    paths: LogPaths,
    files: Vec<TextLogPath>,
}

impl LocalSources {
    /// Returns a journal file, the journal that `TELARCH_JOURNAL` names, or the logs of this machine with the files in the
    /// settings `EventForwarding/…`. `TELARCH_CONFIG` names the settings, also beside another journal. Settings that this
    /// user cannot read name no files.
    #[must_use]
    pub fn of(journal: Option<&Path>) -> Self {
        if let Some(journal) = journal {
            return Self { paths: journal_only(journal.to_owned()), files: Vec::new() };
        }
        let other = std::env::var_os("TELARCH_JOURNAL").map(PathBuf::from);
        let own = Paths::of_this_process().filter(|_| other.is_none()).map(|paths| paths.config);
        let settings = std::env::var_os("TELARCH_CONFIG").map(PathBuf::from).or(own);
        let store = settings.filter(|path| path.exists()).and_then(|path| Store::open(path).ok());
        let files = store.map(|store| {
            let settings = &store.snapshot().event_forwarding;
            TextLogPath::each_once(Vec::new(), settings.syslog_files.paths(), settings.text_files.paths())
        });
        let files = files.unwrap_or_default();
        Self { paths: other.map_or_else(LogPaths::of_this_machine, journal_only), files }
    }

    /// Returns the names of all channels, and of the logs of Windows.
    #[must_use]
    pub fn channels(&self) -> Vec<String> {
        let mut names = channel::names();
        names.extend(self.files.iter().map(TextLogPath::channel));
        names
    }

    /// Returns the name of a channel or log as [`channels`](Self::channels) lists it; the case does not matter.
    #[must_use]
    pub fn channel(&self, name: &str) -> Option<String> {
        self.channels().into_iter().find(|known| known.eq_ignore_ascii_case(name))
    }

    /// Returns the directories in which the files of the logs change.
    #[must_use]
    pub fn folders(&self) -> Vec<PathBuf> {
        let mut folders = self.paths.folders();
        folders.extend(self.files.iter().map(|file| files::folder(&file.path).to_owned()));
        folders
    }

    /// Opens the logs at their beginning. `has_rendering` says whether events have texts for people.
    ///
    /// # Errors
    /// [`LogError`] if a log cannot be read.
    pub fn open(&self, has_rendering: bool) -> Result<LocalLogs, LogError> {
        let computer = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let options = EventOptions { computer, has_rendering };
        let logs = LocalLogs::open(&self.paths, Sequences::default(), options)?;
        let mut logs = logs.with_files(&self.files, &Arc::new(Generations::default()));
        if !self.files.is_empty() {
            // Files get their numbers when they are found first: before a bookmark is used, as in the process that has
            // written it.
            logs.seek_end()?;
            logs.seek(Positions::default())?;
        }
        Ok(logs)
    }
}

fn journal_only(journal: PathBuf) -> LogPaths {
    LogPaths { journal: Some(journal), audit: None }
}
