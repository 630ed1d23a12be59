//! Audit file: bounded in size, rotated, and without mixed records after a failed write.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use locks::{Condvar, Mutex};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::dropped;
use crate::log::report;

/// Limits of the audit file and its older generations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AuditLimits {
    /// Size after which a new file is started.
    pub(crate) size: ByteSize,
    /// Number of files including the current one; the oldest is removed. At least 1.
    pub(crate) files: u32,
}

impl Default for AuditLimits {
    fn default() -> Self {
        Self { size: ByteSize(16 << 20), files: 10 }
    }
}

/// File size in bytes: at least 64 KiB, so that a file holds more than a few records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteSize(u64);

impl ByteSize {
    const SMALLEST: u64 = 64 << 10;
    const LARGEST: u64 = 1 << 40;

    /// Parses a number of bytes, optionally with the unit `K`, `M` or `G`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let units = [('K', 10), ('M', 20), ('G', 30)];
        let unit = units.into_iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, shift)));
        let (digits, shift) = unit.unwrap_or((text, 0));
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number: u64 = digits.parse().ok().filter(|_| is_number)?;
        let bytes = number.checked_mul(1 << shift)?;
        (Self::SMALLEST..=Self::LARGEST).contains(&bytes).then_some(Self(bytes))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// File to which records are appended; only its owner can read it.
#[derive(Clone)]
pub(crate) struct AuditFile(Arc<Inner>);

struct Inner {
    path: PathBuf,
    limits: AuditLimits,
    current: Mutex<Current>,
    /// Number of threads that append records of other processes.
    appenders: Mutex<usize>,
    ended: Condvar,
}

/// The open file.
struct Current {
    file: File,
    size: u64,
    /// Whether the file ends in the middle of a record.
    is_torn: bool,
    /// Number of records lost since the last successful write.
    lost: u64,
    /// Time of the last report of a failure.
    reported: Option<Instant>,
}

impl AuditFile {
    /// Opens the file, and creates it if it is missing.
    pub(crate) fn open(path: &Path, limits: AuditLimits) -> io::Result<Self> {
        // The process may change its working directory later.
        let path = std::path::absolute(path)?;
        let current = Mutex::new(Current::open(&path)?);
        let appenders = Mutex::default();
        Ok(Self(Arc::new(Inner { path, limits, current, appenders, ended: Condvar::new() })))
    }

    /// Opens the path again, after the old file was moved away.
    pub(crate) fn reopen(&self) {
        match Current::open(&self.0.path) {
            Ok(new) => {
                let mut current = self.0.current.lock();
                let lost = current.lost;
                *current = Current { lost, ..new };
            }
            Err(error) => {
                let path = self.0.path.display().to_string();
                tracing::error!(
                    path,
                    error = error.to_string(),
                    "Cannot reopen the audit file; continuing with the old one"
                );
            }
        }
    }

    /// Appends a line. Records that cannot be written are counted, and the count is recorded once writing works again.
    pub(super) fn append(&self, line: &str) {
        let mut current = self.0.current.lock();
        if current.size > 0 && current.size.saturating_add(length(line)) > self.0.limits.size.0 {
            self.rotate(&mut current);
        }
        if current.lost > 0 {
            let note = dropped(current.lost, "the audit file could not be written");
            if current.write(&note).is_err() {
                current.lost = current.lost.saturating_add(1);
                return;
            }
            current.lost = 0;
        }
        if let Err(error) = current.write(line) {
            current.lost = current.lost.saturating_add(1);
            let text = format!("cannot write an audit record to {}: {error}", self.0.path.display());
            self.report_failure(&mut current, &text);
        }
    }

    /// Starts a new file. If that fails, the old one grows.
    fn rotate(&self, current: &mut Current) {
        let renamed = if self.0.limits.files > 1 { self.move_older() } else { fs::remove_file(&self.0.path) };
        match renamed.and_then(|()| Current::open(&self.0.path)) {
            Ok(new) => {
                let (lost, reported) = (current.lost, current.reported);
                *current = Current { lost, reported, ..new };
            }
            Err(error) => {
                let text = format!("cannot rotate the audit file {}: {error}", self.0.path.display());
                self.report_failure(current, &text);
            }
        }
    }

    /// Renames `audit.jsonl.1` to `audit.jsonl.2` and so on, and the current file to `audit.jsonl.1`.
    fn move_older(&self) -> io::Result<()> {
        for number in (1..self.0.limits.files.saturating_sub(1)).rev() {
            match fs::rename(self.older(number), self.older(number.saturating_add(1))) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&self.0.path, self.older(1))
    }

    fn older(&self, number: u32) -> PathBuf {
        let mut name = self.0.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }

    /// Reports a failure on standard error, at most once in ten seconds. An event could be routed back to this
    /// file.
    fn report_failure(&self, current: &mut Current, text: &str) {
        let now = Instant::now();
        let is_due =
            current.reported.is_none_or(|last| now.saturating_duration_since(last) >= REPORT_INTERVAL);
        if is_due {
            current.reported = Some(now);
            report(text);
        }
    }

    /// Counts a thread that appends records of another process, until the returned guard is dropped.
    pub(super) fn begin_appending(&self) -> Appending {
        *self.0.appenders.lock() += 1;
        Appending(self.clone())
    }

    /// Waits until the records of other processes that have ended are appended, at most for the time `patience`.
    pub(crate) fn finish(&self, patience: Duration) {
        let appenders = self.0.appenders.lock();
        let _ = self.0.ended.wait_timeout_while(appenders, patience, |appenders| *appenders > 0);
    }
}

/// Guard of a thread that appends records of another process.
pub(super) struct Appending(AuditFile);

impl Appending {
    pub(super) fn file(&self) -> &AuditFile {
        &self.0
    }
}

impl Drop for Appending {
    fn drop(&mut self) {
        let mut appenders = self.0.0.appenders.lock();
        *appenders = appenders.saturating_sub(1);
        self.0.0.ended.notify_all();
    }
}

impl Current {
    fn open(path: &Path) -> io::Result<Self> {
        let file = open(path)?;
        let size = file.metadata()?.len();
        let mut last = [b'\n'];
        if let Some(end) = size.checked_sub(1) {
            file.read_exact_at(&mut last, end)?;
        }
        Ok(Self { file, size, is_torn: last != [b'\n'], lost: 0, reported: None })
    }

    /// Appends a line completely or not at all, as far as the file system allows.
    fn write(&mut self, line: &str) -> io::Result<()> {
        if self.is_torn {
            self.file.write_all(b"\n")?;
            self.is_torn = false;
            self.size = self.size.saturating_add(1);
        }
        let written = self.file.write_all(line.as_bytes());
        if written.is_ok() {
            self.size = self.size.saturating_add(length(line));
            return written;
        }
        // Removes a partly written line, or marks it to be ended by a line feed later.
        let now = self.file.metadata().map_or(self.size, |metadata| metadata.len());
        if now != self.size && self.file.set_len(self.size).is_err() {
            self.is_torn = true;
            self.size = now;
        }
        written
    }
}

fn length(line: &str) -> u64 {
    u64::try_from(line.len()).unwrap_or(u64::MAX)
}

/// Opens the audit file for appending, if no other user can have created or changed it.
fn open(path: &Path) -> io::Result<File> {
    // A FIFO or device of this name is refused without blocking.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file =
        OpenOptions::new().append(true).read(true).create(true).mode(0o600).custom_flags(flags).open(path);
    let file = file.map_err(|error| match Errno::from_io_error(&error) {
        Some(Errno::LOOP) => io::Error::other("audit files must not be symbolic links"),
        Some(Errno::NXIO | Errno::ISDIR) => io::Error::other("not a regular file"),
        _ => error,
    })?;
    let metadata = file.metadata()?;
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    if !metadata.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other(format!("the file belongs to user {owner}; move it away")));
    }
    if mode & 0o022 != 0 {
        return Err(io::Error::other(format!(
            "the file has mode {mode:04o} and can be changed by other users; run chmod go-w"
        )));
    }
    Ok(file)
}

/// Minimum interval between two reports of write failures.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: AuditLimits = AuditLimits { size: ByteSize(1_000), files: 3 };

    fn line(number: usize) -> String {
        format!("{{\"number\":{number:03}}}\n")
    }

    #[test]
    fn the_file_is_rotated_and_the_oldest_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let file = AuditFile::open(&path, SMALL).unwrap();
        for number in 0..400 {
            file.append(&line(number));
        }
        let names: Vec<_> =
            ["audit.jsonl.2", "audit.jsonl.1", "audit.jsonl"].map(|name| folder.path().join(name)).into();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), names.len());
        let texts: Vec<_> = names.iter().map(|name| fs::read_to_string(name).unwrap()).collect();
        assert!(texts.iter().all(|text| text.len() <= 1_000 && text.ends_with('\n')));
        let all = texts.concat();
        let stored = all.lines().count();
        let expected: String = (400 - stored..400).map(line).collect();
        assert_eq!(all, expected, "the last records are complete and in order");
    }

    #[test]
    fn a_record_starts_a_new_line_after_a_torn_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        fs::write(&path, "{\"number\":0").unwrap();
        AuditFile::open(&path, SMALL).unwrap().append(&line(1));
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{{\"number\":0\n{}", line(1)));
    }

    #[test]
    fn lost_records_are_counted_and_the_count_is_recorded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let file = AuditFile::open(&path, SMALL).unwrap();
        // Writing to a file that is open for reading fails.
        file.0.current.lock().file = File::open(&path).unwrap();
        for number in 0..3 {
            file.append(&line(number));
        }
        file.reopen();
        file.append(&line(3));
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].contains("\"dropped\"") && lines[0].contains("\"records\":3"), "{text}");
        assert_eq!(lines[1..], [line(3).trim_end()]);
    }

    #[test]
    fn sizes_have_units_and_bounds() {
        for (text, expected) in [("65536", 65_536), ("64K", 65_536), ("16M", 16 << 20)] {
            assert_eq!(ByteSize::parse(text), Some(ByteSize(expected)), "{text}");
        }
        for wrong in ["", "K", "1K", "-1M", "+64K", "64k", "1.5M", "99999999999G", "2048G"] {
            assert_eq!(ByteSize::parse(wrong), None, "{wrong}");
        }
    }
}
