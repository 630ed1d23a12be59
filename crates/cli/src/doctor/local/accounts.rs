//! Check of the account file.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;

use auth::account_file::{AccountFile, EnabledState};
use config::State;

use super::{LocalService, Owner};
use crate::doctor::finding::Outcome;
use crate::failure::Kind;

pub(super) async fn check(service: &LocalService, state: &State) -> (Outcome, Option<()>) {
    let path = &service.paths.accounts;
    let auth = &state.config.service.auth;
    let text = fs::metadata(path).and_then(|file| Ok((file, fs::read_to_string(path)?)));
    let (file, text) = match text {
        Ok(read) => read,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return match service.owner {
                Owner::Machine => {
                    Outcome::pass("no account file: the users of this machine are authenticated by PAM")
                }
                Owner::Other => Outcome::warn(format!(
                    "no user can sign in over the network: {} does not exist",
                    path.display()
                ))
                .fix("telarch account add NAME --ntlm"),
            }
            .without_data();
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Outcome::skip(format!("cannot read {}: run as root", path.display())).without_data();
        }
        Err(error) => {
            return Outcome::fail(Kind::Fault, format!("{}: {error}", path.display())).without_data();
        }
    };
    if file.mode() & 0o077 != 0 {
        let seen =
            format!("{} has mode {:03o}: other users have access", path.display(), file.mode() & 0o777);
        return Outcome::fail(Kind::Usage, seen).fix(format!("chmod 600 {}", path.display())).without_data();
    }
    let accounts = match AccountFile::parse(&text) {
        Ok(accounts) => accounts,
        Err(error) => {
            let seen = format!("{}, {error}", path.display());
            return Outcome::fail(Kind::Usage, seen)
                .fix("run telarch account list to see every entry")
                .without_data();
        }
    };
    let all = accounts.records().count();
    let enabled: Vec<_> = accounts.records().filter(|record| record.state == EnabledState::Enabled).collect();
    let with_ntlm = enabled.iter().filter(|record| record.nt_hash.is_some()).count();
    let seen = format!("accounts: {all}, enabled: {}, with NT hash: {with_ntlm}", enabled.len());
    if enabled.is_empty() {
        return Outcome::warn(format!("{seen}: no account is enabled"))
            .fix("telarch account add NAME --ntlm")
            .without_data();
    }
    if !(auth.basic || auth.credssp || (auth.negotiate && with_ntlm > 0)) {
        return Outcome::warn(format!("{seen}: no enabled authentication scheme accepts their passwords"))
            .fix("for Negotiate: telarch account set-password NAME --ntlm")
            .fix("for Basic over HTTPS: winrm set winrm/config/service/auth -set:Basic=true")
            .without_data();
    }
    Outcome::pass(seen).without_data()
}
