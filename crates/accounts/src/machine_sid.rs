//! The SID of this machine, below which its users and accounts have theirs.

use std::fmt;
use std::path::Path;

use sddl::DomainSid;

use crate::AccountsError;
use crate::state_file::{Secrecy, StateFile};

/// `S-1-5-21-a-b-c`: made at random once, and kept, because rights are given to SIDs (MS-DTYP 2.4.2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MachineSid(DomainSid);

impl MachineSid {
    /// Reads the SID from the file `machine-sid` of the state directory, or makes it there of three random
    /// numbers.
    ///
    /// Of several processes that make it at the same time, all get the same.
    ///
    /// # Errors
    /// [`AccountsError`] if the file cannot be read or written, holds something else, or could have been
    /// written by someone other than root and the user of this process.
    pub fn load_or_make(state: &Path, random: [u32; 3]) -> Result<Self, AccountsError> {
        let file = StateFile::new(state, "machine-sid", Secrecy::Public);
        if let Some(sid) = load(&file)? {
            return Ok(Self(sid));
        }
        file.make(format!("{}\n", DomainSid::new(random)).as_bytes())?;
        // Another process may have been quicker.
        load(&file)?.map(Self).ok_or_else(|| AccountsError::MachineSid { path: file.path().to_owned() })
    }

    /// Reads the SID; none if it was not made yet.
    ///
    /// # Errors
    /// Those of [`load_or_make`](Self::load_or_make).
    pub fn load(state: &Path) -> Result<Option<Self>, AccountsError> {
        Ok(load(&StateFile::new(state, "machine-sid", Secrecy::Public))?.map(Self))
    }

    /// What the SIDs of users and accounts begin with.
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
    /// The longest SID of a machine has 43 characters.
    const MOST: u64 = 64;
    let Some(octets) = file.read(MOST)? else { return Ok(None) };
    let sid = std::str::from_utf8(&octets).ok().and_then(|text| DomainSid::parse(text.trim_end()).ok());
    sid.map(Some).ok_or_else(|| AccountsError::MachineSid { path: file.path().to_owned() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::thread;

    use super::*;

    #[test]
    fn a_machine_keeps_the_sid_it_was_given_first() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(MachineSid::load(state.path()).unwrap(), None);
        let first = MachineSid::load_or_make(state.path(), [1, u32::MAX, 3]).unwrap();
        assert_eq!(MachineSid::load(state.path()).unwrap(), Some(first));
        assert_eq!(first.to_string(), "S-1-5-21-1-4294967295-3");
        assert_eq!(MachineSid::load_or_make(state.path(), [4, 5, 6]).unwrap(), first);
        assert_eq!(first.domain(), DomainSid::new([1, u32::MAX, 3]));
        let names: Vec<_> = fs::read_dir(state.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["machine-sid"]);
    }

    #[test]
    fn all_who_make_it_at_the_same_time_get_the_same() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path();
        let sids: Vec<MachineSid> = thread::scope(|scope| {
            let make = |number| scope.spawn(move || MachineSid::load_or_make(path, [number; 3]).unwrap());
            let threads: Vec<_> = (0..8).map(make).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(sids.windows(2).all(|pair| pair.first() == pair.last()), "{sids:?}");
    }

    #[test]
    fn a_file_that_is_not_ours_is_not_believed() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join("machine-sid");
        for text in ["", "S-1-5-21-1-2", "S-1-5-32-544", "S-1-5-21-1-2-3\nS-1-5-21-1-2-4\n"] {
            fs::write(&path, text).unwrap();
            let error = MachineSid::load_or_make(state.path(), [1, 2, 3]).unwrap_err();
            assert!(matches!(error, AccountsError::MachineSid { .. }), "{text:?}: {error}");
        }
        fs::write(&path, "S-1-5-21-1-2-3\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        let error = MachineSid::load_or_make(state.path(), [1, 2, 3]).unwrap_err();
        assert!(error.to_string().contains("chmod go-w"), "{error}");
        fs::remove_file(&path).unwrap();
        let fifo = std::process::Command::new("mkfifo").arg("-m").arg("600").arg(&path).status().unwrap();
        assert!(fifo.success());
        let error = MachineSid::load_or_make(state.path(), [1, 2, 3]).unwrap_err();
        assert!(matches!(error, AccountsError::NotAFile { .. }), "{error}");
        let missing = MachineSid::load_or_make(&state.path().join("none"), [1, 2, 3]).unwrap_err();
        assert!(matches!(missing, AccountsError::Disk { action: "write", .. }), "{missing}");
    }
}
