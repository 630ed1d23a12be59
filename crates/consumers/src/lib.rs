//! Permanent subscriptions to events of WMI: filters and consumers that are kept in the repository, bound together,
//! and carried out for as long as the service runs.
//!
//! | Class | What it does with an event |
//! |---|---|
//! | `LogFileEventConsumer` | adds a line to a file |
//! | `NTEventLogEventConsumer` | writes an entry into the journal |
//! | `SMTPEventConsumer` | sends a mail |
//! | `CommandLineEventConsumer` | runs a program, if that is allowed as well |
//!
//! Everything is done with the rights of the process that carries them out, and only for the one who has made the
//! filter, the consumer and the binding, all three ([`Whose`]). A program is named by an absolute path that no event can
//! choose; what an event says stays inside of one argument, however it is written. A mail goes to those only that its
//! consumer lists, one for each place between commas, and what an event says adds no line to its head.
//!
//! An event that does not get to its consumer is one itself ([`FailureLog`]).
//!
//! Left out on purpose: the consumer that runs scripts of Windows; and whether anything of this is done at all, which
//! is a setting.

#![forbid(unsafe_code)]

mod command_line;
mod consumer;
mod error;
mod failure;
mod journal;
mod log_file;
mod mail;
pub mod oracle;
mod pace;
mod standing;
mod subscription;
mod template;
mod waiting;

pub use command_line::CommandLine;
pub use consumer::Consumer;
pub use error::Problem;
pub use failure::FailureLog;
pub use journal::JournalEntry;
pub use log_file::LogFile;
pub use mail::Mail;
pub use standing::{Carrier, Commands, Whose, Words};
pub use subscription::{Filter, Registered, Subscription, registered};
