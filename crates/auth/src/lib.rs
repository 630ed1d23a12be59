//! Who asks, and how that was proven.
//!
//! [`basic`] is a whole scheme, [`ntlm`] a mechanism of others; [`Scheme`] names all that the service may offer.
//! An [`Identity`] can only be made here, from a verdict of a [`PasswordVerifier`] or of
//! [`LocalUsers`]: code that needs one cannot be reached without it.
//!
//! Nothing here reads a socket, a file or a clock; where accounts are kept is the verifier's business.

pub mod account_file;
mod accounts;
pub mod basic;
mod channel_binding;
mod context;
mod identity;
pub mod ntlm;
pub mod oracle;
mod scheme;
mod secret;

pub use accounts::{AccountList, AccountListError};
pub use channel_binding::{Binding, ChannelBinding, Hardening, certificate_hash};
pub use context::{
    Accepted, Acceptor, Exported, Initiated, Initiator, MechListMic, Mutual, SealError, SecurityContext, Step,
};
pub use identity::{Account, AuthError, Identity, LocalUsers, PasswordVerifier, VerifierCost};
pub use scheme::Scheme;
pub use secret::Secret;
