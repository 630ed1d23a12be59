//! Accounts from a list of `name:password` lines, for trials and tests.

use std::net::IpAddr;

use crate::ntlm::{self, HostNames, NtHash, Verified};
use crate::{Account, AuthError, PasswordVerifier, Secret, VerifierCost};

/// Accounts with clear-text passwords, which support every password-based scheme.
#[derive(Debug)]
pub struct AccountList {
    accounts: Vec<(Account, Secret)>,
    names: HostNames,
}

/// Reason why a list cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccountListError {
    /// A line has no colon.
    #[error("line {line}: expected NAME:PASSWORD")]
    NotAnAccount {
        /// Line number, from 1.
        line: usize,
    },
    /// The name is empty or contains control characters.
    #[error("line {line}: name is empty or contains control characters")]
    BadName {
        /// Line number, from 1.
        line: usize,
    },
    /// The password is empty.
    #[error("line {line}: password of \"{name}\" is empty")]
    NoPassword {
        /// Line number, from 1.
        line: usize,
        /// Account name.
        name: String,
    },
    /// The name occurs on an earlier line.
    #[error("line {line}: \"{name}\" is listed twice")]
    Duplicate {
        /// Line number, from 1.
        line: usize,
        /// Account name.
        name: String,
    },
    /// The list contains no account.
    #[error("the list contains no account; write at least one line NAME:PASSWORD")]
    Empty,
}

impl AccountList {
    /// Parses lines of `name:password`; empty lines and lines that begin with `#` are ignored.
    ///
    /// # Errors
    /// [`AccountListError`] with the line number.
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

    /// Sets the names of this machine, which NTLM clients may send as the domain of an account.
    #[must_use]
    pub fn on_host(self, names: HostNames) -> Self {
        Self { names, ..self }
    }

    /// Account names, in the order of the list.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.accounts.iter().map(|(account, _)| account.name.as_str())
    }
}

impl PasswordVerifier for AccountList {
    fn verify(&self, user: &str, password: &Secret, _from: IpAddr) -> Result<Account, AuthError> {
        // Every account is compared, so that timing does not reveal which names exist.
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
        // Every password is hashed, so that timing does not reveal which names exist.
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
    fn only_the_right_password_of_the_account_is_accepted() {
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
    fn errors_have_the_line_number() {
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
