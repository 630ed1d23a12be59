use crate::WriteError;
use crate::grammar::{has_control, is_host, is_token, path};

/// The interim response that allows a client to send its body (RFC 9110 15.2.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Writes the head of a response into a buffer, to which the caller then appends the body.
///
/// If the writer is dropped without [`end`](Self::end), or `end` returns an error, the buffer is restored to
/// its previous content: half a head is never sent.
///
/// RFC 9112 4.
#[derive(Debug)]
pub struct ResponseWriter<'a> {
    head: Draft<'a>,
    status: u16,
}

impl<'a> ResponseWriter<'a> {
    /// Starts an HTTP/1.1 head with its status line.
    ///
    /// # Errors
    ///
    /// [`WriteError::Status`] if it is not a status from 100 to 599.
    pub fn new(out: &'a mut Vec<u8>, status: u16) -> Result<Self, WriteError> {
        if !(100..600).contains(&status) {
            return Err(WriteError::Status { status });
        }
        let mut head = Draft::new(out);
        head.push(b"HTTP/1.1 ");
        head.decimal(status.into());
        head.push(b" ");
        head.push(reason(status).as_bytes());
        head.push(b"\r\n");
        Ok(Self { head, status })
    }

    /// Adds a header. Call it once per value for a repeated header.
    ///
    /// # Errors
    ///
    /// [`WriteError`] for a name or value that would not be parsed as one header, or for a header reserved
    /// for the writer. The header is then omitted, and the writer can still be used.
    pub fn header(&mut self, name: &str, value: &str) -> Result<(), WriteError> {
        self.head.header(name, value)
    }

    /// Ends the head of a response whose body has `length` bytes.
    ///
    /// Writes `Content-Length`, unless responses with this status have no body (RFC 9112 6.3).
    ///
    /// # Errors
    ///
    /// [`WriteError::BodyNotAllowed`] if such a response has a body.
    pub fn end(mut self, length: u64) -> Result<(), WriteError> {
        match (self.status, length) {
            (100..200 | 204 | 304, 0) => {}
            (100..200 | 204 | 304, _) => return Err(WriteError::BodyNotAllowed { status: self.status }),
            _ => self.head.content_length(length),
        }
        self.head.end();
        Ok(())
    }
}

/// Writes the head of a request into a buffer, to which the caller then appends the body.
///
/// If the writer is dropped without one of the `end` methods, the buffer is restored to its previous content:
/// half a head is never sent.
///
/// RFC 9112 3.
#[derive(Debug)]
pub struct RequestWriter<'a> {
    head: Draft<'a>,
}

impl<'a> RequestWriter<'a> {
    /// Starts an HTTP/1.1 `POST` to `target`, a path such as `/wsman`, at `host`, such as `node7:5985`. For a
    /// proxy the target is a whole URL (RFC 9112 3.2.2).
    ///
    /// # Errors
    ///
    /// [`WriteError::Target`] or [`WriteError::Host`] if the target or host is not valid.
    pub fn post(out: &'a mut Vec<u8>, target: &str, host: &str) -> Result<Self, WriteError> {
        Self::new(out, b"POST ", target, host)
    }

    /// Starts an HTTP/1.1 `GET`; parameters as for [`post`](Self::post).
    ///
    /// # Errors
    ///
    /// [`WriteError::Target`] or [`WriteError::Host`] if the target or host is not valid.
    pub fn get(out: &'a mut Vec<u8>, target: &str, host: &str) -> Result<Self, WriteError> {
        Self::new(out, b"GET ", target, host)
    }

    /// Starts a `CONNECT`, which asks a proxy for a tunnel to `authority`, such as `node7:5986` (RFC 9110
    /// 9.3.6).
    ///
    /// # Errors
    ///
    /// [`WriteError::Host`] if the authority is not valid.
    pub fn connect(out: &'a mut Vec<u8>, authority: &str) -> Result<Self, WriteError> {
        if !is_host(authority.as_bytes()) {
            return Err(WriteError::Host);
        }
        Ok(Self::begin(out, b"CONNECT ", authority, authority))
    }

    /// Adds a header. Call it once per value for a repeated header.
    ///
    /// # Errors
    ///
    /// [`WriteError`] for a name or value that would not be parsed as one header, or for a header reserved
    /// for the writer. The header is then omitted, and the writer can still be used.
    pub fn header(&mut self, name: &str, value: &str) -> Result<(), WriteError> {
        self.head.header(name, value)
    }

    /// Ends the head of a request whose body has `length` bytes, which may be zero.
    pub fn end(mut self, length: u64) {
        self.head.content_length(length);
        self.head.end();
    }

    /// Ends the head of a request that has no body and no `Content-Length`, such as a `GET`.
    pub fn end_without_body(self) {
        self.head.end();
    }

    fn new(out: &'a mut Vec<u8>, method: &[u8], target: &str, host: &str) -> Result<Self, WriteError> {
        if path(target).is_none() {
            return Err(WriteError::Target);
        }
        if !is_host(host.as_bytes()) {
            return Err(WriteError::Host);
        }
        Ok(Self::begin(out, method, target, host))
    }

    fn begin(out: &'a mut Vec<u8>, method: &[u8], target: &str, host: &str) -> Self {
        let mut head = Draft::new(out);
        head.push(method);
        head.push(target.as_bytes());
        head.push(b" HTTP/1.1\r\n");
        head.line("Host", host);
        Self { head }
    }
}

/// A head being written at the end of a buffer; removed on drop if it was not ended.
#[derive(Debug)]
struct Draft<'a> {
    out: &'a mut Vec<u8>,
    /// Length to which the buffer is truncated on drop.
    keep: usize,
}

impl<'a> Draft<'a> {
    fn new(out: &'a mut Vec<u8>) -> Self {
        let keep = out.len();
        Self { out, keep }
    }

    fn header(&mut self, name: &str, value: &str) -> Result<(), WriteError> {
        if !is_token(name.as_bytes()) {
            return Err(WriteError::Name);
        }
        if RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
            return Err(WriteError::Reserved);
        }
        if has_control(value.as_bytes()) {
            return Err(WriteError::Value);
        }
        self.line(name, value);
        Ok(())
    }

    fn content_length(&mut self, length: u64) {
        self.push(b"Content-Length: ");
        self.decimal(length);
        self.push(b"\r\n");
    }

    fn end(mut self) {
        self.push(b"\r\n");
        self.keep = self.out.len();
    }

    fn line(&mut self, name: &str, value: &str) {
        self.push(name.as_bytes());
        self.push(b": ");
        self.push(value.as_bytes());
        self.push(b"\r\n");
    }

    fn decimal(&mut self, number: u64) {
        if number > 9 {
            self.decimal(number / 10);
        }
        self.out.extend(u8::try_from(number % 10).map(|digit| b'0' + digit));
    }

    fn push(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        self.out.truncate(self.keep);
    }
}

/// Returns the reason phrase of RFC 9110 15 for the statuses that WS-Management services send.
fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        200 => "OK",
        301 => "Moved Permanently",
        302 => "Found",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        411 => "Length Required",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Status",
    }
}

const RESERVED: [&str; 3] = ["Host", "Content-Length", "Transfer-Encoding"];
