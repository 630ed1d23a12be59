//! Reading of a file of forwarded events, also while the collector appends to it.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use winevent::WinEventError;
use winevent::event::{MAX_EVENT, Record, json};

use crate::error::CollectorError;
use crate::output::event_file::numbered;

/// Reader of a file that [`crate::Collector`] writes: JSON Lines, or one event in XML per line.
///
/// If the file is rotated, the reader continues in the new file after the end of the old one.
pub struct ForwardedFile {
    path: PathBuf,
    file: BufReader<File>,
    /// Device and inode of the file.
    identity: (u64, u64),
    /// Beginning of a line whose end is not written yet.
    pending: Vec<u8>,
    /// Whether the line was longer than any event, so that its beginning was dropped.
    is_too_long: bool,
    /// Number of the last line of the file.
    number: u64,
}

/// Line of a file of forwarded events.
#[derive(Debug)]
pub struct ForwardedLine {
    /// Number of the line in its file, from 1 on; counted from where the reader began.
    pub number: u64,
    /// The line.
    pub text: String,
    /// The event in it.
    pub record: Result<Record, WinEventError>,
}

/// Maximum length of a line in bytes: an event in JSON, in which a character may take six.
const MAX_LINE: usize = MAX_EVENT * 6;

impl ForwardedFile {
    /// Opens a file at its beginning.
    ///
    /// # Errors
    /// [`CollectorError::File`] if it cannot be read.
    pub fn open(path: &Path) -> Result<Self, CollectorError> {
        let failed = || CollectorError::file("read", path);
        let file = File::open(path).map_err(failed())?;
        let metadata = file.metadata().map_err(failed())?;
        Ok(Self {
            path: path.to_owned(),
            file: BufReader::new(file),
            identity: (metadata.dev(), metadata.ino()),
            pending: Vec::new(),
            is_too_long: false,
            number: 0,
        })
    }

    /// Opens a file at its last `length` bytes, from the first complete line on.
    ///
    /// # Errors
    /// [`CollectorError::File`] if it cannot be read.
    pub fn open_end(path: &Path, length: u64) -> Result<Self, CollectorError> {
        let failed = || CollectorError::file("read", path);
        let mut opened = Self::open(path)?;
        let end = opened.file.seek(SeekFrom::End(0)).map_err(failed())?;
        let from = end.saturating_sub(length);
        opened.file.seek(SeekFrom::Start(from)).map_err(failed())?;
        if from > 0 {
            opened.next_line()?;
            opened.is_too_long = false;
        }
        Ok(opened)
    }

    /// Opens the oldest file of a rotation, after which the reader continues in the newer ones up to `path`.
    ///
    /// # Errors
    /// [`CollectorError::File`] if it cannot be read.
    pub fn open_oldest(path: &Path) -> Result<Self, CollectorError> {
        let oldest =
            (1..MAX_FILES).map(|number| numbered(path, number)).take_while(|file| file.exists()).last();
        let file = Self::open(oldest.as_deref().unwrap_or(path))?;
        Ok(Self { path: path.to_owned(), ..file })
    }

    /// Continues after the last line that is in the file now.
    ///
    /// # Errors
    /// [`CollectorError::File`] if the file cannot be read.
    pub fn seek_end(&mut self) -> Result<(), CollectorError> {
        let failed = || CollectorError::file("read", &self.path);
        let end = self.file.seek(SeekFrom::End(0)).map_err(failed())?;
        // The last line may not be complete.
        let from = end.saturating_sub(u64::try_from(MAX_LINE).unwrap_or(u64::MAX));
        self.file.seek(SeekFrom::Start(from)).map_err(failed())?;
        (self.pending, self.is_too_long) = (Vec::new(), false);
        while self.next_line()?.is_some() {}
        Ok(())
    }

    /// Returns the next event; `None` if there is no further complete line yet.
    ///
    /// # Errors
    /// [`CollectorError::File`] if the file cannot be read.
    pub fn next_event(&mut self) -> Result<Option<ForwardedLine>, CollectorError> {
        loop {
            let mut line = self.next_line()?;
            if line.is_none() {
                let Some(next) = self.next_file() else { return Ok(None) };
                // Lines may have been added before the file was renamed.
                line = self.next_line()?;
                if line.is_none() {
                    let path = self.path.clone();
                    *self = Self { path, ..Self::open(&next)? };
                }
            }
            if let Some(event) = line.and_then(|line| self.event(&line)) {
                return Ok(Some(event));
            }
        }
    }

    /// Returns the event of a line; `None` for a line between events.
    fn event(&mut self, line: &[u8]) -> Option<ForwardedLine> {
        let text = String::from_utf8_lossy(line).trim().to_owned();
        let too_long = WinEventError::Limit { bound: "bytes of a line", maximum: MAX_LINE };
        let record = match text.as_str() {
            _ if std::mem::take(&mut self.is_too_long) => Err(too_long),
            // An export of wevtutil has an element around all events.
            "" | "<Events>" | "</Events>" => return None,
            json if json.starts_with('{') => json::parse(json),
            xml => Record::parse(xml),
        };
        Some(ForwardedLine { number: self.number, text, record })
    }

    /// Returns the next complete line.
    fn next_line(&mut self) -> Result<Option<Vec<u8>>, CollectorError> {
        loop {
            let available = self.file.fill_buf().map_err(CollectorError::file("read", &self.path))?;
            if available.is_empty() {
                return Ok(None);
            }
            let end = available.iter().position(|byte| *byte == b'\n');
            let part = end.and_then(|end| available.get(..end)).unwrap_or(available);
            if self.pending.len().saturating_add(part.len()) > MAX_LINE {
                self.is_too_long = true;
                self.pending.clear();
            } else {
                self.pending.extend_from_slice(part);
            }
            let length = part.len() + usize::from(end.is_some());
            self.file.consume(length);
            if end.is_some() {
                self.number += 1;
                return Ok(Some(std::mem::take(&mut self.pending)));
            }
        }
    }

    /// Returns the file after this one if this one was renamed by a rotation: it then has a number, and the next file a
    /// lower one, or none.
    fn next_file(&self) -> Option<PathBuf> {
        let current = identity(&self.path)?;
        if current == self.identity {
            return None;
        }
        let number =
            (1..MAX_FILES).find(|number| identity(&numbered(&self.path, *number)) == Some(self.identity));
        Some(numbered(&self.path, number.map_or(0, |number| number - 1)))
    }
}

/// Returns device and inode of a file that exists.
fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Maximum number of files of a rotation.
const MAX_FILES: u32 = 1_000;

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn event(number: u64) -> String {
        format!(
            "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='p'/>\
             <EventID>{number}</EventID><Computer>c</Computer></System></Event>"
        )
    }

    fn append(path: &Path, text: &str) {
        let mut file = File::options().create(true).append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn numbers(file: &mut ForwardedFile) -> Vec<u32> {
        let lines = std::iter::from_fn(|| file.next_event().unwrap());
        lines.map(|line| line.record.unwrap().event().unwrap().system.event_id).collect()
    }

    #[test]
    fn the_files_of_a_rotation_are_read_from_the_oldest_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        for (name, number) in [("events.jsonl.2", 1), ("events.jsonl.1", 2), ("events.jsonl", 3)] {
            append(&folder.path().join(name), &format!("{}\n", event(number)));
        }
        let mut file = ForwardedFile::open_oldest(&path).unwrap();
        assert_eq!(numbers(&mut file), [1, 2, 3]);
        append(&path, &format!("{}\n", event(4)));
        assert_eq!(numbers(&mut file), [4]);
        assert!(ForwardedFile::open_oldest(&folder.path().join("none")).is_err());
    }

    #[test]
    fn lines_are_read_when_they_are_complete_also_after_a_rotation() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        append(&path, &format!("<Events>\n{}\n\n", event(1)));
        let mut file = ForwardedFile::open(&path).unwrap();
        assert_eq!(numbers(&mut file), [1]);
        let json = json::structured(&Record::parse(&event(2)).unwrap().event().unwrap());
        let (first, second) = json.split_at(20);
        append(&path, first);
        assert!(numbers(&mut file).is_empty());
        append(&path, &format!("{second}\n{}\n", event(3)));
        fs::rename(&path, folder.path().join("events.jsonl.1")).unwrap();
        assert_eq!(numbers(&mut file), [2, 3]);
        append(&path, &format!("{}\n", event(4)));
        fs::rename(folder.path().join("events.jsonl.1"), folder.path().join("events.jsonl.2")).unwrap();
        fs::rename(&path, folder.path().join("events.jsonl.1")).unwrap();
        append(&path, &format!("{}\n", event(5)));
        assert_eq!(numbers(&mut file), [4, 5]);
    }

    #[test]
    fn only_later_lines_are_read_after_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.xml");
        let three = event(3);
        let (first, second) = three.split_at(30);
        append(&path, &format!("{}\n{}\n{first}", event(1), event(2)));
        let mut file = ForwardedFile::open(&path).unwrap();
        file.seek_end().unwrap();
        assert!(numbers(&mut file).is_empty());
        append(&path, &format!("{second}\n"));
        assert_eq!(numbers(&mut file), [3]);
    }

    #[test]
    fn malformed_and_long_lines_do_not_hide_later_events() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.xml");
        append(&path, &format!("{{\"System\":1}}\n{}\n{}\n", "x".repeat(MAX_LINE + 1), event(5)));
        let mut file = ForwardedFile::open(&path).unwrap();
        let lines: Vec<_> = std::iter::from_fn(|| file.next_event().unwrap()).collect();
        assert!(lines[0].record.is_err() && lines[1].record.is_err());
        assert!(lines[1].text.len() <= MAX_LINE);
        assert_eq!((lines[2].number, lines[2].record.is_ok()), (3, true));
    }
}
