//! Authentication and message sealing, for both the service and the client.
//!
//! [`basic`] is a complete scheme; [`negotiate`] and [`credssp`] carry mechanisms such as [`ntlm`] and Kerberos;
//! [`Scheme`] lists all schemes that a service can offer. Only this crate can create an [`Identity`], from the verdict
//! of an [`Authenticator`] or of [`LocalUsers`], so code that requires one cannot run without authentication.
//!
//! [`SignInReport`] decides which schemes the users of a service can use.
//!
//! Nothing here performs I/O or reads a clock. Verifiers decide where accounts are stored.
#![deny(clippy::as_conversions, clippy::expect_used)]

pub mod account_file;
mod accounts;
mod authenticator;
mod availability;
pub mod basic;
pub mod certificate_mapping;
mod certificate_proof;
mod channel_binding;
pub mod choice;
mod context;
pub mod credssp;
pub mod der;
pub mod digest;
mod error;
mod holder;
mod identity;
pub mod negotiate;
pub mod ntlm;
mod oid;
mod scheme;
pub mod sealed_body;
mod secret;
mod spn;
pub mod spnego;
mod ticket_service;
mod user_name;

pub use accounts::{AccountList, AccountListError};
pub use authenticator::{Authenticator, ClientCertificates, Established, Handshake, Peer};
pub use availability::{JoinProgram, Remedies, SchemeReport, SchemeState, SignInFacts, SignInReport};
pub use certificate_proof::{CertificateProof, HandshakeSignature, TlsVersion};
pub use channel_binding::{Binding, ChannelBinding, Hardening, certificate_hash};
pub use context::{
    Accepted, Acceptor, Exported, Initiated, Initiator, MechListMic, Mutual, SealError, SecurityContext, Step,
};
pub use error::AuthError;
pub use holder::{CertificateRefused, Holder};
pub use identity::{Account, DirectorySids, Identity, LocalUsers, PasswordVerifier, VerifierCost};
pub use oid::Oid;
pub use scheme::Scheme;
pub use secret::Secret;
pub use spn::{ServiceClass, ServicePrincipalName, SpnError};
pub use ticket_service::TicketService;
pub use user_name::{UserDomain, UserName, UserNameError};
