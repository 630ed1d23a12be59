//! Accounts from a list of `name:password` lines, for trying out and testing.

use std::net::IpAddr;

use crate::ntlm::{self, HostNames, NtHash, Verified};
use crate::{Account, AuthError, PasswordVerifier, Secret, VerifierCost};

/// Accounts that are known with their passwords, so that they serve every scheme that works from one.
#[derive(Debug)]
pub struct AccountList {
    accounts: Vec<(Account, Secret)>,
    names: HostNames,
}

/// Why a list cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccountListError {
    /// A line without a colon.
    #[error("line {line} is not NAME:PASSWORD")]
    NotAnAccount {
        /// Counted from one.
        line: usize,
    },
    /// A name that cannot be one.
    #[error("line {line}: the name is empty or contains control characters")]
    BadName {
        /// Counted from one.
        line: usize,
    },
    /// An empty password.
    #[error("line {line}: the password of {name:?} is empty")]
    NoPassword {
        /// Counted from one.
        line: usize,
        /// Whose it is.
        name: String,
    },
    /// A name that came before.
    #[error("line {line}: {name:?} is listed twice")]
    Duplicate {
        /// Counted from one.
        line: usize,
        /// Which name.
        name: String,
    },
    /// No account at all.
    #[error("no account is listed; write at least one line NAME:PASSWORD")]
    Empty,
}

impl AccountList {
    /// Reads lines of `name:password`; empty lines and lines that begin with `#` do not count.
    ///
    /// # Errors
    /// [`AccountListError`] with the number of the line.
    pub fn parse(text: &str) -> Result<Self, AccountListError> {
        let mut accounts: Vec<(Account, Secret)> = Vec::new();
        for (line, entry) in text.lines().enumerate().map(|(at, entry)| (at + 1, entry)) {
            if entry.trim().is_empty() || entry.starts_with('#') {
                continue;
            }
            let (name, password) = entry.split_once(':').ok_or(AccountListError::NotAnAccount { line })?;
            let name = name.trim().to_owned();
            if name.is_empty() || name.chars().any(char::is_control) {
                return Err(AccountListError::BadName { line });
            }
            if password.is_empty() {
                return Err(AccountListError::NoPassword { line, name });
            }
            if accounts.iter().any(|(account, _)| account.name == name) {
                return Err(AccountListError::Duplicate { line, name });
            }
            accounts.push((Account { name }, Secret::new(password.to_owned())));
        }
        if accounts.is_empty() {
            return Err(AccountListError::Empty);
        }
        Ok(Self { accounts, names: HostNames::default() })
    }

    /// The same accounts on a machine with these names, any of which NTLM may put before that of an account.
    #[must_use]
    pub fn on_host(self, names: HostNames) -> Self {
        Self { names, ..self }
    }

    /// The names, in the order of the list.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.accounts.iter().map(|(account, _)| account.name.as_str())
    }
}

impl PasswordVerifier for AccountList {
    fn verify(&self, user: &str, password: &Secret, _from: IpAddr) -> Result<Account, AuthError> {
        // Every account is compared, so that time does not tell which names exist.
        let mut found = None;
        for (account, secret) in &self.accounts {
            if secret.matches(password) & (account.name == user) {
                found = Some(account.clone());
            }
        }
        found.ok_or(AuthError::WrongPassword)
    }

    fn cost(&self) -> VerifierCost {
        VerifierCost::Quick
    }
}

impl ntlm::NtlmVerifier for AccountList {
    fn verify(
        &self,
        domain: &str,
        user: &str,
        challenge: &[u8; 8],
        nt_response: &[u8],
    ) -> Result<Verified, AuthError> {
        // Every password is hashed, so that time does not tell which names exist.
        let name = self.names.local_account(domain, user);
        let mut found = None;
        for (account, secret) in &self.accounts {
            let hash = NtHash::of_password(secret);
            if name == Some(account.name.as_str()) {
                found = Some((account, hash));
            }
        }
        let hash = found.as_ref().map(|(_, hash)| hash);
        let base_key = ntlm::judge(hash, domain, user, challenge, nt_response)?;
        let (account, _) = found.ok_or(AuthError::WrongPassword)?;
        Ok(Verified { account: account.clone(), base_key })
    }

    fn cost(&self) -> VerifierCost {
        VerifierCost::Quick
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn only_the_right_password_of_the_right_account_is_let_in() {
        let list = AccountList::parse("# demo\nalice:s3cret:x\n\nbob:other\n").expect("a list");
        let ask = |user, password: &str| {
            let from = IpAddr::V4(Ipv4Addr::LOCALHOST);
            list.verify(user, &Secret::new(password.to_owned()), from).map(|account| account.name)
        };
        assert_eq!(ask("alice", "s3cret:x").as_deref(), Ok("alice"));
        for (user, password) in [("alice", "other"), ("alice", ""), ("Alice", "s3cret:x"), ("eve", "other")] {
            assert_eq!(ask(user, password), Err(AuthError::WrongPassword), "{user}");
        }
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (text, error) in [
            ("alice", AccountListError::NotAnAccount { line: 1 }),
            ("\n:x", AccountListError::BadName { line: 2 }),
            ("a:", AccountListError::NoPassword { line: 1, name: "a".to_owned() }),
            ("a:x\na:y", AccountListError::Duplicate { line: 2, name: "a".to_owned() }),
            ("# none", AccountListError::Empty),
        ] {
            assert_eq!(AccountList::parse(text).err(), Some(error));
        }
    }
}
