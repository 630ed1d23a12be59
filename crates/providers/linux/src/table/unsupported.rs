//! Methods without an implementation on Linux, and the codes with which classes report that.

use cim::Instance;
use wmi::{MethodCall, ProviderError};

use super::returned;

/// Returns the answer of a method that is not implemented.
///
/// # Errors
/// [`ProviderError::NotCapable`] if the method does not return a number.
pub(super) fn answer(namespace: &str, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
    let method = &call.operation.method;
    let code = code(namespace, method.origin.as_str());
    // Methods with another or no return value have no such code.
    returned(call, code).map_err(|_| ProviderError::NotCapable)
}

/// Returns the documented code for the methods of a class (Microsoft's references of the classes, "Return
/// value").
fn code(namespace: &str, origin: &str) -> u32 {
    match (namespace, origin) {
        (_, "CIM_EnabledLogicalElement" | "CIM_LogicalDevice" | "CIM_Service" | "Win32_BaseService")
        | ("root/microsoft/windows/storage", _) => NOT_SUPPORTED,
        (_, "Win32_NetworkAdapterConfiguration") => METHOD_NOT_SUPPORTED,
        _ => ERROR_NOT_SUPPORTED,
    }
}

/// "Not Supported" of DMTF, used by all service and storage classes.
const NOT_SUPPORTED: u32 = 1;

/// "Method not supported on this platform" of network adapters.
const METHOD_NOT_SUPPORTED: u32 = 64;

/// `ERROR_NOT_SUPPORTED` (MS-ERREF 2.2), for classes that return system error codes.
const ERROR_NOT_SUPPORTED: u32 = 50;
