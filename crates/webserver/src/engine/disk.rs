//! Files of a configuration on disk.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::path::Path;

use conftext::Files;

use super::snapshot_cache::Sources;
use crate::error::WebServerError;

/// Maximum size of a file in bytes.
const MAX_FILE: u64 = 4 << 20;
/// Maximum number of entries of a folder.
const MAX_ENTRIES: usize = 50_000;

/// Reads files, with planned contents in place of those on disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    /// Planned contents by path; `None` for deleted files.
    pub(crate) planned: BTreeMap<String, Option<Vec<u8>>>,
    /// Files and folders that were read.
    pub(crate) sources: Sources,
}

impl Files for Disk {
    type Error = WebServerError;

    fn read(&mut self, path: &str) -> Result<Option<Vec<u8>>, WebServerError> {
        match self.planned.get(path) {
            Some(content) => Ok(content.clone()),
            None => {
                let read = open(path)?;
                self.sources.add(path, read.as_ref().map(|(_, metadata)| metadata));
                read.map(|(file, _)| content(file, Path::new(path))).transpose()
            }
        }
    }

    fn names(&mut self, folder: &str) -> Result<Vec<String>, WebServerError> {
        self.sources.add(folder, fs::metadata(folder).ok().as_ref());
        let mut names = names(folder)?;
        let prefix = if folder == "/" { "/".to_owned() } else { format!("{folder}/") };
        for (path, content) in &self.planned {
            let Some(name) = path.strip_prefix(&prefix) else { continue };
            let (name, is_file) = name.split_once('/').map_or((name, true), |(folder, _)| (folder, false));
            names.retain(|other| other != name || !is_file);
            if content.is_some() && !names.iter().any(|other| other == name) {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }
}

/// Returns the content of a regular file, or `None` if it does not exist.
pub(crate) fn read(path: &str) -> Result<Option<Vec<u8>>, WebServerError> {
    open(path)?.map(|(file, _)| content(file, Path::new(path))).transpose()
}

/// Opens a regular file; returns `None` if it does not exist.
fn open(path: &str) -> Result<Option<(File, Metadata)>, WebServerError> {
    let path = Path::new(path);
    // A FIFO must not block.
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, rustix::fs::Mode::empty()) {
        Ok(descriptor) => File::from(descriptor),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Ok(None),
        Err(errno) => return Err(WebServerError::disk("read", path)(errno.into())),
    };
    let metadata = file.metadata().map_err(WebServerError::disk("read", path))?;
    if metadata.is_file() {
        Ok(Some((file, metadata)))
    } else {
        Err(WebServerError::disk("read", path)(io::Error::other("it is not a regular file")))
    }
}

fn content(file: File, path: &Path) -> Result<Vec<u8>, WebServerError> {
    let mut content = Vec::new();
    let limit = MAX_FILE.saturating_add(1);
    file.take(limit).read_to_end(&mut content).map_err(WebServerError::disk("read", path))?;
    if u64::try_from(content.len()).is_ok_and(|length| length <= MAX_FILE) {
        Ok(content)
    } else {
        Err(WebServerError::Limit { what: format!("the size of {}", path.display()), limit: 4 << 20 })
    }
}

/// Returns the names of a folder in the order of their bytes; none if it does not exist. Names that are not UTF-8 are
/// omitted.
pub(crate) fn names(folder: &str) -> Result<Vec<String>, WebServerError> {
    let path = Path::new(folder);
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(WebServerError::disk("read", path)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(WebServerError::disk("read", path))?;
        if names.len() >= MAX_ENTRIES {
            return Err(WebServerError::Limit { what: format!("the size of {folder}"), limit: MAX_ENTRIES });
        }
        names.extend(entry.file_name().into_string().ok());
    }
    names.sort_unstable();
    Ok(names)
}
