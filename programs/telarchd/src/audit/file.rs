//! The file of audit records: bounded in size, rotated, and never with half a record in a line.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::{dropped, locked};
use crate::log::report;

/// Bounds of the file of audit records and of the older ones beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AuditLimits {
    /// Size after which a new file is begun.
    pub(crate) size: ByteSize,
    /// Number of files, the current one included; the oldest is removed. At least 1.
    pub(crate) files: u32,
}

impl Default for AuditLimits {
    fn default() -> Self {
        Self { size: ByteSize(16 << 20), files: 10 }
    }
}

/// Size of a file in bytes: at least 64 KiB, so that a file holds more than a few records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteSize(u64);

impl ByteSize {
    const SMALLEST: u64 = 64 << 10;
    const LARGEST: u64 = 1 << 40;

    /// Parses a number of bytes, or of units with `K`, `M` or `G` behind it.
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

/// A file that records are appended to; nobody but its owner can read it.
#[derive(Clone)]
pub(crate) struct AuditFile(Arc<Inner>);

struct Inner {
    path: PathBuf,
    limits: AuditLimits,
    current: Mutex<Current>,
    /// Number of threads that append the records of other processes.
    appenders: Mutex<usize>,
    ended: Condvar,
}

/// The file that is written to.
struct Current {
    file: File,
    size: u64,
    /// Whether the file ends within a record.
    is_torn: bool,
    /// Records that could not be written since the last that could.
    lost: u64,
    /// When a failure was last reported.
    reported: Option<Instant>,
}

impl AuditFile {
    /// Opens it, and makes it where it is missing.
    pub(crate) fn open(path: &Path, limits: AuditLimits) -> io::Result<Self> {
        // A process that changes its directory goes on with the same file.
        let path = std::path::absolute(path)?;
        let current = Mutex::new(Current::open(&path)?);
        let appenders = Mutex::default();
        Ok(Self(Arc::new(Inner { path, limits, current, appenders, ended: Condvar::new() })))
    }

    /// Opens the path again, because what is there may have been moved away to be kept.
    pub(crate) fn reopen(&self) {
        match Current::open(&self.0.path) {
            Ok(new) => {
                let mut current = locked(&self.0.current);
                let lost = current.lost;
                *current = Current { lost, ..new };
            }
            Err(error) => {
                let path = self.0.path.display().to_string();
                tracing::error!(path, error = error.to_string(), "Audit records go on into the old file");
            }
        }
    }

    /// Appends a line. A record that cannot be written is counted, and the count is recorded once writing works again.
    pub(super) fn append(&self, line: &str) {
        let mut current = locked(&self.0.current);
        if current.size > 0 && current.size.saturating_add(length(line)) > self.0.limits.size.0 {
            self.rotate(&mut current);
        }
        if current.lost > 0 {
            let note = dropped(current.lost, "the file of audit records could not be written");
            if current.write(&note).is_err() {
                current.lost = current.lost.saturating_add(1);
                return;
            }
            current.lost = 0;
        }
        if let Err(error) = current.write(line) {
            current.lost = current.lost.saturating_add(1);
            self.complain(
                &mut current,
                &format!("an audit record is lost: {}: {error}", self.0.path.display()),
            );
        }
    }

    /// Begins a new file. If that is not possible, the old one grows.
    fn rotate(&self, current: &mut Current) {
        let renamed = if self.0.limits.files > 1 { self.move_older() } else { fs::remove_file(&self.0.path) };
        match renamed.and_then(|()| Current::open(&self.0.path)) {
            Ok(new) => {
                let (lost, reported) = (current.lost, current.reported);
                *current = Current { lost, reported, ..new };
            }
            Err(error) => {
                let path = self.0.path.display();
                self.complain(
                    current,
                    &format!("the file of audit records cannot be rotated: {path}: {error}"),
                );
            }
        }
    }

    /// Renames `audit.jsonl.1` to `audit.jsonl.2` and so on, and the file itself to `audit.jsonl.1`.
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

    /// Reports a failure on standard error, not more often than every ten seconds. An event could come back here.
    fn complain(&self, current: &mut Current, text: &str) {
        let now = Instant::now();
        let is_due = |last: Instant| now.saturating_duration_since(last) >= Duration::from_secs(10);
        if current.reported.is_none_or(is_due) {
            current.reported = Some(now);
            report(text);
        }
    }

    /// Counts a thread that appends the records of another process, until what is returned is dropped.
    pub(super) fn begin_appending(&self) -> Appending {
        *locked(&self.0.appenders) += 1;
        Appending(self.clone())
    }

    /// Waits until the records of other processes that have ended are appended.
    pub(crate) fn finish(&self, patience: Duration) {
        let appenders = locked(&self.0.appenders);
        let _ = self.0.ended.wait_timeout_while(appenders, patience, |appenders| *appenders > 0);
    }
}

/// A thread that appends the records of another process.
pub(super) struct Appending(AuditFile);

impl Appending {
    pub(super) fn file(&self) -> &AuditFile {
        &self.0
    }
}

impl Drop for Appending {
    fn drop(&mut self) {
        let mut appenders = locked(&self.0.0.appenders);
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

    /// Appends a line, whole or not at all as far as the system allows that.
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
        // What was written of it is taken back, or ended by a line feed later.
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

/// Opens the file at the end of which records go: one that nobody else could have written, or put there.
fn open(path: &Path) -> io::Result<File> {
    // A FIFO or a device under this name must be refused instead of waited for.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file =
        OpenOptions::new().append(true).read(true).create(true).mode(0o600).custom_flags(flags).open(path);
    let file = file.map_err(|error| match Errno::from_io_error(&error) {
        Some(Errno::LOOP) => io::Error::other("it is a symbolic link, which audit records do not follow"),
        Some(Errno::NXIO | Errno::ISDIR) => io::Error::other("it is not a file"),
        _ => error,
    })?;
    let metadata = file.metadata()?;
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other(format!("it belongs to user {owner}; move it away")));
    }
    if mode & 0o022 != 0 {
        return Err(io::Error::other(format!("it has mode {mode:04o}: others can change it; chmod go-w it")));
    }
    Ok(file)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
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
        let kept = all.lines().count();
        let expected: String = (400 - kept..400).map(line).collect();
        assert_eq!(all, expected, "the last records are there, in order and none twice");
    }

    #[test]
    fn a_record_begins_a_line_even_if_the_last_one_was_torn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        fs::write(&path, "{\"number\":0").unwrap();
        AuditFile::open(&path, SMALL).unwrap().append(&line(1));
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{{\"number\":0\n{}", line(1)));
    }

    #[test]
    fn records_that_cannot_be_written_are_counted_and_the_count_is_recorded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let file = AuditFile::open(&path, SMALL).unwrap();
        // Nothing can be written to a file that is open for reading.
        locked(&file.0.current).file = File::open(&path).unwrap();
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
        let bytes = |text| ByteSize::parse(text).map(|size| size.0);
        assert_eq!(
            (bytes("65536"), bytes("64K"), bytes("16M")),
            (Some(65_536), Some(65_536), Some(16 << 20))
        );
        for wrong in ["", "K", "1K", "-1M", "+64K", "64k", "1.5M", "99999999999G", "2048G"] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
    }
}
