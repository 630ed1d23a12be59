//! What the gateway gives up before it reads the first octet from the network.

use std::error::Error;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::set_no_new_privs;

/// Gives it up, for this process and all of its threads to come.
pub(super) fn confine() -> Result<(), Box<dyn Error>> {
    set_no_new_privs(true)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}
