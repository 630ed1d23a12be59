//! NT hashes of the passwords of Linux users, stored in the account file.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use auth::Secret;
use auth::account_file::{
    AccountFile, AccountName, ChangeError, Comment, EnabledState, FieldError, LinuxPassword, NewAccount,
    PasswordHash, Record, Role, UnixTime,
};
use auth::ntlm::NtHash;

use crate::disk::{IfMissing, LockLimit, read, update_within};
use crate::{AccountsError, HostKey, LinuxUser, LinuxUsers};

/// Stores the NT hashes of Linux users, so that they can sign in with NTLM and their own password.
///
/// An account that stores such a hash has no password of its own. Accounts that an administrator has added are never
/// changed.
#[derive(Clone, Debug)]
pub struct LinuxNtHashes {
    accounts: PathBuf,
    state: PathBuf,
    users: LinuxUsers,
}

/// Result of storing a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// The file has the hash of this password already. The given password was not compared.
    AlreadyCurrent,
    /// The hash was added or replaced.
    Changed,
}

/// Reason why a hash was not stored. The account file is unchanged then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotStored {
    /// The directories of the service do not exist: it is not installed, or has never been started.
    #[error("directory {} does not exist", path.display())]
    NoService {
        /// Missing directory.
        path: PathBuf,
    },
    /// The password is not that of the user in the shadow file.
    #[error("not the password in the shadow file")]
    WrongPassword,
    /// The algorithm of the hash in the shadow file is not supported.
    #[error("cannot verify the password: the shadow file has neither a yescrypt nor a SHA-512 hash")]
    UnsupportedHash,
    /// The name is not allowed in the account file.
    #[error("cannot store the NT hash: {0}")]
    Name(#[from] FieldError),
    /// The account file has an account of this name with a password of its own, or of the same name with other case.
    #[error("the service has an account of its own of this name: {0}")]
    OwnAccount(AccountName),
    /// The account is disabled in the account file.
    #[error("the account is disabled; telarch account enable allows it again")]
    Disabled,
    /// The account file cannot have another account.
    #[error("cannot store the NT hash: {0}")]
    Change(#[from] ChangeError),
    /// The files of the service cannot be used.
    #[error("cannot store the NT hash: {0}")]
    Accounts(#[from] AccountsError),
    /// The list of users cannot be read.
    #[error("cannot read the users of this machine: {0}")]
    Users(io::Error),
}

impl LinuxNtHashes {
    /// Names the account file, the state directory with the host key, and the users.
    #[must_use]
    pub fn new(accounts: impl Into<PathBuf>, state: impl Into<PathBuf>, users: LinuxUsers) -> Self {
        Self { accounts: accounts.into(), state: state.into(), users }
    }

    /// Stores the hash of the current password of a user, unless the file has it already. Accounts of users that no
    /// longer exist are removed.
    ///
    /// The password is verified with the shadow file, so that a wrong one changes nothing. Waits at most two seconds
    /// for other processes that change the file.
    ///
    /// # Errors
    /// [`NotStored`].
    pub fn store(&self, user: &LinuxUser, password: &Secret, now: SystemTime) -> Result<Stored, NotStored> {
        let name = AccountName::parse(user.name())?;
        for folder in [files::folder(&self.accounts), &self.state] {
            require_directory(folder)?;
        }
        let key = HostKey::load_or_create(&self.state)?;
        let current = user.password();
        match read(&self.accounts) {
            Ok(file) => {
                if find_hash(&file, &name, current, &key)? == Found::Current {
                    return Ok(Stored::AlreadyCurrent);
                }
            }
            Err(AccountsError::Missing { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        if !user.verify_password(password).map_err(|_| NotStored::UnsupportedHash)? {
            return Err(NotStored::WrongPassword);
        }
        let hash = NtHash::of_password(password);
        let changed = user.password_changed().unwrap_or_else(|| UnixTime::new(seconds(now)));
        let users = self.users.names().map_err(NotStored::Users)?;
        update_within(LOCK_LIMIT, &self.accounts, IfMissing::Create, |file| {
            // Another process may have stored the hash meanwhile.
            if find_hash(file, &name, current, &key)? == Found::Current {
                return Ok(Stored::AlreadyCurrent);
            }
            file.retain(|record| !is_abandoned(record, |name| users.contains(name)));
            let rid = match file.find(name.as_str()) {
                Some(record) => record.rid,
                None => file.add(NewAccount {
                    name: name.clone(),
                    password: PasswordHash::never(),
                    role: Role::User,
                    changed,
                    comment: Comment::default(),
                })?,
            };
            let sealed = key.seal_linux_nt_hash(&hash, &name, rid, current)?;
            file.set_password(name.as_str(), PasswordHash::never(), changed)?;
            file.set_nt_hash(name.as_str(), Some(sealed))?;
            Ok(Stored::Changed)
        })
    }
}

/// Stored hash of a Linux user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// The hash belongs to the current password.
    Current,
    /// The account is missing, or its hash is outdated or belongs to another host key.
    Outdated,
}

/// Looks up the hash of a password in the file.
///
/// # Errors
/// [`NotStored::OwnAccount`] and [`NotStored::Disabled`] if the account must not be changed.
fn find_hash(
    file: &AccountFile,
    name: &AccountName,
    current: LinuxPassword,
    key: &HostKey,
) -> Result<Found, NotStored> {
    let Some(record) = file.find(name.as_str()) else { return Ok(Found::Outdated) };
    if record.name != *name || record.linux_password().is_none() {
        return Err(NotStored::OwnAccount(record.name.clone()));
    }
    if record.state == EnabledState::Disabled {
        return Err(NotStored::Disabled);
    }
    let opens = record.nt_hash.is_some_and(|hash| key.open_nt_hash(&hash, name, record.rid).is_some());
    Ok(if record.linux_password() == Some(current) && opens { Found::Current } else { Found::Outdated })
}

/// Returns whether a record is that of a Linux user who no longer exists. Disabled ones stay, because they keep an
/// account from being used again.
fn is_abandoned(record: &Record, is_user: impl Fn(&str) -> bool) -> bool {
    record.linux_password().is_some()
        && record.state == EnabledState::Enabled
        && !is_user(record.name.as_str())
}

fn require_directory(path: &Path) -> Result<(), NotStored> {
    if path.is_dir() { Ok(()) } else { Err(NotStored::NoService { path: path.to_owned() }) }
}

fn seconds(now: SystemTime) -> u64 {
    now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Limit of the time that a sign-in waits for other changes of the file.
const LOCK_LIMIT: LockLimit = LockLimit::Time(Duration::from_secs(2));

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::thread;

    use tempfile::TempDir;

    use super::*;

    /// SHA-512 hashes of `Hello world!` and of `This is just a test`, made by `openssl passwd -6`.
    const HELLO: &str = "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1";
    const TEST: &str = "$6$toolongsaltstrin$lQ8jolhgVRVhY4b5pZKaysCLi0QBxGoNeKQzQ3glMhwllF7oGDZxUhx1yxdYcz/e1JSbq3y6JMxxl8audkUEm0";

    /// A machine with the users ann, ben and dora, and a service.
    struct Place {
        folder: TempDir,
    }

    impl Place {
        fn new() -> Self {
            let place = Self { folder: tempfile::tempdir().unwrap() };
            fs::create_dir(place.path("state")).unwrap();
            fs::set_permissions(place.path("state"), fs::Permissions::from_mode(0o700)).unwrap();
            place.users(&[("ann", 1000, HELLO), ("ben", 1001, HELLO), ("dora", 1002, HELLO)]);
            place
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn users(&self, users: &[(&str, u32, &str)]) {
            let passwd: String =
                users.iter().map(|(name, uid, _)| format!("{name}:x:{uid}:100::/:/bin/sh\n")).collect();
            let shadow: String =
                users.iter().map(|(name, _, field)| format!("{name}:{field}:19999:0:99999:7:::\n")).collect();
            fs::write(self.path("passwd"), passwd).unwrap();
            fs::write(self.path("shadow"), shadow).unwrap();
        }

        fn linux(&self) -> LinuxUsers {
            LinuxUsers::in_directory(self.folder.path())
        }

        fn store(&self, name: &str, password: &str) -> Result<Stored, NotStored> {
            let hashes = LinuxNtHashes::new(self.path("accounts"), self.path("state"), self.linux());
            let user = self.linux().find(name).unwrap().unwrap();
            hashes.store(&user, &Secret::new(password.to_owned()), SystemTime::now())
        }

        fn text(&self) -> String {
            fs::read_to_string(self.path("accounts")).unwrap_or_default()
        }

        fn record(&self, name: &str) -> Option<Record> {
            read(&self.path("accounts")).unwrap().find(name).cloned()
        }

        /// Returns the hash that the service opens for an account.
        fn opened(&self, name: &str) -> Option<[u8; 16]> {
            let record = self.record(name)?;
            let key = HostKey::load(&self.path("state")).unwrap()?;
            key.open_nt_hash(&record.nt_hash?, &record.name, record.rid).map(|hash| *hash.expose())
        }

        fn add_own(&self, name: &str) {
            update_within(LockLimit::None, &self.path("accounts"), IfMissing::Create, |file| {
                let name = AccountName::parse(name).unwrap();
                let (password, changed) = (PasswordHash::never(), UnixTime::new(1));
                file.add(NewAccount {
                    name,
                    password,
                    role: Role::User,
                    changed,
                    comment: Comment::default(),
                })
                .map_err(NotStored::from)
            })
            .unwrap();
        }
    }

    fn hash_of(password: &str) -> Option<[u8; 16]> {
        Some(*NtHash::of_password(&Secret::new(password.to_owned())).expose())
    }

    #[test]
    fn the_hash_follows_the_password() {
        let place = Place::new();
        assert_eq!(place.store("ann", "Hello world!").unwrap(), Stored::Changed);
        assert_eq!(place.opened("ann"), hash_of("Hello world!"));
        let record = place.record("ann").unwrap();
        assert!(record.password.is_never() && record.role == Role::User);
        assert_eq!(record.changed.seconds(), 19_999 * 86_400);
        let mode = fs::metadata(place.path("accounts")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        let before = place.text();
        assert_eq!(place.store("ann", "Hello world!").unwrap(), Stored::AlreadyCurrent);
        assert_eq!(place.text(), before);

        place.users(&[("ann", 1000, TEST)]);
        assert_eq!(place.store("ann", "This is just a test").unwrap(), Stored::Changed);
        assert_eq!(place.opened("ann"), hash_of("This is just a test"));
        assert_eq!(place.record("ann").unwrap().rid, record.rid);
    }

    #[test]
    fn a_wrong_password_changes_nothing() {
        let place = Place::new();
        assert!(matches!(place.store("ann", "hello"), Err(NotStored::WrongPassword)));
        assert_eq!(place.text(), "");
        place.store("ann", "Hello world!").unwrap();
        let before = place.text();
        place.users(&[("ann", 1000, TEST)]);
        assert!(matches!(place.store("ann", "Hello world!"), Err(NotStored::WrongPassword)));
        place.users(&[("ann", 1000, &format!("!{HELLO}"))]);
        assert!(matches!(place.store("ann", "Hello world!"), Err(NotStored::WrongPassword)));
        place.users(&[("ann", 1000, "$1$a$b")]);
        assert!(matches!(place.store("ann", "Hello world!"), Err(NotStored::UnsupportedHash)));
        assert_eq!(place.text(), before);
    }

    #[test]
    fn accounts_of_an_administrator_are_not_changed() {
        let place = Place::new();
        place.add_own("ann");
        place.add_own("Ben");
        place.store("dora", "Hello world!").unwrap();
        update_within(LockLimit::None, &place.path("accounts"), IfMissing::Fail, |file| {
            file.set_state("dora", EnabledState::Disabled).map_err(NotStored::from)
        })
        .unwrap();
        let before = place.text();
        assert!(matches!(place.store("ann", "Hello world!"), Err(NotStored::OwnAccount(_))));
        assert!(matches!(place.store("ben", "Hello world!"), Err(NotStored::OwnAccount(_))));
        assert!(matches!(place.store("dora", "Hello world!"), Err(NotStored::Disabled)));
        assert_eq!(place.text(), before);
    }

    #[test]
    fn accounts_of_deleted_users_are_removed_at_the_next_change() {
        let place = Place::new();
        place.add_own("backup");
        place.store("ann", "Hello world!").unwrap();
        place.users(&[("ben", 1001, HELLO)]);
        place.store("ben", "Hello world!").unwrap();
        assert!(place.record("ann").is_none());
        assert!(place.record("ben").is_some() && place.record("backup").is_some());
    }

    #[test]
    fn a_machine_without_the_service_gets_no_files() {
        let place = Place::new();
        fs::remove_dir(place.path("state")).unwrap();
        assert!(matches!(place.store("ann", "Hello world!"), Err(NotStored::NoService { .. })));
        assert!(!place.path("accounts").exists() && !place.path("state").exists());
    }

    #[test]
    fn a_file_that_stays_locked_is_left_alone() {
        let place = Place::new();
        place.store("ann", "Hello world!").unwrap();
        let before = place.text();
        let held = fs::File::open(place.path("accounts")).unwrap();
        held.lock().unwrap();
        let error = place.store("ben", "Hello world!").unwrap_err();
        assert!(matches!(error, NotStored::Accounts(AccountsError::Busy { .. })), "{error}");
        drop(held);
        assert_eq!(place.text(), before);
        assert_eq!(place.store("ben", "Hello world!").unwrap(), Stored::Changed);
    }

    #[test]
    fn concurrent_sign_ins_lose_no_account() {
        let place = Place::new();
        let names: Vec<String> = (0..8).map(|number| format!("user{number}")).collect();
        let users: Vec<_> = names.iter().zip(2000..).map(|(name, uid)| (name.as_str(), uid, HELLO)).collect();
        place.users(&users);
        thread::scope(|scope| {
            for name in &names {
                scope.spawn(|| place.store(name, "Hello world!").unwrap());
            }
        });
        for name in &names {
            assert_eq!(place.opened(name), hash_of("Hello world!"), "{name}");
        }
    }
}
