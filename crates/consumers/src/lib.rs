//! Permanent WMI event subscriptions: filters and consumers stored in the repository, connected by bindings,
//! and active as long as the service runs.
//!
//! | Class | Action for each event |
//! |---|---|
//! | `LogFileEventConsumer` | adds a line to a file |
//! | `NTEventLogEventConsumer` | writes a journal entry |
//! | `SMTPEventConsumer` | sends a mail |
//! | `CommandLineEventConsumer` | runs a program, if that is enabled |
//!
//! Consumers run with the rights of this process, and only if filter, consumer and binding have the same
//! permitted creator ([`Creators`]). A program is named by an absolute path that events cannot influence, and
//! event data always stays within one argument. A mail goes only to the recipients listed in its consumer,
//! one for each entry between commas, and event data cannot add header lines.
//!
//! Undelivered events are reported as events ([`FailureLog`]).
//!
//! Not part of this crate: the consumer for Windows scripts; and the setting that enables permanent
//! subscriptions.

#![forbid(unsafe_code)]

mod activity;
mod command_line;
mod consumer;
mod error;
mod failure;
mod journal;
mod log_file;
#[cfg_attr(not(feature = "fuzzing"), allow(unreachable_pub))]
mod mail;
mod queue;
mod rate_limit;
mod runner;
mod subscription;
#[cfg_attr(not(feature = "fuzzing"), allow(unreachable_pub))]
mod template;
mod words;

pub use activity::{Activity, CommandPolicy};
pub use command_line::CommandLine;
pub use consumer::Consumer;
pub use error::Problem;
pub use failure::FailureLog;
pub use journal::JournalEntry;
pub use log_file::LogFile;
pub use mail::Mail;
pub use runner::{Creators, SubscriptionRunner};
pub use subscription::{Filter, Registered, Subscription, registered};
pub use words::Words;

/// Templates and mails, for `fuzz/oracles`.
#[cfg(feature = "fuzzing")]
pub mod fuzzing {
    pub use crate::mail::mailbox::Mailbox;
    pub use crate::mail::message::{Field, Message};
    pub use crate::mail::smtp;
    pub use crate::template::{MAX_FILLED, Template};
}
