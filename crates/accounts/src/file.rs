//! The service's own accounts, stored in one file.

mod hashing;
mod ntlm;

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use account_store::Stamp;
use auth::account_file::{AccountFile, AccountName, EnabledState, PasswordHash, Record, Rid};
use auth::{Account, AuthError, PasswordVerifier, Secret, VerifierCost};
use locks::Mutex;

use self::hashing::HashingLimit;
pub use self::ntlm::FileNtlm;
use crate::{AccountSource, AccountsError};

/// Verifies passwords against an account file ([`auth::account_file`]).
///
/// At each sign-in, but at most once per second, the file's metadata is checked, and the file is read again if it has
/// changed. While it cannot be read, or other users could have changed it, all sign-ins are rejected, because it is
/// unknown which accounts have been removed or disabled.
///
/// Clones share the parsed content.
#[derive(Clone, Debug)]
pub struct FileAccounts(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    loaded: Mutex<LoadedFile>,
    hashing: HashingLimit,
    /// Password hash that is verified for names that do not exist, so that timing does not reveal them.
    decoy: PasswordHash,
}

/// Content of the file when it was last checked.
#[derive(Debug)]
struct LoadedFile {
    checked_at: Instant,
    stamp: Option<Stamp>,
    /// `None` while the file cannot be used.
    records: Option<Arc<Records>>,
}

/// Parsed content of the file.
#[derive(Debug)]
struct Records {
    /// Accounts by the key of their names.
    by_key: HashMap<String, Record>,
    /// `true` if an enabled account has an NT hash.
    has_ntlm_account: bool,
    /// `true` if an account has the NT hash of a Linux user's password.
    has_linux_account: bool,
}

impl Records {
    fn find(&self, key: &str) -> Option<&Record> {
        self.by_key.get(key)
    }
}

impl FileAccounts {
    /// Opens an account file. Only its owner may be able to read it, and the owner must be root or the user of this
    /// process.
    ///
    /// # Errors
    /// [`AccountsError`] with the file, the line and what to do.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, AccountsError> {
        let path = path.into();
        let (file, stamp) = account_store::read_with_stamp(&path)?;
        let loaded =
            LoadedFile { checked_at: Instant::now(), stamp: Some(stamp), records: Some(records(&file)) };
        let (loaded, hashing) = (Mutex::new(loaded), HashingLimit::of_this_machine());
        Ok(Self(Arc::new(Shared { path, loaded, hashing, decoy: PasswordHash::decoy() })))
    }

    /// Path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Returns the account of this name, compared without case.
    ///
    /// # Errors
    /// [`AuthError::Unavailable`] while the file cannot be used.
    pub fn find(&self, name: &str) -> Result<Option<Record>, AuthError> {
        let records = self.records(Instant::now())?;
        Ok(records.find(&AccountName::key_of(name)).cloned())
    }

    /// Returns the account with this RID, the last number of its SID.
    ///
    /// # Errors
    /// [`AuthError::Unavailable`] while the file cannot be used.
    pub fn find_rid(&self, rid: Rid) -> Result<Option<Record>, AuthError> {
        let records = self.records(Instant::now())?;
        Ok(records.by_key.values().find(|record| record.rid == rid).cloned())
    }

    /// Reads the file immediately, for example after `SIGHUP`.
    ///
    /// # Errors
    /// The reason why it cannot be used; all sign-ins are rejected until it can.
    pub fn reload(&self) -> Result<(), AccountsError> {
        let mut loaded = self.0.loaded.lock();
        loaded.load(&self.0.path, Instant::now())
    }

    fn records(&self, now: Instant) -> Result<Arc<Records>, AuthError> {
        let Shared { path, loaded, .. } = self.0.as_ref();
        let mut loaded = loaded.lock();
        if now.saturating_duration_since(loaded.checked_at) >= CHECK_INTERVAL {
            loaded.checked_at = now;
            if Stamp::of(path) != loaded.stamp {
                match loaded.load(path, now) {
                    Ok(()) => tracing::info!(path = %path.display(), "Account file reloaded"),
                    Err(error) => {
                        tracing::error!(%error, "Cannot read the account file; all sign-ins are rejected");
                    }
                }
            }
        }
        loaded.records.clone().ok_or(AuthError::Unavailable)
    }
}

impl LoadedFile {
    fn load(&mut self, path: &Path, now: Instant) -> Result<(), AccountsError> {
        self.checked_at = now;
        match account_store::read_with_stamp(path) {
            Ok((file, stamp)) => {
                self.stamp = Some(stamp);
                self.records = Some(records(&file));
                Ok(())
            }
            Err(error) => {
                // The file is neither read nor reported again before it changes.
                self.stamp = Stamp::of(path);
                self.records = None;
                Err(error)
            }
        }
    }
}

impl PasswordVerifier for FileAccounts {
    fn verify(&self, user: &str, password: &Secret, _from: IpAddr) -> Result<Account, AuthError> {
        let records = self.records(Instant::now())?;
        let _permit = self.0.hashing.acquire();
        let record = records.find(&AccountName::key_of(user));
        let is_right = record.map_or(&self.0.decoy, |record| &record.password).verify(password);
        match record {
            // Only a client that knows the password learns that the account is disabled.
            Some(record) if is_right => {
                require_enabled(record).map(|()| Account { name: record.name.to_string() })
            }
            _ => Err(AuthError::WrongPassword),
        }
    }

    fn cost(&self) -> VerifierCost {
        VerifierCost::Slow
    }

    /// Rejects accounts that were removed from the file, even if a user of the machine has the same name.
    fn still_admits(&self, account: &Account, _: IpAddr) -> Result<(), AuthError> {
        self.find(&account.name)?.map_or(Err(AuthError::NotAllowed), |record| require_enabled(&record))
    }
}

impl AccountSource for FileAccounts {
    fn permits(&self, account: &Account) -> Result<(), AuthError> {
        self.find(&account.name)?.map_or(Ok(()), |record| require_enabled(&record))
    }
}

fn require_enabled(record: &Record) -> Result<(), AuthError> {
    match record.state {
        EnabledState::Enabled => Ok(()),
        EnabledState::Disabled => Err(AuthError::NotAllowed),
    }
}

fn records(file: &AccountFile) -> Arc<Records> {
    Arc::new(Records {
        by_key: file.records().map(|record| (record.name.key(), record.clone())).collect(),
        has_ntlm_account: file
            .records()
            .any(|record| record.nt_hash.is_some() && record.state == EnabledState::Enabled),
        has_linux_account: file.records().any(|record| record.linux_password().is_some()),
    })
}

const CHECK_INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn line(name: &str, rid: u32) -> String {
        format!("{name}:{rid}::0:$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA:\n")
    }

    fn write(path: &Path, text: &str, mode: u32) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn names_at(accounts: &FileAccounts, now: Instant) -> Result<String, AuthError> {
        accounts.records(now).map(|records| {
            let mut names: Vec<_> = records.by_key.keys().cloned().collect();
            names.sort();
            names.join(" ")
        })
    }

    #[test]
    fn the_file_is_checked_once_per_second() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accounts");
        write(&path, &line("alice", 3_000_000_000), 0o600);
        let accounts = FileAccounts::open(&path).unwrap();
        let start = accounts.0.loaded.lock().checked_at;
        let names = |after: u64| names_at(&accounts, start + Duration::from_millis(after));
        write(&path, &(line("alice", 3_000_000_000) + &line("bob", 3_000_000_001)), 0o600);
        assert_eq!(names(999).as_deref(), Ok("alice"));
        assert_eq!(names(1_000).as_deref(), Ok("alice bob"));

        write(&path, "half a reco", 0o600);
        assert_eq!(names(1_999).as_deref(), Ok("alice bob"));
        assert_eq!(names(2_000), Err(AuthError::Unavailable));
        write(&path, &line("carol", 3_000_000_002), 0o600);
        assert_eq!(names(3_000).as_deref(), Ok("carol"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(names(4_000), Err(AuthError::Unavailable));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(names(5_000).as_deref(), Ok("carol"));
        fs::remove_file(&path).unwrap();
        assert_eq!(names(6_000), Err(AuthError::Unavailable));
        write(&path, "", 0o600);
        assert_eq!(names(7_000).as_deref(), Ok(""));
    }
}
