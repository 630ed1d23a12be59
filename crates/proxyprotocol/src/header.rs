//! Content of headers, and how much of one is missing.

use std::net::SocketAddr;
use std::num::NonZeroUsize;

/// Content of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// The connection has no client behind the balancer, or one without an address: `LOCAL` and the unspecified family
    /// of version 2, `UNKNOWN` of version 1. Health checks are such connections. The addresses of the connection
    /// itself apply.
    Local,
    /// The balancer forwards a connection.
    Proxied {
        /// Address and port of the client. INVARIANT: not an IPv4-mapped IPv6 address.
        client: SocketAddr,
    },
}

/// State of a header of which some bytes have arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The header has at least this many more bytes. Reading no more than them leaves the bytes behind it unread.
    Missing(NonZeroUsize),
    /// The bytes are a complete header.
    Complete(Header),
}

/// Returns the client, with IPv4-mapped addresses as IPv4.
pub(crate) fn proxied(client: SocketAddr) -> Header {
    Header::Proxied { client: SocketAddr::new(client.ip().to_canonical(), client.port()) }
}

/// Returns how many bytes are missing to a length of at least one more byte than received.
pub(crate) fn missing(received: usize, length: usize) -> Progress {
    Progress::Missing(NonZeroUsize::new(length.saturating_sub(received)).unwrap_or(NonZeroUsize::MIN))
}
