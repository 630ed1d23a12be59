//! Log files of a web server.

use serde::{Deserialize, Serialize};

use crate::value::SiteId;

/// A log file that the configuration names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogFile {
    /// Path.
    pub path: String,
    /// Kind of the log.
    pub kind: LogKind,
    /// Sites that write it by a directive of their own. Empty for logs of the whole server.
    pub sites: Vec<SiteId>,
    /// Size in bytes; `None` if the file does not exist or cannot be read.
    pub size: Option<u64>,
}

/// Requests that a log of requests has recorded in the last minute.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RequestRate {
    /// Path of the log.
    pub log: String,
    /// Sites that write it by a directive of their own. Empty for logs of the whole server.
    pub sites: Vec<SiteId>,
    /// Requests per second.
    pub per_second: f64,
}

/// Kind of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogKind {
    /// Requests.
    Access,
    /// Errors.
    Error,
}

/// Read position in a log file. A file that was replaced or truncated is read from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPosition {
    /// Number of the file in its file system.
    pub inode: u64,
    /// Offset in bytes.
    pub offset: u64,
}

/// Start of a read of a log file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStart {
    /// Last lines: at most this number.
    Last(usize),
    /// Lines after a position.
    After(LogPosition),
}

/// Lines of a log file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogLines {
    /// Complete lines without line ends. Bytes that are not UTF-8 and control characters are replaced by U+FFFD.
    pub lines: Vec<String>,
    /// Position after the last line.
    pub position: LogPosition,
    /// There are more lines now.
    pub has_more: bool,
}
