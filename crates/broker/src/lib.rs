//! The one process that keeps root's rights, and how the others ask it.
//!
//! As root the service is several processes. The **gateway** reads the network and may do nothing; the **broker**
//! judges proofs and starts the **hosts**, each of which works for one user and as that user.
//!
//! - [`Broker`] is the broker: it serves one gateway over a [`Link`], with what its program gives it as [`Duties`].
//! - [`Gateway`] is the gateway's end of that link, and an [`Authenticator`](auth::Authenticator) for the service.
//! - [`wire`] and [`Frame`] are the codec that all of these processes speak.
//!
//! The broker believes nothing the gateway says: who somebody is it knows from a proof that it judged itself, and
//! what the gateway gets for it is a [`SessionId`] of 128 random bits. A message that does not follow the codec ends
//! the gateway.
//!
//! No XML is read here, nothing listens here, and nothing here is asynchronous.

mod allowance;
mod gateway;
mod keeping;
mod link;
mod local_connections;
mod message;
pub mod oracle;
mod order;
pub mod quick_config;
mod serving;
mod sessions;
mod variables;
pub mod wire;
mod workers;

pub use allowance::{Allowance, Verdict};
pub use gateway::{Gateway, Local, LocalGuard, Session, Unasked};
pub use keeping::{GroupAnswer, GroupRequest, Session as KeptSession};
pub use link::{Frame, HEAD, LONGEST, Link, frame_head, is_of_root_or_own, message_length};
pub use local_connections::{LocalConnection, LocalConnections};
pub use message::{
    Ask, CertificateWish, Claim, ContextForm, Denial, Denied, NotMapped, SessionId, SignedIn, Tell, Unchanged,
};
pub use order::{Hardware, Order, Report};
pub use serving::{Broker, Duties, Notice};
pub use variables::Variables;
