//! NT hashes, encrypted with the key of this machine.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use accounts::HostKey;
use auth::account_file::{AccountFile, Record};
use auth::ntlm::NtHash;

use cli_command::Failure;
use cli_command::paths;

/// Encrypts NT hashes with the host key.
pub(super) struct NtHashSealer {
    key: HostKey,
    /// Directory of the key.
    state: PathBuf,
}

impl NtHashSealer {
    /// Loads the host key from a state directory (default: that of the service), and creates it if it does not exist.
    pub(super) fn open(state: Option<PathBuf>) -> Result<Self, Failure> {
        let state = match state {
            Some(state) => state,
            None => paths::state_directory()?,
        };
        let created = DirBuilder::new().recursive(true).mode(0o700).create(&state);
        created.map_err(|error| Failure::Failed(format!("cannot create {}: {error}", state.display())))?;
        let key = HostKey::load_or_create(&state)?;
        Ok(Self { key, state })
    }

    /// Checks that the current NT hash of an account was encrypted with this key.
    pub(super) fn check_key(&self, record: &Record) -> Result<(), Failure> {
        let hash = record.nt_hash.as_ref();
        if hash.and_then(|hash| self.key.open_nt_hash(hash, &record.name, record.rid)).is_some() {
            return Ok(());
        }
        Err(Failure::failed(
            format!("the NT hash of {} was not encrypted with {}", record.name, self.path().display()),
            "name the state directory of the service with --state, or give --ntlm to use this key, or --no-ntlm",
        ))
    }

    fn path(&self) -> PathBuf {
        self.state.join("host-key")
    }

    /// Encrypts an NT hash and stores it for an account of the file.
    pub(super) fn seal(&self, file: &mut AccountFile, name: &str, hash: &NtHash) -> Result<(), Failure> {
        let record =
            file.find(name).ok_or_else(|| Failure::Failed(format!("account {name} does not exist")))?;
        let sealed = self.key.seal_nt_hash(hash, &record.name, record.rid)?;
        file.set_nt_hash(name, Some(sealed)).map_err(|error| Failure::Failed(error.to_string()))
    }

    /// Returns the consequences for an account, in one line.
    pub(super) fn notice(&self, name: &str) -> String {
        format!(
            "{name} can sign in with NTLM; its NT hash is stored, which together with {} is as powerful as the password\n",
            self.path().display()
        )
    }
}
