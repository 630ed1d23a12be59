//! Who may sign in with a controller, and how.

use crate::{AuthenticationType, CipherSuite, GroupKey, Password, Privilege, UserName};

/// Somebody who may sign in.
#[derive(Clone, Debug)]
pub struct Account {
    /// The name; the empty one is that of the anonymous user.
    pub name: UserName,
    /// The password.
    pub password: Password,
    /// The highest level.
    pub limit: Privilege,
}

/// Who may sign in with a controller, and how.
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
    /// Suites 17 and 3, no IPMI 1.5, sixteen sessions, and nobody who may sign in.
    #[must_use]
    pub fn new(guid: [u8; 16]) -> Self {
        let suites = vec![CipherSuite::SHA1, CipherSuite::SHA256];
        Self { guid, accounts: Vec::new(), group_key: None, suites, lan15: Vec::new(), most_sessions: 16 }
    }

    /// And this one may.
    #[must_use]
    pub fn account(mut self, account: Account) -> Self {
        self.accounts.push(account);
        self
    }

    /// With these suites and no others. Suite 0 lets in whoever knows a name.
    #[must_use]
    pub fn suites(mut self, suites: Vec<CipherSuite>) -> Self {
        self.suites = suites;
        self
    }

    /// And with these types of IPMI 1.5, which protect little.
    #[must_use]
    pub fn lan15(mut self, kinds: Vec<AuthenticationType>) -> Self {
        self.lan15 = kinds;
        self
    }

    /// With a key that is needed besides the passwords.
    #[must_use]
    pub fn group_key(mut self, key: GroupKey) -> Self {
        self.group_key = Some(key);
        self
    }

    /// With so many sessions; logins that are under way are none.
    #[must_use]
    pub fn most_sessions(mut self, most: usize) -> Self {
        self.most_sessions = most;
        self
    }

    /// The number of whoever has this name, and the account.
    pub(crate) fn find(&self, name: &UserName) -> Option<(u8, &Account)> {
        (1..).zip(&self.accounts).find(|(_, account)| account.name == *name)
    }
}
