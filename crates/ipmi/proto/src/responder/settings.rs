//! Accounts and allowed protection of a controller.

use crate::{AuthenticationType, CipherSuite, GroupKey, Password, Privilege, UserName};

/// An account.
#[derive(Clone, Debug)]
pub struct Account {
    /// User name; empty for the anonymous user.
    pub name: UserName,
    /// The password.
    pub password: Password,
    /// Maximum privilege level.
    pub limit: Privilege,
}

/// Accounts and allowed protection of a controller.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) guid: [u8; 16],
    pub(crate) accounts: Vec<Account>,
    pub(crate) group_key: Option<GroupKey>,
    pub(crate) suites: Vec<CipherSuite>,
    pub(crate) lan15: Vec<AuthenticationType>,
    pub(crate) most_sessions: usize,
}

impl Settings {
    /// Returns settings with suites 17 and 3, without IPMI 1.5, with at most sixteen sessions and no
    /// accounts.
    #[must_use]
    pub fn new(guid: [u8; 16]) -> Self {
        let suites = vec![CipherSuite::SHA1, CipherSuite::SHA256];
        Self { guid, accounts: Vec::new(), group_key: None, suites, lan15: Vec::new(), most_sessions: 16 }
    }

    /// Adds an account.
    #[must_use]
    pub fn account(mut self, account: Account) -> Self {
        self.accounts.push(account);
        self
    }

    /// Allows only these suites. Suite 0 accepts any client that knows a user name.
    #[must_use]
    pub fn suites(mut self, suites: Vec<CipherSuite>) -> Self {
        self.suites = suites;
        self
    }

    /// Also allows these IPMI 1.5 authentication types, which protect little.
    #[must_use]
    pub fn lan15(mut self, kinds: Vec<AuthenticationType>) -> Self {
        self.lan15 = kinds;
        self
    }

    /// Sets the key `K_g`, required in addition to the passwords.
    #[must_use]
    pub fn group_key(mut self, key: GroupKey) -> Self {
        self.group_key = Some(key);
        self
    }

    /// Sets the maximum number of sessions, not counting logins in progress.
    #[must_use]
    pub fn most_sessions(mut self, most: usize) -> Self {
        self.most_sessions = most;
        self
    }

    /// Returns user id and account with this name.
    pub(crate) fn find(&self, name: &UserName) -> Option<(u8, &Account)> {
        (1..).zip(&self.accounts).find(|(_, account)| account.name == *name)
    }
}
