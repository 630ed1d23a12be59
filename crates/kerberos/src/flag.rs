//! Flags that a context can request and grant (RFC 2743 1.2.2, `gssapi_ext.h`).

pub(crate) const DELEGATION: u32 = 0x1;
pub(crate) const MUTUAL: u32 = 0x2;
pub(crate) const REPLAY: u32 = 0x4;
pub(crate) const SEQUENCE: u32 = 0x8;
pub(crate) const CONFIDENTIALITY: u32 = 0x10;
pub(crate) const INTEGRITY: u32 = 0x20;
pub(crate) const ANONYMOUS: u32 = 0x40;
/// Both ends have given channel bindings, and they match.
pub(crate) const CHANNEL_BOUND: u32 = 0x800;
/// Delegate only if the realm trusts the service for delegation.
pub(crate) const DELEGATION_BY_POLICY: u32 = 0x8000;
