//! Small files of the state directory that are made once and stay.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use zeroize::Zeroizing;

use crate::{AccountsError, not_waiting};

/// Who else may see what is in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Secrecy {
    /// Everyone may: mode 0644.
    Public,
    /// Nobody may: mode 0600.
    Secret,
}

/// A file with a name in the state directory.
pub(crate) struct StateFile {
    path: PathBuf,
    secrecy: Secrecy,
}

impl StateFile {
    pub(crate) fn new(state: &Path, name: &str, secrecy: Secrecy) -> Self {
        Self { path: state.join(name), secrecy }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What is in the file, cut off after `most` octets; none if there is no file.
    ///
    /// A file is not believed if others than root and the user of this process could have written it, nor, if it is
    /// secret, if they can read it.
    pub(crate) fn read(&self, most: u64) -> Result<Option<Zeroizing<Vec<u8>>>, AccountsError> {
        let path = || self.path.clone();
        let failed = |source| AccountsError::Disk { action: "read", path: path(), source };
        // The file that was opened is asked, not the path, which could lead elsewhere by now.
        let flags = match self.secrecy {
            Secrecy::Public => not_waiting(),
            // Nobody has a reason to keep a secret elsewhere.
            Secrecy::Secret => not_waiting() | OFlags::NOFOLLOW.bits().cast_signed(),
        };
        let file = match OpenOptions::new().read(true).custom_flags(flags).open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(AccountsError::NotAFile { path: path() });
        }
        let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
        if owner != 0 && owner != rustix::process::geteuid().as_raw() {
            return Err(AccountsError::Foreign { path: path(), owner });
        }
        match self.secrecy {
            Secrecy::Public if mode & 0o022 != 0 => {
                return Err(AccountsError::Writable { path: path(), mode });
            }
            Secrecy::Secret if mode & 0o077 != 0 => {
                return Err(AccountsError::Exposed { path: path(), mode });
            }
            _ => {}
        }
        let mut octets = Zeroizing::new(Vec::with_capacity(usize::try_from(most).unwrap_or_default()));
        file.take(most).read_to_end(&mut octets).map_err(failed)?;
        Ok(Some(octets))
    }

    /// Gives the whole file its name at once, unless something has it already: of several processes that make it at
    /// the same time, one does.
    pub(crate) fn make(&self, octets: &[u8]) -> Result<(), AccountsError> {
        let random = u64::from_ne_bytes(crate::random()?);
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let beside = self.path.with_file_name(format!(".{name}.{random:016x}"));
        self.link(&beside, octets).map_err(|source| AccountsError::Disk {
            action: "write",
            path: self.path.clone(),
            source,
        })
    }

    fn link(&self, beside: &Path, octets: &[u8]) -> io::Result<()> {
        let mode = match self.secrecy {
            Secrecy::Public => 0o644,
            Secrecy::Secret => 0o600,
        };
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(beside)?;
        let linked = file
            .write_all(octets)
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::hard_link(beside, &self.path));
        fs::remove_file(beside)?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all(),
        }
    }
}
