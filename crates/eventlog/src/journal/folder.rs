//! All files of a journal directory in the order of their entries.

use std::collections::HashSet;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::file::JournalFile;
use super::number::{RecordNumber, Sequences};
use super::{Entry, EntryHead};
use crate::LogError;

/// Maximum number of journal files; journald keeps 100 for each user by default.
const MAX_FILES: usize = 1_024;
/// Maximum number of directories: one for each machine whose journal is stored.
const MAX_FOLDERS: usize = 256;

/// Reader of a journal directory, or of a single file.
pub struct Journal {
    path: PathBuf,
    sequences: Sequences,
    files: Vec<OpenFile>,
    /// Position: entries up to this number have been read.
    after: RecordNumber,
    /// Number of entries that could not be read.
    damaged: u64,
    /// Files that were reported as unreadable, so that this is done once.
    rejected: HashSet<PathBuf>,
}

/// Device and inode of a file, which stay the same when journald renames it.
type FileIdentity = (u64, u64);

struct OpenFile {
    file: JournalFile,
    identity: FileIdentity,
    position: usize,
    /// Index of the next entry.
    next: u64,
    /// The next entry, if it has been read.
    head: Option<EntryHead>,
    /// The entry before the next one, if it has been read.
    previous: Option<EntryHead>,
}

/// Returns the directory of the journal of this machine: the persistent one if it has files.
#[must_use]
pub fn default_folder() -> Option<PathBuf> {
    let folders = ["/var/log/journal", "/run/log/journal"].map(PathBuf::from);
    folders.into_iter().find(|folder| fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()))
}

impl Journal {
    /// Opens the journal at the beginning. `path` is a directory with files or with one directory per machine, as
    /// `/var/log/journal`, or one file. New sequences are added to `sequences`.
    ///
    /// # Errors
    /// [`LogError`] if the directory cannot be read, or if a file is not supported by this reader. A file that is
    /// damaged or that this process must not read is skipped with a warning.
    pub fn open(path: &Path, sequences: Sequences) -> Result<Self, LogError> {
        let mut journal = Self {
            path: path.to_owned(),
            sequences,
            files: Vec::new(),
            after: RecordNumber::default(),
            damaged: 0,
            rejected: HashSet::new(),
        };
        journal.find_files()?;
        Ok(journal)
    }

    /// Returns the sequences of the journal, to be stored.
    #[must_use]
    pub fn sequences(&self) -> &Sequences {
        &self.sequences
    }

    /// Returns the number of entries that could not be read so far.
    #[must_use]
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Returns the number of the last entry that was read.
    #[must_use]
    pub fn position(&self) -> RecordNumber {
        self.after
    }

    /// Returns the number of entries in all files.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.files.iter().map(|file| file.file.header().entries).sum()
    }

    /// Returns whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the paths of the files.
    ///
    /// # Errors
    /// [`LogError::Read`] if a directory cannot be read.
    pub fn paths(&self) -> Result<Vec<PathBuf>, LogError> {
        Self::files_in(&self.path)
    }

    /// Returns the paths of the files of a journal without opening them.
    ///
    /// # Errors
    /// [`LogError::Read`] if a directory cannot be read.
    pub fn files_in(path: &Path) -> Result<Vec<PathBuf>, LogError> {
        if fs::metadata(path).map_err(|source| LogError::reading(path, source))?.is_file() {
            return Ok(vec![path.to_owned()]);
        }
        let mut found = Vec::new();
        let mut folders = vec![path.to_owned()];
        let mut visited = 0;
        while let Some(folder) = folders.pop() {
            visited += 1;
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                // Journald removes directories.
                Err(_) if visited > 1 => continue,
                Err(source) => return Err(LogError::reading(&folder, source)),
            };
            for entry in entries.flatten() {
                let path = entry.path();
                let name = entry.file_name();
                let name = name.to_string_lossy();
                let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                if is_folder && visited == 1 && folders.len() < MAX_FOLDERS {
                    folders.push(path);
                } else if !is_folder
                    && (name.ends_with(".journal") || name.ends_with(".journal~"))
                    && found.len() < MAX_FILES
                {
                    found.push(path);
                }
            }
        }
        found.sort();
        Ok(found)
    }

    /// Opens files that are not open, and closes files that journald has removed and that are read.
    fn find_files(&mut self) -> Result<(), LogError> {
        let mut present = HashSet::new();
        let mut new = Vec::new();
        for path in self.paths()? {
            match self.open_file(&path, &mut present) {
                Ok(file) => new.extend(file),
                Err(LogError::Unsupported(feature)) => return Err(LogError::Unsupported(feature)),
                Err(error) => {
                    if self.rejected.insert(path.clone()) {
                        tracing::warn!(file = %path.display(), %error, "Skipped a journal file");
                    }
                }
            }
        }
        self.files.retain(|file| present.contains(&file.identity) || file.next < file.file.header().entries);
        new.sort_by_key(|(file, _)| (file.header().first_time, file.header().first_number));
        for (file, identity) in new {
            let position = self.sequences.add(file.header().sequence);
            let mut open = OpenFile { file, identity, position, next: 0, head: None, previous: None };
            open.seek(self.after);
            self.files.push(open);
        }
        Ok(())
    }

    /// Opens a file unless it is open under this or another name, or has no entries.
    fn open_file(
        &self,
        path: &Path,
        present: &mut HashSet<FileIdentity>,
    ) -> Result<Option<(JournalFile, FileIdentity)>, LogError> {
        let metadata = fs::metadata(path).map_err(|source| LogError::reading(path, source))?;
        let identity = (metadata.dev(), metadata.ino());
        present.insert(identity);
        if self.files.iter().any(|file| file.identity == identity) {
            return Ok(None);
        }
        let content = File::open(path).map_err(|source| LogError::reading(path, source))?;
        let file = JournalFile::open(Box::new(content))?;
        Ok((file.header().entries > 0).then_some((file, identity)))
    }

    /// Finds entries and files that were added since.
    ///
    /// # Errors
    /// As for [`Self::open`].
    pub fn refresh(&mut self) -> Result<(), LogError> {
        for file in self.files.iter_mut().filter(|file| !file.file.header().is_archived) {
            if let Err(error) = file.file.refresh() {
                tracing::warn!(%error, "Cannot read a journal file again");
            }
        }
        self.find_files()
    }

    /// Continues behind the entry with this number, or behind the last one before it.
    pub fn seek(&mut self, after: RecordNumber) {
        self.after = after;
        for file in &mut self.files {
            file.seek(after);
        }
    }

    /// Continues behind the last entry, and returns its number.
    pub fn seek_end(&mut self) -> RecordNumber {
        let last = self
            .files
            .iter()
            .map(|file| RecordNumber::new(file.position, file.file.header().last_number))
            .max()
            .unwrap_or_default();
        self.seek(last);
        last
    }

    /// Continues with the first entry that the journal received at this time or later, in microseconds since 1970.
    pub fn seek_time(&mut self, time: u64) {
        self.after = RecordNumber::default();
        for file in &mut self.files {
            file.next = file.file.lower_bound(|entry| entry.realtime < time);
            (file.head, file.previous) = (None, None);
        }
    }

    /// Returns the entry before the position, and moves the position before it; `None` at the beginning. After
    /// [`Self::seek_end`], entries are returned newest first.
    pub fn previous_entry(&mut self) -> Option<Entry> {
        loop {
            for file in &mut self.files {
                self.damaged += file.load_previous();
            }
            let heads = self.files.iter_mut().filter_map(|file| Some((file.previous_number()?, file)));
            let (record, file) = heads.max_by_key(|(number, _)| *number)?;
            let head = file.previous.take()?;
            file.next = file.next.saturating_sub(1);
            file.head = None;
            match file.file.fields(&head) {
                Ok(fields) => return Some(Entry { record, head, fields }),
                Err(error) => {
                    self.damaged += 1;
                    tracing::debug!(%error, number = record.0, "Skipped a damaged journal entry");
                }
            }
        }
    }

    /// Returns the next entry; `None` if all are read. Entries that cannot be read are counted and skipped.
    pub fn next_entry(&mut self) -> Option<Entry> {
        loop {
            for file in &mut self.files {
                self.damaged += file.load();
            }
            let heads = self.files.iter_mut().filter_map(|file| Some((file.number()?, file)));
            let (record, file) = heads.min_by_key(|(number, _)| *number)?;
            let head = file.head.take()?;
            file.next += 1;
            file.previous = None;
            let is_read = file.next >= file.file.header().entries;
            self.after = self.after.max(record);
            let fields = file.file.fields(&head);
            if is_read {
                file.file.forget();
            }
            match fields {
                Ok(fields) => return Some(Entry { record, head, fields }),
                Err(error) => {
                    self.damaged += 1;
                    tracing::debug!(%error, number = record.0, "Skipped a damaged journal entry");
                }
            }
        }
    }
}

impl OpenFile {
    fn seek(&mut self, after: RecordNumber) {
        let position = self.position;
        self.next = self.file.lower_bound(|entry| RecordNumber::new(position, entry.number) <= after);
        (self.head, self.previous) = (None, None);
        // The search has read blocks all over the file, and a journal may have a hundred files.
        self.file.forget();
    }

    /// Reads the head of the entry before the next one; returns the number of damaged ones after it.
    fn load_previous(&mut self) -> u64 {
        let mut damaged = 0;
        while self.previous.is_none() && self.next > 0 {
            match self.file.entry(self.next - 1) {
                Ok(Some(entry)) => self.previous = Some(entry),
                // A damaged entry, or an unused place at the end of an array.
                result => {
                    damaged += u64::from(result.is_err());
                    self.next -= 1;
                }
            }
        }
        damaged
    }

    fn previous_number(&self) -> Option<RecordNumber> {
        self.previous.map(|head| RecordNumber::new(self.position, head.number))
    }

    /// Reads the head of the next entry; returns the number of damaged ones before it.
    fn load(&mut self) -> u64 {
        let mut damaged = 0;
        while self.head.is_none() {
            match self.file.entry(self.next) {
                Ok(Some(entry)) => self.head = Some(entry),
                Ok(None) => break,
                Err(_) => {
                    damaged += 1;
                    self.next += 1;
                }
            }
        }
        damaged
    }

    fn number(&self) -> Option<RecordNumber> {
        self.head.map(|head| RecordNumber::new(self.position, head.number))
    }
}
