//! PROXY protocol without I/O: the header with which a layer-4 balancer names the client of a connection.
//!
//! For listeners behind haproxy or the stream module of nginx. [`decode`] reads a header of version 1 (text) or 2
//! (binary) and says how many bytes are missing, so that the caller never reads bytes behind the header, which belong
//! to TLS or HTTP. Specification: `proxy-protocol.txt` of haproxy.
//!
//! ```
//! use telarch_proxyprotocol::{Header, Progress, decode};
//!
//! let header = b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 5985\r\n";
//! let Ok(Progress::Complete(Header::Proxied { client })) = decode(header) else { panic!() };
//! assert_eq!(client.to_string(), "192.0.2.7:40000");
//! ```
//!
//! Not part of this crate: sockets, timeouts, the decision whether a peer is trusted, and the writing of headers.

#![forbid(unsafe_code)]
#![deny(clippy::as_conversions, clippy::expect_used, clippy::panic)]

mod checksum;
mod decode;
mod error;
mod header;
mod limits;
mod version_1;
mod version_2;

pub use decode::{decode, has_signature};
pub use error::HeaderError;
pub use header::{Header, Progress};
pub use limits::MAX_HEADER;
