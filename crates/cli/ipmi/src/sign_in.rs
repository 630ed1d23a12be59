//! The password and the keys for signing in, from files, the environment, or the terminal; never from arguments.

use std::path::{Path, PathBuf};

use auth::Secret;
use cli::secret::{PasswordError, PasswordSource};
use ipmi::proto::{GroupKey, Login, Password, Privilege};
use zeroize::Zeroizing;

use super::arguments::Targets;
use cli_command::Failure;

/// Who signs in, with the password from wherever it is.
pub(super) fn login(targets: &Targets, needed: Privilege) -> Result<Login, Failure> {
    let level = targets.level.unwrap_or(needed);
    if targets.hosts.iter().all(|host| host.is_local() || host.stored_login().is_some()) {
        // Nobody is asked for a password that is kept; and whoever may use the driver needs none.
        let nothing = Password::new(&[]).map_err(|error| Failure::Failed(error.to_string()))?;
        return Ok(Login::new(targets.user.clone(), nothing).privilege(level));
    }
    let whose = if targets.user_name.is_empty() { "the anonymous user" } else { &targets.user_name };
    let of = of_whom(targets);
    let password = password(targets.password_file.as_deref(), whose, &of)?;
    let password =
        Password::new(password.expose().as_bytes()).map_err(|error| Failure::Failed(error.to_string()))?;
    let mut login = Login::new(targets.user.clone(), password).privilege(level);
    if let Some(suite) = targets.suite {
        login = login.suite(suite);
    }
    if let Some(kind) = targets.ipmi15 {
        login = login.lan15(kind).map_err(|error| Failure::Failed(error.to_string()))?;
    }
    if let Some(path) = &targets.group_key_file {
        login = login.group_key(group_key(&read_file(path, whose, &of)?)?);
    }
    Ok(login)
}

/// A password from a file, or else from the variable, or else from the terminal.
pub(super) fn password(file: Option<&Path>, whose: &str, of: &str) -> Result<Secret, Failure> {
    if let Some(path) = file {
        return read_file(path, whose, of);
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
pub(super) fn read_file(path: &Path, whose: &str, of: &str) -> Result<Secret, Failure> {
    PasswordSource::File(path.to_owned()).resolve(whose, of).map_err(unread)
}

/// The password that a user of the controllers is to have, or is to be compared with.
pub(super) fn password_of(
    whose: &str,
    targets: &Targets,
    file: Option<PathBuf>,
) -> Result<Password, Failure> {
    let password = new_secret(whose, targets, file, "--new-password-file")?;
    Password::new(password.expose().as_bytes()).map_err(|error| Failure::Failed(error.to_string()))
}

/// The key that the controllers are to have.
pub(super) fn group_key_of(targets: &Targets, file: Option<PathBuf>) -> Result<GroupKey, Failure> {
    group_key(&new_secret("the new K_g", targets, file, "--new-kg-file")?)
}

fn group_key(secret: &Secret) -> Result<GroupKey, Failure> {
    GroupKey::new(&group_key_bytes(secret)?).map_err(|error| Failure::Failed(error.to_string()))
}

/// The octets of a key (K_g): those of its text or, behind `0x`, two digits for each, as many controllers show it.
pub(super) fn group_key_bytes(secret: &Secret) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let text = secret.expose();
    let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) else {
        return Ok(Zeroizing::new(text.as_bytes().to_vec()));
    };
    let digit = |sign: &u8| char::from(*sign).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let octet = |pair: &[u8]| match pair {
        [high, low] => Some(digit(high)? * 16 + digit(low)?),
        _ => None,
    };
    let octets: Option<Vec<u8>> = digits.as_bytes().chunks(2).map(octet).collect();
    octets.map(Zeroizing::new).ok_or_else(|| {
        Failure::failed(
            "the key K_g begins with 0x, but not all behind it are pairs of the digits 0 to 9 and a to f",
            "a key that is text begins otherwise",
        )
    })
}

fn new_secret(
    whose: &str,
    targets: &Targets,
    file: Option<PathBuf>,
    option: &str,
) -> Result<Secret, Failure> {
    let of = of_whom(targets);
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

fn of_whom(targets: &Targets) -> String {
    match targets.hosts.as_slice() {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_text_or_digits_behind_0x() {
        let octets = |text: &str| {
            group_key_bytes(&Secret::new(text.to_owned()))
                .map(|octets| octets.to_vec())
                .map_err(|error| error.to_string())
        };
        assert_eq!(octets("key"), Ok(b"key".to_vec()));
        assert_eq!(octets("0x00ffA5"), Ok(vec![0, 255, 0xa5]));
        assert_eq!(octets("0x"), Ok(Vec::new()));
        for wrong in ["0x123", "0x+1", "0xkey!", "0x\u{e9}"] {
            assert!(octets(wrong).is_err_and(|error| error.contains("begins with 0x")), "{wrong}");
        }
    }
}
