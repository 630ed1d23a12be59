//! Reader of new lines of a file that grows and is rotated.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use readiness::FileChanges;

use super::MOST;

/// New lines of a file.
pub(super) struct Tail {
    path: PathBuf,
    changes: FileChanges,
    file: Option<File>,
    /// Incomplete last line.
    rest: Vec<u8>,
}

impl Tail {
    /// Starts at the current end of the file, which need not exist.
    ///
    /// # Errors
    /// Errors of the operating system, in particular if the file is not readable.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let changes = FileChanges::of([path])?;
        let mut file = open(path)?;
        if let Some(file) = &mut file {
            file.seek(SeekFrom::End(0))?;
        }
        Ok(Self { path: path.to_owned(), changes, file, rest: Vec::new() })
    }

    /// Waits for new lines. Cancel-safe.
    ///
    /// # Errors
    /// Errors of the operating system.
    pub(super) async fn next(&mut self) -> io::Result<Vec<Vec<u8>>> {
        loop {
            self.changes.next().await?;
            let lines = self.read()?;
            if !lines.is_empty() {
                return Ok(lines);
            }
        }
    }

    fn read(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let mut lines = Vec::new();
        // The current file is opened before the rest of the old one is read, so that no line is missed.
        let now = open(&self.path)?;
        self.read_on(&mut lines)?;
        let number =
            |file: &Option<File>| file.as_ref().and_then(|file| file.metadata().ok()).map(|of| of.ino());
        if now.is_some() && number(&now) != number(&self.file) {
            self.file = now;
            self.rest.clear();
            self.read_on(&mut lines)?;
        }
        Ok(lines)
    }

    fn read_on(&mut self, lines: &mut Vec<Vec<u8>>) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        // A log file does not grow beyond this.
        file.take(2 * MOST).read_to_end(&mut self.rest)?;
        let mut parts: Vec<Vec<u8>> = self.rest.split(|octet| *octet == b'\n').map(<[u8]>::to_vec).collect();
        self.rest = parts.pop().unwrap_or_default();
        lines.append(&mut parts);
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::*;

    fn add(path: &Path, text: &str) {
        let mut file = fs::OpenOptions::new().append(true).create(true).open(path).expect("a file");
        file.write_all(text.as_bytes()).expect("it is written");
    }

    #[tokio::test]
    async fn lines_are_read_once_also_when_the_file_is_renamed_between_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("failures");
        let mut tail = Tail::of(&path).expect("there is a folder");
        add(&path, "one\ntw");
        assert_eq!(tail.next().await.expect("lines"), [b"one"]);
        add(&path, "o\nthree\n");
        fs::rename(&path, folder.path().join("old")).expect("a file");
        add(&path, "four\n");
        let mut lines = Vec::new();
        while lines.len() < 3 {
            lines.extend(tail.next().await.expect("lines"));
        }
        assert_eq!(lines, [b"two".to_vec(), b"three".to_vec(), b"four".to_vec()]);
        // A reader that starts now receives none of them.
        let mut later = Tail::of(&path).expect("a file");
        add(&path, "five\n");
        assert_eq!(later.next().await.expect("lines"), [b"five"]);
    }
}
