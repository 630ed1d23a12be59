//! Client of Caddy's admin API: requests over a socket in the file system, or over TCP on the loopback interface.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use http::{ChunkedDecoder, Limits, ResponseFraming, ResponseHead};

use crate::error::WebServerError;

/// Maximum size of a response in bytes.
const MAX_RESPONSE: usize = 8 << 20;
/// Maximum time of a request. Caddy answers a change when the new configuration runs.
const TIME_LIMIT: Duration = Duration::from_secs(30);
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Maximum number of repetitions after a reset. Caddy replaces its admin endpoint with each change, and resets connections
/// that the old one has accepted and not read.
const RESETS: usize = 3;

fn is_reset(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
}

/// Address of an admin endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaddyAdmin {
    /// TCP on the loopback interface.
    Loopback(SocketAddr),
    /// Socket in the file system.
    Unix(PathBuf),
}

impl CaddyAdmin {
    /// Parses `127.0.0.1:2019`, `[::1]:2019`, `localhost:2019` or `unix:/run/caddy/admin.sock`.
    ///
    /// # Errors
    /// If the address is malformed or not local. The admin API has no authentication, and another address could be that
    /// of any service that this machine reaches.
    pub fn parse(text: &str) -> Result<Self, WebServerError> {
        let invalid = || {
            let reason = "only a socket such as unix:/run/caddy/admin.sock, or a loopback address such as 127.0.0.1:2019, is accepted";
            WebServerError::impossible(format!("use {text:?} as Caddy's admin endpoint"), reason)
        };
        if let Some(path) = text.strip_prefix("unix:").or_else(|| text.strip_prefix("unix/")) {
            let path = PathBuf::from(path);
            return if path.is_absolute() { Ok(Self::Unix(path)) } else { Err(invalid()) };
        }
        let address = match text.strip_prefix("localhost:") {
            Some(port) => {
                port.parse().ok().map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
            }
            None => text.parse().ok(),
        };
        let address = address.filter(|address| address.ip().is_loopback() && address.port() != 0);
        address.map(Self::Loopback).ok_or_else(invalid)
    }

    fn connect(&self) -> io::Result<Connection> {
        match self {
            Self::Loopback(address) => {
                TcpStream::connect_timeout(address, CONNECT_LIMIT).map(Connection::Tcp)
            }
            Self::Unix(path) => UnixStream::connect(path).map(Connection::Unix),
        }
    }

    /// Returns the value of the header `Host`, which Caddy compares with its own addresses. Over a socket it must be
    /// empty, which [`http::RequestWriter`] does not permit; therefore the heads are written here.
    fn host(&self) -> String {
        match self {
            Self::Loopback(address) => address.to_string(),
            Self::Unix(_) => String::new(),
        }
    }

    /// Returns the configuration with its entity tag.
    pub(super) fn configuration(&self) -> Result<Answer, WebServerError> {
        let head = format!("GET /config/ HTTP/1.1\r\nHost: {}\r\n", self.host());
        let answer = self.repeated(&head, &[], || Ok(true))?;
        if answer.status == 200 { Ok(answer) } else { Err(self.refused(&answer)) }
    }

    /// Replaces the configuration if it still has an entity tag. Caddy keeps the old one if it cannot use the new one.
    pub(super) fn load(&self, etag: &str, configuration: &[u8]) -> Result<Answer, WebServerError> {
        let head = format!(
            "POST /config/ HTTP/1.1\r\nHost: {}\r\nIf-Match: {etag}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n",
            self.host(),
            configuration.len()
        );
        // A request that was not processed can be repeated.
        self.repeated(&head, configuration, || Ok(self.configuration()?.etag.as_deref() == Some(etag)))
    }

    /// Sends a request, and sends it again after a reset of the connection, as long as it can be repeated.
    fn repeated(
        &self,
        head: &str,
        body: &[u8],
        can_repeat: impl Fn() -> Result<bool, WebServerError>,
    ) -> Result<Answer, WebServerError> {
        let mut result = self.exchange(head, body);
        for _ in 0..RESETS {
            match &result {
                Err(error) if is_reset(error) && can_repeat()? => result = self.exchange(head, body),
                _ => break,
            }
        }
        self.parsed(result)
    }

    /// Loads the running configuration again.
    pub(super) fn reload(&self, configuration: &[u8]) -> Result<Answer, WebServerError> {
        let head = format!(
            "POST /load HTTP/1.1\r\nHost: {}\r\nCache-Control: must-revalidate\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n",
            self.host(),
            configuration.len()
        );
        self.request(&head, configuration)
    }

    /// Ends Caddy.
    pub(super) fn stop(&self) -> Result<(), WebServerError> {
        let head = format!("POST /stop HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\n", self.host());
        let answer = self.request(&head, &[])?;
        if answer.status == 200 { Ok(()) } else { Err(self.refused(&answer)) }
    }

    fn request(&self, head: &str, body: &[u8]) -> Result<Answer, WebServerError> {
        self.parsed(self.exchange(head, body))
    }

    fn exchange(&self, head: &str, body: &[u8]) -> io::Result<Vec<u8>> {
        let begin = Instant::now();
        let mut connection = self.connect()?;
        connection.exchange(&[head.as_bytes(), b"Connection: close\r\n\r\n", body].concat(), begin)
    }

    fn parsed(&self, received: io::Result<Vec<u8>>) -> Result<Answer, WebServerError> {
        let received = received.map_err(|error| self.unreachable(&error.to_string()))?;
        Answer::parse(&received).map_err(|reason| self.unreachable(&format!("malformed response: {reason}")))
    }

    fn unreachable(&self, reason: &str) -> WebServerError {
        WebServerError::Unreachable { address: self.to_string(), reason: reason.to_owned() }
    }

    fn refused(&self, answer: &Answer) -> WebServerError {
        self.unreachable(&format!("status {}: {}", answer.status, answer.message()))
    }
}

impl fmt::Display for CaddyAdmin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loopback(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A connection to the admin endpoint.
enum Connection {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Connection {
    /// Sends a request and reads until the end of the connection.
    fn exchange(&mut self, request: &[u8], begin: Instant) -> io::Result<Vec<u8>> {
        self.limit(begin)?;
        self.stream().write_all(request)?;
        let mut received = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        loop {
            self.limit(begin)?;
            let count = self.stream().read(&mut buffer)?;
            if count == 0 {
                return Ok(received);
            }
            received.extend_from_slice(buffer.get(..count).unwrap_or_default());
            if received.len() > MAX_RESPONSE {
                return Err(io::Error::other("the response exceeds 8 MiB"));
            }
        }
    }

    /// Sets the remaining time.
    fn limit(&self, begin: Instant) -> io::Result<()> {
        let left = TIME_LIMIT.checked_sub(begin.elapsed()).filter(|left| !left.is_zero());
        let left =
            left.ok_or_else(|| io::Error::new(io::ErrorKind::TimedOut, "no response within 30 seconds"))?;
        match self {
            Self::Tcp(stream) => {
                stream.set_read_timeout(Some(left)).and_then(|()| stream.set_write_timeout(Some(left)))
            }
            Self::Unix(stream) => {
                stream.set_read_timeout(Some(left)).and_then(|()| stream.set_write_timeout(Some(left)))
            }
        }
    }

    fn stream(&mut self) -> &mut dyn ReadWrite {
        match self {
            Self::Tcp(stream) => stream,
            Self::Unix(stream) => stream,
        }
    }
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

/// A response of the admin API.
pub(super) struct Answer {
    pub(super) status: u16,
    /// Entity tag, from the head or the trailer.
    pub(super) etag: Option<String>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    fn parse(received: &[u8]) -> Result<Self, String> {
        let parsed = ResponseHead::parse(received, &Limits::default()).map_err(|error| error.to_string())?;
        let (head, length) = parsed.ok_or("the connection was closed before the end of the head")?;
        let rest = received.get(length..).unwrap_or_default();
        let mut etag = head.header("ETag").map(str::to_owned);
        let body = match head.body() {
            ResponseFraming::Empty => Vec::new(),
            ResponseFraming::UntilClose => rest.to_owned(),
            ResponseFraming::Length(length) => {
                let length = usize::try_from(length).ok().and_then(|length| rest.get(..length));
                length.ok_or("the connection was closed before the end of the body")?.to_owned()
            }
            ResponseFraming::Chunked => {
                let mut body = Vec::new();
                let progress = ChunkedDecoder::new(MAX_RESPONSE).decode(rest, &mut body);
                if !progress.map_err(|error| error.to_string())?.done {
                    return Err("the connection was closed before the end of the body".to_owned());
                }
                etag = etag.or_else(|| trailer(rest));
                body
            }
        };
        Ok(Self { status: head.status(), etag, body })
    }

    /// Returns the error that Caddy reports.
    pub(super) fn message(&self) -> String {
        let parsed: Option<serde_json::Value> = serde_json::from_slice(&self.body).ok();
        let message = parsed.as_ref().and_then(|value| value.get("error")?.as_str());
        let text =
            message.map_or_else(|| String::from_utf8_lossy(&self.body).trim().to_owned(), str::to_owned);
        text.chars().filter(|character| !character.is_control()).take(2_000).collect()
    }
}

/// Returns the entity tag in the trailer of a chunked body.
fn trailer(body: &[u8]) -> Option<String> {
    let tail = body.get(body.len().saturating_sub(1_024)..)?;
    let tail = String::from_utf8_lossy(tail);
    let (_, fields) = tail.rsplit_once("\r\n0\r\n")?;
    let mut fields = fields.lines().filter_map(|line| line.split_once(':'));
    let value = fields.find_map(|(name, value)| name.eq_ignore_ascii_case("etag").then(|| value.trim()))?;
    (!value.chars().any(char::is_control)).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_local_addresses_are_accepted() {
        for text in ["127.0.0.1:2019", "[::1]:2019", "unix:/run/caddy/admin.sock"] {
            assert_eq!(CaddyAdmin::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(CaddyAdmin::parse("localhost:2019").unwrap().to_string(), "127.0.0.1:2019");
        for text in [
            "",
            "10.0.0.1:2019",
            "169.254.169.254:80",
            "example.com:2019",
            "0.0.0.0:2019",
            "127.0.0.1:0",
            "unix:a",
        ] {
            let error = CaddyAdmin::parse(text).unwrap_err().to_string();
            assert!(error.contains("loopback"), "{text}: {error}");
        }
    }

    #[test]
    fn the_entity_tag_is_read_from_the_trailer() {
        let received = b"HTTP/1.1 200 OK\r\nTrailer: ETag\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nEtag: \"/config/ 12\"\r\n\r\n";
        let answer = Answer::parse(received).unwrap();
        assert_eq!((answer.etag.as_deref(), answer.body.as_slice()), (Some("\"/config/ 12\""), &b"{}"[..]));
        assert!(Answer::parse(received.get(..80).unwrap()).is_err());
    }
}
