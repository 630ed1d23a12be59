//! The SID of this machine, which prefixes the SIDs of its users and accounts.

use std::fmt;
use std::path::Path;

use account_store::{AccountsError, Secrecy, StateFile};
use config::Paths;
use sddl::DomainSid;
use sha2::{Digest as _, Sha256};

/// Machine SID `S-1-5-21-a-b-c` (MS-DTYP 2.4.2.4).
///
/// It is derived from `/etc/machine-id`, so that every service and program of the machine has the same one. A service
/// keeps the SID of its first start in a file, and the file wins: access rights refer to the SID, also to the random one
/// that older versions created, and must keep their meaning if `/etc/machine-id` changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MachineSid(DomainSid);

/// Sources of a machine SID other than the state directory itself.
struct Origins<'p> {
    /// State directory of the machine's service.
    of_machine: &'p Path,
    /// `/etc/machine-id` (machine-id(5)).
    machine_id: &'p Path,
}

impl MachineSid {
    /// Returns the SID that a service with this state directory has, and keeps it in the file `machine-sid` there. It is
    /// made of three random numbers if the machine has no identifier.
    ///
    /// If several processes create the file at the same time, all get the same SID.
    ///
    /// # Errors
    /// [`AccountsError`] if the file cannot be read or written, is malformed, or could have been written by users other
    /// than root and the user of this process.
    pub fn load_or_create(state: &Path, random: [u32; 3]) -> Result<Self, AccountsError> {
        Self::load_or_create_from(state, &Origins::of(&Paths::of_machine()), random)
    }

    /// Returns the SID of the service with this state directory, or else that of the machine's service, or else the one
    /// derived from `/etc/machine-id`. `None` if the machine has no identifier and no service has been started.
    ///
    /// # Errors
    /// As for [`load_or_create`](Self::load_or_create).
    pub fn find(state: &Path) -> Result<Option<Self>, AccountsError> {
        Self::find_from(state, &Origins::of(&Paths::of_machine()))
    }

    fn load_or_create_from(
        state: &Path,
        origins: &Origins<'_>,
        random: [u32; 3],
    ) -> Result<Self, AccountsError> {
        let file = file_of(state);
        if let Some(sid) = load(&file)? {
            return Ok(Self(sid));
        }
        let sid = Self::find_from(state, origins)?.map_or(DomainSid::new(random), Self::domain);
        file.make(format!("{sid}\n").as_bytes())?;
        // Another process may have been faster; its SID wins.
        load(&file)?.map(Self).ok_or_else(|| AccountsError::MachineSid { path: file.path().to_owned() })
    }

    fn find_from(state: &Path, origins: &Origins<'_>) -> Result<Option<Self>, AccountsError> {
        if let Some(sid) = load(&file_of(state))? {
            return Ok(Some(Self(sid)));
        }
        // An ordinary user may be unable to read the state directory of the machine's service.
        let of_machine = load(&file_of(origins.of_machine)).unwrap_or_else(|error| {
            tracing::debug!(%error, "Cannot read the SID of the machine's service");
            None
        });
        Ok(of_machine.or_else(|| derived(origins.machine_id)).map(Self))
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

impl<'p> Origins<'p> {
    fn of(machine: &'p Paths) -> Self {
        Self { of_machine: &machine.state, machine_id: Path::new("/etc/machine-id") }
    }
}

fn file_of(state: &Path) -> StateFile {
    StateFile::new(state, "machine-sid", Secrecy::Public)
}

/// Returns the first twelve bytes of the SHA-256 of the identifier's 32 digits as three numbers; `None` if there is no
/// valid identifier. The identifier cannot be computed from them, as machine-id(5) demands.
fn derived(machine_id: &Path) -> Option<DomainSid> {
    let text = std::fs::read_to_string(machine_id).ok()?;
    let id = text.trim_end();
    if id.len() != 32
        || !id.bytes().all(|digit| digit.is_ascii_hexdigit())
        || id.bytes().all(|digit| digit == b'0')
    {
        return None;
    }
    let digest = Sha256::digest(id.to_ascii_lowercase());
    let mut words = digest.chunks_exact(4).filter_map(|word| Some(u32::from_be_bytes(word.try_into().ok()?)));
    Some(DomainSid::new([words.next()?, words.next()?, words.next()?]))
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

    /// Origins below a folder, in which nothing exists yet.
    fn origins(folder: &Path) -> (std::path::PathBuf, std::path::PathBuf) {
        (folder.join("machine"), folder.join("machine-id"))
    }

    #[test]
    fn the_first_sid_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (of_machine, machine_id) = origins(folder.path());
        let origins = Origins { of_machine: &of_machine, machine_id: &machine_id };
        let state = tempfile::tempdir().unwrap();
        let create = |random| MachineSid::load_or_create_from(state.path(), &origins, random).unwrap();
        assert_eq!(MachineSid::find_from(state.path(), &origins).unwrap(), None);
        let first = create([1, u32::MAX, 3]);
        // An identifier that appears later changes nothing.
        fs::write(&machine_id, "0123456789abcdef0123456789abcdef\n").unwrap();
        assert_eq!(MachineSid::find_from(state.path(), &origins).unwrap(), Some(first));
        assert_eq!(first.to_string(), "S-1-5-21-1-4294967295-3");
        assert_eq!(create([4, 5, 6]), first);
        assert_eq!(first.domain(), DomainSid::new([1, u32::MAX, 3]));
        let names: Vec<_> = fs::read_dir(state.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["machine-sid"]);
    }

    #[test]
    fn all_services_and_programs_derive_one_sid() {
        let folder = tempfile::tempdir().unwrap();
        let (of_machine, machine_id) = origins(folder.path());
        let origins = Origins { of_machine: &of_machine, machine_id: &machine_id };
        fs::write(&machine_id, "0123456789abcdef0123456789abcdef\n").unwrap();
        // printf 0123456789abcdef0123456789abcdef | sha256sum
        let expected = DomainSid::new([0x3eb1bd43, 0x9947eb76, 0x2998e566]);
        let state = tempfile::tempdir().unwrap();
        let missing = folder.path().join("none");
        assert_eq!(MachineSid::find_from(&missing, &origins).unwrap().unwrap().domain(), expected);
        let stored = MachineSid::load_or_create_from(state.path(), &origins, [1, 2, 3]).unwrap();
        assert_eq!(stored.domain(), expected);
        // The SID that the machine's service already has wins over the identifier.
        fs::create_dir(&of_machine).unwrap();
        fs::write(of_machine.join("machine-sid"), "S-1-5-21-7-8-9\n").unwrap();
        assert_eq!(MachineSid::find_from(&missing, &origins).unwrap().unwrap().to_string(), "S-1-5-21-7-8-9");
        assert_eq!(MachineSid::find_from(state.path(), &origins).unwrap(), Some(stored));
        for id in ["", "uninitialized\n", "00000000000000000000000000000000", "0123"] {
            fs::write(&machine_id, id).unwrap();
            assert_eq!(derived(&machine_id), None, "{id}");
        }
    }

    #[test]
    fn concurrent_creation_gives_one_sid() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path();
        let (of_machine, machine_id) = origins(path);
        let origins = Origins { of_machine: &of_machine, machine_id: &machine_id };
        let create = |number| MachineSid::load_or_create_from(path, &origins, [number; 3]).unwrap();
        let sids: Vec<MachineSid> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|number| scope.spawn(move || create(number))).collect();
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
