//! NT hashes, sealed with the key of this machine.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use accounts::HostKey;
use auth::account_file::{AccountFile, Record};
use auth::ntlm::NtHash;

use crate::failure::Failure;
use crate::place;

/// What NT hashes are sealed with, and where it is.
pub(super) struct Sealing {
    key: HostKey,
    state: PathBuf,
}

impl Sealing {
    /// Takes the host key of this directory, or of the usual one. Where there is none yet it is made, so that the
    /// service will find it.
    pub(super) fn open(state: Option<PathBuf>) -> Result<Self, Failure> {
        let state = match state {
            Some(state) => state,
            None => place::state()?,
        };
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&state);
        made.map_err(|error| Failure::Failed(format!("cannot make {}: {error}", state.display())))?;
        let key = HostKey::load_or_create(&state)?;
        Ok(Self { key, state })
    }

    /// Whether the service that lets this account in seals with this key, too.
    pub(super) fn fits(&self, record: &Record) -> Result<(), Failure> {
        let open = |hash| self.key.open_nt_hash(hash, &record.name, record.rid);
        if record.nt_hash.as_ref().and_then(open).is_some() {
            return Ok(());
        }
        Err(Failure::failed(
            format!("the NT hash of {} was not sealed with {}", record.name, self.path().display()),
            "say with --state where the service has its key, or choose --ntlm to use this one, or --no-ntlm",
        ))
    }

    fn path(&self) -> PathBuf {
        self.state.join("host-key")
    }

    /// Gives an account of the file this hash.
    pub(super) fn seal(&self, file: &mut AccountFile, name: &str, hash: &NtHash) -> Result<(), Failure> {
        let unknown = || Failure::Failed(format!("there is no account {name}"));
        let record = file.find(name).ok_or_else(unknown)?;
        let sealed = self.key.seal_nt_hash(hash, &record.name, record.rid)?;
        file.set_nt_hash(name, Some(sealed)).map_err(|error| Failure::Failed(error.to_string()))
    }

    /// What it means, in one line.
    pub(super) fn told(&self, name: &str) -> String {
        format!(
            "{name} can sign in with NTLM: an NT hash is kept, as good as the password to whoever can read it and {}\n",
            self.path().display()
        )
    }
}
