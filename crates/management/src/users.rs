//! Manager users: users of the management service that are no users of the operating system.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use accounts::{Attempts, FileAccounts, IfMissing, LockoutPolicy};
use auth::account_file::{
    AccountName, Comment, EnabledState, NewAccount, NewPassword, PasswordHash, Role as AccountRole, UnixTime,
};
use auth::{AuthError, PasswordVerifier as _, Secret};

use crate::{ManagementError, SystemAccounts};

/// Reason why a sign-in is refused. The client learns no more than this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInRefusal {
    /// Unknown user, wrong password, or a disabled account.
    Refused,
    /// Too many failures for this name or from this source.
    LockedOut {
        /// Time after which a new attempt can succeed.
        retry_after: Duration,
    },
    /// The users cannot be read, or too many attempts are waiting.
    Unavailable,
}

/// A manager user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRecord {
    /// Name, as written in the file.
    pub name: String,
    /// `true` for a server administrator.
    pub is_administrator: bool,
    /// `true` if the user may sign in.
    pub is_enabled: bool,
    /// Comment.
    pub comment: String,
}

/// A change of a manager user.
#[derive(Debug)]
pub enum UserChange {
    /// Set a password.
    Password(Secret),
    /// Allow the user to sign in.
    Enable,
    /// Refuse further sign-ins.
    Disable,
}

/// Accounts that may sign in.
#[derive(Clone, Copy, Debug)]
pub struct SignInSources<'a> {
    /// `false` if manager users are refused (`RequiresWindowsCredentials`).
    pub accepts_manager_users: bool,
    /// Accounts of the operating system.
    pub system: Option<&'a SystemAccounts>,
}

/// Manager users in an account file ([`auth::account_file`]) of their own. Passwords are hashed with Argon2id.
#[derive(Debug)]
pub struct Users {
    path: PathBuf,
    file: FileAccounts,
    attempts: Attempts,
}

impl Users {
    /// Opens the account file, and creates an empty one if it is missing.
    ///
    /// # Errors
    /// [`ManagementError`] if the file cannot be used.
    pub fn open(path: PathBuf) -> Result<Self, ManagementError> {
        accounts::update::<(), ManagementError>(&path, IfMissing::Create, |_| Ok(()))?;
        let file = FileAccounts::open(&path)?;
        let mut policy = LockoutPolicy::default();
        policy.failures = 5;
        policy.burst = 20;
        policy.slowed.clear();
        Ok(Self { path, file, attempts: Attempts::new(policy) })
    }

    /// Path of the account file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Verifies the password of a manager user; returns the name as written in the file. This takes as long for unknown
    /// names, and blocks for the time of a hash.
    ///
    /// # Errors
    /// [`SignInRefusal`]
    pub fn sign_in(
        &self,
        name: &str,
        password: &Secret,
        from: IpAddr,
        now: Instant,
    ) -> Result<String, SignInRefusal> {
        let sources = SignInSources { accepts_manager_users: true, system: None };
        self.sign_in_from(sources, name, password, from, now)
    }

    /// Verifies a password with all sources: of a manager user first, then of an account of the operating system with
    /// this name. Failures count once, and together for both.
    ///
    /// # Errors
    /// [`SignInRefusal`]
    pub fn sign_in_from(
        &self,
        sources: SignInSources<'_>,
        name: &str,
        password: &Secret,
        from: IpAddr,
        now: Instant,
    ) -> Result<String, SignInRefusal> {
        let mut is_judged = false;
        // `ada` and `.\ada` are the same account of the operating system.
        let counted = name.strip_prefix(".\\").unwrap_or(name);
        let verdict = self.attempts.judge(counted, from, now, || {
            is_judged = true;
            let managed = self.file.verify(name, password, from).map(|account| account.name);
            let managed = match managed {
                Ok(name) if !sources.accepts_manager_users => {
                    tracing::warn!(user = name, "RequiresWindowsCredentials excludes manager users");
                    Err(AuthError::WrongPassword)
                }
                managed => managed,
            };
            match (managed, sources.system) {
                (Err(error), Some(system)) if error != AuthError::Unavailable => {
                    system.verify(name, password, from)
                }
                (managed, _) => managed,
            }
        });
        verdict.map_err(|error| match error {
            AuthError::Unavailable => SignInRefusal::Unavailable,
            _ if is_judged => SignInRefusal::Refused,
            _ => SignInRefusal::LockedOut { retry_after: LockoutPolicy::default().lock },
        })
    }

    /// Returns the user of this name; `None` for an unknown or disabled one.
    #[must_use]
    pub fn find_enabled(&self, name: &str) -> Option<UserRecord> {
        let record = self.file.find(name).ok()??;
        Some(user(&record)).filter(|user| user.is_enabled)
    }

    /// Returns all users in the order of the file.
    ///
    /// # Errors
    /// [`ManagementError`] if the file cannot be read.
    pub fn list(&self) -> Result<Vec<UserRecord>, ManagementError> {
        Ok(accounts::read(&self.path)?.records().map(user).collect())
    }

    /// Creates a user. The first one of the file is a server administrator.
    ///
    /// # Errors
    /// [`ManagementError`] for an invalid name or password, an existing name, or a file that cannot be written.
    pub fn add(&self, name: &str, password: Secret, comment: &str) -> Result<UserRecord, ManagementError> {
        let name = AccountName::parse(name)?;
        let comment = Comment::parse(comment)?;
        let password = hash(password)?;
        let added = accounts::update(&self.path, IfMissing::Create, |file| {
            if file.records().count() >= MAX_USERS {
                return Err(ManagementError::TooMany { kind: "manager users", limit: MAX_USERS });
            }
            let (key, role) = (name.to_string(), file.usual_role());
            file.add(NewAccount { name, password, role, changed: now(), comment })?;
            file.find(&key).map(user).ok_or(ManagementError::NotFound { kind: "user", name: key })
        })?;
        self.file.reload()?;
        Ok(added)
    }

    /// Changes a user.
    ///
    /// # Errors
    /// [`ManagementError`] for an unknown user, an invalid password, or a file that cannot be written.
    pub fn change(&self, name: &str, change: UserChange) -> Result<UserRecord, ManagementError> {
        let password = match &change {
            UserChange::Password(password) => Some(hash(password.clone())?),
            _ => None,
        };
        let changed = accounts::update::<_, ManagementError>(&self.path, IfMissing::Fail, |file| {
            match (change, password) {
                (_, Some(password)) => {
                    file.set_password(name, password, now())?;
                }
                (UserChange::Disable, _) => file.set_state(name, EnabledState::Disabled)?,
                _ => file.set_state(name, EnabledState::Enabled)?,
            }
            let changed = file.find(name).map(user);
            changed.ok_or_else(|| ManagementError::NotFound { kind: "user", name: name.to_owned() })
        })?;
        self.file.reload()?;
        Ok(changed)
    }

    /// Deletes a user.
    ///
    /// # Errors
    /// [`ManagementError`] for an unknown user or a file that cannot be written.
    pub fn remove(&self, name: &str) -> Result<(), ManagementError> {
        accounts::update::<_, ManagementError>(&self.path, IfMissing::Fail, |file| Ok(file.remove(name)?))?;
        Ok(self.file.reload()?)
    }
}

fn user(record: &auth::account_file::Record) -> UserRecord {
    UserRecord {
        name: record.name.to_string(),
        is_administrator: record.role == AccountRole::Administrator,
        is_enabled: record.state == EnabledState::Enabled,
        comment: record.comment.to_string(),
    }
}

fn hash(password: Secret) -> Result<PasswordHash, ManagementError> {
    Ok(PasswordHash::make(&NewPassword::new(password)?, random::bytes()?))
}

fn now() -> UnixTime {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    UnixTime::new(since_1970.map_or(0, |since| since.as_secs()))
}

const MAX_USERS: usize = 10_000;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const FROM: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[test]
    fn the_first_user_is_an_administrator_and_others_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let users = Users::open(folder.path().join("users")).unwrap();
        assert!(users.add("ada", secret("pw"), "").unwrap().is_administrator);
        assert!(!users.add("bob", secret("pw"), "").unwrap().is_administrator);
        assert!(users.add("Ada", secret("pw"), "").is_err() && users.add("a b", secret("pw"), "").is_err());
        let now = Instant::now();
        assert_eq!(users.sign_in("ADA", &secret("pw"), FROM, now), Ok("ada".to_owned()));
        users.change("bob", UserChange::Disable).unwrap();
        assert_eq!(users.sign_in("bob", &secret("pw"), FROM, now), Err(SignInRefusal::Refused));
        assert!(users.find_enabled("bob").is_none());
        users.change("bob", UserChange::Enable).unwrap();
        users.change("bob", UserChange::Password(secret("new"))).unwrap();
        assert!(users.sign_in("bob", &secret("new"), FROM, now).is_ok());
        users.remove("bob").unwrap();
        assert_eq!(users.sign_in("bob", &secret("new"), FROM, now), Err(SignInRefusal::Refused));
    }

    #[test]
    fn five_failures_lock_a_name_whether_or_not_it_exists() {
        let folder = tempfile::tempdir().unwrap();
        let users = Users::open(folder.path().join("users")).unwrap();
        users.add("ada", secret("pw"), "").unwrap();
        let now = Instant::now();
        for name in ["ada", "nobody"] {
            for _ in 0..5 {
                assert_eq!(users.sign_in(name, &secret("x"), FROM, now), Err(SignInRefusal::Refused));
            }
            let locked = users.sign_in(name, &secret("pw"), FROM, now);
            assert!(matches!(locked, Err(SignInRefusal::LockedOut { .. })), "{locked:?}");
        }
        let later = now + Duration::from_secs(16 * 60);
        assert!(users.sign_in("ada", &secret("pw"), FROM, later).is_ok());
    }
}
