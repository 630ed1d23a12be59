//! The right to write, for methods: calling one takes the right to execute, but some change what otherwise takes this.

use sddl::AccessMask;
use service::Call;
use wsman::{Fault, Subcode, code};

use crate::ConfigPlugin;

/// Refuses callers who may not write at a resource.
pub(crate) fn require(plugin: &ConfigPlugin, resource: &str, call: &Call) -> Result<(), Fault> {
    let state = plugin.store.state();
    let deciding = state.access.of(resource);
    if deciding.guard.access_check(call.caller.token(), AccessMask::GENERIC_WRITE).is_granted() {
        return Ok(());
    }
    let account = call.caller.identity().account();
    Err(Fault::new(
        Subcode::AccessDenied,
        code::ACCESS_DENIED,
        format!(
            "access is denied: {account} needs the right {} here, which {} does not give",
            AccessMask::GENERIC_WRITE,
            deciding.decider
        ),
    ))
}
