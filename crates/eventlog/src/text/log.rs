//! Follows a text file across its rotation.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::civil;
use jiff::tz::TimeZone;
use rustix::fs::{Mode, OFlags};
use winevent::Timestamp;

use super::generations::{Generations, Identity, LogFile};
use super::lines::{Line, Lines};
use super::path::{TextFormat, TextLogPath};
use super::syslog::{LineTime, SyslogLine, full_time};
use crate::LogError;

/// Line of a text file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextEvent {
    /// Number of the line in all files of the log.
    pub record_id: u64,
    /// Time in microseconds since 1970: that of the line, or else that of the last change of the file.
    pub time: u64,
    /// Parts of the line.
    pub line: SyslogLine,
    /// Whether the end of the line was dropped because of its length.
    pub is_cut: bool,
}

/// Reader of a text file.
pub struct TextLog {
    path: TextLogPath,
    channel: String,
    generations: Arc<Generations>,
    zone: TimeZone,
    current: Option<Current>,
    /// Line without an end, after which its file was rotated.
    unfinished: Option<Line>,
    /// Number of the last line that was returned.
    after: u64,
    /// Whether the log has a warning that the file cannot be read.
    is_reported: bool,
}

/// The file that is being read.
struct Current {
    lines: Lines,
    /// Number at which the file begins.
    base: u64,
    identity: Identity,
    /// Device and inode.
    inode: (u64, u64),
    /// Length at which the first bytes were last verified.
    verified: u64,
    /// Time of the last change in seconds since 1970, when the file was last read.
    changed: i64,
}

/// Maximum number of files of a log that are considered, the newest first.
const MAX_FILES: usize = 64;
/// Maximum number of entries of a directory.
const MAX_ENTRIES: usize = 20_000;
/// Time after the last change of a rotated file until the next file is read, because programs may still write to it.
const PATIENCE: Duration = Duration::from_secs(1);
/// Time that a line may be in the future, in seconds, before it counts as one of the last year.
const DAY: i64 = 86_400;

impl TextLog {
    /// Creates a reader at the beginning. The file need not exist; it is read as soon as it does.
    #[must_use]
    pub fn new(path: TextLogPath, generations: Arc<Generations>) -> Self {
        let channel = path.channel();
        let zone = TimeZone::system();
        Self {
            path,
            channel,
            generations,
            zone,
            current: None,
            unfinished: None,
            after: 0,
            is_reported: false,
        }
    }

    /// Channel of the lines.
    #[must_use]
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// Path and format of the file.
    #[must_use]
    pub fn path(&self) -> &TextLogPath {
        &self.path
    }

    /// Continues behind the line with this number.
    pub fn seek(&mut self, after: u64) {
        self.after = after;
        (self.current, self.unfinished) = (None, None);
    }

    /// Continues behind the last complete line, and returns its number.
    ///
    /// # Errors
    /// [`LogError::Read`] if the file cannot be read.
    pub fn seek_end(&mut self) -> Result<u64, LogError> {
        let end = match self.files()?.last() {
            Some((base, file)) => {
                base.saturating_add(last_line_end(file).map_err(|error| self.failed(error))?)
            }
            None => 0,
        };
        self.seek(end);
        Ok(end)
    }

    /// Notices that the file was truncated and has grown again.
    pub fn refresh(&mut self) {
        if self.current.as_mut().is_some_and(|current| !current.verify_beginning()) {
            self.current = None;
        }
    }

    /// Returns the next line that is not empty; `None` at the end of what was written so far.
    ///
    /// # Errors
    /// [`LogError::Read`] if the file cannot be read.
    pub fn next_event(&mut self) -> Result<Option<TextEvent>, LogError> {
        loop {
            if self.current.is_none() && !self.open()? {
                return Ok(None);
            }
            let Some(current) = &mut self.current else { return Ok(None) };
            let base = current.base;
            let line = match self.unfinished.take() {
                Some(line) => Some(line),
                None => current.lines.next().map_err(|error| LogError::reading(&self.path.path, error))?,
            };
            match line {
                Some(line) => {
                    self.after = base.saturating_add(line.end);
                    if !line.bytes.trim_ascii().is_empty() {
                        return Ok(Some(self.event(line)));
                    }
                }
                None if self.advance()? => {}
                None => return Ok(None),
            }
        }
    }

    fn event(&self, line: Line) -> TextEvent {
        let changed = self.current.as_ref().map_or(0, |current| current.changed);
        let parsed = match self.path.format {
            TextFormat::Syslog => SyslogLine::parse(&line.bytes),
            TextFormat::Plain => plain(&line.bytes),
        };
        let time = match parsed.time {
            Some(LineTime::Known(time)) => Some(time),
            Some(LineTime::WithoutYear { month, day, second }) => {
                with_year(month, day, second, changed, &self.zone)
            }
            None => None,
        };
        let time = time.unwrap_or_else(|| Timestamp::new(changed, 0));
        TextEvent { record_id: self.after, time: microseconds(time), line: parsed, is_cut: line.is_cut }
    }

    /// Opens the file of the position; returns whether there is one.
    fn open(&mut self) -> Result<bool, LogError> {
        let mut files = self.files()?;
        let at = files.iter().rposition(|(base, _)| *base <= self.after);
        let at = match at.and_then(|at| files.get(at).map(|file| (at, file))) {
            // The file of the position was removed.
            Some((at, (base, file))) if self.after - base > file.length => at + 1,
            Some((at, _)) => at,
            None => 0,
        };
        if at >= files.len() {
            return Ok(false);
        }
        let (base, file) = files.swap_remove(at);
        self.read(base, file, self.after.saturating_sub(base))?;
        Ok(true)
    }

    /// Continues with a file at an offset.
    fn read(&mut self, base: u64, file: LogFile, offset: u64) -> Result<(), LogError> {
        let metadata = file.file.metadata().map_err(|error| self.failed(error))?;
        self.current = Some(Current {
            lines: Lines::new(file.file, offset),
            base,
            identity: file.identity,
            inode: (metadata.dev(), metadata.ino()),
            verified: file.length,
            changed: metadata.mtime(),
        });
        Ok(())
    }

    /// Continues behind the end of the current file, if it was rotated. Returns whether there may be a line.
    fn advance(&mut self) -> Result<bool, LogError> {
        let Some(current) = &mut self.current else { return Ok(false) };
        let metadata = current.lines.metadata().map_err(|error| LogError::reading(&self.path.path, error))?;
        current.changed = metadata.mtime();
        let offset = current.lines.offset();
        let is_truncated = metadata.len() < offset;
        let named = fs::metadata(&self.path.path).ok().map(|metadata| (metadata.dev(), metadata.ino()));
        if !is_truncated && named == Some(current.inode) {
            return Ok(false);
        }
        let (base, inode) = (current.base, current.inode);
        let mut files = self.files()?;
        if is_truncated {
            let copy = files.iter().position(|(other, file)| {
                *other == base && file.length > offset && !file.identity.is_of(inode)
            });
            if let Some(at) = copy {
                let (base, file) = files.swap_remove(at);
                self.read(base, file, offset)?;
                return Ok(true);
            }
        }
        let Some(at) = files.iter().position(|(other, _)| *other > base) else { return Ok(false) };
        if !is_truncated && is_recent(&metadata) {
            return Ok(false);
        }
        let Some(current) = &mut self.current else { return Ok(false) };
        // A program may have written to the file since it was read.
        let line = current.lines.next().map_err(|error| LogError::reading(&self.path.path, error))?;
        if let Some(line) = line.or_else(|| current.lines.unfinished()) {
            self.unfinished = Some(line);
            return Ok(true);
        }
        let (base, file) = files.swap_remove(at);
        self.read(base, file, 0)?;
        Ok(true)
    }

    /// Returns the files of the log with their numbers, in order.
    fn files(&mut self) -> Result<Vec<(u64, LogFile)>, LogError> {
        let path = &self.path.path;
        let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut earlier: Vec<(SystemTime, File)> = Vec::new();
        match fs::read_dir(folder) {
            Ok(entries) => {
                for entry in entries.take(MAX_ENTRIES).flatten() {
                    if !self.path.is_earlier(Path::new(&entry.file_name())) {
                        continue;
                    }
                    // Links are not followed: the directory may belong to the program that writes the file.
                    let Ok(file) = open(&entry.path(), OFlags::NOFOLLOW) else { continue };
                    let changed = file.metadata().and_then(|metadata| metadata.modified());
                    earlier.push((changed.unwrap_or(UNIX_EPOCH), file));
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            // A directory that may be entered but not listed has at least the current file.
            Err(error) => {
                tracing::debug!(folder = %folder.display(), %error, "Cannot list the files of a log");
            }
        }
        earlier.sort_by_key(|(changed, _)| *changed);
        let excess = earlier.len().saturating_sub(MAX_FILES);
        let mut files: Vec<LogFile> = earlier
            .into_iter()
            .skip(excess)
            .filter_map(|(_, file)| LogFile::of(file).ok().flatten())
            .collect();
        let current = match open(path, OFlags::empty()).and_then(LogFile::of) {
            Ok(current) => {
                self.is_reported = false;
                current
            }
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => {
                if !self.is_reported {
                    tracing::warn!(
                        path = %path.display(), %error,
                        "Cannot read a log file; its events follow when this user can read it"
                    );
                    self.is_reported = true;
                }
                None
            }
        };
        let has_current = current.is_some();
        files.extend(current);
        Ok(self.generations.number(&self.channel, files, has_current, self.after))
    }

    fn failed(&self, error: io::Error) -> LogError {
        LogError::reading(&self.path.path, error)
    }
}

impl Current {
    /// Returns whether the file still begins with the bytes with which it began, if its length has changed.
    fn verify_beginning(&mut self) -> bool {
        let Ok(metadata) = self.lines.metadata() else { return true };
        self.changed = metadata.mtime();
        // The end of a truncated file is handled when it is reached.
        if metadata.len() == self.verified || metadata.len() < self.lines.offset() {
            return true;
        }
        self.verified = metadata.len();
        self.identity.is_beginning_of(self.lines.file())
    }
}

/// Opens a file without waiting for a writer of a pipe.
fn open(path: &Path, flags: OFlags) -> io::Result<File> {
    let flags = flags | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

/// Returns whether a file was changed so recently that a program may still write to it.
fn is_recent(metadata: &Metadata) -> bool {
    let age = metadata.modified().ok().and_then(|changed| SystemTime::now().duration_since(changed).ok());
    age.is_some_and(|age| age < PATIENCE)
}

/// Returns the offset behind the last complete line.
fn last_line_end(log: &LogFile) -> io::Result<u64> {
    const CHUNK: u64 = 64 << 10;
    let mut end = log.length;
    let mut buffer = vec![0; usize::try_from(CHUNK).unwrap_or_default()];
    while end > 0 {
        let begin = end.saturating_sub(CHUNK);
        let length = usize::try_from(end - begin).unwrap_or_default();
        let part = buffer.get_mut(..length).unwrap_or_default();
        log.file.read_exact_at(part, begin)?;
        if let Some(at) = memchr::memrchr(b'\n', part) {
            return Ok(begin + u64::try_from(at).unwrap_or_default() + 1);
        }
        end = begin;
    }
    Ok(0)
}

/// Returns a line of a file of another format than syslog. A time of RFC 3339 at its beginning is its time.
fn plain(line: &[u8]) -> SyslogLine {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let first = line.split(|byte| *byte == b' ').next().unwrap_or_default();
    let time = std::str::from_utf8(first).ok().and_then(full_time).map(LineTime::Known);
    SyslogLine { time, message: line.to_vec(), ..SyslogLine::default() }
}

/// Returns the latest time with this date that is not later than a day after `changed`, in seconds since 1970.
fn with_year(month: u32, day: u32, second: u32, changed: i64, zone: &TimeZone) -> Option<Timestamp> {
    let reference = jiff::Timestamp::from_second(changed).ok()?.to_zoned(zone.clone());
    let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
    let time = civil::Time::new(
        i8::try_from(second / 3_600).ok()?,
        i8::try_from(second / 60 % 60).ok()?,
        i8::try_from(second % 60).ok()?,
        0,
    );
    let time = time.ok()?;
    // The 29th of February may be eight years ago.
    (-8..=1).rev().find_map(|years| {
        let date = civil::Date::new(reference.year().checked_add(years)?, month, day).ok()?;
        let found = date.to_datetime(time).to_zoned(zone.clone()).ok()?.timestamp().as_second();
        (found <= changed.saturating_add(DAY)).then(|| Timestamp::new(found, 0))
    })
}

fn microseconds(time: Timestamp) -> u64 {
    let seconds = u64::try_from(time.seconds()).unwrap_or_default();
    seconds.saturating_mul(1_000_000).saturating_add(u64::from(time.nanoseconds() / 1_000))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::path::PathBuf;

    use super::*;

    struct Log {
        folder: tempfile::TempDir,
        generations: Arc<Generations>,
    }

    impl Log {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().unwrap(), generations: Arc::default() }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn write(&self, name: &str, text: &str) {
            let mut file = File::options().append(true).create(true).open(self.path(name)).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }

        /// Renames files as logrotate does, long after the last change.
        fn rename(&self, from: &str, to: &str) {
            fs::rename(self.path(from), self.path(to)).unwrap();
            let old = SystemTime::now() - Duration::from_secs(60);
            File::options().append(true).open(self.path(to)).unwrap().set_modified(old).unwrap();
        }

        fn open(&self) -> TextLog {
            let path = TextLogPath { path: self.path("app.log"), format: TextFormat::Plain };
            TextLog::new(path, Arc::clone(&self.generations))
        }
    }

    fn messages(log: &mut TextLog) -> Vec<String> {
        log.refresh();
        std::iter::from_fn(|| log.next_event().unwrap())
            .map(|event| String::from_utf8(event.line.message).unwrap())
            .collect()
    }

    #[test]
    fn lines_are_followed_across_renames_and_a_number_continues_behind_it() {
        let files = Log::new();
        let mut log = files.open();
        assert!(messages(&mut log).is_empty(), "there is no file yet");
        files.write("app.log", "one\n\ntwo\nthr");
        assert_eq!(messages(&mut log), ["one", "two"]);
        files.write("app.log", "ee\nfour\n");
        files.rename("app.log", "app.log.1");
        files.write("app.log", "five\n");
        assert_eq!(messages(&mut log), ["three", "four", "five"]);
        // Two rotations at once; the last line of a file has no end.
        files.write("app.log", "six");
        files.rename("app.log.1", "app.log.2");
        files.rename("app.log", "app.log.1");
        files.write("app.log", "seven\n");
        files.rename("app.log.2", "app.log.3");
        files.rename("app.log.1", "app.log.2");
        files.rename("app.log", "app.log.1");
        files.write("app.log", "eight\n");
        assert_eq!(messages(&mut log), ["six", "seven", "eight"]);

        let mut again = files.open();
        let all: Vec<TextEvent> = std::iter::from_fn(|| again.next_event().unwrap()).collect();
        assert!(all.windows(2).all(|pair| pair[0].record_id < pair[1].record_id));
        assert_eq!(all.len(), 8);
        let stored = Arc::new(Generations::parse(&files.generations.to_text()));
        for (index, event) in all.iter().enumerate() {
            let mut log = TextLog::new(files.open().path, Arc::clone(&stored));
            log.seek(event.record_id);
            let rest: Vec<u64> =
                std::iter::from_fn(|| log.next_event().unwrap()).map(|event| event.record_id).collect();
            let expected: Vec<u64> = all[index + 1..].iter().map(|event| event.record_id).collect();
            assert_eq!(rest, expected, "behind line {index}");
        }
        let mut log = files.open();
        assert_eq!(log.seek_end().unwrap(), all[7].record_id);
        assert!(messages(&mut log).is_empty());
        // The oldest file is removed: the other numbers stay.
        fs::remove_file(files.path("app.log.3")).unwrap();
        let mut log = files.open();
        let rest: Vec<u64> =
            std::iter::from_fn(|| log.next_event().unwrap()).map(|event| event.record_id).collect();
        assert_eq!(rest, all[4..].iter().map(|event| event.record_id).collect::<Vec<_>>());
    }

    #[test]
    fn lines_are_followed_across_copies_and_truncation() {
        let files = Log::new();
        let mut log = files.open();
        files.write("app.log", "begin\none\n");
        assert_eq!(messages(&mut log), ["begin", "one"]);
        files.write("app.log", "two\n");
        fs::copy(files.path("app.log"), files.path("app.log.copy")).unwrap();
        files.rename("app.log.copy", "app.log.1");
        File::options().write(true).open(files.path("app.log")).unwrap().set_len(0).unwrap();
        assert_eq!(messages(&mut log), ["two"], "the rest is in the copy");
        files.write("app.log", "begin\n");
        assert_eq!(messages(&mut log), ["begin"], "an equal first line belongs to another file");
        // Truncated without a copy, and longer than before when it is read again.
        File::options().write(true).open(files.path("app.log")).unwrap().set_len(0).unwrap();
        files.write("app.log", "other lines\nthan before\n");
        assert_eq!(messages(&mut log), ["other lines", "than before"]);
        File::options().write(true).open(files.path("app.log")).unwrap().set_len(0).unwrap();
        assert!(messages(&mut log).is_empty());
        files.write("app.log", "x\n");
        assert_eq!(messages(&mut log), ["x"]);
        let mut again = files.open();
        again.seek(log.after);
        assert!(messages(&mut again).is_empty());
    }

    #[test]
    fn a_rotated_file_is_read_as_long_as_programs_write_to_it() {
        let files = Log::new();
        let mut log = files.open();
        files.write("app.log", "one\n");
        assert_eq!(messages(&mut log), ["one"]);
        fs::rename(files.path("app.log"), files.path("app.log.1")).unwrap();
        files.write("app.log", "three\n");
        files.write("app.log.1", "two\n");
        assert_eq!(messages(&mut log), ["two"]);
        let old = SystemTime::now() - Duration::from_secs(60);
        File::options().append(true).open(files.path("app.log.1")).unwrap().set_modified(old).unwrap();
        assert_eq!(messages(&mut log), ["three"]);
    }

    #[test]
    fn a_date_without_a_year_is_the_latest_before_the_last_change() {
        let changed = Timestamp::parse("2026-01-02T10:00:00Z").unwrap().seconds();
        for (month, day, expected) in
            [(1, 2, "2026-01-02"), (1, 3, "2026-01-03"), (1, 4, "2025-01-04"), (2, 29, "2024-02-29")]
        {
            let found = with_year(month, day, 0, changed, &TimeZone::UTC).unwrap();
            assert_eq!(found, Timestamp::parse(expected).unwrap());
        }
        assert_eq!(plain(b"2026-01-02T10:00:00Z x").time.map(|_| ()), Some(()));
        assert_eq!(plain(b"2026-01-02 x").time, None);
    }
}
