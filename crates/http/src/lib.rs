//! HTTP/1.1 as WS-Management uses it, for the service and for clients: a parser and writer without I/O.
//!
//! WS-Management binds authentication to the connection. Two readers that disagree about where a message ends
//! would let one peer act with the identity of another (request smuggling).
//! Therefore everything ambiguous is rejected and never repaired: [`HeadError`] is the list.
//!
//! * [`RequestHead`] and [`ResponseHead`] parse heads, [`RequestWriter`] and [`ResponseWriter`] write them.
//! * [`ChunkedDecoder`] decodes the `chunked` transfer coding, with input split at any byte.
//! * [`MediaType`], [`Credentials`] and [`Challenge`] parse the header values that the protocol depends on,
//!   and [`Date`] formats one.
//!
//! ```
//! use telarch_http::{BodyFraming, Limits, RequestHead, ResponseWriter};
//!
//! let received = b"POST /wsman HTTP/1.1\r\nHost: node7:5985\r\nContent-Length: 4\r\n\r\n<s/>";
//! let (head, length) = RequestHead::parse(received, &Limits::default())?.ok_or("more bytes needed")?;
//! assert_eq!((head.path(), head.body()), ("/wsman", BodyFraming::Length(4)));
//! assert_eq!(received.get(length..), Some(&b"<s/>"[..]));
//!
//! let mut reply = Vec::new();
//! let mut writer = ResponseWriter::new(&mut reply, 401)?;
//! writer.header("WWW-Authenticate", "Negotiate")?;
//! writer.end(0)?;
//! assert_eq!(reply, b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\nContent-Length: 0\r\n\r\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Deliberately not supported: HTTP/2, upgrades, serving tunnels (`CONNECT` can only be requested), content
//! codings, writing chunked bodies, and responses to `HEAD` on the client side. Nothing here reads a socket
//! or a clock.

#![forbid(unsafe_code)]
#![deny(clippy::as_conversions, clippy::expect_used)] // A truncated length is how request smuggling starts.

mod authentication;
mod chunked;
mod date;
mod error;
mod fields;
mod framing;
mod grammar;
mod media_type;
mod request;
mod response;
mod write;

pub use authentication::{Challenge, Credentials};
pub use chunked::{ChunkError, ChunkedDecoder, Progress};
pub use date::Date;
pub use error::{HeadError, ValueError, WriteError};
pub use fields::Limits;
pub use framing::{BodyFraming, ResponseFraming, Version};
pub use media_type::MediaType;
pub use request::{Method, RequestHead};
pub use response::ResponseHead;
pub use write::{CONTINUE, RequestWriter, ResponseWriter};
