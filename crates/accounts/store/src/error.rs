//! Errors of account files and of the state directory.

use std::io;
use std::path::PathBuf;

use auth::account_file::AccountFileError;
use auth::certificate_mapping::{MappingChangeError, MappingError};

/// An error in a file of this crate: the file, the cause, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountsError {
    /// The account file does not exist.
    #[error("account file {} does not exist\n  create it with: telarch account add NAME", path.display())]
    Missing {
        /// Expected path of the file.
        path: PathBuf,
    },
    /// An operating system call failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Disk {
        /// Attempted operation, as a verb such as `read`.
        action: &'static str,
        /// File or directory of the operation.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// Another process changes the file for longer than the caller waits.
    #[error("another process is changing {}", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// The path is not a regular file.
    #[error("{} is not a regular file", path.display())]
    NotAFile {
        /// Path of the object.
        path: PathBuf,
    },
    /// Users other than the owner can read or change the file.
    #[error("{path} has mode {mode:04o}: other users can read or change it\n  check its content, then run: chmod 600 {path}", path = path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Permission bits of the file.
        mode: u32,
    },
    /// Users other than the owner can change the file.
    #[error("{path} has mode {mode:04o}: other users can change it\n  check its content, then run: chmod go-w {path}", path = path.display())]
    Writable {
        /// The file.
        path: PathBuf,
        /// Permission bits of the file.
        mode: u32,
    },
    /// The file belongs to a user other than root and the user of this process.
    #[error("{path} belongs to user {owner}, who could change who may sign in\n  check its content, then run as root: chown root {path}", path = path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// UID of the owner.
        owner: u32,
    },
    /// The file exceeds the size limit.
    #[error("{} exceeds the limit of {most} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Maximum size in bytes.
        most: usize,
    },
    /// The account file is malformed.
    #[error("{}, {source}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Line and cause.
        source: AccountFileError,
    },
    /// The file with the machine's SID is malformed.
    #[error("{path} does not contain exactly one SID such as S-1-5-21-1-2-3\n  if you remove it, the SID of the machine is used and access rights granted to SIDs of the old one are lost", path = path.display())]
    MachineSid {
        /// The file.
        path: PathBuf,
    },
    /// The file with the host key is malformed.
    #[error("{path} does not contain a key of 32 bytes\n  if you remove it, a new key is created; then set the passwords of NTLM accounts and certificate mappings again", path = path.display())]
    HostKey {
        /// The file.
        path: PathBuf,
    },
    /// AES-256-GCM encryption failed, which happens only when memory is exhausted.
    #[error("cannot encrypt with the host key")]
    Sealing,
    /// A line of the file of certificate mappings is malformed.
    #[error("{}, line {line}: {reason}", path.display())]
    Mapping {
        /// The file.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// Cause.
        reason: String,
    },
    /// The file contains mappings that conflict with each other, or too many of them.
    #[error("{}: {source}", path.display())]
    Mappings {
        /// The file.
        path: PathBuf,
        /// Cause.
        source: MappingError,
    },
    /// The kernel provides no random bytes.
    #[error(transparent)]
    Randomness(#[from] random::RandomError),
}

/// The error message with its remedy, on one line.
impl From<AccountsError> for MappingChangeError {
    fn from(error: AccountsError) -> Self {
        Self::Failed(error.to_string().replace("\n  ", "; "))
    }
}
