//! Scheduled jobs and startup commands.

mod job;
mod startup;
mod task;

use std::sync::Arc;

use crate::Machine;
use crate::table::{Binding, bind};

/// Returns the tables of job classes.
pub(crate) fn bindings(machine: &Arc<Machine>) -> Vec<Arc<dyn Binding>> {
    vec![
        bind(machine, job::ScheduledJob),
        bind(machine, startup::StartupCommand),
        bind(machine, task::ScheduledTask),
    ]
}
