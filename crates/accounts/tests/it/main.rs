//! Public behaviour of the crate, with real files, processes and PAM.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod holder;
mod ntlm;
mod pam;
mod permissions;
mod processes;
mod verifying;
mod winbind;

use std::net::IpAddr;
use std::path::Path;

use auth::account_file::{
    AccountName, ChangeError, Comment, NewAccount, NewPassword, PasswordHash, Rid, Role, UnixTime,
};
use auth::{AuthError, PasswordVerifier, Secret};
use telarch_accounts::{AccountsError, IfMissing, update};

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// A fast hash of a password that no test uses.
const CHEAP_HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA";

/// Either error of a change.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    #[error(transparent)]
    Change(#[from] ChangeError),
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn hash(password: &str) -> PasswordHash {
    PasswordHash::make(&NewPassword::new(secret(password)).unwrap(), telarch_accounts::random().unwrap())
}

fn add(path: &Path, name: &str, password: PasswordHash) -> Result<Rid, Error> {
    let name = AccountName::parse(name).unwrap();
    let (role, changed, comment) = (Role::User, UnixTime::new(0), Comment::default());
    update(path, IfMissing::Create, |file| {
        Ok(file.add(NewAccount { name, password, role, changed, comment })?)
    })
}

fn sign_in(verifier: &dyn PasswordVerifier, user: &str, password: &str) -> Result<String, AuthError> {
    verifier.verify(user, &secret(password), HERE).map(|account| account.name)
}
