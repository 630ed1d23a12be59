//! Limits per user and per source address.
//!
//! A service that runs as root must not let one account, one local user or a few addresses take the share of
//! all others. Every such limit in the product is built from the types of this crate:
//!
//! - [`Origin`] is the source of a connection: an IPv4 address or an IPv6 prefix.
//! - [`KeyedLimit`] bounds how many permits exist in total and how many one key holds, for example one UID.
//! - [`FoldedWarnings`] bounds how many warnings an attacker can have written.
//!
//! Nothing here does I/O, reads a clock or starts a thread. Every memory has a bound: the permits that are held, or a
//! number of entries.

mod folded;
mod keyed;
mod origin;

pub use folded::{FoldedWarnings, Report};
pub use keyed::{Capacity, KeyedLimit, Permit, Refusal};
pub use origin::{Origin, Prefix};
