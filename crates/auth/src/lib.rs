//! Who asks, and how that was proven.
//!
//! [`basic`] is the one scheme so far; [`Scheme`] names all that the service may offer.
//! An [`Identity`] can only be made here, from a verdict of a [`PasswordVerifier`]: code that needs one
//! cannot be reached without it.
//!
//! Nothing here reads a socket, a file or a clock; where accounts are kept is the verifier's business.

mod accounts;
pub mod basic;
mod identity;
pub mod oracle;
mod scheme;
mod secret;

pub use accounts::{AccountList, AccountListError};
pub use identity::{Account, AuthError, Identity, PasswordVerifier, VerifierCost};
pub use scheme::Scheme;
pub use secret::Secret;
