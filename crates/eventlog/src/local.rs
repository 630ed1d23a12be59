//! All local logs as one stream of events.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::audit::AuditLog;
use crate::event::{EventOptions, LocalEvent, of_audit, of_journal, of_text};
use crate::journal::{Entry, ExportedJournal, Journal, RecordNumber, Sequences, default_folder};
use crate::text::{FILE_CHANNELS, Generations, TextLog, TextLogPath};
use crate::{LogError, channel};

/// Paths of the logs; `None` for logs that are not read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogPaths {
    /// Directory or file of the journal.
    pub journal: Option<PathBuf>,
    /// Current file of the audit log.
    pub audit: Option<PathBuf>,
}

impl LogPaths {
    /// Returns the logs of this machine that exist.
    #[must_use]
    pub fn of_this_machine() -> Self {
        let audit = PathBuf::from("/var/log/audit/audit.log");
        Self { journal: default_folder(), audit: audit.exists().then_some(audit) }
    }

    /// Returns the directories in which the files of the logs change.
    #[must_use]
    pub fn folders(&self) -> Vec<PathBuf> {
        let mut folders = Vec::new();
        match &self.journal {
            Some(path) if path.is_dir() => {
                let entries = fs::read_dir(path).into_iter().flatten().flatten();
                folders.extend(entries.map(|entry| entry.path()).filter(|path| path.is_dir()));
                folders.push(path.clone());
            }
            Some(path) => folders.push(parent(path)),
            None => {}
        }
        folders.extend(self.audit.as_deref().map(parent));
        folders
    }
}

/// Read positions: numbers of the last events that were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Positions {
    /// Position in the journal.
    pub journal: u64,
    /// Position in the audit log.
    pub audit: u64,
    /// Positions in text files, by their channels.
    pub files: BTreeMap<Arc<str>, u64>,
}

impl Positions {
    /// Moves the position of the log of a channel to the number of an event. Returns `false` for an unknown channel.
    pub fn advance(&mut self, channel: &str, record_id: u64) -> bool {
        let place = if channel.eq_ignore_ascii_case(channel::AUDIT_CHANNEL) {
            &mut self.audit
        } else if is_of_journal(channel) {
            &mut self.journal
        } else if channel.starts_with(FILE_CHANNELS) {
            match self.files.get_mut(channel) {
                Some(_) => {}
                None => _ = self.files.insert(channel.into(), 0),
            }
            let Some(place) = self.files.get_mut(channel) else { return false };
            place
        } else {
            return false;
        };
        *place = (*place).max(record_id);
        true
    }
}

fn is_of_journal(channel: &str) -> bool {
    ["linux-journal/", "linux-syslog/"]
        .iter()
        .any(|prefix| channel.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix)))
}

/// Journal, read from its files or through `journalctl`.
enum JournalReader {
    Files(Journal),
    Program(ExportedJournal),
}

impl JournalReader {
    fn open(path: &Path, sequences: Sequences) -> Result<Self, LogError> {
        match Journal::open(path, sequences.clone()) {
            Ok(journal) => Ok(Self::Files(journal)),
            Err(LogError::Unsupported(feature)) => {
                tracing::info!(path = %path.display(), feature, "Reading the journal through journalctl");
                Ok(Self::Program(ExportedJournal::open(path, sequences)?))
            }
            Err(error) => Err(error),
        }
    }

    fn sequences(&self) -> &Sequences {
        match self {
            Self::Files(journal) => journal.sequences(),
            Self::Program(journal) => journal.sequences(),
        }
    }

    fn seek(&mut self, after: RecordNumber) -> Result<(), LogError> {
        match self {
            Self::Files(journal) => {
                journal.seek(after);
                Ok(())
            }
            Self::Program(journal) => journal.seek(after),
        }
    }

    fn seek_end(&mut self) -> Result<RecordNumber, LogError> {
        match self {
            Self::Files(journal) => Ok(journal.seek_end()),
            Self::Program(journal) => journal.seek_end(),
        }
    }

    fn refresh(&mut self) -> Result<(), LogError> {
        match self {
            Self::Files(journal) => journal.refresh(),
            Self::Program(journal) => journal.refresh(),
        }
    }

    fn next_entry(&mut self) -> Result<Option<Entry>, LogError> {
        match self {
            Self::Files(journal) => Ok(journal.next_entry()),
            Self::Program(journal) => journal.next_entry(),
        }
    }
}

/// Reader of all local logs, in the order of time.
pub struct LocalLogs {
    journal: Option<JournalReader>,
    audit: Option<AuditLog>,
    options: EventOptions,
    /// Events that are read, but not returned, one of each log.
    next_journal: Option<LocalEvent>,
    next_audit: Option<LocalEvent>,
    files: Vec<TextSource>,
    positions: Positions,
}

/// Text file with its next event.
struct TextSource {
    log: TextLog,
    next: Option<LocalEvent>,
}

impl LocalLogs {
    /// Opens the logs at their beginning. `sequences` are those that were stored before.
    ///
    /// # Errors
    /// [`LogError`] if a log cannot be read.
    pub fn open(paths: &LogPaths, sequences: Sequences, options: EventOptions) -> Result<Self, LogError> {
        let journal =
            paths.journal.as_deref().map(|path| JournalReader::open(path, sequences)).transpose()?;
        let audit = paths.audit.as_deref().map(AuditLog::open).transpose()?;
        Ok(Self {
            journal,
            audit,
            options,
            next_journal: None,
            next_audit: None,
            files: Vec::new(),
            positions: Positions::default(),
        })
    }

    /// Adds text files, which are read from their beginning. `generations` are those that were stored before.
    #[must_use]
    pub fn with_files(mut self, files: &[TextLogPath], generations: &Arc<Generations>) -> Self {
        let logs = files.iter().map(|path| TextLog::new(path.clone(), Arc::clone(generations)));
        self.files.extend(logs.map(|log| TextSource { log, next: None }));
        self
    }

    /// Returns the channels of the text files.
    pub fn file_channels(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|file| file.log.channel())
    }

    /// Returns the sequences of the journal, which must be stored together with positions.
    #[must_use]
    pub fn sequences(&self) -> Sequences {
        self.journal.as_ref().map(|journal| journal.sequences().clone()).unwrap_or_default()
    }

    /// Returns the positions behind the last event that was returned.
    #[must_use]
    pub fn positions(&self) -> Positions {
        self.positions.clone()
    }

    /// Continues behind these positions.
    ///
    /// # Errors
    /// [`LogError`] if a log cannot be read.
    pub fn seek(&mut self, positions: Positions) -> Result<(), LogError> {
        (self.next_journal, self.next_audit) = (None, None);
        if let Some(journal) = &mut self.journal {
            journal.seek(RecordNumber(positions.journal))?;
        }
        if let Some(audit) = &mut self.audit {
            audit.seek(positions.audit);
        }
        for file in &mut self.files {
            file.next = None;
            file.log.seek(positions.files.get(file.log.channel()).copied().unwrap_or_default());
        }
        self.positions = positions;
        Ok(())
    }

    /// Continues behind the last events, and returns the positions.
    ///
    /// # Errors
    /// [`LogError`] if a log cannot be read.
    pub fn seek_end(&mut self) -> Result<Positions, LogError> {
        (self.next_journal, self.next_audit) = (None, None);
        if let Some(journal) = &mut self.journal {
            self.positions.journal = journal.seek_end()?.0;
        }
        if let Some(audit) = &mut self.audit {
            self.positions.audit = audit.seek_end()?;
        }
        for file in &mut self.files {
            file.next = None;
            let end = file.log.seek_end()?;
            self.positions.files.insert(file.log.channel().into(), end);
        }
        Ok(self.positions())
    }

    /// Finds events that were added since.
    ///
    /// # Errors
    /// [`LogError`] if a log cannot be read.
    pub fn refresh(&mut self) -> Result<(), LogError> {
        self.files.iter_mut().for_each(|file| file.log.refresh());
        self.journal.as_mut().map_or(Ok(()), JournalReader::refresh)
    }

    /// Returns the next event; `None` if all are read.
    ///
    /// # Errors
    /// [`LogError`] if a log cannot be read.
    pub fn next_event(&mut self) -> Result<Option<LocalEvent>, LogError> {
        if self.next_journal.is_none()
            && let Some(journal) = &mut self.journal
        {
            self.next_journal = journal.next_entry()?.map(|entry| of_journal(entry, &self.options));
        }
        if self.next_audit.is_none()
            && let Some(audit) = &mut self.audit
        {
            self.next_audit = audit.next_event(now())?.map(|event| of_audit(event, &self.options));
        }
        for file in self.files.iter_mut().filter(|file| file.next.is_none()) {
            let line = file.log.next_event()?;
            file.next = line.map(|line| of_text(line, &file.log, &self.options));
        }
        let waiting = [&mut self.next_journal, &mut self.next_audit].into_iter();
        let waiting = waiting.chain(self.files.iter_mut().map(|file| &mut file.next));
        // The first of several logs with equal times.
        let earliest =
            waiting.filter(|next| next.is_some()).min_by_key(|next| next.as_ref().map(|next| next.time));
        let event = earliest.and_then(Option::take);
        if let Some(event) = &event {
            self.positions.advance(&event.channel, event.record_id);
        }
        Ok(event)
    }
}

fn parent(path: &Path) -> PathBuf {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new(".")).to_owned()
}

/// Returns the time in milliseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
