//! `LogFileEventConsumer`: adds a line to a file for each event.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use cim::{Instance, Value};
use rustix::fs::OFlags;

use crate::Problem;
use crate::template::Template;

/// A file to which lines are added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFile {
    path: PathBuf,
    /// Maximum size in bytes, after which the file is renamed; 0 for no limit.
    most: u64,
    line: Template,
}

/// Maximum number of old files, as on Windows.
const OLD_FILES: u32 = 999;

impl LogFile {
    pub(crate) fn read(consumer: &Instance) -> Result<Self, Problem> {
        let text = consumer.value("Text").and_then(Value::as_str).unwrap_or_default();
        let path = consumer.value("Filename").and_then(Value::as_str);
        let path = path.map(PathBuf::from).filter(|path| path.is_absolute());
        let what = "must be an absolute path";
        let path = path.ok_or(Problem::Property { property: "Filename", what })?;
        let most = consumer.value("MaximumFileSize").and_then(Value::as_integer);
        let most = most.and_then(|most| u64::try_from(most).ok()).unwrap_or(0);
        Ok(Self { path, most, line: Template::parse(text) })
    }

    /// Adds the line for an event. Blocks on the disk.
    pub(crate) fn consume(&self, event: &Instance) -> Result<(), Problem> {
        // Control characters are replaced, so an event always adds exactly one line.
        let line = self.line.fill(event).replace(['\n', '\r', '\0'], " ") + "\n";
        self.append(&line).map_err(Problem::io(self.path.display().to_string()))
    }

    fn append(&self, line: &str) -> io::Result<()> {
        let mut file = open(&self.path)?;
        let size = file.metadata()?.len();
        if self.most > 0
            && size > 0
            && size.saturating_add(u64::try_from(line.len()).unwrap_or(0)) > self.most
        {
            fs::rename(&self.path, self.rotated_path())?;
            file = open(&self.path)?;
        }
        file.write_all(line.as_bytes())
    }

    /// Returns the first unused name of `FILE.001` to `FILE.999`; if all are used, the first one, which is
    /// overwritten.
    fn rotated_path(&self) -> PathBuf {
        let mut names = (1..=OLD_FILES).map(|number| self.numbered(number));
        names.find(|path| !path.exists()).unwrap_or_else(|| self.numbered(1))
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number:03}"));
        PathBuf::from(name)
    }
}

/// Opens a regular file for appending. Users with write access to the folder could have replaced it by a link
/// or pipe.
fn open(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_is_renamed_and_links_are_not_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.log");
        let log = LogFile { path: path.clone(), most: 10, line: Template::parse("") };
        for line in ["1234567\n", "abcdefg\n", "ABCDEFG\n"] {
            log.append(line).expect("it is written");
        }
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).expect("a file");
        assert_eq!(
            [read("a.log.001"), read("a.log.002"), read("a.log")],
            ["1234567\n", "abcdefg\n", "ABCDEFG\n"]
        );
        fs::remove_file(&path).expect("a file");
        std::os::unix::fs::symlink(folder.path().join("a.log.001"), &path).expect("a link");
        log.append("x\n").expect_err("a link");
        assert_eq!(read("a.log.001"), "1234567\n");
    }
}
