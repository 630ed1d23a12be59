//! Local logs of Linux as Windows events.
//!
//! | Module | Purpose |
//! |---|---|
//! | [`journal`] | files of systemd's journal |
//! | [`export`] | export format of `journalctl` |
//! | [`audit`] | the audit log |
//! | [`text`] | files of syslog, and text files |
//! | [`channel`] | channels, and the logs of Windows as aliases of them |
//! | [`local`] | all local logs as events |
//! | [`NewestFirst`] | all local logs in reverse order |
//! | [`Selection`] | events that a query selects |
//! | [`StartPosition`] | position at which a subscription begins |
//!
//! An event has a number that increases in its channel and stays the same each time it is read, also after the
//! rotation of files. A program that stores the number can continue behind it.

#![forbid(unsafe_code)]

pub mod audit;
mod catalog;
pub mod channel;
mod error;
mod event;
pub mod export;
pub mod journal;
pub mod local;
mod name_guid;
mod newest;
mod selection;
mod start;
pub mod text;

pub use error::LogError;
pub use event::{EventOptions, LocalEvent};
pub use newest::NewestFirst;
pub use selection::Selection;
pub use start::{ReceivedRecords, StartPosition};
