//! Who asks, and how that was proven.
//!
//! [`basic`] is a whole scheme; [`negotiate`] and [`credssp`] carry mechanisms such as [`ntlm`] and Kerberos;
//! [`Scheme`] names all that the service may offer.
//! An [`Identity`] can only be made here, from a verdict of an [`Authenticator`] or of [`LocalUsers`]: code that
//! needs one cannot be reached without it.
//!
//! Nothing here reads a socket, a file or a clock; where accounts are kept is the verifier's business.

pub mod account_file;
mod accounts;
mod authenticator;
pub mod basic;
pub mod certificate_mapping;
mod certificate_proof;
mod channel_binding;
pub mod choice;
mod context;
pub mod credssp;
mod der;
pub mod digest;
mod holder;
mod identity;
pub mod negotiate;
pub mod ntlm;
mod oid;
pub mod oracle;
mod scheme;
pub mod sealed_body;
mod secret;
mod spn;
pub mod spnego;
mod ticket_service;
mod user_name;

pub use accounts::{AccountList, AccountListError};
pub use authenticator::{Authenticator, ClientCertificates, Established, Handshake, Peer};
pub use certificate_proof::{CertificateProof, HandshakeSignature, TlsVersion};
pub use channel_binding::{Binding, ChannelBinding, Hardening, certificate_hash};
pub use context::{
    Accepted, Acceptor, Exported, Initiated, Initiator, MechListMic, Mutual, SealError, SecurityContext, Step,
};
pub use holder::{CertificateRefused, Holder};
pub use identity::{Account, AuthError, Identity, LocalUsers, PasswordVerifier, VerifierCost};
pub use oid::Oid;
pub use scheme::Scheme;
pub use secret::Secret;
pub use spn::{ServiceClass, ServicePrincipalName, SpnError};
pub use ticket_service::TicketService;
pub use user_name::{UserName, UserNameError, Whose};
