//! Layers that write events to the log and to the audit file.

use std::io::IsTerminal as _;

use service::AUDIT;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::audit::AuditRecords;
use crate::log::{Folding, Journal, SafeFields, Stderr, is_journal};

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
