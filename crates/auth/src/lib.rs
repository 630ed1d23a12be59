//! Who asks, and how that was proven.
//!
//! [`Scheme`] names all that the service may offer. An [`Identity`] can only be made here, from a verdict of a
//! [`PasswordVerifier`] or of [`LocalUsers`]: code that needs one cannot be reached without it.
//!
//! * [`basic`] and [`digest`] prove a password; [`certificate_mapping`] finds whose a client certificate is.
//! * [`Acceptor`] and [`Initiator`] are the two ends of a mechanism that goes on to protect messages, and
//!   [`sealed_body`] lays these messages out as HTTP bodies.
//! * [`choice`] is what a client tries; [`UserName`] and [`ServicePrincipalName`] are the names it needs for that.
//! * [`account_file`] is the file of accounts; [`oracle`] holds what must be true of any input.
//!
//! Nothing here reads a socket, a file or a clock; where accounts are kept is the verifier's business.

pub mod account_file;
mod accounts;
pub mod basic;
pub mod certificate_mapping;
pub mod choice;
mod context;
pub mod digest;
mod identity;
pub mod oracle;
mod scheme;
pub mod sealed_body;
mod secret;
mod spn;
mod user_name;

pub use accounts::{AccountList, AccountListError};
pub use context::{
    Accepted, Acceptor, Initiated, Initiator, MechListMic, Mutual, SealError, SecurityContext, Step,
};
pub use identity::{Account, AuthError, Identity, LocalUsers, PasswordVerifier, VerifierCost};
pub use scheme::Scheme;
pub use secret::Secret;
pub use spn::{ServiceClass, ServicePrincipalName, SpnError};
pub use user_name::{UserName, UserNameError, Whose};
