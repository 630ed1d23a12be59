//! Log files and their lines.

use std::fs::{self, File, Metadata};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::request_rate::LogEnd;
use crate::error::WebServerError;
use crate::log::{LogFile, LogKind, LogLines, LogPosition, LogStart};
use crate::value::SiteId;

/// Maximum number of bytes of one read.
const MAX_READ: u64 = 1 << 20;
/// Maximum number of bytes of the end of a log.
const MAX_END: u64 = 64 << 10;
/// Maximum length of a line in bytes; longer ones are divided.
const MAX_LINE: usize = 64 << 10;

/// Returns a log file with its size.
pub(crate) fn log_file(path: String, kind: LogKind, sites: Vec<SiteId>) -> LogFile {
    let size = fs::metadata(&path).ok().filter(Metadata::is_file).map(|metadata| metadata.len());
    LogFile { path, kind, sites, size }
}

/// Returns the file behind a symbolic link of this user or root. Links of other users are not followed: they could lead to
/// files that only this process can read.
fn without_link(path: &Path) -> PathBuf {
    let is_own = fs::symlink_metadata(path).is_ok_and(|link| {
        link.is_symlink() && [0, rustix::process::geteuid().as_raw()].contains(&link.uid())
    });
    let resolved = is_own.then(|| fs::canonicalize(path).ok()).flatten();
    resolved.unwrap_or_else(|| path.to_owned())
}

/// Opens a log file.
fn open(path: &Path) -> Result<(File, Metadata), WebServerError> {
    let flags = OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = rustix::fs::open(without_link(path), flags, rustix::fs::Mode::empty());
    let file = File::from(file.map_err(|errno| WebServerError::disk("read", path)(errno.into()))?);
    let metadata = file.metadata().map_err(WebServerError::disk("read", path))?;
    if !metadata.is_file() {
        return Err(WebServerError::NotFound { kind: "log file", name: path.display().to_string() });
    }
    Ok((file, metadata))
}

/// Reads the complete lines in the last 64 KiB of a log file.
pub(super) fn read_end(path: &str) -> Result<LogEnd, WebServerError> {
    let path = Path::new(path);
    let (mut file, metadata) = open(path)?;
    let offset = metadata.len().saturating_sub(MAX_END);
    file.seek(SeekFrom::Start(offset)).map_err(WebServerError::disk("read", path))?;
    let mut bytes = Vec::new();
    file.take(MAX_END).read_to_end(&mut bytes).map_err(WebServerError::disk("read", path))?;
    let complete = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last.saturating_add(1));
    bytes.truncate(complete);
    // The first line of a read in the middle of the file is incomplete.
    let begin = if offset > 0 { bytes.iter().position(|byte| *byte == b'\n').unwrap_or_default() } else { 0 };
    let text = String::from_utf8_lossy(bytes.get(begin..).unwrap_or_default()).into_owned();
    Ok(LogEnd { text, is_whole: offset == 0 })
}

/// Reads complete lines.
pub(super) fn read_lines(path: &str, start: LogStart) -> Result<LogLines, WebServerError> {
    let path = Path::new(path);
    let (mut file, metadata) = open(path)?;
    let (inode, size) = (metadata.ino(), metadata.len());
    let offset = match start {
        LogStart::Last(_) => size.saturating_sub(MAX_READ),
        LogStart::After(position) if position.inode == inode && position.offset <= size => position.offset,
        LogStart::After(_) => 0,
    };
    file.seek(SeekFrom::Start(offset)).map_err(WebServerError::disk("read", path))?;
    let mut bytes = Vec::new();
    file.take(MAX_READ).read_to_end(&mut bytes).map_err(WebServerError::disk("read", path))?;
    let complete = match bytes.iter().rposition(|byte| *byte == b'\n') {
        Some(last) => last.saturating_add(1),
        // A line without an end that fills the buffer is returned in pieces.
        None if u64::try_from(bytes.len()).is_ok_and(|length| length == MAX_READ) => bytes.len(),
        None => 0,
    };
    bytes.truncate(complete);
    let mut lines: Vec<String> = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        lines.extend(line.chunks(MAX_LINE).map(printable));
    }
    if let LogStart::Last(count) = start {
        // The first line of a read in the middle of the file may be incomplete.
        if offset > 0 && !lines.is_empty() {
            lines.remove(0);
        }
        lines.drain(..lines.len().saturating_sub(count));
    }
    let read = u64::try_from(complete).unwrap_or_default();
    let position = LogPosition { inode, offset: offset.saturating_add(read) };
    Ok(LogLines {
        lines,
        has_more: position.offset < size
            && read > 0
            && size.saturating_sub(position.offset) > MAX_LINE as u64,
        position,
    })
}

fn printable(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    text.chars()
        .map(|character| if character.is_control() && character != '\t' { '\u{FFFD}' } else { character })
        .collect()
}
