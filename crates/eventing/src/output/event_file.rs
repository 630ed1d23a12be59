//! One file of events.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::{CommittedFile, Rotation};
use crate::error::CollectorError;

/// File to which lines are appended.
pub(crate) struct EventFile {
    path: PathBuf,
    file: File,
    inode: u64,
    length: u64,
    has_unsynced: bool,
    /// Whether lines were appended since [`take_uncommitted`](Self::take_uncommitted).
    has_uncommitted: bool,
}

impl EventFile {
    /// Opens a file, or creates it with mode 0600. An incomplete last line, which a crash has left and whose event was
    /// not acknowledged, is removed.
    pub(crate) fn open(path: PathBuf) -> Result<Self, CollectorError> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600);
        let mut file = options.open(&path).map_err(CollectorError::file("open", &path))?;
        let metadata = file.metadata().map_err(CollectorError::file("read", &path))?;
        if !metadata.is_file() {
            return Err(CollectorError::NotEvents { path });
        }
        let length = metadata.len();
        let complete = complete_length(&mut file, length).map_err(CollectorError::file("read", &path))?;
        if complete == 0 && length > 0 {
            return Err(CollectorError::NotEvents { path });
        }
        if complete < length {
            tracing::warn!(file = %path.display(), bytes = length - complete, "Removed an incomplete last event");
            file.set_len(complete).map_err(CollectorError::file("write", &path))?;
        }
        let (inode, has_unsynced) = (metadata.ino(), complete < length);
        let mut file = Self { path, file, inode, length: complete, has_unsynced, has_uncommitted: false };
        file.sync()?;
        sync_folder(&file.path)?;
        Ok(file)
    }

    /// Appends lines, or none of them.
    pub(crate) fn append(&mut self, lines: &[u8]) -> Result<(), CollectorError> {
        (self.has_unsynced, self.has_uncommitted) = (true, true);
        if let Err(source) = self.file.write_all(lines) {
            // A part may have been written.
            let _ = self.file.set_len(self.length);
            return Err(CollectorError::File { action: "write", path: self.path.clone(), source });
        }
        self.length += u64::try_from(lines.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// Returns the part to be committed, if the file has changed since the last call.
    pub(crate) fn take_uncommitted(&mut self) -> Option<CommittedFile> {
        let Self { path, inode, length, .. } = self;
        let file = CommittedFile { path: path.clone(), inode: *inode, length: *length };
        std::mem::take(&mut self.has_uncommitted).then_some(file)
    }

    /// Length in bytes.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Waits until all lines are on the disk.
    pub(crate) fn sync(&mut self) -> Result<(), CollectorError> {
        if self.has_unsynced {
            self.file.sync_data().map_err(CollectorError::file("write", &self.path))?;
            self.has_unsynced = false;
        }
        Ok(())
    }

    /// Begins a new file if the lines do not fit into this one.
    pub(crate) fn rotate_if_needed(&mut self, more: usize, rotation: Rotation) -> Result<(), CollectorError> {
        let more = u64::try_from(more).unwrap_or(u64::MAX);
        if self.length == 0 || self.length.saturating_add(more) <= rotation.size {
            return Ok(());
        }
        self.sync()?;
        for number in (0..rotation.files.saturating_sub(1)).rev() {
            let (from, to) = (numbered(&self.path, number), numbered(&self.path, number + 1));
            match fs::rename(&from, &to) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(CollectorError::File { action: "rename", path: from, source: error });
                }
                _ => {}
            }
        }
        if rotation.files <= 1 {
            fs::remove_file(&self.path).map_err(CollectorError::file("remove", &self.path))?;
        }
        *self = Self::open(self.path.clone())?;
        Ok(())
    }
}

/// Returns the name of an older file: `FILE.1` is the previous one.
pub(crate) fn numbered(path: &Path, number: u32) -> PathBuf {
    if number == 0 {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

/// Creates a folder that no other user can read, unless it exists, and makes its name durable.
pub(crate) fn create_folder(folder: &Path) -> Result<(), CollectorError> {
    if folder.is_dir() {
        return Ok(());
    }
    let failed = CollectorError::file("create", folder);
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    // The folder above may be new as well.
    folder.ancestors().take(2).filter(|path| path.parent().is_some()).try_for_each(sync_folder)
}

/// Makes the creation or the new name of a file durable.
fn sync_folder(path: &Path) -> Result<(), CollectorError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(CollectorError::file("write", folder))
}

/// Returns the length of a file up to its last line break.
fn complete_length(file: &mut File, length: u64) -> std::io::Result<u64> {
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(PIECE);
        let mut piece = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        std::io::Read::by_ref(file).take(end - start).read_to_end(&mut piece)?;
        if let Some(at) = piece.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + u64::try_from(at).unwrap_or(0) + 1);
        }
        end = start;
    }
    Ok(0)
}

/// Bytes that are read at once when searching the last line break.
const PIECE: u64 = 64 * 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incomplete_last_line_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.xml");
        fs::write(&path, "<one/>\n<tw").unwrap();
        EventFile::open(path.clone()).unwrap().append(b"<three/>\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "<one/>\n<three/>\n");
    }

    #[test]
    fn a_file_without_lines_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("precious.xml");
        fs::write(&path, "not events").unwrap();
        assert!(matches!(EventFile::open(path.clone()), Err(CollectorError::NotEvents { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "not events");
    }

    #[test]
    fn full_files_are_renamed_and_the_oldest_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.xml");
        let mut file = EventFile::open(path.clone()).unwrap();
        for line in ["1\n", "2\n", "3\n", "4\n", "5\n"] {
            file.rotate_if_needed(line.len(), Rotation { size: 2, files: 3 }).unwrap();
            file.append(line.as_bytes()).unwrap();
        }
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!([read("events.xml"), read("events.xml.1"), read("events.xml.2")], ["5\n", "4\n", "3\n"]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }
}
