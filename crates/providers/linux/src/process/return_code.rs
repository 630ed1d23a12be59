//! Return codes of the methods of `Win32_Process`.

pub(super) const ACCESS_DENIED: u32 = 2;
pub(super) const UNKNOWN_FAILURE: u32 = 8;
pub(super) const PATH_NOT_FOUND: u32 = 9;
pub(super) const INVALID_PARAMETER: u32 = 21;
