//! What is installed, and what of it was brought up to date.

mod advisory;
mod apt_history;
mod product;
mod quick_fix;

use std::sync::Arc;

use crate::Machine;
use crate::table::{Binding, bind};

/// Everything about packages.
pub(crate) fn bindings(machine: &Arc<Machine>) -> Vec<Arc<dyn Binding>> {
    vec![bind(machine, product::Product), bind(machine, quick_fix::QuickFix)]
}
