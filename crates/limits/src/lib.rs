//! Limits per user and per source address.
//!
//! A service that runs as root must not let one account, one local user or a few addresses take the share of
//! all others. Every such limit in the product is built from the types of this crate:
//!
//! - [`Origin`] is the source of a connection: an IPv4 address or an IPv6 prefix.
//! - [`KeyedLimit`] bounds how many permits exist in total and how many one key holds, for example one UID.
//! - [`FairQueue`] decides which of many waiting attempts is next, fairly between networks, and [`OutcomeHistory`] how
//!   urgent each is.
//! - [`FoldedWarnings`] bounds how many warnings an attacker can have written.
//!   [`KeyedLimit::acquire_share`] needs no limit per key: a key gets more while it holds at most what is free.
//! - [`FairTable`] shares connections and requests between sources and accounts, and chooses the connection to close
//!   when there are too many.
//! - [`Reports`] folds repeated events into few log records.
//!
//! Nothing here does I/O, reads a clock or starts a thread. Every memory has a bound: the permits that are held, or a
//! number of entries.

mod fair_queue;
mod fair_table;
mod folded;
mod history;
mod keyed;
mod origin;
mod reports;

pub use fair_queue::{Claim, FairQueue, QueueLimits, Slot};
pub use fair_table::{Admitted, Busy, ConnectionKey, FairTable, Full, Privilege, Sizes};
pub use folded::{FoldedWarnings, Report};
pub use history::{OutcomeHistory, Priority};
pub use keyed::{Capacity, KeyedLimit, Permit, Refusal};
pub use origin::{Origin, Prefix};
pub use reports::Reports;
