//! Check of the right to write, for methods that change what otherwise requires a Put. Calling a method by itself
//! requires only the right to execute.

use sddl::AccessMask;
use service::Call;
use wsman::{Fault, Subcode, code};

use crate::ConfigPlugin;

/// Rejects callers without the right to write a resource.
pub(crate) fn require(plugin: &ConfigPlugin, resource: &str, call: &Call) -> Result<(), Fault> {
    let state = plugin.store.state();
    let descriptor = state.access.of(resource);
    if descriptor.guard.access_check(call.caller.token(), AccessMask::GENERIC_WRITE).is_granted() {
        return Ok(());
    }
    let account = call.caller.identity().account();
    Err(Fault::new(
        Subcode::AccessDenied,
        code::ACCESS_DENIED,
        format!(
            "access denied: {account} needs the right {}, which {} does not grant",
            AccessMask::GENERIC_WRITE,
            descriptor.origin
        ),
    ))
}
