//! Events after the last commit, which a crash has left at the end of a file.
//!
//! A batch is in the files before its bookmark is committed. After a crash in between the source sends the batch again,
//! so the files are cut to the lengths that were committed together with the last bookmarks.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::CommittedFile;
use super::event_file::numbered;

impl CommittedFile {
    /// Removes the events after the committed part. A file that was replaced by another program is not changed. Returns
    /// whether the file exists.
    pub(crate) fn recover(&self) -> io::Result<bool> {
        let Some(current) = number_of(&self.path)? else { return Ok(false) };
        if current == self.inode {
            cut(&self.path, self.length)?;
            return Ok(true);
        }
        let rotated = numbered(&self.path, 1);
        if number_of(&rotated)? == Some(self.inode) {
            // The file was rotated after the last commit, so the new one contains nothing else.
            cut(&rotated, self.length)?;
            cut(&self.path, 0)?;
        }
        Ok(true)
    }
}

fn number_of(path: &Path) -> io::Result<Option<u64>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(Some(metadata.ino())),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn cut(path: &Path, length: u64) -> io::Result<()> {
    let file: File = OpenOptions::new().write(true).open(path)?;
    let found = file.metadata()?.len();
    if found > length {
        tracing::warn!(file = %path.display(), bytes = found - length, "Removed events that were not committed");
        file.set_len(length)?;
        file.sync_data()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_after_the_committed_part_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let read = |number| fs::read_to_string(numbered(&path, number)).unwrap();
        fs::write(&path, "1\n2\n").unwrap();
        let inode = number_of(&path).unwrap().unwrap();
        let committed = |length| CommittedFile { path: path.clone(), inode, length };
        assert!(committed(4).recover().unwrap());
        assert_eq!(read(0), "1\n2\n");
        assert!(committed(2).recover().unwrap());
        assert_eq!(read(0), "1\n");
        fs::write(&path, "1\n2\n").unwrap();
        fs::rename(&path, numbered(&path, 1)).unwrap();
        fs::write(&path, "3\n").unwrap();
        assert!(committed(2).recover().unwrap());
        assert_eq!((read(1), read(0)), ("1\n".to_owned(), String::new()));
        // A file that another program has put there stays.
        fs::write(numbered(&path, 2), "").unwrap();
        fs::rename(numbered(&path, 1), numbered(&path, 3)).unwrap();
        fs::write(&path, "4\n").unwrap();
        assert!(committed(2).recover().unwrap());
        assert_eq!(read(0), "4\n");
        fs::remove_file(&path).unwrap();
        assert!(!committed(2).recover().unwrap());
    }
}
