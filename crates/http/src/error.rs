/// Why the head of a message was rejected. The connection cannot be used any further: respond and close it.
///
/// Lines are counted from 1, the start line. Messages never contain bytes sent by the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// The first byte cannot begin a head, for example because a client speaks TLS to a plain listener.
    #[error("the first bytes are not HTTP/1.1: a plain listener may have been addressed with TLS")]
    NotHttp,
    /// More than the one empty line that RFC 9112 2.2 allows before a request, or any empty line before a
    /// response.
    #[error("too many empty lines before the head")]
    LeadingEmptyLine,
    /// A line feed without a carriage return before it (RFC 9112 2.2).
    #[error("line {line} of the head ends in a line feed without carriage return")]
    BareLineFeed {
        /// The line, counted from 1.
        line: usize,
    },
    /// A carriage return without a line feed after it (RFC 9112 2.2).
    #[error("line {line} of the head contains a carriage return without line feed")]
    BareCarriageReturn {
        /// The line, counted from 1.
        line: usize,
    },
    /// NUL or another control byte (RFC 9110 5.5).
    #[error("line {line} of the head contains a control byte")]
    ControlByte {
        /// The line, counted from 1.
        line: usize,
    },
    /// The head is longer than [`Limits::head`](crate::Limits::head).
    #[error("the head is longer than the limit of {limit} bytes")]
    HeadTooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The head has more header lines than [`Limits::headers`](crate::Limits::headers).
    #[error("the head has more header lines than the limit of {limit}")]
    TooManyHeaders {
        /// The limit, in header lines.
        limit: usize,
    },

    /// The start line is not three words separated by single spaces (RFC 9112 3 and 4).
    #[error("the start line is not made of three words with single spaces between them")]
    StartLine,
    /// The method is not a token (RFC 9110 9.1).
    #[error("the method is not a token")]
    InvalidMethod,
    /// The target is neither a path nor an absolute `http` or `https` URI of printable ASCII (RFC 9112 3.2).
    #[error("the request target is neither a path nor an http or https uri")]
    InvalidTarget,
    /// The version is neither HTTP/1.0 nor HTTP/1.1.
    #[error("the version is neither HTTP/1.0 nor HTTP/1.1")]
    UnsupportedVersion,
    /// The status code is not three digits between 100 and 599 (RFC 9110 15).
    #[error("the status code is not a number from 100 to 599")]
    InvalidStatus,

    /// A header line begins with white space, the obsolete line folding (RFC 9112 5.2).
    #[error("line {line} of the head begins with white space: folded header lines are refused")]
    FoldedLine {
        /// The line, counted from 1.
        line: usize,
    },
    /// A header line has no colon.
    #[error("line {line} of the head has no colon")]
    MissingColon {
        /// The line, counted from 1.
        line: usize,
    },
    /// White space between a header name and its colon (RFC 9112 5.1).
    #[error("line {line} of the head has white space before its colon")]
    SpaceBeforeColon {
        /// The line, counted from 1.
        line: usize,
    },
    /// A header line has an empty name.
    #[error("line {line} of the head has an empty header name")]
    EmptyName {
        /// The line, counted from 1.
        line: usize,
    },
    /// A header name that is not a token (RFC 9110 5.1).
    #[error("line {line} of the head has a header name that is not a token")]
    InvalidName {
        /// The line, counted from 1.
        line: usize,
    },

    /// An HTTP/1.1 request has no `Host` header (RFC 9112 3.2).
    #[error("an HTTP/1.1 request needs a Host header")]
    MissingHost,
    /// More than one `Host` (RFC 9112 3.2).
    #[error("the Host header is repeated")]
    RepeatedHost,
    /// A `Host` that is not a host name or address with an optional port (RFC 9110 7.2).
    #[error("the Host header is not a host with an optional port")]
    InvalidHost,
    /// More than one `Authorization` header: it would be ambiguous which user sent the request.
    #[error("the Authorization header is repeated")]
    RepeatedAuthorization,
    /// An `Expect` other than `100-continue` (RFC 9110 10.1.1).
    #[error("the Expect header asks for something other than 100-continue")]
    UnsupportedExpectation,

    /// Both `Content-Length` and `Transfer-Encoding` (RFC 9112 6.3).
    #[error("Content-Length and Transfer-Encoding are both present")]
    LengthAndEncoding,
    /// More than one `Content-Length`, even if they agree (RFC 9112 6.3).
    #[error("the Content-Length header is repeated")]
    RepeatedContentLength,
    /// A `Content-Length` that is a list (RFC 9112 6.3).
    #[error("the Content-Length header is a list")]
    ContentLengthList,
    /// A `Content-Length` that is empty, signed, or otherwise not made of digits (RFC 9110 8.6).
    #[error("the Content-Length header is not made of digits")]
    InvalidContentLength,
    /// A `Content-Length` of more than 19 digits.
    #[error("the Content-Length header has more than 19 digits")]
    ContentLengthTooLong,
    /// More than one `Transfer-Encoding`.
    #[error("the Transfer-Encoding header is repeated")]
    RepeatedTransferEncoding,
    /// A `Transfer-Encoding` other than `chunked` (RFC 9112 6.1).
    #[error("the Transfer-Encoding is not chunked")]
    UnsupportedTransferEncoding,
    /// A `Transfer-Encoding` in a message of HTTP/1.0 (RFC 9112 6.1).
    #[error("an HTTP/1.0 message must not have a Transfer-Encoding")]
    TransferEncodingInHttp10,
}

impl HeadError {
    /// Returns the HTTP status to send before closing the connection.
    pub fn status(&self) -> u16 {
        match self {
            Self::HeadTooLarge { .. } | Self::TooManyHeaders { .. } => 431,
            Self::UnsupportedVersion => 505,
            Self::UnsupportedTransferEncoding => 501,
            Self::UnsupportedExpectation => 417,
            _ => 400,
        }
    }
}

/// Why a header value was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// The value is longer than its bound.
    #[error("the value is longer than the limit of {limit} bytes")]
    TooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The value has more parts (parameters or challenges) than its bound.
    #[error("the value has more than {limit} parts")]
    TooManyParts {
        /// The limit, in parts.
        limit: usize,
    },
    /// A media type that does not begin with `type/subtype` (RFC 9110 8.3.1).
    #[error("the media type does not begin with type/subtype")]
    MediaType,
    /// A scheme is missing, or is not made of printable ASCII (RFC 9110 11.1).
    #[error("the authentication scheme is missing or malformed")]
    Scheme,
    /// A parameter is not `name=value` or `name="value"` (RFC 9110 5.6.6 and 11.2).
    #[error("a parameter is not of the form name=value")]
    Parameter,
    /// Two parameters have the same name.
    #[error("a parameter is repeated")]
    RepeatedParameter,
    /// A quoted string without an end, or with a control character in it (RFC 9110 5.6.4).
    #[error("a quoted string has no end or contains a control character")]
    QuotedString,
}

/// Why a head could not be written. The rejected part is not in the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// A status outside 100 to 599.
    #[error("{status} is not a status code: it must be 100 to 599")]
    Status {
        /// The status passed by the caller.
        status: u16,
    },
    /// A target that is neither a path nor an absolute URI of printable ASCII.
    #[error("the request target is neither a path nor an http or https uri")]
    Target,
    /// A host that is not a host name or address with an optional port.
    #[error("the host is not a host with an optional port")]
    Host,
    /// A header name that is not a token.
    #[error("the header name is not a token")]
    Name,
    /// A header value with a carriage return, a line feed, NUL or another control character in it.
    #[error("the value of a header contains a control character")]
    Value,
    /// `Host`, `Content-Length` or `Transfer-Encoding`, which only the writer itself may write.
    #[error("Host, Content-Length and Transfer-Encoding are written by the writer itself")]
    Reserved,
    /// A body for a response that cannot have one: 1xx, 204 and 304 (RFC 9112 6.3).
    #[error("a response with status {status} cannot have a body")]
    BodyNotAllowed {
        /// The status of the response.
        status: u16,
    },
}
