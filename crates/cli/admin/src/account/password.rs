//! A new password, from a terminal or from standard input.

use std::fs::File;

use auth::Secret;
use auth::account_file::NewPassword;
use cli::secret::{PasswordError, PasswordSource, ask_on};

use super::arguments::PasswordFrom;
use cli_command::Failure;

/// Gets a password for an account; on a terminal it is typed twice and not shown.
pub(super) fn ask(name: &str, from: PasswordFrom) -> Result<NewPassword, Failure> {
    match from {
        PasswordFrom::StandardInput => {
            let secret = PasswordSource::StandardInput.resolve(name, "this machine").map_err(unread)?;
            fitting(secret)
        }
        PasswordFrom::Terminal => {
            let terminal = File::options().read(true).write(true).open("/dev/tty");
            let terminal = terminal.map_err(|error| unread(PasswordError::NoTerminal(error)))?;
            let first = ask_on(&terminal, &format!("New password for {name}: ")).map_err(unread)?;
            // Told before it is typed again.
            let password = fitting(first.clone())?;
            let second = ask_on(&terminal, "The same again: ").map_err(unread)?;
            if first.matches(&second) {
                Ok(password)
            } else {
                Err(Failure::Failed("the two passwords differ: nothing was changed".to_owned()))
            }
        }
    }
}

fn fitting(secret: Secret) -> Result<NewPassword, Failure> {
    NewPassword::new(secret).map_err(|error| Failure::Failed(error.to_string()))
}

fn unread(error: PasswordError) -> Failure {
    match error {
        PasswordError::NoTerminal(error) => Failure::failed(
            format!("there is no terminal to ask for the password on: {error}"),
            "use --password-stdin",
        ),
        other => Failure::Failed(other.to_string()),
    }
}
