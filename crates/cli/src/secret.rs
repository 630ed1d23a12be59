//! Sources of passwords.

mod terminal;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use files::{FileError, TrustedFile};
use zeroize::Zeroizing;

use crate::format::harmless;

pub use auth::Secret;
pub use terminal::ask_on;

/// Source of a password.
#[derive(Clone, Debug)]
pub enum PasswordSource {
    /// The command line, where every user of the machine can read it.
    Argument(Secret),
    /// The first line of a file that only its owner can read.
    File(PathBuf),
    /// The first line of standard input (`-password:-`).
    StandardInput,
    /// The variable `TELARCH_PASSWORD`, or a prompt on the terminal if it is not set.
    Ask,
    /// Another source that is read once and shared by all clones.
    Cached(Arc<CachedPassword>),
}

/// A password that is read when it is first needed.
#[derive(Debug)]
pub struct CachedPassword {
    source: PasswordSource,
    /// Empty until the source was read; `None` if reading it failed.
    password: OnceLock<Option<Secret>>,
}

impl PartialEq for PasswordSource {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Argument(ours), Self::Argument(theirs)) => ours.matches(theirs),
            (Self::File(ours), Self::File(theirs)) => ours == theirs,
            (Self::StandardInput, Self::StandardInput) | (Self::Ask, Self::Ask) => true,
            (Self::Cached(ours), Self::Cached(theirs)) => Arc::ptr_eq(ours, theirs),
            _ => false,
        }
    }
}

impl Eq for PasswordSource {}

/// Environment variable that contains a password.
pub const PASSWORD_VARIABLE: &str = "TELARCH_PASSWORD";

/// Reason why a password cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// The file cannot be read, or it is accessible to or controlled by another user.
    #[error("cannot use the password file: {0}")]
    File(#[from] FileError),
    /// The first line is empty.
    #[error("no password in the first line of {origin}")]
    Empty {
        /// Source of the password, for messages.
        origin: String,
    },
    /// The first line is longer than `MAX_BYTES`.
    #[error("the first line of {origin} is longer than {MAX_BYTES} bytes")]
    TooLong {
        /// Source of the password, for messages.
        origin: String,
    },
    /// The first line is not UTF-8.
    #[error("the first line of {origin} is not UTF-8")]
    NotText {
        /// Source of the password, for messages.
        origin: String,
    },
    /// Standard input cannot be read.
    #[error("cannot read the password from standard input: {0}")]
    StandardInput(#[source] io::Error),
    /// No terminal is available for the prompt.
    #[error("no password was given, and no terminal is available for a prompt: {0}")]
    NoTerminal(#[source] io::Error),
    /// The prompt was answered with Ctrl-C, Ctrl-D or an empty line.
    #[error("no password was entered")]
    Cancelled,
}

impl PasswordError {
    /// Returns the suggested correction in one line, or `None` if the message is sufficient.
    #[must_use]
    pub fn way_out(&self) -> Option<String> {
        match self {
            Self::File(error) => error.advice(),
            Self::NoTerminal(_) => Some(format!(
                "use -passwordfile:FILE, the variable {PASSWORD_VARIABLE}, or -password:- for standard input"
            )),
            _ => None,
        }
    }
}

impl PasswordSource {
    /// Returns a warning if other users can see the password.
    #[must_use]
    pub fn warning(&self) -> Option<&'static str> {
        match self {
            Self::Argument(_) => Some(
                "warning: every user of this machine can read a password on the command line\n  \
                 omit -password for a prompt, or use -passwordfile:FILE",
            ),
            _ => None,
        }
    }

    /// Returns a source that reads this source once and shares the result with all clones.
    #[must_use]
    pub fn cached(self) -> Self {
        Self::Cached(Arc::new(CachedPassword { source: self, password: OnceLock::new() }))
    }

    /// Reads the password. A prompt names `user` and `host`.
    ///
    /// # Errors
    /// [`PasswordError`] if the source cannot be read or contains no valid password.
    pub fn resolve(self, user: &str, host: &str) -> Result<Secret, PasswordError> {
        match self {
            Self::Argument(secret) => Ok(secret),
            Self::File(path) => read_file(&path),
            Self::StandardInput => {
                let input = io::stdin().lock();
                first_line(input, "standard input", PasswordError::StandardInput)
            }
            Self::Ask => match std::env::var(PASSWORD_VARIABLE) {
                Ok(text) if !text.is_empty() => Ok(Secret::new(text)),
                Err(std::env::VarError::NotUnicode(_)) => {
                    Err(PasswordError::NotText { origin: format!("the variable {PASSWORD_VARIABLE}") })
                }
                _ => ask(user, host),
            },
            Self::Cached(cache) => {
                if let Some(password) = cache.password.get() {
                    // Do not prompt again after a cancelled prompt.
                    return password.clone().ok_or(PasswordError::Cancelled);
                }
                let password = cache.source.clone().resolve(user, host);
                let stored = cache.password.set(password.as_ref().ok().cloned());
                debug_assert!(stored.is_ok(), "two threads read the same password");
                password
            }
        }
    }
}

/// Maximum length of a password in bytes. Windows allows 127 characters; this leaves room for keys.
const MAX_BYTES: usize = 4096;

/// Prompts for a password on the controlling terminal, even if the standard streams are redirected.
///
/// # Errors
/// If there is no terminal, or no password is entered.
pub fn ask(user: &str, host: &str) -> Result<Secret, PasswordError> {
    let terminal = File::options().read(true).write(true).open("/dev/tty");
    let terminal = terminal.map_err(PasswordError::NoTerminal)?;
    ask_on(&terminal, &format!("Password for {} on {}: ", harmless(user), harmless(host)))
}

fn read_file(path: &Path) -> Result<Secret, PasswordError> {
    let file = TrustedFile::private(path).open()?;
    let file = file.ok_or_else(|| unreadable(path, io::ErrorKind::NotFound.into()))?;
    let origin = format!("the password file {}", path.display());
    first_line(file, &origin, |error| PasswordError::File(unreadable(path, error)))
}

fn unreadable(path: &Path, source: io::Error) -> FileError {
    FileError::Disk { action: "read", path: path.to_owned(), source }
}

/// Reads the first line, without its line ending; the remaining input is not read.
fn first_line(
    mut input: impl Read,
    origin: &str,
    failed: impl Fn(io::Error) -> PasswordError,
) -> Result<Secret, PasswordError> {
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_BYTES));
    let mut byte = [0];
    loop {
        match input.read(&mut byte) {
            Ok(0) => break,
            Ok(_) if byte == *b"\n" => break,
            Ok(_) if line.len() == MAX_BYTES => {
                return Err(PasswordError::TooLong { origin: origin.to_owned() });
            }
            Ok(_) => line.extend(byte),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    if line.is_empty() {
        return Err(PasswordError::Empty { origin: origin.to_owned() });
    }
    match std::str::from_utf8(&line) {
        Ok(text) => Ok(Secret::new(text.to_owned())),
        Err(_) => Err(PasswordError::NotText { origin: origin.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(input: &[u8]) -> Result<Secret, PasswordError> {
        first_line(input, "the test", PasswordError::StandardInput)
    }

    #[test]
    fn the_password_is_the_first_line_without_its_ending() {
        for input in ["secret", "secret\n", "secret\r\n", "secret\nmore\n"] {
            assert_eq!(line(input.as_bytes()).expect("a line").expose(), "secret", "of {input:?}");
        }
        assert_eq!(line(b" two words \n").expect("a line").expose(), " two words ");
    }

    #[test]
    fn an_invalid_first_line_is_rejected() {
        assert!(matches!(line(b""), Err(PasswordError::Empty { .. })));
        assert!(matches!(line(b"\nsecond"), Err(PasswordError::Empty { .. })));
        assert!(matches!(line(b"\xFF\n"), Err(PasswordError::NotText { .. })));
        assert!(line(&[b'x'; MAX_BYTES]).is_ok());
        assert!(matches!(line(&[b'x'; MAX_BYTES + 1]), Err(PasswordError::TooLong { .. })));
    }

    #[test]
    fn a_secret_is_not_printed() {
        let source = PasswordSource::Argument(Secret::new("hunter2".to_owned()));
        assert!(!format!("{source:?}").contains("hunter2"));
    }
}
