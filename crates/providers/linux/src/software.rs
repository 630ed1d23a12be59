//! Installed software and updates.

mod product;
mod quick_fix;

use std::sync::Arc;

use crate::Machine;
use crate::table::{Binding, bind};

/// Returns the tables of package classes.
pub(crate) fn bindings(machine: &Arc<Machine>) -> Vec<Arc<dyn Binding>> {
    vec![bind(machine, product::Product), bind(machine, quick_fix::QuickFix)]
}
