//! Key of a principal of Kerberos, in place of a user name and a password.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use files::{FileError, TrustedFile};
use kerberos::{Credentials, KerberosError, KeytabFile};
use rustix::fs::MemfdFlags;
use zeroize::Zeroizing;

/// Keytab with the principal that authenticates to services: the first one whose name ends with `$`, or else the first
/// one.
#[derive(Clone, Debug)]
pub struct ClientKeytab {
    credentials: Credentials,
    /// Copy of the keytab in memory, if this process cannot read its file.
    _copy: Option<Arc<OwnedFd>>,
}

/// Error of loading a keytab.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientKeytabError {
    /// The file cannot be read, or its owner or mode is unsafe.
    #[error("cannot use the keytab: {}", .0.with_advice())]
    File(#[from] FileError),
    /// The file does not exist.
    #[error("cannot read the keytab {}: the file does not exist", .0.display())]
    NotFound(PathBuf),
    /// The file is not a keytab, or has no entry.
    #[error("{} is not a keytab with a principal\n  list the content of a keytab with: klist -k", .0.display())]
    NoPrincipal(PathBuf),
    /// The content cannot be kept in memory.
    #[error("cannot keep the keytab in memory: {0}")]
    Memory(io::Error),
    /// The path is not valid for Kerberos.
    #[error("{0}")]
    Kerberos(#[from] KerberosError),
}

impl ClientKeytab {
    /// Uses a keytab file, which only its owner and the members of its group may read.
    ///
    /// # Errors
    /// [`ClientKeytabError`] if the file is missing, unsafe or not a keytab.
    pub fn of_file(path: &Path) -> Result<Self, ClientKeytabError> {
        let content = TrustedFile::of_group(path).read(MAX_SIZE)?.map(Zeroizing::new);
        let content = content.ok_or_else(|| ClientKeytabError::NotFound(path.to_owned()))?;
        Self::at(path, path, &content, None)
    }

    /// Keeps the content of a keytab in the memory of this process, which cannot read the file itself. `path` is for
    /// messages.
    ///
    /// # Errors
    /// [`ClientKeytabError`] if the content is not a keytab.
    pub fn in_memory(path: &Path, content: &[u8]) -> Result<Self, ClientKeytabError> {
        let memory = rustix::fs::memfd_create("keytab", MemfdFlags::CLOEXEC);
        let mut memory = File::from(memory.map_err(|errno| ClientKeytabError::Memory(errno.into()))?);
        memory.write_all(content).map_err(ClientKeytabError::Memory)?;
        let copy = PathBuf::from(format!("/proc/self/fd/{}", memory.as_raw_fd()));
        Self::at(path, &copy, content, Some(Arc::new(memory.into())))
    }

    fn at(
        path: &Path,
        readable: &Path,
        content: &[u8],
        copy: Option<Arc<OwnedFd>>,
    ) -> Result<Self, ClientKeytabError> {
        let principal = KeytabFile::machine_principal(content);
        let principal = principal.ok_or_else(|| ClientKeytabError::NoPrincipal(path.to_owned()))?;
        Ok(Self { credentials: Credentials::keytab(readable, principal)?, _copy: copy })
    }

    pub(crate) fn credentials(&self) -> Credentials {
        self.credentials.clone()
    }
}

/// Maximum size of a keytab in bytes.
const MAX_SIZE: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// Keytab with the principal `WEB1$@R` and no key.
    const KEYTAB: &[u8] = b"\x05\x02\x00\x00\x00\x0c\x00\x01\x00\x01R\x00\x05WEB1$";

    #[test]
    fn a_keytab_that_all_users_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keytab");
        assert!(matches!(ClientKeytab::of_file(&path), Err(ClientKeytabError::NotFound(_))));
        fs::write(&path, KEYTAB).unwrap();
        for (mode, is_used) in [(0o600, true), (0o640, true), (0o644, false), (0o660, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(ClientKeytab::of_file(&path).is_ok(), is_used, "{mode:o}");
        }
    }

    #[test]
    fn the_content_of_a_keytab_stays_readable_in_memory() {
        let keytab = ClientKeytab::in_memory(Path::new("/etc/krb5.keytab"), KEYTAB).unwrap();
        let text = format!("{keytab:?}");
        let (_, copy) = text.split_once("/proc/self/fd/").expect("a path of the copy");
        let number = copy.split('"').next().unwrap();
        assert_eq!(fs::read(format!("/proc/self/fd/{number}")).unwrap(), KEYTAB);
        let error = ClientKeytab::in_memory(Path::new("/etc/hosts"), b"127.0.0.1").unwrap_err();
        assert!(error.to_string().starts_with("/etc/hosts is not a keytab"), "{error}");
    }
}
