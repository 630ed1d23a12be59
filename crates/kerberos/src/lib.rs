//! Kerberos for both ends, with MIT Kerberos loaded at run time (RFC 4120, RFC 4121).
//!
//! - [`Library`] loads MIT Kerberos when the program runs, so that one program works on machines with and without it.
//! - [`Acceptors`] authenticates clients with the keys of a keytab; a [`PrincipalMap`], usually [`PrincipalRules`],
//!   maps principals to accounts.
//! - [`Initiator`] authenticates to a service with a ticket, a keytab or a password.
//! - [`Context`] protects messages afterwards; AES contexts work without the library and can be passed to another
//!   process.
//!
//! ```no_run
//! use auth::Step;
//! use telarch_kerberos::{Credentials, Initiator, KerberosError, Library, Spn};
//!
//! # fn main() -> Result<(), KerberosError> {
//! let spn = Spn::http("node7.example.com")?;
//! let mut initiator = Initiator::new(Library::load()?, Credentials::of_this_user(), spn);
//! let Step::Continue(token) = initiator.advance(None)? else { return Err(KerberosError::Over) };
//! // Send the token to the service, and pass its answer to initiator.advance(Some(&answer)).
//! # Ok(())
//! # }
//! ```
//!
//! The tokens are those of the plain Kerberos mechanism; SPNEGO can wrap them. All calls block: on disk access, and in
//! a client on a KDC.
//!
//! Groups of a Windows domain come with the ticket (MS-PAC) if its signature is valid.
//!
//! Out of scope: use of delegated tickets.

mod acceptor;
mod cache;
mod context;
mod diagnosis;
mod error;
mod flag;
mod initiator;
mod keytab_file;
mod library;
mod map;
pub mod message_protection;
mod message_token;
mod peer_sequence;
mod principal;
mod spn;

pub use acceptor::{Acceptor, Acceptors, Client, Keytab, Sealing};
pub use cache::{Cache, Ticket};
pub use context::{Context, Exported};
pub use error::{KerberosError, Mismatch};
pub use initiator::{
    AuthenticatedService, ClientKeytab, Credentials, Delegated, Delegation, Initiator, Reason,
};
pub use keytab_file::KeytabFile;
pub use library::Library;
pub use map::{Accounts, AuthToLocal, FoundAccount, PrincipalMap, PrincipalRules, Privilege, Refusal};
pub use principal::Principal;
pub use spn::Spn;

/// Kerberos mechanism OID 1.2.840.113554.1.2.2, in DER content bytes (RFC 4121 1).
pub const KERBEROS: &[u8] = b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02";

/// Kerberos mechanism OID of older Windows versions, 1.2.840.48018.1.2.2 (MS-SPNG 3.1.5.2).
pub const MICROSOFT_KERBEROS: &[u8] = b"\x2a\x86\x48\x82\xf7\x12\x01\x02\x02";
