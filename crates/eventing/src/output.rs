//! Files that receive events, one event a line.

pub(crate) mod event_file;
mod recovery;
mod total_limit;

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use self::event_file::EventFile;
pub(crate) use self::total_limit::TotalLimit;
use crate::error::CollectorError;

/// Form of events in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// XML, as the source sent it.
    Xml,
    /// JSON Lines.
    Json,
}

/// Settings of an output.
#[derive(Clone, Debug)]
pub struct OutputSettings {
    /// File or folder.
    pub layout: Layout,
    /// Form of the events.
    pub format: Format,
    /// Limit of the files; `None` means that the file grows without limit.
    pub rotation: Option<Rotation>,
}

/// Files of an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// One file for all sources.
    File(PathBuf),
    /// Standard output, for all sources. An event counts as stored when the reader's pipe or file has it.
    Stdout,
    /// A folder with files of each source, so that each source has its own share of the disk.
    PerSource(PathBuf),
}

/// Limit of the files of one source, or of the one file for all sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Maximum size of a file in bytes; a batch is never divided.
    pub size: u64,
    /// Number of files, including the current one. The oldest file is removed.
    pub files: u32,
}

impl OutputSettings {
    /// Returns the output to one file without limit, whose format follows from the extension of its name: `.xml` or
    /// `.jsonl`. The name `-` is standard output, as JSON.
    ///
    /// # Errors
    /// [`CollectorError::UnknownFormat`] for another extension.
    pub fn to_file(path: &Path) -> Result<Self, CollectorError> {
        if path.as_os_str() == "-" {
            return Ok(Self { layout: Layout::Stdout, format: Format::Json, rotation: None });
        }
        let format = match path.extension().and_then(|extension| extension.to_str()) {
            Some("xml") => Format::Xml,
            Some("jsonl") => Format::Json,
            _ => return Err(CollectorError::UnknownFormat { path: path.to_owned() }),
        };
        Ok(Self { layout: Layout::File(path.to_owned()), format, rotation: None })
    }

    /// Returns the folder with a folder for each source, if the output has one.
    pub(crate) fn folder_of_sources(&self) -> Option<&Path> {
        match &self.layout {
            Layout::File(_) | Layout::Stdout => None,
            Layout::PerSource(folder) => Some(folder),
        }
    }

    /// Returns a path on the file system of the output, if it has one.
    pub(crate) fn path(&self) -> Option<&Path> {
        match &self.layout {
            Layout::File(path) => Some(files::folder(path)),
            Layout::PerSource(folder) => Some(folder),
            Layout::Stdout => None,
        }
    }
}

/// Committed part of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommittedFile {
    pub(crate) path: PathBuf,
    /// Number of the file, by which a rotated file is recognised.
    pub(crate) inode: u64,
    /// Length in bytes up to which the events are committed.
    pub(crate) length: u64,
}

/// An output with its open files.
pub(crate) struct Output {
    settings: OutputSettings,
    files: BTreeMap<PathBuf, EventFile>,
    /// Changed parts of files that were closed.
    closed: Vec<CommittedFile>,
}

impl Output {
    /// Opens the output. A file for all sources is opened at once, so that errors are reported at the start.
    pub(crate) fn open(settings: OutputSettings) -> Result<Self, CollectorError> {
        let mut output = Self { settings, files: BTreeMap::new(), closed: Vec::new() };
        if let Layout::File(path) = &output.settings.layout {
            let file = EventFile::open(path.clone())?;
            output.files.insert(path.clone(), file);
        }
        Ok(output)
    }

    pub(crate) fn format(&self) -> Format {
        self.settings.format
    }

    /// Appends whole lines of one source. They are durable only after [`sync`](Self::sync).
    ///
    /// If writing fails, nothing of them stays in the file.
    pub(crate) fn append(&mut self, source: &str, lines: &[u8]) -> Result<(), CollectorError> {
        if lines.is_empty() {
            return Ok(());
        }
        let extension = match self.settings.format {
            Format::Xml => "xml",
            Format::Json => "jsonl",
        };
        let path = match &self.settings.layout {
            Layout::Stdout => {
                let failed = CollectorError::file("write", "standard output");
                return io::stdout().lock().write_all(lines).map_err(failed);
            }
            Layout::File(path) => path.clone(),
            Layout::PerSource(folder) => folder.join(source).join(format!("events.{extension}")),
        };
        if !self.files.contains_key(&path) {
            if self.files.len() >= MAX_OPEN {
                self.sync()?;
                self.closed = self.take_uncommitted();
                self.files.clear();
            }
            if let Some(folder) = path.parent() {
                event_file::create_folder(folder)?;
            }
            self.files.insert(path.clone(), EventFile::open(path.clone())?);
        }
        let Some(file) = self.files.get_mut(&path) else { return Ok(()) };
        if let Some(rotation) = self.settings.rotation {
            file.rotate_if_needed(lines.len(), rotation)?;
        }
        file.append(lines)
    }

    /// Returns the changed parts of all files since the last call, to be committed together with the bookmarks.
    pub(crate) fn take_uncommitted(&mut self) -> Vec<CommittedFile> {
        let mut all = std::mem::take(&mut self.closed);
        all.extend(self.files.values_mut().filter_map(EventFile::take_uncommitted));
        all
    }

    /// Waits until all appended lines are on the disk.
    pub(crate) fn sync(&mut self) -> Result<(), CollectorError> {
        if self.settings.layout == Layout::Stdout {
            io::stdout().flush().map_err(CollectorError::file("write", "standard output"))?;
        }
        self.files.values_mut().try_for_each(EventFile::sync)
    }
}

/// Maximum number of open files of an output.
const MAX_OPEN: usize = 128;
