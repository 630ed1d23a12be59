//! The error of this crate.

use std::io;
use std::path::PathBuf;

use accounts::AccountsError;
use auth::account_file::{ChangeError, FieldError, PasswordRuleError};
use random::RandomError;

use crate::SettingsError;

/// Failure of an operation of the management service.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManagementError {
    /// A file could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Disk {
        /// The failed operation: `read` or `write`.
        action: &'static str,
        /// Path of the file.
        path: PathBuf,
        /// The error of the system call.
        source: io::Error,
    },
    /// A file of the service has invalid content.
    #[error("{}: {problem}", path.display())]
    Content {
        /// Path of the file.
        path: PathBuf,
        /// The invalid part.
        problem: String,
    },
    /// A setting is invalid.
    #[error("{0}")]
    Settings(#[from] SettingsError),
    /// The file of the manager users cannot be used.
    #[error("{0}")]
    Accounts(#[from] AccountsError),
    /// A change of the manager users was rejected.
    #[error("{0}")]
    Change(#[from] ChangeError),
    /// The name of a manager user is invalid.
    #[error("{0}")]
    Name(#[from] FieldError),
    /// A password is empty or too long.
    #[error("{0}")]
    Password(#[from] PasswordRuleError),
    /// The kernel provides no random bytes.
    #[error("{0}")]
    Random(#[from] RandomError),
    /// The object does not exist.
    #[error("{kind} not found: {name}")]
    NotFound {
        /// Kind of object, such as `API key`.
        kind: &'static str,
        /// Requested name.
        name: String,
    },
    /// A value is not allowed.
    #[error("{0}")]
    Invalid(String),
    /// No more objects of this kind may exist.
    #[error("too many {kind}: the limit is {limit}")]
    TooMany {
        /// Kind of object, such as `API keys`.
        kind: &'static str,
        /// Maximum number.
        limit: usize,
    },
}
