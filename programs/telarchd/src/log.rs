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

use std::io::IsTerminal as _;

use service::AUDIT;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

pub(crate) use self::escape::{Escaped, cut, limit_of};
pub(crate) use self::folding::{INTERVAL, MAX_KEYS, Subject, later};
pub(crate) use self::stderr::MAX_LINE;
pub(crate) use self::token_bucket::TokenBucket;

use self::fields::SafeFields;
use self::folding::Folding;
use self::journal::Journal;
use self::stderr::{Stderr, is_journal, write_line};
use crate::audit::AuditRecords;

/// Sends the log to standard error or the journal, and audit records to `audit`, independent of the level of the log.
pub(crate) fn begin_log(audit: Option<AuditRecords>) {
    let filter = EnvFilter::try_from_env("TELARCH_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    // The journal keeps fields; standard error has only text.
    let journal = if is_journal() { Journal::connect().ok() } else { None };
    let log = match journal {
        Some(journal) => Folding::of(journal).with_filter(filter).boxed(),
        None => {
            let log = tracing_subscriber::fmt::layer().fmt_fields(SafeFields).with_writer(Stderr);
            let log = log.with_ansi(std::io::stderr().is_terminal()).log_internal_errors(false);
            Folding::of(log).with_filter(filter).boxed()
        }
    };
    // The filter avoids creating events for this layer that it would discard.
    let audit = audit.map(|audit| audit.with_filter(Targets::new().with_target(AUDIT, LevelFilter::TRACE)));
    tracing_subscriber::registry().with(log).with(audit).init();
}

/// Writes a message about the audit file itself to standard error, bypassing events that could lead back to it.
pub(crate) fn report(text: &str) {
    write_line(format!("telarchd: {text}\n").as_bytes());
}
