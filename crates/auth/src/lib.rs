//! Who asks, and how that was proven.
//!
//! [`Scheme`] names all that the service may offer. [`basic`] needs one header; the others pass tokens to and fro
//! until both ends are sure of each other, in the shapes of [`Acceptor`] and [`Initiator`]: [`negotiate`] finds out
//! what a client speaks, [`spnego`] agrees on a mechanism such as [`ntlm`], and [`credssp`] proves the TLS connection
//! inside which it hands over a password.
//! An [`Identity`] can only be made here, from a verdict of a [`PasswordVerifier`] or of
//! [`LocalUsers`]: code that needs one cannot be reached without it.
//!
//! Nothing here reads a socket, a file or a clock; where accounts are kept is the verifier's business.

pub mod account_file;
mod accounts;
pub mod basic;
mod channel_binding;
mod context;
pub mod credssp;
mod der;
mod identity;
pub mod negotiate;
pub mod ntlm;
mod oid;
pub mod oracle;
mod scheme;
mod secret;
pub mod spnego;

pub use accounts::{AccountList, AccountListError};
pub use channel_binding::{Binding, ChannelBinding, Hardening, certificate_hash};
pub use context::{
    Accepted, Acceptor, Exported, Initiated, Initiator, MechListMic, Mutual, SealError, SecurityContext, Step,
};
pub use identity::{Account, AuthError, Identity, LocalUsers, PasswordVerifier, VerifierCost};
pub use oid::Oid;
pub use scheme::Scheme;
pub use secret::Secret;
