//! Check of the right to write, for methods that change what otherwise requires a Put. Calling a method by itself
//! requires only the right to execute.

use config::{DescriptorOrigin, Membership};
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
            "access is denied: {} does not grant {account} the right {}\n  {}grant the right: winrm configSDDL {}",
            descriptor.origin,
            AccessMask::GENERIC_WRITE,
            match state.membership {
                Membership::LocalGroups => format!("add {account} to the group of administrators, or "),
                Membership::AccountFile => format!("make {account} an administrator of this service, or "),
                _ => String::new(),
            },
            target(descriptor.origin)
        ),
    ))
}

/// Returns the argument of `winrm configSDDL` for a security descriptor.
fn target(origin: DescriptorOrigin<'_>) -> &str {
    match origin {
        DescriptorOrigin::Plugin { uri, .. } => uri,
        _ => "default",
    }
}
