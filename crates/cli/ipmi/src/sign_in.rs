//! Passwords and keys from files, the environment or the terminal, but never from the command line.

use std::path::{Path, PathBuf};

use auth::Secret;
use cli::secret::{PasswordError, PasswordSource};
use ipmi::proto::{GroupKey, Login, Password, Privilege};
use zeroize::Zeroizing;

use super::targets::Targets;
use cli_command::Failure;

/// Returns the credentials for the controllers, with the privilege level of the command line, or else `required`.
pub(super) fn login(targets: &Targets, required: Privilege) -> Result<Login, Failure> {
    let level = targets.level.unwrap_or(required);
    if targets.hosts.iter().all(|host| host.is_local() || host.stored_login().is_some()) {
        // Stored passwords are not prompted for, and the driver of the local controller needs none.
        let empty = Password::new(&[]).map_err(|error| Failure::Failed(error.to_string()))?;
        return Ok(Login::new(targets.user.clone(), empty).privilege(level));
    }
    let user = if targets.user_name.is_empty() { "the anonymous user" } else { &targets.user_name };
    let hosts = host_names(targets);
    let password = password(targets.password_file.as_deref(), user, &hosts)?;
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
        login = login.group_key(group_key(&read_file(path, user, &hosts)?)?);
    }
    Ok(login)
}

/// Reads a password from a file, or else from the environment variable, or else from the terminal.
pub(super) fn password(file: Option<&Path>, user: &str, host: &str) -> Result<Secret, Failure> {
    if let Some(path) = file {
        return read_file(path, user, host);
    }
    match std::env::var(VARIABLE) {
        Ok(text) => Ok(Secret::new(text)),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(Failure::Failed(format!("the environment variable {VARIABLE} is not UTF-8")))
        }
        Err(std::env::VarError::NotPresent) => cli::secret::ask(user, host).map_err(secret_failure),
    }
}

/// Reads the first line of a file that only its owner can read.
pub(super) fn read_file(path: &Path, user: &str, host: &str) -> Result<Secret, Failure> {
    PasswordSource::File(path.to_owned()).resolve(user, host).map_err(secret_failure)
}

/// Reads a password to set or to compare for a user of the controllers.
pub(super) fn user_password(
    user: &str,
    targets: &Targets,
    file: Option<PathBuf>,
) -> Result<Password, Failure> {
    let password = new_secret(user, targets, file, "--new-password-file")?;
    Password::new(password.expose().as_bytes()).map_err(|error| Failure::Failed(error.to_string()))
}

/// Reads the new key (K_g) of the controllers.
pub(super) fn new_group_key(targets: &Targets, file: Option<PathBuf>) -> Result<GroupKey, Failure> {
    group_key(&new_secret("the new K_g", targets, file, "--new-kg-file")?)
}

fn group_key(secret: &Secret) -> Result<GroupKey, Failure> {
    GroupKey::new(&group_key_bytes(secret)?).map_err(|error| Failure::Failed(error.to_string()))
}

/// Returns the bytes of a key (K_g): those of its text or, after `0x`, of pairs of hexadecimal digits.
pub(super) fn group_key_bytes(secret: &Secret) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let text = secret.expose();
    let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) else {
        return Ok(Zeroizing::new(text.as_bytes().to_vec()));
    };
    let bytes: Option<Vec<u8>> = digits.as_bytes().chunks(2).map(hex_byte).collect();
    bytes.map(Zeroizing::new).ok_or_else(|| {
        Failure::failed(
            "invalid key K_g: it begins with 0x, but is not followed by pairs of hexadecimal digits",
            "a key given as text must not begin with 0x",
        )
    })
}

fn hex_byte(pair: &[u8]) -> Option<u8> {
    let [high, low] = pair else { return None };
    let digits = char::from(*high).to_digit(16)? * 16 + char::from(*low).to_digit(16)?;
    u8::try_from(digits).ok()
}

fn new_secret(user: &str, targets: &Targets, file: Option<PathBuf>, option: &str) -> Result<Secret, Failure> {
    let hosts = host_names(targets);
    let secret = match file {
        Some(path) => PasswordSource::File(path).resolve(user, &hosts),
        None => cli::secret::ask(user, &hosts),
    };
    secret.map_err(|error| match error {
        PasswordError::NoTerminal(error) => Failure::failed(
            format!("cannot prompt for the new secret: no terminal: {error}"),
            &format!("use {option}"),
        ),
        other => secret_failure(other),
    })
}

/// Returns the name of the controller, or the number of controllers, for prompts.
fn host_names(targets: &Targets) -> String {
    match targets.hosts.as_slice() {
        [host] => host.to_string(),
        hosts => format!("{} controllers", hosts.len()),
    }
}

/// Environment variable with the password of controllers; TELARCH_PASSWORD is for machines.
const VARIABLE: &str = "TELARCH_IPMI_PASSWORD";

fn secret_failure(error: PasswordError) -> Failure {
    match error {
        PasswordError::NoTerminal(error) => Failure::failed(
            format!("cannot prompt for the password: no terminal: {error}"),
            &format!("use --password-file, or the environment variable {VARIABLE}"),
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
    fn a_key_is_text_or_hexadecimal_digits_after_0x() {
        let bytes = |text: &str| {
            group_key_bytes(&Secret::new(text.to_owned()))
                .map(|bytes| bytes.to_vec())
                .map_err(|error| error.to_string())
        };
        assert_eq!(bytes("key"), Ok(b"key".to_vec()));
        assert_eq!(bytes("0x00ffA5"), Ok(vec![0, 255, 0xa5]));
        assert_eq!(bytes("0x"), Ok(Vec::new()));
        for wrong in ["0x123", "0x+1", "0xkey!", "0x\u{e9}"] {
            assert!(bytes(wrong).is_err_and(|error| error.contains("begins with 0x")), "{wrong}");
        }
    }
}
