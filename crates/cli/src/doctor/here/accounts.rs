//! Who could sign in over the network.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;

use auth::account_file::{AccountFile, EnabledState, Record};
use config::State;

use super::{Place, Whose};
use crate::doctor::finding::Outcome;
use crate::failure::Kind;

pub(super) async fn look(place: &Place, state: &State) -> (Outcome, Option<()>) {
    let path = &place.paths.accounts;
    let auth = &state.config.service.auth;
    let text = fs::metadata(path).and_then(|file| Ok((file, fs::read_to_string(path)?)));
    let (file, text) = match text {
        Ok(read) => read,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return match place.whose {
                Whose::Machine => {
                    Outcome::pass("there is no file of accounts: the users of this machine are known by PAM")
                }
                Whose::Other => Outcome::warn(format!(
                    "nobody can sign in over the network: there is no {}",
                    path.display()
                ))
                .fix("telarch account add NAME --ntlm"),
            }
            .alone();
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Outcome::skip(format!("this user may not read {}: ask root", path.display())).alone();
        }
        Err(error) => return Outcome::fail(Kind::Fault, format!("{}: {error}", path.display())).alone(),
    };
    if file.mode() & 0o077 != 0 {
        let seen =
            format!("{} has mode {:03o}: others can read or change it", path.display(), file.mode() & 0o777);
        return Outcome::fail(Kind::Usage, seen).fix(format!("chmod 600 {}", path.display())).alone();
    }
    let accounts = match AccountFile::parse(&text) {
        Ok(accounts) => accounts,
        Err(error) => {
            let seen = format!("{}, {error}", path.display());
            return Outcome::fail(Kind::Usage, seen).fix("telarch account list names every line").alone();
        }
    };
    let enabled = |record: &&Record| record.state == EnabledState::Enabled;
    let all = accounts.records().count();
    let on = accounts.records().filter(enabled).count();
    let with_ntlm = accounts.records().filter(enabled).filter(|record| record.nt_hash.is_some()).count();
    let seen = format!("accounts: {all}, enabled: {on}, with a hash for NTLM: {with_ntlm}");
    if on == 0 {
        return Outcome::warn(format!("{seen}: nobody of the file can sign in"))
            .fix("telarch account add NAME --ntlm")
            .alone();
    }
    if !(auth.basic || auth.credssp || (auth.negotiate && with_ntlm > 0)) {
        return Outcome::warn(format!("{seen}: no scheme that is on takes their passwords"))
            .fix("telarch account set-password NAME --ntlm, for Negotiate")
            .fix("or winrm set winrm/config/service/auth -set:Basic=true, for HTTPS")
            .alone();
    }
    Outcome::pass(seen).alone()
}
