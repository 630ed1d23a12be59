//! Paths, formats and channels of text files.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// Start of the channels of text files.
pub const FILE_CHANNELS: &str = "Linux-File/";
/// Maximum length of a channel in bytes; the rest of the path is cut.
const MAX_CHANNEL: usize = 512;

/// Format of the lines of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextFormat {
    /// Lines of syslog; other lines are messages without further properties.
    Syslog,
    /// Each line is a message.
    Plain,
}

/// Text file whose lines are events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextLogPath {
    /// Path of the current file. It need not exist.
    pub path: PathBuf,
    /// Format of its lines.
    pub format: TextFormat,
}

impl TextLogPath {
    /// Returns the given files, then those with lines of syslog and those with plain lines, each path once.
    #[must_use]
    pub fn each_once(given: Vec<Self>, syslog: &[PathBuf], plain: &[PathBuf]) -> Vec<Self> {
        let syslog = syslog.iter().map(|path| (path, TextFormat::Syslog));
        let plain = plain.iter().map(|path| (path, TextFormat::Plain));
        let listed = syslog.chain(plain).map(|(path, format)| Self { path: path.clone(), format });
        let mut files: Vec<Self> = Vec::new();
        for file in given.into_iter().chain(listed) {
            if !files.iter().any(|known| known.path == file.path) {
                files.push(file);
            }
        }
        files
    }

    /// Returns the channel: `Linux-File` and the path, with unusual characters percent-encoded.
    #[must_use]
    pub fn channel(&self) -> String {
        let mut channel = FILE_CHANNELS.to_owned();
        let path = self.path.as_os_str().as_bytes();
        for byte in path.strip_prefix(b"/").unwrap_or(path) {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                    channel.push(char::from(*byte));
                }
                // Writing to a string cannot fail.
                other => _ = write!(channel, "%{other:02X}"),
            }
        }
        channel.truncate(MAX_CHANNEL);
        channel
    }

    /// Returns the name of the file, which is the provider of lines that name no program.
    #[must_use]
    pub fn file_name(&self) -> String {
        self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy().into_owned()
    }

    /// Returns the syslog facility of lines without a priority, by the names of files that syslog services of Linux
    /// distributions write.
    #[must_use]
    pub fn usual_facility(&self) -> Option<u8> {
        let name = self.path.file_name()?.to_str()?;
        let (_, facility) = USUAL_FILES.iter().find(|(file, _)| *file == name)?;
        Some(*facility)
    }

    /// Returns whether a file in the same directory may be an earlier one: `NAME.1`, `NAME-20260131`, and the same
    /// before the extension.
    #[must_use]
    pub(super) fn is_earlier(&self, name: &Path) -> bool {
        let (Some(own), Some(other)) = (self.path.file_name(), name.file_name()) else { return false };
        let (own, other) = (own.as_bytes(), other.as_bytes());
        let behind = other.strip_prefix(own);
        let inside = self.path.extension().and_then(|extension| {
            let dot = own.len().checked_sub(extension.as_bytes().len() + 1)?;
            let (stem, extension) = own.split_at_checked(dot)?;
            other.strip_prefix(stem)?.strip_suffix(extension)
        });
        [behind, inside].into_iter().flatten().any(is_mark_of_rotation)
    }
}

/// Returns whether a part of a file name is a number or date with a separator before it.
fn is_mark_of_rotation(part: &[u8]) -> bool {
    matches!(part, [b'.' | b'-', rest @ ..] if !rest.is_empty() && rest.len() <= 32
        && rest.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.')))
}

/// Files of rsyslog on Debian, and of the same service on Red Hat, with their facilities.
const USUAL_FILES: [(&str, u8); 10] = [
    ("kern.log", 0),
    ("user.log", 1),
    ("mail.log", 2),
    ("maillog", 2),
    ("daemon.log", 3),
    ("auth.log", 10),
    ("secure", 10),
    ("cron.log", 9),
    ("cron", 9),
    ("lpr.log", 6),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> TextLogPath {
        TextLogPath { path: PathBuf::from(text), format: TextFormat::Syslog }
    }

    #[test]
    fn rotated_files_are_recognised_and_compressed_ones_are_not() {
        let log = path("/var/log/app.log");
        for name in ["app.log.1", "app.log-20260131", "app.1.log", "app-2026-01-31.log", "app.log.12"] {
            assert!(log.is_earlier(Path::new(name)), "{name}");
        }
        for name in ["app.log", "app.log.1.gz", "app.log.old", "app.log1", "myapp.log.1", "app.log.", "app"] {
            assert!(!log.is_earlier(Path::new(name)), "{name}");
        }
    }

    #[test]
    fn channels_have_the_path_without_unusual_characters() {
        assert_eq!(path("/var/log/a b<é.log").channel(), "Linux-File/var/log/a%20b%3C%C3%A9.log");
        assert_eq!(path("/var/log/auth.log").usual_facility(), Some(10));
        assert_eq!(path("/srv/app.log").usual_facility(), None);
    }
}
