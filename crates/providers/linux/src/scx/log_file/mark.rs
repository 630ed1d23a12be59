//! Stored positions up to which log files were read.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use wmi::ProviderError;

use super::source::Position;
use super::wrong;
use crate::Machine;

/// File that stores the position up to which a log file was read.
pub(super) struct Mark(PathBuf);

impl Mark {
    pub(super) fn of(machine: &Machine, name: &Path, qid: &str) -> Result<Self, ProviderError> {
        let folder = machine
            .user_state()
            .ok_or_else(|| wrong("this user has no state directory, so the read position cannot be stored"))?
            .join("scx-logfile");
        let mut hash = Sha256::new();
        hash.update(name.as_os_str().as_encoded_bytes());
        // Separator; paths cannot contain this byte.
        hash.update([0]);
        hash.update(qid);
        let digits: String = hash.finalize().iter().map(|octet| format!("{octet:02x}")).collect();
        Ok(Self(folder.join(digits)))
    }

    pub(super) fn get(&self) -> Option<Position> {
        let text = fs::read_to_string(&self.0).ok()?;
        let (identity, offset) = text.trim().split_once(' ')?;
        Some(Position { identity: identity.to_owned(), offset: offset.parse().ok()? })
    }

    pub(super) fn set(&self, position: &Position) -> io::Result<()> {
        let folder = self.0.parent().unwrap_or(&self.0);
        fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        writeln!(file, "{} {}", position.identity, position.offset)?;
        file.persist(&self.0)?;
        Ok(())
    }

    pub(super) fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }
}
