//! What is run at certain times or when somebody signs in.

mod command;
mod cron;
mod job;
mod startup;

use std::sync::Arc;

use crate::Machine;
use crate::table::{Binding, bind};

/// The classes of jobs.
pub(crate) fn bindings(machine: &Arc<Machine>) -> Vec<Arc<dyn Binding>> {
    vec![bind(machine, job::ScheduledJob), bind(machine, startup::StartupCommand)]
}
