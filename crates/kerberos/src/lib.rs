//! Kerberos for both ends, through MIT Kerberos where it is installed (RFC 4120, RFC 4121).
//!
//! - [`Library`] finds MIT Kerberos when the program runs, so that one program serves machines with and without it.
//! - [`Acceptors`] signs clients in with the keys of a keytab; a [`PrincipalMap`], mostly [`PrincipalRules`], says
//!   which account a principal has here.
//! - [`Initiator`] signs in with a ticket, a keytab or a password.
//! - [`Context`] protects messages afterwards, those of AES without the library, and can be handed to another process.
//!
//! ```no_run
//! use auth::Step;
//! use telarch_kerberos::{Credentials, Initiator, KerberosError, Library, Spn};
//!
//! # fn main() -> Result<(), KerberosError> {
//! let spn = Spn::http("node7.example.com")?;
//! let mut initiator = Initiator::new(Library::load()?, Credentials::of_this_user(), spn);
//! let Step::Continue(token) = initiator.advance(None)? else { return Err(KerberosError::Over) };
//! // The token goes to the service, whose answer finishes it: initiator.advance(Some(&answer))
//! # Ok(())
//! # }
//! ```
//!
//! The tokens are those of the mechanism Kerberos alone; SPNEGO may be wrapped around them.
//! Everything here blocks: on disks, and a client on a KDC.
//!
//! Left out on purpose: groups from the PAC, and what a client delegates.

mod acceptor;
mod cache;
mod context;
mod diagnosis;
mod error;
mod flag;
mod initiator;
mod library;
mod map;
mod message_protection;
mod message_token;
pub mod oracle;
mod order;
mod principal;
mod spn;

pub use acceptor::{Acceptor, Acceptors, Client, Keytab, KeytabFile, Sealing};
pub use cache::{Cache, Ticket};
pub use context::{Context, Exported};
pub use error::{KerberosError, Mismatch};
pub use initiator::{ClientKeytab, Credentials, Delegated, Delegation, Initiator, Reached, Reason};
pub use library::Library;
pub use map::{Accounts, AuthToLocal, Found, Power, PrincipalMap, PrincipalRules, Refusal};
pub use principal::Principal;
pub use spn::Spn;

/// The mechanism Kerberos, 1.2.840.113554.1.2.2, as DER has the octets of an object identifier (RFC 4121 1).
pub const KERBEROS: &[u8] = b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02";

/// The same mechanism as Windows names it, 1.2.840.48018.1.2.2 (MS-SPNG 3.1.5.2).
pub const MICROSOFT_KERBEROS: &[u8] = b"\x2a\x86\x48\x82\xf7\x12\x01\x02\x02";
