//! Text files as logs: files of syslog (RFC 3164, RFC 5424, and the formats of rsyslog without priority) and files
//! with one event a line.
//!
//! [`TextLog`] follows a file across rotation: by renaming and creating a new one, and by copying and truncating.
//! Compressed old files are not read. [`SyslogLine`] parses a line without input or output.
//!
//! A line has the number of its end in all files that had the path: each file, identified by its first bytes and its
//! inode, begins at a number of its own. [`Generations`] has these numbers. A program that stores numbers must store
//! them as well.

mod generations;
mod lines;
mod log;
mod path;
mod syslog;

pub use generations::Generations;
pub use log::{TextEvent, TextLog};
pub use path::{FILE_CHANNELS, TextFormat, TextLogPath};
pub use syslog::{LineTime, Priority, SyslogLine};
