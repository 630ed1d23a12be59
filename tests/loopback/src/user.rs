//! Accounts of the service.

use auth::{Account, AccountList};
use client::{Credentials, Secret};
use sddl::{DomainSid, Token, well_known};
use service::Principals;

/// An account of every [`Loopback`](crate::Loopback).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// An administrator.
    Ada,
    /// Another administrator.
    Ben,
    /// A user who can authenticate and has no rights.
    Eve,
}

impl User {
    const ALL: [Self; 3] = [Self::Ada, Self::Ben, Self::Eve];

    /// Returns the name of the account.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ada => "ada",
            Self::Ben => "ben",
            Self::Eve => "eve",
        }
    }

    /// Returns name and password.
    pub fn credentials(self) -> Credentials {
        Credentials { user: self.name().to_owned(), password: Secret::new(self.password()) }
    }

    /// Returns a password with non-ASCII characters and a colon, which must both be transmitted correctly.
    fn password(self) -> String {
        format!("pä:ss {}", self.name())
    }
}

/// Returns all accounts with their passwords.
pub(crate) fn accounts() -> AccountList {
    let lines: Vec<String> =
        User::ALL.iter().map(|user| format!("{}:{}", user.name(), user.password())).collect();
    AccountList::parse(&lines.join("\n")).expect("these are accounts")
}

/// Maps the accounts to SIDs and groups.
pub(crate) struct Machine;

impl Principals for Machine {
    fn token(&self, account: &Account) -> Option<Token> {
        let machine = DomainSid::new([11, 22, 33]);
        let (user, number) =
            User::ALL.into_iter().zip(1_001..).find(|(user, _)| user.name() == account.name)?;
        let mut groups = vec![well_known::EVERYONE, well_known::AUTHENTICATED_USERS, well_known::NETWORK];
        if user != User::Eve {
            groups.push(well_known::ADMINISTRATORS);
        }
        Some(Token::new(machine.account(number), groups, machine))
    }
}
