//! Log and audit records of this process: destinations and formats.
//!
//! Text from outside is escaped and cut, repetitions are folded, and a blocked reader never blocks the process.

mod escape;
mod fields;
mod folding;
mod journal;
pub(crate) mod relay;
mod stderr;
mod token_bucket;

use std::error::Error;

pub(crate) use self::escape::{Escaped, cut, limit_of};
pub(crate) use self::fields::SafeFields;
pub(crate) use self::folding::{Folding, INTERVAL, MAX_KEYS, Subject, later};
pub(crate) use self::journal::Journal;
pub(crate) use self::stderr::{MAX_LINE, Stderr, is_journal};
pub(crate) use self::token_bucket::TokenBucket;

use self::stderr::write_line;

/// Writes a message about the audit file itself to standard error, bypassing events that could lead back to it.
pub(crate) fn report(text: &str) {
    write_line(format!("telarchd: {text}\n").as_bytes());
}

/// Formats an error with its advice as a single line for the log.
pub(crate) fn one_line(error: &dyn Error) -> String {
    one_line_of(&error.to_string())
}

/// Formats a message with its advice as a single line for the log.
pub(crate) fn one_line_of(message: &str) -> String {
    message.replace("\n  ", "; ")
}
