//! Errors of headers.

use crate::limits::{MAX_BLOCK, MAX_LINE, MAX_TLVS};

/// Reason why a header is refused. The connection cannot be used any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The first bytes are neither `PROXY ` nor the signature of version 2.
    #[error("the connection does not begin with a PROXY protocol header")]
    NoHeader,
    /// The line of version 1 does not end in time.
    #[error("the PROXY line of version 1 does not end within {MAX_LINE} bytes")]
    LongLine,
    /// The line of version 1 is malformed.
    #[error("the PROXY line of version 1 has {0}")]
    Line(&'static str),
    /// A header with the signature of version 2 has another version.
    #[error("version {0} of the PROXY protocol is not supported; use version 1 or 2")]
    Version(u8),
    /// The command of version 2 is neither LOCAL nor PROXY.
    #[error("the PROXY header has the unknown command {0}")]
    Command(u8),
    /// The family and protocol of version 2 are not TCP over IPv4 or IPv6.
    #[error("the PROXY header is for family and protocol 0x{0:02x}; only TCP over IPv4 or IPv6 is supported")]
    Family(u8),
    /// The block behind the fixed part of version 2 is too long.
    #[error("the PROXY header announces {0} bytes of addresses and extensions; the limit is {MAX_BLOCK}")]
    LongBlock(u16),
    /// The block of version 2 is too short for its addresses.
    #[error("the PROXY header is too short for its addresses")]
    ShortBlock,
    /// More bytes were passed than the header has.
    #[error("unexpected bytes behind the PROXY header")]
    Excess,
    /// The extensions (TLVs) of version 2 are malformed.
    #[error("the extensions of the PROXY header are malformed or more than {MAX_TLVS}")]
    Extensions,
    /// The checksum of version 2 is wrong.
    #[error("the checksum of the PROXY header is wrong")]
    Checksum,
}
