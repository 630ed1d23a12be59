//! Return values of CIM methods (CIM_EnabledLogicalElement.RequestStateChange, CIM_Log.ClearLog).

use ipmi::proto::CompletionCode;

pub(crate) const DONE: u32 = 0;
pub(crate) const NOT_SUPPORTED: u32 = 1;
pub(crate) const TIMED_OUT: u32 = 3;
pub(crate) const FAILED: u32 = 4;
pub(crate) const INVALID_PARAMETER: u32 = 5;
const IN_USE: u32 = 6;
pub(crate) const INVALID_TRANSITION: u32 = 4_097;
/// A timeout was given, which controllers do not support.
pub(crate) const TIMEOUT_NOT_SUPPORTED: u32 = 4_098;
const BUSY: u32 = 4_099;

/// Converts a completion code to a return value (IPMI 2.0, table 5-2).
pub(crate) fn of_refusal(code: CompletionCode) -> u32 {
    match code.0 {
        0xc1 | 0xc2 | 0xd6 => NOT_SUPPORTED,
        0xc3 => TIMED_OUT,
        0xc7..=0xc9 | 0xcc => INVALID_PARAMETER,
        0xc5 => IN_USE,
        0xc0 | 0xd0..=0xd2 => BUSY,
        _ => FAILED,
    }
}
