//! The SID of this machine, which prefixes the SIDs of its users and accounts.

use std::fmt;
use std::path::Path;

use sddl::DomainSid;

use crate::AccountsError;
use crate::state_file::{Secrecy, StateFile};

/// Machine SID `S-1-5-21-a-b-c` (MS-DTYP 2.4.2.4): generated at random once and kept, because access rights refer to
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MachineSid(DomainSid);

impl MachineSid {
    /// Reads the SID from the file `machine-sid` of the state directory, or creates it there from three random numbers.
    ///
    /// If several processes create it at the same time, all get the same SID.
    ///
    /// # Errors
    /// [`AccountsError`] if the file cannot be read or written, is malformed, or could have been written by users other
    /// than root and the user of this process.
    pub fn load_or_create(state: &Path, random: [u32; 3]) -> Result<Self, AccountsError> {
        let file = StateFile::new(state, "machine-sid", Secrecy::Public);
        if let Some(sid) = load(&file)? {
            return Ok(Self(sid));
        }
        file.make(format!("{}\n", DomainSid::new(random)).as_bytes())?;
        // Another process may have been faster; its SID wins.
        load(&file)?.map(Self).ok_or_else(|| AccountsError::MachineSid { path: file.path().to_owned() })
    }

    /// Reads the SID; `None` if it has not been created yet.
    ///
    /// # Errors
    /// As for [`load_or_create`](Self::load_or_create).
    pub fn load(state: &Path) -> Result<Option<Self>, AccountsError> {
        Ok(load(&StateFile::new(state, "machine-sid", Secrecy::Public))?.map(Self))
    }

    /// Common prefix of the SIDs of users and accounts.
    #[must_use]
    pub fn domain(self) -> DomainSid {
        self.0
    }
}

impl fmt::Display for MachineSid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn load(file: &StateFile) -> Result<Option<DomainSid>, AccountsError> {
    /// Read limit in bytes; the longest SID of a machine has 43 characters.
    const READ_LIMIT: u64 = 64;
    let Some(octets) = file.read(READ_LIMIT)? else { return Ok(None) };
    let sid = std::str::from_utf8(&octets).ok().and_then(|text| DomainSid::parse(text.trim_end()).ok());
    sid.map(Some).ok_or_else(|| AccountsError::MachineSid { path: file.path().to_owned() })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::thread;

    use super::*;

    #[test]
    fn the_first_sid_is_kept() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(MachineSid::load(state.path()).unwrap(), None);
        let first = MachineSid::load_or_create(state.path(), [1, u32::MAX, 3]).unwrap();
        assert_eq!(MachineSid::load(state.path()).unwrap(), Some(first));
        assert_eq!(first.to_string(), "S-1-5-21-1-4294967295-3");
        assert_eq!(MachineSid::load_or_create(state.path(), [4, 5, 6]).unwrap(), first);
        assert_eq!(first.domain(), DomainSid::new([1, u32::MAX, 3]));
        let names: Vec<_> = fs::read_dir(state.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["machine-sid"]);
    }

    #[test]
    fn concurrent_creation_gives_one_sid() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path();
        let sids: Vec<MachineSid> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|number| scope.spawn(move || MachineSid::load_or_create(path, [number; 3]).unwrap()))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(sids.windows(2).all(|pair| pair.first() == pair.last()), "{sids:?}");
    }

    #[test]
    fn a_malformed_or_writable_file_is_rejected() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join("machine-sid");
        for text in ["", "S-1-5-21-1-2", "S-1-5-32-544", "S-1-5-21-1-2-3\nS-1-5-21-1-2-4\n"] {
            fs::write(&path, text).unwrap();
            let error = MachineSid::load_or_create(state.path(), [1, 2, 3]).unwrap_err();
            assert!(matches!(error, AccountsError::MachineSid { .. }), "{text:?}: {error}");
        }
        fs::write(&path, "S-1-5-21-1-2-3\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        let error = MachineSid::load_or_create(state.path(), [1, 2, 3]).unwrap_err();
        assert!(error.to_string().contains("chmod go-w"), "{error}");
        fs::remove_file(&path).unwrap();
        let fifo = std::process::Command::new("mkfifo").arg("-m").arg("600").arg(&path).status().unwrap();
        assert!(fifo.success());
        let error = MachineSid::load_or_create(state.path(), [1, 2, 3]).unwrap_err();
        assert!(matches!(error, AccountsError::NotAFile { .. }), "{error}");
        let missing = MachineSid::load_or_create(&state.path().join("none"), [1, 2, 3]).unwrap_err();
        assert!(matches!(missing, AccountsError::Disk { action: "write", .. }), "{missing}");
    }
}
