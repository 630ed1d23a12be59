//! HTTP POST requests.

use std::time::{Duration, Instant};

use http::{ChunkedDecoder, Date, Limits, MediaType, RequestWriter, ResponseFraming, ResponseHead};
use zeroize::Zeroizing;

use crate::connection::{Address, Connection};

/// Target of HTTP requests.
#[derive(Clone)]
pub struct HttpTarget {
    /// Address of the server.
    pub address: Address,
    /// Value of the header `Host`.
    pub host: String,
    /// Path with query.
    pub path: String,
    /// Further headers, such as `Authorization`.
    pub headers: Vec<HttpHeader>,
}

/// Header of a request. The value is zeroized when it is dropped, because it may be a credential.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpHeader {
    /// Name.
    pub name: String,
    /// Value.
    pub value: Zeroizing<String>,
}

/// Hides the value.
impl std::fmt::Debug for HttpHeader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.name)
    }
}

/// Hides the headers, which may contain credentials.
impl std::fmt::Debug for HttpTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.host, self.path)
    }
}

impl HttpTarget {
    /// Sends a body in one request on a connection of its own, and waits for the status of the response.
    ///
    /// # Errors
    /// A message if the request cannot be sent, or its status is not 200 to 299.
    pub fn post(&self, content_type: &str, body: &[u8]) -> Result<(), String> {
        let head = self.send(content_type, body)?.head()?;
        if (200..300).contains(&head.status()) { Ok(()) } else { Err(refused(head.status())) }
    }

    /// Sends a body in one request on a connection of its own, and returns the response, whatever its status. A body of
    /// more than `limit` bytes, and one that cannot be read, are omitted.
    ///
    /// # Errors
    /// A message if the request cannot be sent, or there is no response.
    pub fn exchange(&self, content_type: &str, body: &[u8], limit: usize) -> Result<HttpResponse, String> {
        let mut incoming = self.send(content_type, body)?;
        let head = incoming.head()?;
        let retry_after = head.header("Retry-After").map(str::to_owned);
        let content_type = head.header("Content-Type").map(str::to_owned);
        let body = incoming.body(head.body(), limit).unwrap_or_default();
        Ok(HttpResponse { status: head.status(), retry_after, content_type, body })
    }

    fn send(&self, content_type: &str, body: &[u8]) -> Result<IncomingResponse, String> {
        let mut request = Zeroizing::new(Vec::new());
        let mut writer =
            RequestWriter::post(&mut request, &self.path, &self.host).map_err(|error| error.to_string())?;
        let fixed = [("Content-Type", content_type), ("User-Agent", "telarch"), ("Connection", "close")];
        let further = self.headers.iter().map(|header| (header.name.as_str(), header.value.as_str()));
        for (name, value) in fixed.into_iter().chain(further) {
            writer.header(name, value).map_err(|error| error.to_string())?;
        }
        writer.end(u64::try_from(body.len()).unwrap_or(u64::MAX));
        request.extend_from_slice(body);
        let mut connection = Connection::open(&self.address).map_err(|error| error.to_string())?;
        connection.write(&request).map_err(|error| error.to_string())?;
        Ok(IncomingResponse { connection, received: Vec::new(), began: Instant::now() })
    }
}

/// Response to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    /// Status code.
    pub status: u16,
    /// Header `Retry-After`.
    pub retry_after: Option<String>,
    /// Header `Content-Type`.
    pub content_type: Option<String>,
    /// Content.
    pub body: Vec<u8>,
}

impl HttpResponse {
    /// Returns whether the request was successful.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Returns whether the content has this media type.
    #[must_use]
    pub fn is_type(&self, essence: &str) -> bool {
        let media_type = self.content_type.as_deref().and_then(|value| MediaType::parse(value).ok());
        media_type.is_some_and(|media_type| media_type.is(essence))
    }

    /// Returns the time after which the server accepts another request, at `now` in seconds since 1970 (RFC 9110
    /// 10.2.3).
    #[must_use]
    pub fn retry_delay(&self, now: u64) -> Option<Duration> {
        let value = self.retry_after.as_deref()?.trim();
        let seconds = match value.parse() {
            Ok(seconds) => seconds,
            Err(_) => Date::seconds_of(value)?.saturating_sub(now),
        };
        Some(Duration::from_secs(seconds))
    }

    /// Returns the message for a status that is an error.
    #[must_use]
    pub fn refusal(&self) -> String {
        refused(self.status)
    }
}

fn refused(status: u16) -> String {
    format!("the server has answered with the status {status}")
}

/// A response that is being received.
struct IncomingResponse {
    connection: Connection,
    /// Bytes that were received and not read yet.
    received: Vec<u8>,
    began: Instant,
}

impl IncomingResponse {
    /// Reads the head.
    fn head(&mut self) -> Result<ResponseHead, String> {
        let mut is_at_end = false;
        loop {
            let parsed = ResponseHead::parse(&self.received, &Limits::default());
            match parsed.map_err(|error| error.to_string())? {
                Some((head, length)) => {
                    self.received.drain(..length);
                    if head.status() >= 200 {
                        return Ok(head);
                    }
                }
                None if is_at_end => {
                    return Err("the server has closed the connection without a response".to_owned());
                }
                None => is_at_end = self.read()? == 0,
            }
        }
    }

    /// Reads a body of at most `limit` bytes.
    fn body(&mut self, framing: ResponseFraming, limit: usize) -> Result<Vec<u8>, String> {
        let length = match framing {
            ResponseFraming::Empty => return Ok(Vec::new()),
            ResponseFraming::Chunked => return self.chunks(limit),
            ResponseFraming::UntilClose => None,
            ResponseFraming::Length(length) => Some(usize::try_from(length).unwrap_or(usize::MAX)),
        };
        if length.is_some_and(|length| length > limit) {
            return Err(too_long());
        }
        while length.is_none_or(|length| self.received.len() < length) {
            if self.received.len() > limit {
                return Err(too_long());
            }
            if self.read()? == 0 {
                return match length {
                    None => Ok(std::mem::take(&mut self.received)),
                    Some(_) => Err("the server has cut its response off".to_owned()),
                };
            }
        }
        let mut body = std::mem::take(&mut self.received);
        body.truncate(length.unwrap_or(usize::MAX));
        Ok(body)
    }

    fn chunks(&mut self, limit: usize) -> Result<Vec<u8>, String> {
        let (mut decoder, mut body) = (ChunkedDecoder::new(limit), Vec::new());
        loop {
            let received = std::mem::take(&mut self.received);
            let progress = decoder.decode(&received, &mut body).map_err(|error| error.to_string())?;
            if progress.done {
                return Ok(body);
            }
            if self.read()? == 0 {
                return Err("the server has cut its response off".to_owned());
            }
        }
    }

    /// Receives some bytes; returns 0 at the end of the connection.
    fn read(&mut self) -> Result<usize, String> {
        if self.began.elapsed() > RESPONSE_TIMEOUT {
            return Err("the server has not sent its response in time".to_owned());
        }
        let mut buffer = [0; 4_096];
        let read = self.connection.read(&mut buffer);
        let count = read.map_err(|error| format!("cannot read the response: {error}"))?;
        self.received.extend_from_slice(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

fn too_long() -> String {
    "the response of the server is too long".to_owned()
}

/// Time limit for a response, whose parts have the time limit of a read each.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    /// Returns the response of a server that sends these bytes and closes the connection.
    fn exchange(response: &'static [u8]) -> Result<HttpResponse, String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut request = [0; 1_024];
            let count = socket.read(&mut request).unwrap();
            assert!(request[..count].starts_with(b"POST /x HTTP/1.1\r\n"));
            socket.write_all(response).unwrap();
        });
        let address = Address { host: "127.0.0.1".to_owned(), port, tls: None };
        let (host, path) = ("localhost".to_owned(), "/x".to_owned());
        let target = HttpTarget { address, host, path, headers: Vec::new() };
        let exchanged = target.exchange("text/plain", b"", 8);
        server.join().unwrap();
        exchanged
    }

    #[test]
    fn a_response_has_its_status_and_a_bounded_body() {
        for (response, status, body) in [
            (&b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"[..], 200, &b"body"[..]),
            (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", 503, b""),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", 200, b"body"),
            (b"HTTP/1.0 429 Slow\r\n\r\nbody", 429, b"body"),
            (b"HTTP/1.0 200 OK\r\n\r\ntoo long a body", 200, b""),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ntoo-long-", 200, b""),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ncut", 200, b""),
        ] {
            let response = exchange(response).unwrap();
            assert_eq!((response.status, response.body.as_slice()), (status, body));
        }
        assert!(exchange(b"").is_err());
        assert!(exchange(b"SSH-2.0\r\n").is_err());
    }

    #[test]
    fn the_time_of_the_next_request_is_a_number_or_a_date() {
        let with = |value: &str| HttpResponse {
            status: 503,
            retry_after: Some(value.to_owned()),
            content_type: Some("application/x-protobuf; x=y".to_owned()),
            body: Vec::new(),
        };
        assert_eq!(with("120").retry_delay(0), Some(Duration::from_secs(120)));
        let date = "Thu, 01 Jan 1970 00:01:40 GMT";
        assert_eq!(with(date).retry_delay(40), Some(Duration::from_secs(60)));
        assert_eq!(with(date).retry_delay(400), Some(Duration::ZERO));
        for invalid in ["soon", "-1", ""] {
            assert_eq!(with(invalid).retry_delay(0), None, "{invalid}");
        }
        assert!(with("").is_type("application/x-protobuf") && !with("").is_type("text/html"));
    }
}
