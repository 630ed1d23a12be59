//! Limits of headers.

/// Maximum length of the line of version 1 in bytes, with its end.
pub(crate) const MAX_LINE: usize = 107;
/// Length of the fixed part of version 2 in bytes.
pub(crate) const FIXED: usize = 16;
/// Maximum length of addresses and extensions of version 2 in bytes. The protocol allows 65535, but senders keep a header
/// within one segment of TCP; the certificate of a TLS client is the longest extension.
pub(crate) const MAX_BLOCK: usize = 4_096;
/// Maximum number of extensions of version 2.
pub(crate) const MAX_TLVS: usize = 64;
/// Maximum length of a header in bytes.
pub const MAX_HEADER: usize = FIXED + MAX_BLOCK;
