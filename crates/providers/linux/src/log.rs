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
mod records;

use std::sync::Arc;

use eventlog::channel::WindowsLog;
use linux::journal::Record;

use crate::Machine;
use crate::table::{Binding, DataSource, bind};

/// Returns the tables of log classes.
pub(crate) fn bindings(machine: &Arc<Machine>) -> Vec<Arc<dyn Binding>> {
    vec![bind(machine, event::NtLogEvent), bind(machine, file::NtEventlogFile)]
}

const JOURNAL: DataSource =
    DataSource { name: "journal", is_present: |machine| linux::journal::folder(machine).is_some() };

/// Returns the log to which a journal record belongs.
fn log_of(record: &Record) -> WindowsLog {
    WindowsLog::of_journal(record.text("_TRANSPORT").as_deref(), record.number("SYSLOG_FACILITY"))
}
