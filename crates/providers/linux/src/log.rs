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
mod journal;
pub(crate) mod oracle;

use std::sync::Arc;

use crate::Machine;
use crate::table::{Binding, bind};

/// Returns the tables of log classes.
pub(crate) fn bindings(machine: &Arc<Machine>) -> Vec<Arc<dyn Binding>> {
    vec![bind(machine, event::NtLogEvent), bind(machine, file::NtEventlogFile)]
}

/// A log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Log {
    Application,
    Security,
    System,
}

impl Log {
    const ALL: [Self; 3] = [Self::Application, Self::Security, Self::System];

    fn name(self) -> &'static str {
        match self {
            Self::Application => "Application",
            Self::Security => "Security",
            Self::System => "System",
        }
    }
}
