//! Where passwords come from.

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

/// Where the password is to be found.
#[derive(Clone, Debug)]
pub enum PasswordSource {
    /// On the command line, where every user of the machine can read it.
    Argument(Secret),
    /// In the first line of a file only its owner can read.
    File(PathBuf),
    /// In the first line of standard input, because `-password:-` said so.
    StandardInput,
    /// In the variable `TELARCH_PASSWORD`, else asked for on the terminal.
    Ask,
    /// Wherever it is, it is got once and then known to all clones.
    Once(Arc<Once>),
}

/// A password that is got when it is needed first.
#[derive(Debug)]
pub struct Once {
    source: PasswordSource,
    found: OnceLock<Option<Secret>>,
}

impl PartialEq for PasswordSource {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Argument(ours), Self::Argument(theirs)) => ours.matches(theirs),
            (Self::File(ours), Self::File(theirs)) => ours == theirs,
            (Self::StandardInput, Self::StandardInput) | (Self::Ask, Self::Ask) => true,
            (Self::Once(ours), Self::Once(theirs)) => Arc::ptr_eq(ours, theirs),
            _ => false,
        }
    }
}

impl Eq for PasswordSource {}

/// The variable that holds a password.
pub const PASSWORD_VARIABLE: &str = "TELARCH_PASSWORD";

/// Why there is no password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// The file cannot be read, or another user could read or has chosen it.
    #[error("cannot use the password file: {0}")]
    File(#[from] FileError),
    /// Nothing is in the first line.
    #[error("{origin} holds no password")]
    Empty {
        /// Where it was looked for.
        origin: String,
    },
    /// More than a password can be.
    #[error("{origin} has a first line of more than {MAX_OCTETS} octets")]
    TooLong {
        /// Where it was looked for.
        origin: String,
    },
    /// Octets that are no text.
    #[error("{origin} is not UTF-8")]
    NotText {
        /// Where it was looked for.
        origin: String,
    },
    /// Standard input failed.
    #[error("cannot read the password from standard input: {0}")]
    StandardInput(#[source] io::Error),
    /// There is no one to ask.
    #[error("no password was given, and there is no terminal to ask on: {0}")]
    NoTerminal(#[source] io::Error),
    /// The answer was Ctrl-C or the end of input.
    #[error("no password was typed")]
    Cancelled,
}

impl PasswordError {
    /// What to do, in one line; none if the message says it already.
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
    /// What to tell someone who gives a password in a way that others can see.
    #[must_use]
    pub fn warning(&self) -> Option<&'static str> {
        match self {
            Self::Argument(_) => Some(
                "warning: every user of this machine can read a password on the command line\n  \
                 leave -password away to be asked, or use -passwordfile:FILE",
            ),
            _ => None,
        }
    }

    /// The same, got once for all who ask.
    #[must_use]
    pub fn once(self) -> Self {
        Self::Once(Arc::new(Once { source: self, found: OnceLock::new() }))
    }

    /// Finds the password; `user` and `host` are named when asking.
    ///
    /// # Errors
    /// [`PasswordError`] says why there is none.
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
            Self::Once(once) => {
                if let Some(found) = once.found.get() {
                    // Whoever did not want to answer is not asked again.
                    return found.clone().ok_or(PasswordError::Cancelled);
                }
                let found = once.source.clone().resolve(user, host);
                let kept = once.found.set(found.as_ref().ok().cloned());
                debug_assert!(kept.is_ok(), "two threads ask for one password");
                found
            }
        }
    }
}

/// Longer than any password a service takes (Windows: 127 characters; this leaves room for keys).
const MAX_OCTETS: usize = 4096;

/// Asks on the terminal of this process, wherever its standard streams go.
///
/// # Errors
/// When there is none, or nothing is typed.
pub fn ask(user: &str, host: &str) -> Result<Secret, PasswordError> {
    let terminal = File::options().read(true).write(true).open("/dev/tty");
    let terminal = terminal.map_err(PasswordError::NoTerminal)?;
    ask_on(&terminal, &format!("Password for {} on {}: ", harmless(user), harmless(host)))
}

fn read_file(path: &Path) -> Result<Secret, PasswordError> {
    let missing =
        || FileError::Disk { action: "read", path: path.to_owned(), source: io::ErrorKind::NotFound.into() };
    let failed =
        |cause| PasswordError::File(FileError::Disk { action: "read", path: path.to_owned(), source: cause });
    let file = TrustedFile::private(path).open()?.ok_or_else(missing)?;
    first_line(file, &format!("the password file {}", path.display()), failed)
}

/// The first line without its end; the rest is not looked at.
fn first_line(
    mut input: impl Read,
    origin: &str,
    failed: impl Fn(io::Error) -> PasswordError,
) -> Result<Secret, PasswordError> {
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_OCTETS));
    let mut octet = [0];
    loop {
        match input.read(&mut octet) {
            Ok(0) => break,
            Ok(_) if octet == *b"\n" => break,
            Ok(_) if line.len() == MAX_OCTETS => {
                return Err(PasswordError::TooLong { origin: origin.to_owned() });
            }
            Ok(_) => line.extend(octet),
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
    fn only_the_first_line_counts_and_its_end_does_not() {
        for input in ["secret", "secret\n", "secret\r\n", "secret\nmore\n"] {
            assert_eq!(line(input.as_bytes()).expect("a line").expose(), "secret", "of {input:?}");
        }
        assert_eq!(line(b" two words \n").expect("a line").expose(), " two words ");
    }

    #[test]
    fn what_cannot_be_a_password_is_refused() {
        assert!(matches!(line(b""), Err(PasswordError::Empty { .. })));
        assert!(matches!(line(b"\nsecond"), Err(PasswordError::Empty { .. })));
        assert!(matches!(line(b"\xFF\n"), Err(PasswordError::NotText { .. })));
        assert!(line(&[b'x'; MAX_OCTETS]).is_ok());
        assert!(matches!(line(&[b'x'; MAX_OCTETS + 1]), Err(PasswordError::TooLong { .. })));
    }

    #[test]
    fn a_secret_is_not_printed() {
        let source = PasswordSource::Argument(Secret::new("hunter2".to_owned()));
        assert!(!format!("{source:?}").contains("hunter2"));
    }
}
