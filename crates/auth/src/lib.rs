//! Who asks, and how that was proven.
//!
//! [`basic`] is the one scheme so far; [`Scheme`] names all that the service may offer.
//! An [`Identity`] can only be made here, from a verdict of a [`PasswordVerifier`] or of
//! [`LocalUsers`]: code that needs one cannot be reached without it.
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
