//! Files with accounts and secrets, for the service, for `telarch account` and for the PAM module.
//!
//! - [`read`] and [`update`] read and change the account file ([`auth::account_file`]).
//! - [`HostKey`] seals NT hashes and other secrets.
//! - [`LinuxUsers`] finds the password entries of the users of this machine, and [`LinuxNtHashes`] stores the NT hashes
//!   of their passwords in the account file.
//! - [`PrivateFile`] is a text file that only its owner may read.
//!
//! ```
//! use auth::account_file::AccountName;
//! use telarch_account_store::{AccountsError, IfMissing, read, update};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let path = folder.path().join("accounts");
//! update(&path, IfMissing::Create, |_| Ok::<(), AccountsError>(()))?;
//! assert!(read(&path)?.find("alice").is_none());
//! # Ok(())
//! # }
//! ```
//!
//! Nothing here is asynchronous, starts threads or logs, so that the crate can be part of a PAM module.

mod disk;
mod error;
mod host_key;
mod linux_nt_hashes;
mod linux_users;
mod machine_sid;
mod private_file;
mod random;
mod state_file;

pub use self::random::{machine_numbers, random};
pub use disk::{
    IfMissing, LockLimit, Stamp, read, read_with_stamp, text_with_stamp, update, update_text, update_within,
};
pub use error::AccountsError;
pub use host_key::HostKey;
pub use linux_nt_hashes::{LinuxNtHashes, NotStored, Stored};
pub use linux_users::{LinuxUser, LinuxUsers, NtHashState};
pub use machine_sid::MachineSid;
pub use private_file::{FileVersion, PrivateFile};

/// Returns open flags for a path that may be a FIFO or a device: `open` then does not block, and the
/// caller checks the file type.
fn nonblocking_flags() -> i32 {
    use rustix::fs::OFlags;
    (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed()
}
