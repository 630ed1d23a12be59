//! Windows logs, as parts of the journal.
//!
//! | Log | Records |
//! |---|---|
//! | `Security` | facilities `auth` and `authpriv`, and audit records of the kernel |
//! | `System` | the kernel, and facility `daemon` |
//! | `Application` | all others |

mod event;
mod file;
mod follow;

use std::sync::Arc;

use linux::journal::Record;

use crate::Machine;
use crate::table::{Binding, DataSource, bind};

/// Returns the tables of log classes.
pub(crate) fn bindings(machine: &Arc<Machine>) -> Vec<Arc<dyn Binding>> {
    vec![bind(machine, event::NtLogEvent), bind(machine, file::NtEventlogFile)]
}

const JOURNAL: DataSource =
    DataSource { name: "journal", is_present: |machine| linux::journal::folder(machine).is_some() };

/// A log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Log {
    Application,
    Security,
    System,
}

impl Log {
    /// Returns the log to which a journal record belongs.
    fn of(record: &Record) -> Self {
        /// Syslog facilities (RFC 5424, 6.2.1).
        const KERNEL: u8 = 0;
        const DAEMON: u8 = 3;
        const AUTH: u8 = 4;
        const AUTHPRIV: u8 = 10;
        let transport = record.text("_TRANSPORT");
        match (transport.as_deref(), record.number("SYSLOG_FACILITY")) {
            (Some("audit"), _) | (_, Some(AUTH | AUTHPRIV)) => Self::Security,
            (Some("kernel"), _) | (_, Some(KERNEL | DAEMON)) => Self::System,
            _ => Self::Application,
        }
    }

    const ALL: [Self; 3] = [Self::Application, Self::Security, Self::System];

    fn name(self) -> &'static str {
        match self {
            Self::Application => "Application",
            Self::Security => "Security",
            Self::System => "System",
        }
    }
}
