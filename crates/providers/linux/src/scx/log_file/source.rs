//! Access to a log file, with the rights of the client's user or as root.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use linux::program;
use wmi::ProviderError;

use super::wrong;
use crate::Machine;

/// A log file.
pub(super) enum Log {
    /// Opened with the rights of this process.
    Open(File),
    /// Read as root, by `sudo` without a password.
    Elevated(PathBuf),
}

/// Rights with which a log file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Caller,
    Elevated,
}

impl Access {
    /// Parses the parameter of the methods.
    ///
    /// # Errors
    /// If it is neither empty nor `sudo`.
    pub(super) fn of(kind: &str) -> Result<Self, ProviderError> {
        match kind {
            "" => Ok(Self::Caller),
            kind if kind.eq_ignore_ascii_case("sudo") => Ok(Self::Elevated),
            other => Err(wrong(&format!("elevationType is '{other}'\n  it may be 'sudo', or left out"))),
        }
    }
}

/// Position in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// Device and inode number, which tell the file from another file of the same name.
    pub(super) identity: String,
    pub(super) offset: u64,
}

impl Log {
    pub(super) fn open(machine: &Machine, name: &Path, access: Access) -> io::Result<Self> {
        match access {
            // Users may control the folders of their logs, and could put a pipe there.
            Access::Caller => machine.file_of_others(name).map(Self::Open),
            Access::Elevated => Ok(Self::Elevated(machine.path(name))),
        }
    }

    /// Returns the maximum number of bytes read in one call.
    pub(super) fn reach(&self) -> u64 {
        match self {
            Self::Open(_) => MAX_READ,
            // The output kept of a program is limited to this size.
            Self::Elevated(_) => u64::try_from(program::MAX_OUTPUT).unwrap_or(MAX_READ),
        }
    }

    /// Returns the end of the file.
    pub(super) fn end(&self) -> io::Result<Position> {
        match self {
            Self::Open(file) => {
                let facts = file.metadata()?;
                Ok(Position { identity: format!("{}:{}", facts.dev(), facts.ino()), offset: facts.len() })
            }
            Self::Elevated(path) => {
                let reported = elevated(&["stat", "--dereference", "--format=%d:%i %s %F", "--"], path)?;
                let reported = String::from_utf8_lossy(&reported);
                let mut fields = reported.trim().splitn(3, ' ');
                let (identity, size, kind) = (fields.next(), fields.next(), fields.next());
                let position = identity.zip(size.and_then(|size| size.parse().ok()));
                let is_file = kind.is_some_and(|kind| kind.starts_with("regular"));
                let (identity, offset) = position
                    .filter(|_| is_file)
                    .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))?;
                Ok(Position { identity: identity.to_owned(), offset })
            }
        }
    }

    /// Returns a reader for the bytes between two offsets.
    pub(super) fn read(&self, begin: u64, end: u64) -> io::Result<Box<dyn io::BufRead + '_>> {
        let length = end.saturating_sub(begin);
        match self {
            Self::Open(file) => {
                let mut file = file;
                file.seek(SeekFrom::Start(begin))?;
                Ok(Box::new(BufReader::new(file.take(length))))
            }
            Self::Elevated(path) => {
                let skip = format!("--bytes=+{}", begin.saturating_add(1));
                let reported = elevated(&["tail", &skip, "--"], path)?;
                Ok(Box::new(BufReader::new(io::Cursor::new(reported).take(length))))
            }
        }
    }
}

/// Returns the output of a program that examines a file as root.
fn elevated(words: &[&str], path: &Path) -> io::Result<Vec<u8>> {
    let mut command = Command::new("sudo");
    command.args(["-n", "--"]).args(words).arg(path).env("LC_ALL", "C");
    let ended = program::run(&mut command, LIMIT)?;
    match ended.code {
        Some(0) => Ok(ended.output),
        Some(_) => {
            let said = String::from_utf8_lossy(&ended.errors).trim().to_owned();
            let kind = if said.ends_with("No such file or directory") {
                io::ErrorKind::NotFound
            } else {
                io::ErrorKind::PermissionDenied
            };
            Err(io::Error::new(kind, said))
        }
        None => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// Maximum number of bytes of a file examined in one call.
const MAX_READ: u64 = 64 << 20;

/// Time limit for `sudo`.
const LIMIT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_file_query_rejects_pipes() {
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, folder.path().join("log"), pipe, rustix::fs::Mode::RWXU, 0)
            .expect("there is room");
        let machine = Machine::at(folder.path());
        assert!(Log::open(&machine, Path::new("/log"), Access::Caller).is_err());
    }
}
