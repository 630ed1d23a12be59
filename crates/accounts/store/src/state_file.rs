//! Small files of the state directory that are created once and never changed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use zeroize::Zeroizing;

use crate::{AccountsError, nonblocking_flags};

/// Access to the file by other users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Secrecy {
    /// All users may read the file: mode 0644.
    Public,
    /// Only the owner may read the file: mode 0600.
    Secret,
}

/// A file in the state directory.
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

    /// Reads the file up to `most` bytes; `None` if it does not exist.
    ///
    /// A file is rejected if users other than root and the user of this process could have written it, or if they could
    /// read it although it is secret.
    pub(crate) fn read(&self, most: u64) -> Result<Option<Zeroizing<Vec<u8>>>, AccountsError> {
        let path = &self.path;
        // Checks the opened file, not its path, which may lead elsewhere by now.
        let flags = match self.secrecy {
            Secrecy::Public => nonblocking_flags(),
            // There is no reason to keep a secret elsewhere through a symbolic link.
            Secrecy::Secret => nonblocking_flags() | OFlags::NOFOLLOW.bits().cast_signed(),
        };
        let file = match OpenOptions::new().read(true).custom_flags(flags).open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.read_error(error)),
        };
        let metadata = file.metadata().map_err(|error| self.read_error(error))?;
        if !metadata.is_file() {
            return Err(AccountsError::NotAFile { path: path.clone() });
        }
        let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
        if owner != 0 && owner != rustix::process::geteuid().as_raw() {
            return Err(AccountsError::Foreign { path: path.clone(), owner });
        }
        match self.secrecy {
            Secrecy::Public if mode & 0o022 != 0 => {
                return Err(AccountsError::Writable { path: path.clone(), mode });
            }
            Secrecy::Secret if mode & 0o077 != 0 => {
                return Err(AccountsError::Exposed { path: path.clone(), mode });
            }
            _ => {}
        }
        let mut octets = Zeroizing::new(Vec::with_capacity(usize::try_from(most).unwrap_or_default()));
        file.take(most).read_to_end(&mut octets).map_err(|error| self.read_error(error))?;
        Ok(Some(octets))
    }

    fn read_error(&self, source: io::Error) -> AccountsError {
        AccountsError::Disk { action: "read", path: self.path.clone(), source }
    }

    /// Creates the file atomically with its full content, unless it exists already: of several processes that do so at
    /// the same time, one wins.
    pub(crate) fn make(&self, octets: &[u8]) -> Result<(), AccountsError> {
        let random = u64::from_ne_bytes(crate::random()?);
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let temporary = self.path.with_file_name(format!(".{name}.{random:016x}"));
        self.link(&temporary, octets).map_err(|source| AccountsError::Disk {
            action: "write",
            path: self.path.clone(),
            source,
        })
    }

    fn link(&self, temporary: &Path, octets: &[u8]) -> io::Result<()> {
        let mode = match self.secrecy {
            Secrecy::Public => 0o644,
            Secrecy::Secret => 0o600,
        };
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(temporary)?;
        let linked = file
            .write_all(octets)
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::hard_link(temporary, &self.path));
        fs::remove_file(temporary)?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all(),
        }
    }
}
