//! Files of auditd: `audit.log`, and older ones as `audit.log.1` and so on.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::event::AuditEvent;
use super::group::Grouping;
use super::record::{AuditRecord, MAX_RECORD};
use crate::LogError;

/// Reader of the audit log.
pub struct AuditLog {
    /// Path of the current file.
    path: PathBuf,
    current: Option<Current>,
    grouping: Grouping,
    /// Number of the last event that was returned.
    after: u64,
}

struct Current {
    lines: BufReader<File>,
    /// Device and inode, which stay the same when auditd renames the file.
    identity: (u64, u64),
    /// Line whose end has not been written yet.
    incomplete: Vec<u8>,
}

/// Maximum number of files; auditd keeps at most 999.
const MAX_FILES: usize = 1_000;

impl AuditLog {
    /// Opens the log at its beginning. `path` is the current file, such as `/var/log/audit/audit.log`.
    ///
    /// # Errors
    /// [`LogError::Read`] if the file cannot be read.
    pub fn open(path: &Path) -> Result<Self, LogError> {
        File::open(path).map_err(|source| LogError::reading(path, source))?;
        Ok(Self { path: path.to_owned(), current: None, grouping: Grouping::default(), after: 0 })
    }

    /// Continues behind the event with this number.
    pub fn seek(&mut self, after: u64) {
        self.grouping.clear();
        self.after = after;
        let files = self.files();
        // The newest file that begins at this number or before.
        let begin = files.iter().rposition(|path| first_number(path).is_some_and(|number| number <= after));
        self.current = files.get(begin.unwrap_or(0)).and_then(|path| Current::open(path).ok());
    }

    /// Continues behind the last event, and returns its number.
    ///
    /// # Errors
    /// As for [`Self::next_event`].
    pub fn seek_end(&mut self) -> Result<u64, LogError> {
        let newest = self.files().iter().rev().find_map(|path| first_number(path)).unwrap_or_default();
        self.seek(newest.saturating_sub(1));
        while self.next_event(u64::MAX)?.is_some() {}
        Ok(self.after)
    }

    /// Returns the next complete event; `None` if there is none yet. `now` is the time in milliseconds since 1970.
    ///
    /// # Errors
    /// [`LogError::Read`] if a file cannot be read.
    pub fn next_event(&mut self, now: u64) -> Result<Option<AuditEvent>, LogError> {
        loop {
            let is_end = !self.fill()?;
            while let Some(event) = self.grouping.next(if is_end { now } else { 0 }) {
                let number = event.record_id();
                if number > self.after {
                    self.after = number;
                    return Ok(Some(event));
                }
            }
            if is_end {
                return Ok(None);
            }
        }
    }

    /// Reads one record; returns whether there may be another one.
    fn fill(&mut self) -> Result<bool, LogError> {
        if self.current.is_none() {
            self.current = self.files().first().and_then(|path| Current::open(path).ok());
        }
        let Some(current) = &mut self.current else { return Ok(false) };
        if let Some(line) = current.next_line().map_err(|source| LogError::reading(&self.path, source))? {
            if let Some(record) = AuditRecord::parse(&String::from_utf8_lossy(&line)) {
                self.grouping.add(record);
            }
            return Ok(true);
        }
        let identity = current.identity;
        let files = self.files();
        let here = files.iter().position(|path| identity_of(path).is_ok_and(|other| other == identity));
        let next = match here {
            Some(here) => files.get(here + 1),
            // The file was removed, so that all existing ones are newer.
            None => files.first(),
        };
        let Some(next) = next else { return Ok(false) };
        // Auditd may have written to the old file between the last read and the rotation.
        if let Some(line) = self.current.as_mut().and_then(|current| current.next_line().ok().flatten()) {
            if let Some(record) = AuditRecord::parse(&String::from_utf8_lossy(&line)) {
                self.grouping.add(record);
            }
            return Ok(true);
        }
        self.current = Some(Current::open(next).map_err(|source| LogError::reading(next, source))?);
        Ok(true)
    }

    /// Returns the existing files, oldest first.
    fn files(&self) -> Vec<PathBuf> {
        let mut files = vec![self.path.clone()];
        for number in 1..MAX_FILES {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{number}"));
            let path = PathBuf::from(name);
            if !path.exists() {
                break;
            }
            files.push(path);
        }
        files.reverse();
        files
    }
}

impl Current {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        Ok(Self {
            lines: BufReader::new(file),
            identity: (metadata.dev(), metadata.ino()),
            incomplete: Vec::new(),
        })
    }

    /// Returns the next complete line; `None` at the end. Only the beginning of a long line is kept.
    fn next_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        const CHUNK: u64 = 64 << 10;
        loop {
            let read = (&mut self.lines).take(CHUNK).read_until(b'\n', &mut self.incomplete)?;
            if read == 0 {
                return Ok(None);
            }
            if self.incomplete.ends_with(b"\n") {
                return Ok(Some(std::mem::take(&mut self.incomplete)));
            }
            // Longer than a record can be; the rest is dropped until the line ends.
            self.incomplete.truncate(MAX_RECORD + 1);
        }
    }
}

fn identity_of(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Returns the number of the first event of a file.
fn first_number(path: &Path) -> Option<u64> {
    let mut current = Current::open(path).ok()?;
    for _ in 0..100 {
        let line = current.next_line().ok()??;
        if let Some(record) = AuditRecord::parse(&String::from_utf8_lossy(&line)) {
            return Some(AuditEvent::number(record.milliseconds, record.serial));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn write(path: &Path, serials: std::ops::Range<u64>) {
        let mut file = File::options().append(true).create(true).open(path).unwrap();
        for serial in serials {
            writeln!(file, "type=USER_AUTH msg=audit({}.000:{serial}): res=success", 1_000 + serial).unwrap();
        }
    }

    fn serials(log: &mut AuditLog) -> Vec<u64> {
        std::iter::from_fn(|| log.next_event(0).unwrap()).map(|event| event.serial).collect()
    }

    #[test]
    fn the_log_is_followed_across_rotation_and_continued_behind_a_number() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        write(&path, 1..4);
        let mut log = AuditLog::open(&path).unwrap();
        assert_eq!(serials(&mut log), [1, 2, 3]);
        write(&path, 4..6);
        fs::rename(&path, folder.path().join("audit.log.1")).unwrap();
        write(&path, 6..8);
        assert_eq!(serials(&mut log), [4, 5, 6, 7]);
        let mut again = AuditLog::open(&path).unwrap();
        again.seek(AuditEvent::number(1_005_000, 5));
        assert_eq!(serials(&mut again), [6, 7]);
        again.seek(AuditEvent::number(1_002_000, 2));
        assert_eq!(serials(&mut again), [3, 4, 5, 6, 7]);
        again.seek_end().unwrap();
        assert!(serials(&mut again).is_empty());
        // A line that is not complete is read when it is.
        let mut file = File::options().append(true).open(&path).unwrap();
        write!(file, "type=USER_AUTH msg=audit(2000.000:9): ").unwrap();
        assert!(serials(&mut again).is_empty());
        writeln!(file, "res=success").unwrap();
        assert_eq!(serials(&mut again), [9]);
    }
}
