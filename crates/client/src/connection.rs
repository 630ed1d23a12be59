//! HTTP connection to a service: one request and its response at a time.

mod open;
mod sign_in;

use std::borrow::Cow;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use auth::ChannelBinding;
use http::{ChunkedDecoder, Limits, RequestWriter, ResponseFraming, ResponseHead};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use zeroize::Zeroizing;

use crate::Endpoint;
use crate::authentication::AuthState;
use crate::error::{Error, Progress, UnexpectedBody, Violation};
use crate::proxy::ProxyAuthenticator;
use crate::timeouts::Timeouts;

pub(crate) use open::{addresses, below_tls};

/// Connection to a service with its authentication state.
///
/// A connection is dropped if a request on it is cancelled; a late response would otherwise be taken for the response
/// to the next request.
pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    auth_state: AuthState,
    /// Channel binding of the TLS connection (RFC 5929).
    channel: Option<ChannelBinding>,
    address: String,
    /// Authenticator for the proxy that forwards each request; `None` without a proxy and inside a tunnel.
    authenticator: Option<ProxyAuthenticator>,
    /// Data read from the stream and not yet parsed; empty between requests.
    received: Vec<u8>,
}

/// Byte stream with or without TLS.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Request without the headers that the connection adds.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) media_type: &'a str,
    /// Additional headers.
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) body: &'a [u8],
}

/// Received response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) head: ResponseHead,
    /// Media type of the body after decryption.
    pub(crate) content_type: Option<String>,
    pub(crate) body: Vec<u8>,
    /// Whether another request may follow on the same connection.
    pub(crate) reusable: bool,
}

impl Connection {
    /// Creates a connection on a new stream.
    pub(crate) fn plain(stream: Box<dyn Stream>, auth_state: AuthState, address: String) -> Self {
        Self {
            stream,
            auth_state,
            channel: None,
            address,
            authenticator: None,
            received: Vec::with_capacity(READ),
        }
    }

    /// Sends a request and receives its response with a body of at most `limit` bytes; authenticates the connection
    /// first if necessary.
    pub(crate) async fn exchange(
        &mut self,
        request: &Request<'_>,
        limit: usize,
        timeouts: &Timeouts,
    ) -> Result<Response, Error> {
        self.sign_in(request.endpoint, timeouts).await?;
        loop {
            let response = match self.seals_messages() {
                true => self.exchange_sealed(request, limit, timeouts).await?,
                false => self.converse(request, limit, timeouts).await?,
            };
            match response.head.status() {
                // A new challenge or a new nonce is answered once.
                401 => self.accept_challenge(request.endpoint, &response)?,
                _ => return Ok(response),
            }
        }
    }

    /// Returns the underlying byte stream.
    pub(crate) fn into_stream(self) -> impl AsyncRead + AsyncWrite + Send + Unpin {
        self.stream
    }

    /// Sends a request as it is and receives the response; authenticates to the proxy if necessary.
    pub(crate) async fn converse(
        &mut self,
        request: &Request<'_>,
        limit: usize,
        timeouts: &Timeouts,
    ) -> Result<Response, Error> {
        for _ in 0..MOST_PROXY_ROUNDS {
            let response = self.converse_once(request, limit, timeouts).await?;
            match &mut self.authenticator {
                Some(authenticator) if response.head.status() == 407 => {
                    authenticator.accept_challenge(&response.head)?;
                    if !response.reusable {
                        return Err(authenticator.failed(Violation::ClosedDuringSignIn.into()));
                    }
                }
                _ => return Ok(response),
            }
        }
        Err(self.violated(Violation::ClosedDuringSignIn))
    }

    async fn converse_once(
        &mut self,
        request: &Request<'_>,
        limit: usize,
        timeouts: &Timeouts,
    ) -> Result<Response, Error> {
        let target = match &self.authenticator {
            Some(_) => Cow::Owned(request.endpoint.url()),
            None => Cow::Borrowed(request.endpoint.path()),
        };
        let pass = match &mut self.authenticator {
            Some(authenticator) => authenticator.authorization("POST", &target, timeouts).await?,
            None => None,
        };
        let head = self.write_head(request, &target, pass.as_deref())?;
        match self.send(&head, request.body, timeouts).await? {
            Ok(()) => self.read(limit, timeouts).await,
            // A service may reject a request before it has read all of it; then the response is already there.
            Err(error) => match self.read(limit, timeouts).await {
                Ok(response) => Ok(Response { reusable: false, ..response }),
                Err(_) => Err(self.broken(Progress::Sending, error)),
            },
        }
    }

    /// Checks that neither data nor the end of the stream has arrived since the last response.
    pub(crate) async fn check_idle(&mut self) -> bool {
        // Lets the runtime poll its sockets, so that a connection end that has arrived is noticed.
        tokio::task::yield_now().await;
        let mut byte = [0];
        let mut buffer = ReadBuf::new(&mut byte);
        let mut context = Context::from_waker(Waker::noop());
        matches!(Pin::new(&mut self.stream).poll_read(&mut context, &mut buffer), Poll::Pending)
    }

    fn write_head(
        &mut self,
        request: &Request<'_>,
        target: &str,
        pass: Option<&String>,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let authorization = self.auth_state.authorization(request.endpoint.path());
        let secret = authorization.as_ref().map_or(0, |value| value.len()) + pass.map_or(0, String::len);
        // Reserved at once, because growing would leave copies of a password in memory.
        let given: usize = request.headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
        let mut out = Zeroizing::new(Vec::with_capacity(HEAD + secret + target.len() + given));
        let endpoint = request.endpoint;
        let mut writer = RequestWriter::post(&mut out, target, &endpoint.authority()).map_err(refused)?;
        writer.header("User-Agent", USER_AGENT).map_err(refused)?;
        writer.header("Content-Type", request.media_type).map_err(refused)?;
        if let Some(value) = &authorization {
            writer.header("Authorization", value).map_err(refused)?;
        }
        if let Some(value) = pass {
            writer.header("Proxy-Authorization", value).map_err(refused)?;
        }
        for (name, value) in request.headers {
            writer.header(name, value).map_err(refused)?;
        }
        writer.end(u64::try_from(request.body.len()).unwrap_or(u64::MAX));
        Ok(out)
    }

    /// Sends head and body together, because some services stall on a separate packet. The idle limit applies to each
    /// write.
    async fn send(
        &mut self,
        mut head: &[u8],
        mut body: &[u8],
        timeouts: &Timeouts,
    ) -> Result<io::Result<()>, Error> {
        let joined;
        if !self.stream.is_write_vectored() {
            joined = Zeroizing::new([head, body].concat());
            head = &joined;
            body = &[];
        }
        while !head.is_empty() || !body.is_empty() {
            let pieces = [IoSlice::new(head), IoSlice::new(body)];
            match timeouts.within_idle(self.stream.write_vectored(&pieces)).await? {
                Ok(0) => return Ok(Err(io::ErrorKind::WriteZero.into())),
                Ok(count) => {
                    let of_head = count.min(head.len());
                    head = head.get(of_head..).unwrap_or_default();
                    body = body.get(count - of_head..).unwrap_or_default();
                }
                Err(error) => return Ok(Err(error)),
            }
        }
        timeouts.within_idle(self.stream.flush()).await
    }

    async fn read(&mut self, limit: usize, timeouts: &Timeouts) -> Result<Response, Error> {
        let head = self.read_head(timeouts).await?;
        let body = self.read_body(&head, limit, timeouts).await?;
        let reusable = head.keep_alive() && self.received.is_empty();
        let content_type = head.header("Content-Type").map(str::to_owned);
        Ok(Response { head, content_type, body, reusable })
    }

    pub(crate) async fn read_body(
        &mut self,
        head: &ResponseHead,
        limit: usize,
        timeouts: &Timeouts,
    ) -> Result<Vec<u8>, Error> {
        match head.body() {
            ResponseFraming::Empty => Ok(Vec::new()),
            ResponseFraming::Length(length) => {
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                self.read_length(length, limit, timeouts).await
            }
            ResponseFraming::Chunked => self.read_chunks(limit, timeouts).await,
            ResponseFraming::UntilClose => self.read_until_close(limit, timeouts).await,
        }
    }

    /// Asks a proxy for a tunnel (RFC 9110 9.3.6); the body of its response is not read yet.
    pub(crate) async fn ask_for_tunnel(
        &mut self,
        authority: &str,
        pass: Option<&String>,
        timeouts: &Timeouts,
    ) -> Result<ResponseHead, Error> {
        // Reserved at once, because growing would leave copies of a password in memory.
        let mut out =
            Zeroizing::new(Vec::with_capacity(HEAD + authority.len() * 2 + pass.map_or(0, String::len)));
        let mut writer = RequestWriter::connect(&mut out, authority).map_err(refused)?;
        writer.header("User-Agent", USER_AGENT).map_err(refused)?;
        if let Some(value) = pass {
            writer.header("Proxy-Authorization", value).map_err(refused)?;
        }
        writer.end_without_body();
        let sent = self.send(&out, &[], timeouts).await?;
        sent.map_err(|error| self.broken(Progress::Sending, error))?;
        self.read_head(timeouts).await
    }

    /// Returns whether received data is waiting to be parsed.
    pub(crate) fn has_received(&self) -> bool {
        !self.received.is_empty()
    }

    async fn read_head(&mut self, timeouts: &Timeouts) -> Result<ResponseHead, Error> {
        let mut interim = 0;
        loop {
            match ResponseHead::parse(&self.received, &Limits::default()) {
                Err(error) => return Err(self.violated(error.into())),
                Ok(Some((head, length))) => {
                    self.received.drain(..length);
                    if head.status() >= 200 {
                        return Ok(head);
                    }
                    interim += 1;
                    if interim > MOST_INTERIM {
                        return Err(self.violated(Violation::Interim));
                    }
                }
                Ok(None) => {
                    let begun = interim > 0 || !self.received.is_empty();
                    let progress = if begun { Progress::Receiving } else { Progress::Waiting };
                    self.receive(progress, timeouts).await?;
                }
            }
        }
    }

    async fn read_length(
        &mut self,
        length: usize,
        limit: usize,
        timeouts: &Timeouts,
    ) -> Result<Vec<u8>, Error> {
        if length > limit {
            return Err(self.violated(Violation::TooLarge { limit }));
        }
        // The service may claim any length, so the buffer grows only with received data.
        let mut body = Vec::with_capacity(length.min(FIRST_ROOM));
        let here = self.received.len().min(length);
        body.extend(self.received.drain(..here));
        while body.len() < length {
            if body.len() == body.capacity() {
                body.reserve_exact((length - body.len()).min(body.len().max(FIRST_ROOM)));
            }
            let missing = u64::try_from(length - body.len()).unwrap_or(u64::MAX);
            let mut rest = (&mut self.stream).take(missing);
            match timeouts.within_idle(rest.read_buf(&mut body)).await? {
                Ok(0) => return Err(self.cut_off()),
                Ok(_) => {}
                Err(error) => return Err(self.broken(Progress::Receiving, error)),
            }
        }
        Ok(body)
    }

    async fn read_chunks(&mut self, limit: usize, timeouts: &Timeouts) -> Result<Vec<u8>, Error> {
        let mut decoder = ChunkedDecoder::new(limit);
        let mut body = Vec::new();
        loop {
            let progress = decoder.decode(&self.received, &mut body).map_err(|error| match error {
                http::ChunkError::BodyTooLarge { limit } => self.violated(Violation::TooLarge { limit }),
                error => self.violated(error.into()),
            })?;
            self.received.drain(..progress.consumed);
            if progress.done {
                return Ok(body);
            }
            self.receive(Progress::Receiving, timeouts).await?;
        }
    }

    async fn read_until_close(&mut self, limit: usize, timeouts: &Timeouts) -> Result<Vec<u8>, Error> {
        let mut body = std::mem::take(&mut self.received);
        loop {
            if body.len() > limit {
                return Err(self.violated(Violation::TooLarge { limit }));
            }
            body.reserve(READ);
            match timeouts.within_idle(self.stream.read_buf(&mut body)).await? {
                Ok(0) => return Ok(body),
                Ok(_) => {}
                // Python and Go close TLS without `close_notify`; a truncated message is invalid XML.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(body),
                Err(error) => return Err(self.broken(Progress::Receiving, error)),
            }
        }
    }

    /// Reads more data.
    async fn receive(&mut self, progress: Progress, timeouts: &Timeouts) -> Result<(), Error> {
        self.received.reserve(READ);
        match timeouts.within_idle(self.stream.read_buf(&mut self.received)).await? {
            Ok(0) => Err(self.broken(progress, io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => Ok(()),
            Err(error) => Err(self.broken(progress, error)),
        }
    }

    fn cut_off(&self) -> Error {
        self.broken(Progress::Receiving, io::ErrorKind::UnexpectedEof.into())
    }

    fn broken(&self, when: Progress, source: io::Error) -> Error {
        Error::Disconnected { address: self.address.clone(), when, source }
    }

    fn violated(&self, violation: Violation) -> Error {
        Error::Protocol { address: self.address.clone(), violation }
    }
}

fn refused(error: http::WriteError) -> Error {
    Error::Setting { setting: "request", reason: format!("cannot be written: {error}") }
}

/// Describes the body of a response that is not a message.
pub(crate) fn describe_body(content_type: Option<&str>, body: &[u8]) -> UnexpectedBody {
    let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let beginning = body.get(..MOST_READ).unwrap_or(body);
    let beginning = String::from_utf8_lossy(beginning);
    let words: Vec<&str> = beginning.split(|c: char| c.is_whitespace() || c.is_control()).collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    UnexpectedBody {
        media_type: media_type.chars().take(LONGEST_SHOWN).collect(),
        octets: body.len(),
        beginning: words.join(" ").chars().take(LONGEST_SHOWN).collect(),
    }
}

/// Maximum length of media type and beginning in a description, in characters.
const LONGEST_SHOWN: usize = 80;
/// Number of bytes of the body from which the description is made.
const MOST_READ: usize = 1_024;

/// Initial capacity for a request head without its secrets, in bytes.
const HEAD: usize = 1_024;
/// Maximum number of requests to authenticate to a proxy; Negotiate needs two or three.
const MOST_PROXY_ROUNDS: usize = 4;
const USER_AGENT: &str = concat!("Telarch/", env!("CARGO_PKG_VERSION"));
/// Number of bytes read at a time, except for bodies of known length.
const READ: usize = 16 * 1_024;
/// Initial capacity for a body before any of it has arrived, in bytes.
const FIRST_ROOM: usize = 1_024 * 1_024;
const MOST_INTERIM: usize = 8;
