//! The password and the keys for signing in, from files, the environment, or the terminal; never from arguments.

use std::path::{Path, PathBuf};

use auth::Secret;
use cli::secret::{PasswordError, PasswordSource};
use ipmi::proto::{GroupKey, Login, Password, Privilege};

use super::arguments::Place;
use crate::failure::Failure;

/// Who signs in, with the password from wherever it is.
pub(super) fn login(place: &Place, needed: Privilege) -> Result<Login, Failure> {
    let level = place.level.unwrap_or(needed);
    if place.hosts.iter().all(|host| host.is_local() || host.kept_login().is_some()) {
        // Nobody is asked for a password that is kept; and whoever may use the driver needs none.
        let nothing = Password::new(&[]).map_err(|error| Failure::Failed(error.to_string()))?;
        return Ok(Login::new(place.user.clone(), nothing).privilege(level));
    }
    let whose = if place.user_name.is_empty() { "the anonymous user" } else { &place.user_name };
    let of = of_whom(place);
    let password = password(place.password_file.as_deref(), whose, &of)?;
    let password =
        Password::new(password.expose().as_bytes()).map_err(|error| Failure::Failed(error.to_string()))?;
    let mut login = Login::new(place.user.clone(), password).privilege(level);
    if let Some(suite) = place.suite {
        login = login.suite(suite);
    }
    if let Some(kind) = place.ipmi15 {
        login = login.lan15(kind).map_err(|error| Failure::Failed(error.to_string()))?;
    }
    if let Some(path) = &place.group_key_file {
        let key = in_file(path, whose, &of)?;
        let key =
            GroupKey::new(key.expose().as_bytes()).map_err(|error| Failure::Failed(error.to_string()))?;
        login = login.group_key(key);
    }
    Ok(login)
}

/// A password from a file, or else from the variable, or else from the terminal.
pub(super) fn password(file: Option<&Path>, whose: &str, of: &str) -> Result<Secret, Failure> {
    if let Some(path) = file {
        return in_file(path, whose, of);
    }
    match std::env::var(VARIABLE) {
        Ok(text) => Ok(Secret::new(text)),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(Failure::Failed(format!("the variable {VARIABLE} is not UTF-8")))
        }
        Err(std::env::VarError::NotPresent) => cli::secret::ask(whose, of).map_err(unread),
    }
}

/// The first line of a file that only its owner can read.
pub(super) fn in_file(path: &Path, whose: &str, of: &str) -> Result<Secret, Failure> {
    PasswordSource::File(path.to_owned()).resolve(whose, of).map_err(unread)
}

/// The password that a user of the controllers is to have, or is to be compared with.
pub(super) fn password_of(whose: &str, place: &Place, file: Option<PathBuf>) -> Result<Password, Failure> {
    let password = new_secret(whose, place, file, "--new-password-file")?;
    Password::new(password.expose().as_bytes()).map_err(|error| Failure::Failed(error.to_string()))
}

/// The key that the controllers are to have.
pub(super) fn group_key_of(place: &Place, file: Option<PathBuf>) -> Result<GroupKey, Failure> {
    let key = new_secret("the new K_g", place, file, "--new-kg-file")?;
    GroupKey::new(key.expose().as_bytes()).map_err(|error| Failure::Failed(error.to_string()))
}

fn new_secret(whose: &str, place: &Place, file: Option<PathBuf>, option: &str) -> Result<Secret, Failure> {
    let of = of_whom(place);
    let secret = match file {
        Some(path) => PasswordSource::File(path).resolve(whose, &of),
        None => cli::secret::ask(whose, &of),
    };
    secret.map_err(|error| match error {
        PasswordError::NoTerminal(error) => Failure::failed(
            format!("there is no terminal to ask for it on: {error}"),
            &format!("use {option}"),
        ),
        other => unread(other),
    })
}

fn of_whom(place: &Place) -> String {
    match place.hosts.as_slice() {
        [host] => host.to_string(),
        hosts => format!("{} controllers", hosts.len()),
    }
}

/// The variable that holds the password of controllers, which is not that of machines.
const VARIABLE: &str = "TELARCH_IPMI_PASSWORD";

fn unread(error: PasswordError) -> Failure {
    match error {
        PasswordError::NoTerminal(error) => Failure::failed(
            format!("there is no terminal to ask for the password on: {error}"),
            &format!("use --password-file, or the variable {VARIABLE}"),
        ),
        other => match other.way_out() {
            Some(way_out) => Failure::failed(&other, &way_out),
            None => Failure::Failed(other.to_string()),
        },
    }
}
