//! Who may sign in, and as whom.

use auth::{Account, AccountList};
use client::{Credentials, Secret};
use sddl::{DomainSid, Token, well_known};
use service::Principals;

/// An account of every [`Loopback`](crate::Loopback).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// An administrator.
    Ada,
    /// Another one.
    Ben,
    /// Someone who may sign in and has no rights.
    Eve,
}

impl User {
    const ALL: [Self; 3] = [Self::Ada, Self::Ben, Self::Eve];

    /// The name of the account.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ada => "ada",
            Self::Ben => "ben",
            Self::Eve => "eve",
        }
    }

    /// Name and password.
    pub fn credentials(self) -> Credentials {
        Credentials { user: self.name().to_owned(), password: Secret::new(self.password()) }
    }

    /// Not ASCII only, and with the colon that ends names: both have to get through.
    fn password(self) -> String {
        format!("pä:ss {}", self.name())
    }
}

/// Every account with its password.
pub(crate) fn accounts() -> AccountList {
    let lines: Vec<String> =
        User::ALL.iter().map(|user| format!("{}:{}", user.name(), user.password())).collect();
    AccountList::parse(&lines.join("\n")).expect("these are accounts")
}

/// Gives every account its identifiers.
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
