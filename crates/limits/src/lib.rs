//! Limits per user and per source address.
//!
//! A service that runs as root must not let one account, one local user or a few addresses take the share of
//! all others. Every such limit in the product is built from the types of this crate:
//!
//! - [`Origin`] is the source of a connection: an IPv4 address or an IPv6 prefix.
//! - [`KeyedLimit`] bounds how many permits exist in total and how many one key holds, for example one UID.
//! - [`Folding`] decides which of many similar events are logged.
//!
//! Nothing here does I/O, reads a clock or starts a thread. Memory is bounded by the permits that are held.

mod folding;
mod keyed;
mod origin;

pub use folding::{FoldedCount, Folding};
pub use keyed::{Capacity, KeyedLimit, Permit, Refusal};
pub use origin::{Origin, Prefix};
