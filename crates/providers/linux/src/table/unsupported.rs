//! Methods that Linux has nothing for: the numbers with which classes say so.

use cim::Instance;
use wmi::{MethodCall, ProviderError};

use super::returned;

/// The answer of a method that nobody carries out.
///
/// # Errors
/// [`ProviderError::NotCapable`] if it returns no number.
pub(super) fn answer(namespace: &str, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
    let method = &call.operation.method;
    let code = code(namespace, method.origin.as_str());
    // One that returns something else, or nothing, has no words for it.
    returned(call, code).map_err(|_| ProviderError::NotCapable)
}

/// What is documented for the methods of a class (Microsoft's references of the classes, "Return value").
fn code(namespace: &str, origin: &str) -> u32 {
    match (namespace, origin) {
        (_, "CIM_EnabledLogicalElement" | "CIM_LogicalDevice" | "CIM_Service" | "Win32_BaseService")
        | ("root/microsoft/windows/storage", _) => NOT_SUPPORTED,
        (_, "Win32_NetworkAdapterConfiguration") => METHOD_NOT_SUPPORTED,
        _ => ERROR_NOT_SUPPORTED,
    }
}

/// "Not Supported" of DMTF, and of everything that is managed as a service or as storage.
const NOT_SUPPORTED: u32 = 1;

/// "Method not supported on this platform" of adapters.
const METHOD_NOT_SUPPORTED: u32 = 64;

/// `ERROR_NOT_SUPPORTED` (MS-ERREF 2.2), for classes that return the system's errors.
const ERROR_NOT_SUPPORTED: u32 = 50;
