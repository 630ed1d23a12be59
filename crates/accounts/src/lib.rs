//! Who may sign in to this machine, and as whom.
//!
//! For the service and for `telarch account`:
//!
//! - [`FileAccounts`] judges passwords by the service's own file of accounts; [`read`] and [`update`] are for
//!   whoever looks after that file. [`FileNtlm`] judges NTLM by it, with NT hashes that the [`HostKey`] seals.
//! - [`Pam`] judges them as the rest of the machine does, and [`Winbind`] has Samba judge NTLM.
//! - [`AnyOf`] asks one after the other, and [`Lockout`] bounds how often anyone may guess.
//! - [`SignIn`] makes of these every scheme that a service offers.
//! - [`ClientCertificateFile`] keeps whose accounts the holders of certificates are, sealed by the [`HostKey`].
//! - [`LocalPrincipals`] says which SIDs a name has, below the [`MachineSid`].
//!
//! ```
//! use std::net::{IpAddr, Ipv4Addr};
//!
//! use auth::account_file::{AccountName, Comment, NewAccount, NewPassword, PasswordHash, UnixTime};
//! use auth::{PasswordVerifier as _, Secret};
//! use telarch_accounts::{AnyOf, Attempts, FileAccounts, IfMissing, Lockout, LockoutPolicy};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("accounts");
//! let secret = Secret::new("correct horse".to_owned());
//! let password = PasswordHash::make(&NewPassword::new(secret.clone())?, telarch_accounts::random()?);
//! telarch_accounts::update(&path, IfMissing::Create, |file| {
//!     let (name, role) = (AccountName::parse("alice")?, file.usual_role());
//!     let (changed, comment) = (UnixTime::new(1_763_719_754), Comment::default());
//!     file.add(NewAccount { name, password, role, changed, comment })?;
//!     Ok::<(), Box<dyn std::error::Error>>(())
//! })?;
//!
//! let file = FileAccounts::open(&path)?;
//! let attempts = std::sync::Arc::new(Attempts::new(LockoutPolicy::default()));
//! let verifier = Lockout::new(AnyOf::new(vec![Box::new(file)]), attempts);
//! let account = verifier.verify("Alice", &secret, IpAddr::V4(Ipv4Addr::LOCALHOST))?;
//! assert_eq!(account.name, "alice");
//! # Ok(())
//! # }
//! ```
//!
//! Nothing here is asynchronous: verifiers block, some for seconds, and say so with
//! [`VerifierCost::Slow`](auth::VerifierCost::Slow).
//!
//! Left out on purpose: users that only the name service knows (NSS beyond `/etc/passwd`), and sessions and
//! passwords changed through PAM.

mod any_ntlm;
mod any_of;
mod client_certificates;
mod error;
mod file;
mod holder;
mod host_key;
mod known;
mod lockout;
mod machine_sid;
pub mod oracle;
mod pam;
mod principals;
mod private_file;
mod random;

mod sign_in;
mod state_file;
mod unix;
mod verdict_queue;
mod winbind;

pub use self::random::{machine_numbers, random};
pub use any_ntlm::AnyNtlm;
pub use any_of::{AccountSource, AnyOf};
pub use client_certificates::ClientCertificateFile;
pub use error::AccountsError;
pub use file::{FileAccounts, FileNtlm, IfMissing, read, update};
pub use holder::{CertificateHolder, Counting, MappedAccounts, SpentProofs};
pub use host_key::HostKey;
pub use known::Listed;
pub use lockout::{Attempts, Lockout, LockoutPolicy};
pub use machine_sid::MachineSid;
pub use pam::{Pam, PamError};
pub use principals::{LocalLogon, LocalPrincipals, LocalRole, LocalUser, Serving};
pub use private_file::{Edition, PrivateFile};
pub use sign_in::SignIn;
pub use unix::{UnixUser, UnixUsers};
pub use winbind::{Winbind, WinbindScope};

/// Opening a FIFO or a device under the name of a file must fail later instead of waiting now.
fn not_waiting() -> i32 {
    use rustix::fs::OFlags;
    (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed()
}
