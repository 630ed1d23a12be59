//! Why accounts cannot be read or kept.

use std::io;
use std::path::PathBuf;

use auth::account_file::AccountFileError;
use auth::certificate_mapping::MappingError;

/// Why a file of this crate cannot be used: which, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountsError {
    /// There is no file of accounts.
    #[error("there are no accounts in {}: the file does not exist\n  telarch account add NAME makes it", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Disk {
        /// What was to be done.
        action: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Something else than a file has the name.
    #[error("{} is not a file", path.display())]
    NotAFile {
        /// What it is called.
        path: PathBuf,
    },
    /// Others than the owner can read or change it.
    #[error("{path} has mode {mode:04o}: others can read or change it\n  look at what is in it, then: chmod 600 {path}", path = path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Others than the owner can change it.
    #[error("{path} has mode {mode:04o}: others can change it\n  look at what is in it, then: chmod go-w {path}", path = path.display())]
    Writable {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Someone else could change it.
    #[error("{path} belongs to user {owner}: only its owner or root may decide who signs in\n  as root, look at what is in it, then: chown root {path}", path = path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The number of its owner.
        owner: u32,
    },
    /// More than a file of its kind can hold.
    #[error("{} is larger than {most} octets", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// How many octets it may have.
        most: usize,
    },
    /// A file of accounts that is not one.
    #[error("{}, {source}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The line and what is wrong with it.
        source: AccountFileError,
    },
    /// The file with the machine's SID holds something else.
    #[error("{path} does not hold one SID such as S-1-5-21-1-2-3\n  without the file a new SID is made, and rights given to SIDs of the old one are lost", path = path.display())]
    MachineSid {
        /// The file.
        path: PathBuf,
    },
    /// The file with the key of the machine holds something else.
    #[error("{path} does not hold a key of 32 octets\n  remove it to have another made; accounts that sign in with NTLM and certificate mappings then need their passwords set anew", path = path.display())]
    HostKey {
        /// The file.
        path: PathBuf,
    },
    /// AES-256-GCM gave up, which only a lack of memory explains.
    #[error("the host key does not seal")]
    Sealing,
    /// A file of certificate mappings that is not one.
    #[error("{}, line {line}: {reason}", path.display())]
    Mapping {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// Mappings that cannot be together in one file.
    #[error("{}: {source}", path.display())]
    Mappings {
        /// The file.
        path: PathBuf,
        /// What is wrong with them.
        source: MappingError,
    },
    /// The kernel provides no random bytes.
    #[error(transparent)]
    Randomness(#[from] random::RandomError),
}
