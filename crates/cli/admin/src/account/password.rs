//! Input of a new password, from the terminal or from standard input.

use std::fs::File;

use auth::Secret;
use auth::account_file::NewPassword;
use cli::secret::{PasswordError, PasswordSource, ask_on};

use cli_command::Failure;

/// The source of a new password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PasswordInput {
    /// A prompt on the terminal.
    Terminal,
    /// The first line of standard input.
    StandardInput,
}

impl PasswordInput {
    /// Reads a password for an account. On a terminal it is typed twice, without echo.
    pub(super) fn read(self, name: &str) -> Result<NewPassword, Failure> {
        match self {
            Self::StandardInput => {
                let secret = PasswordSource::StandardInput.resolve(name, "this machine");
                checked(secret.map_err(input_failure)?)
            }
            Self::Terminal => {
                let terminal = File::options().read(true).write(true).open("/dev/tty");
                let terminal = terminal.map_err(|error| input_failure(PasswordError::NoTerminal(error)))?;
                let prompt = format!("New password for {name}: ");
                let first = ask_on(&terminal, &prompt).map_err(input_failure)?;
                // An invalid password is reported before it is typed again.
                let password = checked(first.clone())?;
                let second = ask_on(&terminal, "Repeat the password: ").map_err(input_failure)?;
                if first.matches(&second) {
                    Ok(password)
                } else {
                    Err(Failure::Failed("the two passwords differ; nothing was changed".to_owned()))
                }
            }
        }
    }
}

fn checked(secret: Secret) -> Result<NewPassword, Failure> {
    NewPassword::new(secret).map_err(|error| Failure::Failed(error.to_string()))
}

fn input_failure(error: PasswordError) -> Failure {
    match error {
        PasswordError::NoTerminal(error) => Failure::failed(
            format!("cannot prompt for the password: no terminal: {error}"),
            "use --password-stdin",
        ),
        other => Failure::Failed(other.to_string()),
    }
}
