//! Windows events without I/O: the formats that event forwarding and event logs use.
//!
//! For collectors and forwarders of events, and for tools such as `wecutil` and `wevtutil`.
//!
//! | Module | Purpose | Specification |
//! |---|---|---|
//! | [`delivery`] | messages of event sources to a collector, and its answers | MS-WSMV 3.1.4.6 to 3.1.4.10 |
//! | [`subscription`] | subscriptions as `wecutil` reads and writes them | none published; schema of Windows |
//! | [`encoding`] | UTF-16 and UTF-8 of Windows, with invalid characters | |
//! | [`event`] | events as XML and JSON, bookmarks | MS-EVEN6 2.2.13 (event), 2.2.14 (bookmark) |
//! | [`listing`] | output formats of `wevtutil qe` | |
//! | [`query`] | XPath subset and query lists that select events | MS-EVEN6 2.2.15 (filter), 2.2.16 (query) |
//! | [`sldc`] | compression of deliveries | ECMA-321 |

#![forbid(unsafe_code)]
#![deny(clippy::as_conversions, clippy::expect_used, clippy::panic)]

pub mod delivery;
pub mod encoding;
mod error;
pub mod event;
pub mod listing;
pub mod query;
pub mod sldc;
pub mod subscription;
mod timestamp;

pub use error::WinEventError;
pub use query::QueryList;
pub use subscription::Subscription;
pub use timestamp::Timestamp;
