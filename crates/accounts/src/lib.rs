//! Sign-in to this machine: verification of accounts, lock-out and SIDs.
//!
//! Used by the service and by `telarch account`:
//!
//! - [`FileAccounts`] verifies passwords against the service's own account file; [`read`] and [`update`] are for
//!   programs that manage that file. [`FileNtlm`] verifies NTLM against it, with NT hashes sealed by the [`HostKey`].
//! - [`Pam`] verifies passwords with PAM, and [`Winbind`] verifies NTLM with Samba.
//! - [`AnyOf`] combines several password verifiers, and [`Lockout`] limits password guessing.
//! - [`SignIn`] builds every authentication scheme of a service from these verifiers.
//! - [`ClientCertificateFile`] stores the mappings of client certificates to accounts, with passwords sealed by the
//!   [`HostKey`].
//! - [`SignInSources`] reads from the files of a service which schemes its users can use.
//! - [`LocalPrincipals`] maps account names to SIDs under the [`MachineSid`].
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
//! Nothing here is asynchronous. Verifiers block, some of them for seconds, and report that as
//! [`VerifierCost::Slow`](auth::VerifierCost::Slow).
//!
//! Out of scope: users that only a name service other than `/etc/passwd` provides (NSS), and changing passwords through
//! PAM.

mod any_ntlm;
mod any_of;
mod availability;
mod client_certificates;
mod directory_groups;
mod file;
mod holder;
mod kerberos_accounts;
mod lockout;
mod machine_sid;
mod pam;
mod principals;
mod sign_in;
mod unix;
mod verdict_queue;
mod winbind;

pub use account_store::{
    AccountsError, FileVersion, HostKey, IfMissing, LinuxUser, LinuxUsers, NtHashState, PrivateFile,
    machine_numbers, random, read, update,
};
pub use any_ntlm::AnyNtlm;
pub use any_of::{AccountSource, AnyOf};
pub use availability::{PAM_SERVICE, SignInSources};
pub use client_certificates::ClientCertificateFile;
pub use directory_groups::directory_groups;
pub use file::{FileAccounts, FileNtlm};
pub use holder::{CertificateHolder, ClientCertificate, HolderLimits, MappedAccounts, SpentProofs};
pub use kerberos_accounts::ListedAccounts;
pub use lockout::{Attempts, Lockout, LockoutPolicy};
pub use machine_sid::MachineSid;
pub use pam::{Pam, PamError};
pub use principals::{LocalLogon, LocalPrincipals, LocalRole, LocalUser, ServiceScope};
pub use sign_in::SignIn;
pub use unix::{UnixUser, UnixUsers};
pub use winbind::{Winbind, WinbindScope};
