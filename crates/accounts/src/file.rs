//! The service's own accounts, from one file.

pub(crate) mod disk;
mod hashing;
mod ntlm;

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use auth::account_file::{AccountFile, AccountName, PasswordHash, Record, Rid, Standing};
use auth::{Account, AuthError, PasswordVerifier, Secret, VerifierCost};

use self::disk::Stamp;
pub use self::disk::{IfMissing, read, update};
use self::hashing::HashingLimit;
pub use self::ntlm::FileNtlm;
use crate::{AccountSource, AccountsError};

/// Judges passwords by a file of accounts ([`auth::account_file`]).
///
/// The file is looked at again when someone signs in, at most once a second, and read when it has changed.
/// While it cannot be read, or others could have changed it, nobody is let in: which accounts were removed
/// or disabled meanwhile cannot be known.
///
/// Clones share what they have read.
#[derive(Clone, Debug)]
pub struct FileAccounts(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    seen: Mutex<Seen>,
    hashing: HashingLimit,
    /// Compared with for names that do not exist.
    decoy: PasswordHash,
}

/// What the file was when it was last looked at.
#[derive(Debug)]
struct Seen {
    looked: Instant,
    stamp: Option<Stamp>,
    /// None while the file cannot be used.
    records: Option<Arc<Records>>,
}

/// What the file says.
#[derive(Debug)]
struct Records {
    /// Accounts by the key of their names.
    by_key: HashMap<String, Record>,
    /// Whether an account that may sign in has an NT hash.
    can_ntlm: bool,
}

impl Records {
    fn find(&self, key: &str) -> Option<&Record> {
        self.by_key.get(key)
    }
}

impl FileAccounts {
    /// Reads a file that only its owner can read, and that belongs to root or to the user of this process.
    ///
    /// # Errors
    /// [`AccountsError`] with the file, the line and what to do.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, AccountsError> {
        let path = path.into();
        let (file, stamp) = disk::read_with_stamp(&path)?;
        let seen = Seen { looked: Instant::now(), stamp: Some(stamp), records: Some(records(&file)) };
        let (seen, hashing) = (Mutex::new(seen), HashingLimit::of_this_machine());
        Ok(Self(Arc::new(Shared { path, seen, hashing, decoy: PasswordHash::decoy() })))
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The account of this name, in any case of letters.
    ///
    /// # Errors
    /// [`AuthError::Unavailable`] while the file cannot be used.
    pub fn find(&self, name: &str) -> Result<Option<Record>, AuthError> {
        let records = self.records(Instant::now())?;
        Ok(records.find(&AccountName::key_of(name)).cloned())
    }

    /// The account with this number at the end of its SID.
    ///
    /// # Errors
    /// As for [`FileAccounts::find`].
    pub fn find_rid(&self, rid: Rid) -> Result<Option<Record>, AuthError> {
        let records = self.records(Instant::now())?;
        Ok(records.by_key.values().find(|record| record.rid == rid).cloned())
    }

    /// Looks at the file now, as after `SIGHUP`.
    ///
    /// # Errors
    /// Why it cannot be used; then nobody is let in until it can.
    pub fn reload(&self) -> Result<(), AccountsError> {
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.load(&self.0.path, Instant::now())
    }

    fn records(&self, now: Instant) -> Result<Arc<Records>, AuthError> {
        let Shared { path, seen, .. } = self.0.as_ref();
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(seen.looked) >= LOOK_AGAIN_AFTER {
            seen.looked = now;
            if Stamp::of(path) != seen.stamp {
                match seen.load(path, now) {
                    Ok(()) => tracing::info!(path = %path.display(), "Accounts are read again"),
                    Err(error) => tracing::error!(%error, "Accounts cannot be used: nobody can sign in"),
                }
            }
        }
        seen.records.clone().ok_or(AuthError::Unavailable)
    }
}

impl Seen {
    fn load(&mut self, path: &Path, now: Instant) -> Result<(), AccountsError> {
        self.looked = now;
        match disk::read_with_stamp(path) {
            Ok((file, stamp)) => {
                self.stamp = Some(stamp);
                self.records = Some(records(&file));
                Ok(())
            }
            Err(error) => {
                // Not read again, and not complained about again, before it changes.
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
            // Only who knows the password learns that the account is disabled.
            Some(record) if is_right => permit(record).map(|()| Account { name: record.name.to_string() }),
            _ => Err(AuthError::WrongPassword),
        }
    }

    fn cost(&self) -> VerifierCost {
        VerifierCost::Slow
    }

    /// One that was removed since, too, although a user of the machine may have its name.
    fn still_admits(&self, account: &Account, _: IpAddr) -> Result<(), AuthError> {
        self.find(&account.name)?.map_or(Err(AuthError::NotAllowed), |record| permit(&record))
    }
}

impl AccountSource for FileAccounts {
    fn permits(&self, account: &Account) -> Result<(), AuthError> {
        self.find(&account.name)?.map_or(Ok(()), |record| permit(&record))
    }
}

fn permit(record: &Record) -> Result<(), AuthError> {
    match record.standing {
        Standing::Enabled => Ok(()),
        Standing::Disabled => Err(AuthError::NotAllowed),
    }
}

fn records(file: &AccountFile) -> Arc<Records> {
    let can_ntlm = |record: &Record| record.nt_hash.is_some() && record.standing == Standing::Enabled;
    Arc::new(Records {
        by_key: file.records().map(|record| (record.name.key(), record.clone())).collect(),
        can_ntlm: file.records().any(can_ntlm),
    })
}

const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
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

    #[test]
    fn the_file_is_looked_at_once_a_second() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accounts");
        write(&path, &line("alice", 3_000_000_000), 0o600);
        let accounts = FileAccounts::open(&path).unwrap();
        let start = accounts.0.seen.lock().unwrap().looked;
        let names = |after: u64| {
            accounts.records(start + Duration::from_millis(after)).map(|records| {
                let mut names: Vec<_> = records.by_key.keys().cloned().collect();
                names.sort();
                names.join(" ")
            })
        };
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
