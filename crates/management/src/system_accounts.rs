//! Accounts of the operating system, which sign in through PAM.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use accounts::UnixUsers;
use auth::{Account, AuthError, PasswordVerifier, Secret};
use locks::Mutex;

/// Prefix of the names of local accounts of the operating system, as on Windows: `.\name`. Names of manager users have no
/// backslash.
const LOCAL: &str = ".\\";

/// Returns the name of an account of the operating system as the service stores it; accounts of a domain keep their
/// prefix.
#[must_use]
pub fn system_user(account: &str) -> String {
    if account.contains('\\') { account.to_owned() } else { format!("{LOCAL}{account}") }
}

/// Returns whether a stored name is one of the operating system.
#[must_use]
pub fn is_system_user(user: &str) -> bool {
    user.contains('\\')
}

/// Rights of an account of the operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemRole {
    /// UID 0, or a member of a group of administrators.
    Administrator,
    /// Every other account.
    User,
}

/// Accounts of the operating system.
pub struct SystemAccounts {
    verifier: Box<dyn PasswordVerifier>,
    users: UnixUsers,
    administrator_groups: Vec<String>,
    checked: Mutex<HashMap<String, Checked>>,
}

/// Result of the last check of an account.
#[derive(Clone, Copy)]
struct Checked {
    at: Instant,
    role: Option<SystemRole>,
}

impl fmt::Debug for SystemAccounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemAccounts")
            .field("administrator_groups", &self.administrator_groups)
            .finish_non_exhaustive()
    }
}

impl SystemAccounts {
    /// Uses a verifier such as PAM. Members of these local groups are administrators.
    pub fn new(
        verifier: Box<dyn PasswordVerifier>,
        users: UnixUsers,
        administrator_groups: Vec<String>,
    ) -> Self {
        Self { verifier, users, administrator_groups, checked: Mutex::default() }
    }

    /// Verifies a password; returns the name as the service stores it. This blocks for seconds after a wrong password.
    ///
    /// # Errors
    /// [`AuthError`]
    pub fn verify(&self, name: &str, password: &Secret, from: IpAddr) -> Result<String, AuthError> {
        let name = name.strip_prefix(LOCAL).unwrap_or(name);
        // An empty password is never right, whatever `nullok` says.
        if name.is_empty() || password.expose().is_empty() {
            return Err(AuthError::WrongPassword);
        }
        let account = self.verifier.verify(name, password, from)?;
        let user = system_user(&account.name);
        self.checked.lock().remove(&user);
        Ok(user)
    }

    /// Returns the role of an account by its stored name; `None` if it may no longer be used. The result of the last five
    /// seconds is returned again.
    #[must_use]
    pub fn role(&self, user: &str, now: Instant) -> Option<SystemRole> {
        if let Some(checked) = self.checked.lock().get(user)
            && now.saturating_duration_since(checked.at) < CHECK_INTERVAL
        {
            return checked.role;
        }
        let role = self.check(user);
        let mut checked = self.checked.lock();
        if checked.len() >= MAX_CHECKED {
            checked.retain(|_, other| now.saturating_duration_since(other.at) < CHECK_INTERVAL);
        }
        if checked.len() < MAX_CHECKED {
            checked.insert(user.to_owned(), Checked { at: now, role });
        }
        role
    }

    fn check(&self, user: &str) -> Option<SystemRole> {
        let name = user.strip_prefix(LOCAL).unwrap_or(user);
        let account = Account { name: name.to_owned() };
        let local = IpAddr::from([127, 0, 0, 1]);
        if let Err(error) = self.verifier.still_admits(&account, local) {
            tracing::debug!(user, %error, "An account may no longer be used");
            return None;
        }
        // Users of a directory are not in the local files, and are no administrators.
        let found = self.users.find(name).unwrap_or_else(|error| {
            tracing::error!(%error, "Cannot read the users of this machine");
            None
        });
        let is_administrator = found.is_some_and(|found| {
            let mut groups = found.groups.iter().filter_map(|group| group.name.as_deref());
            found.uid == 0 || groups.any(|group| self.administrator_groups.iter().any(|own| own == group))
        });
        Some(if is_administrator { SystemRole::Administrator } else { SystemRole::User })
    }
}

const CHECK_INTERVAL: Duration = Duration::from_secs(5);
const MAX_CHECKED: usize = 10_000;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use auth::VerifierCost;

    use super::*;

    /// Accepts the password `right` while the account may be used.
    #[derive(Debug)]
    struct Verifier(Arc<AtomicBool>);

    impl PasswordVerifier for Verifier {
        fn verify(&self, user: &str, password: &Secret, _: IpAddr) -> Result<Account, AuthError> {
            match password.expose() {
                "right" => Ok(Account { name: user.to_owned() }),
                _ => Err(AuthError::WrongPassword),
            }
        }

        fn cost(&self) -> VerifierCost {
            VerifierCost::Slow
        }

        fn still_admits(&self, _: &Account, _: IpAddr) -> Result<(), AuthError> {
            if self.0.load(Ordering::Relaxed) { Ok(()) } else { Err(AuthError::NotAllowed) }
        }
    }

    #[test]
    fn members_of_the_groups_and_uid_0_are_administrators_as_long_as_the_account_may_be_used() {
        let folder = tempfile::tempdir().unwrap();
        let passwd = "root:x:0:0::/:/bin/sh\nada:x:1000:1000::/:/bin/sh\nbob:x:1001:1001::/:/bin/sh\n";
        fs::write(folder.path().join("passwd"), passwd).unwrap();
        fs::write(folder.path().join("group"), "root:x:0:\nsudo:x:27:ada\nada:x:1000:\nbob:x:1001:\n")
            .unwrap();
        let is_usable = Arc::new(AtomicBool::new(true));
        let users = UnixUsers::in_directory(folder.path());
        let verifier = Box::new(Verifier(Arc::clone(&is_usable)));
        let accounts = SystemAccounts::new(verifier, users, vec!["sudo".to_owned()]);
        let from = IpAddr::from([127, 0, 0, 1]);
        let secret = |text: &str| Secret::new(text.to_owned());
        assert_eq!(accounts.verify("ada", &secret("right"), from).as_deref(), Ok(".\\ada"));
        assert_eq!(accounts.verify(".\\ada", &secret("right"), from).as_deref(), Ok(".\\ada"));
        assert_eq!(accounts.verify("DOM\\eve", &secret("right"), from).as_deref(), Ok("DOM\\eve"));
        assert!(accounts.verify("ada", &secret("wrong"), from).is_err());
        assert!(accounts.verify("ada", &secret(""), from).is_err());
        let now = Instant::now();
        assert_eq!(accounts.role(".\\root", now), Some(SystemRole::Administrator));
        assert_eq!(accounts.role(".\\ada", now), Some(SystemRole::Administrator));
        assert_eq!(accounts.role(".\\bob", now), Some(SystemRole::User));
        assert_eq!(accounts.role("DOM\\eve", now), Some(SystemRole::User));
        is_usable.store(false, Ordering::Relaxed);
        assert_eq!(accounts.role(".\\bob", now), Some(SystemRole::User));
        assert_eq!(accounts.role(".\\bob", now + CHECK_INTERVAL), None);
    }
}
