//! One connection to a service: a request goes out, its response comes in, one at a time.

mod open;
mod sign_in;

use std::borrow::Cow;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use auth::ChannelBinding;
use http::{ChunkedDecoder, Limits, RequestWriter, ResponseFraming, ResponseHead};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use zeroize::Zeroizing;

use crate::Endpoint;
use crate::authentication::Proof;
use crate::error::{Error, Progress, Seen, Violation};
use crate::patience::Patience;
use crate::proxy::Gate;

pub(crate) use open::{addresses, below_tls};

/// A connection and how far it is authenticated.
///
/// Whoever gives up on a request drops the connection with it: what comes later would be taken for the
/// answer to another request.
pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    proof: Proof,
    /// Which TLS connection it is.
    channel: Option<ChannelBinding>,
    address: String,
    /// The proxy that passes its requests on, which sees them.
    gate: Option<Gate>,
    /// Read from the stream and not yet understood; empty between requests.
    received: Vec<u8>,
}

/// Plain or secured.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// What is to be sent, without what belongs to the connection.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) media_type: &'a str,
    /// Headers beyond those of every request.
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) body: &'a [u8],
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) head: ResponseHead,
    /// What the body is, once it is open.
    pub(crate) content_type: Option<String>,
    pub(crate) body: Vec<u8>,
    /// Another request may follow on the same connection.
    pub(crate) reusable: bool,
}

impl Connection {
    /// A connection over which nothing has gone yet.
    pub(crate) fn plain(stream: Box<dyn Stream>, proof: Proof, address: String) -> Self {
        Self { stream, proof, channel: None, address, gate: None, received: Vec::with_capacity(READ) }
    }

    /// Sends a request and waits for its response, of a body of at most `limit` octets; signs in before, if that is
    /// still to be done.
    pub(crate) async fn exchange(
        &mut self,
        request: &Request<'_>,
        limit: usize,
        patience: &Patience,
    ) -> Result<Response, Error> {
        self.sign_in(request.endpoint, patience).await?;
        loop {
            let response = match self.seals() {
                true => self.exchange_sealed(request, limit, patience).await?,
                false => self.converse(request, limit, patience).await?,
            };
            match response.head.status() {
                // A challenge that is new, or whose nonce is, is answered once.
                401 => self.take_challenge(request.endpoint, &response)?,
                _ => return Ok(response),
            }
        }
    }

    /// The octets themselves, for who does something else with them.
    pub(crate) fn into_stream(self) -> impl AsyncRead + AsyncWrite + Send + Unpin {
        self.stream
    }

    /// Sends a request as it is and waits for whatever is answered to it.
    pub(crate) async fn converse(
        &mut self,
        request: &Request<'_>,
        limit: usize,
        patience: &Patience,
    ) -> Result<Response, Error> {
        for _ in 0..MOST_PROXY_ROUNDS {
            let response = self.converse_once(request, limit, patience).await?;
            match &mut self.gate {
                Some(gate) if response.head.status() == 407 => {
                    gate.challenged(&response.head)?;
                    if !response.reusable {
                        return Err(gate.failed(Violation::ClosedDuringSignIn.into()));
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
        patience: &Patience,
    ) -> Result<Response, Error> {
        let target = match &self.gate {
            Some(_) => Cow::Owned(request.endpoint.url()),
            None => Cow::Borrowed(request.endpoint.path()),
        };
        let pass = match &mut self.gate {
            Some(gate) => gate.authorization("POST", &target, patience).await?,
            None => None,
        };
        let written = self.write(request, &target, pass.as_deref())?;
        match self.send(&written, patience).await? {
            Ok(()) => self.read(limit, patience).await,
            // A service may refuse a request before it has read all of it: then it has answered already.
            Err(error) => match self.read(limit, patience).await {
                Ok(response) => Ok(Response { reusable: false, ..response }),
                Err(_) => Err(self.broken(Progress::Sending, error)),
            },
        }
    }

    /// Whether nothing has come since the last response: neither the end nor octets nobody asked for.
    pub(crate) async fn is_idle(&mut self) -> bool {
        // The runtime looks at its sockets before it comes back, so that an end that has arrived is seen.
        tokio::task::yield_now().await;
        let mut byte = [0];
        let mut buffer = ReadBuf::new(&mut byte);
        let mut context = Context::from_waker(Waker::noop());
        matches!(Pin::new(&mut self.stream).poll_read(&mut context, &mut buffer), Poll::Pending)
    }

    /// Head and body in one piece: a service would wait for the second one (interop-clients).
    fn write(
        &mut self,
        request: &Request<'_>,
        target: &str,
        pass: Option<&String>,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let authorization = self.proof.authorization(request.endpoint.path());
        let secret = authorization.as_ref().map_or(0, |value| value.len()) + pass.map_or(0, String::len);
        // Reserved at once, so that growing leaves no copy of a password behind.
        let mut out = Zeroizing::new(Vec::with_capacity(HEAD + secret + request.body.len()));
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
        out.extend_from_slice(request.body);
        Ok(out)
    }

    /// Sends everything, as long as the other end takes some of it now and then.
    async fn send(&mut self, mut rest: &[u8], patience: &Patience) -> Result<io::Result<()>, Error> {
        while !rest.is_empty() {
            match patience.for_bytes(self.stream.write(rest)).await? {
                Ok(0) => return Ok(Err(io::ErrorKind::WriteZero.into())),
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(error) => return Ok(Err(error)),
            }
        }
        patience.for_bytes(self.stream.flush()).await
    }

    async fn read(&mut self, limit: usize, patience: &Patience) -> Result<Response, Error> {
        let head = self.read_head(patience).await?;
        let body = self.read_body(&head, limit, patience).await?;
        let reusable = head.keep_alive() && self.received.is_empty();
        let content_type = head.header("Content-Type").map(str::to_owned);
        Ok(Response { head, content_type, body, reusable })
    }

    pub(crate) async fn read_body(
        &mut self,
        head: &ResponseHead,
        limit: usize,
        patience: &Patience,
    ) -> Result<Vec<u8>, Error> {
        match head.body() {
            ResponseFraming::Empty => Ok(Vec::new()),
            ResponseFraming::Length(length) => {
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                self.read_length(length, limit, patience).await
            }
            ResponseFraming::Chunked => self.read_chunks(limit, patience).await,
            ResponseFraming::UntilClose => self.read_until_close(limit, patience).await,
        }
    }

    /// Asks a proxy for a tunnel; what it says besides the head of its answer is still to be read.
    pub(crate) async fn ask_for_tunnel(
        &mut self,
        authority: &str,
        pass: Option<&String>,
        patience: &Patience,
    ) -> Result<ResponseHead, Error> {
        // Reserved at once, so that growing leaves no copy of a password behind.
        let mut out =
            Zeroizing::new(Vec::with_capacity(HEAD + authority.len() * 2 + pass.map_or(0, String::len)));
        let mut writer = RequestWriter::connect(&mut out, authority).map_err(refused)?;
        writer.header("User-Agent", USER_AGENT).map_err(refused)?;
        if let Some(value) = pass {
            writer.header("Proxy-Authorization", value).map_err(refused)?;
        }
        writer.end_without_body();
        let sent = self.send(&out, patience).await?;
        sent.map_err(|error| self.broken(Progress::Sending, error))?;
        self.read_head(patience).await
    }

    /// Whether there is something that nobody has read yet.
    pub(crate) fn has_received(&self) -> bool {
        !self.received.is_empty()
    }

    async fn read_head(&mut self, patience: &Patience) -> Result<ResponseHead, Error> {
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
                    self.receive(progress, patience).await?;
                }
            }
        }
    }

    async fn read_length(
        &mut self,
        length: usize,
        limit: usize,
        patience: &Patience,
    ) -> Result<Vec<u8>, Error> {
        if length > limit {
            return Err(self.violated(Violation::TooLarge { limit }));
        }
        // The length is only what the service claims, so room beyond this grows with what really comes.
        let mut body = Vec::with_capacity(length.min(FIRST_ROOM));
        let here = self.received.len().min(length);
        body.extend(self.received.drain(..here));
        while body.len() < length {
            if body.len() == body.capacity() {
                body.reserve_exact((length - body.len()).min(body.len().max(FIRST_ROOM)));
            }
            let missing = u64::try_from(length - body.len()).unwrap_or(u64::MAX);
            let mut rest = (&mut self.stream).take(missing);
            match patience.for_bytes(rest.read_buf(&mut body)).await? {
                Ok(0) => return Err(self.cut_off()),
                Ok(_) => {}
                Err(error) => return Err(self.broken(Progress::Receiving, error)),
            }
        }
        Ok(body)
    }

    async fn read_chunks(&mut self, limit: usize, patience: &Patience) -> Result<Vec<u8>, Error> {
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
            self.receive(Progress::Receiving, patience).await?;
        }
    }

    async fn read_until_close(&mut self, limit: usize, patience: &Patience) -> Result<Vec<u8>, Error> {
        let mut body = std::mem::take(&mut self.received);
        loop {
            if body.len() > limit {
                return Err(self.violated(Violation::TooLarge { limit }));
            }
            body.reserve(READ);
            match patience.for_bytes(self.stream.read_buf(&mut body)).await? {
                Ok(0) => return Ok(body),
                Ok(_) => {}
                // Python and Go end TLS without saying so; whether the message is whole its XML shows.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(body),
                Err(error) => return Err(self.broken(Progress::Receiving, error)),
            }
        }
    }

    /// Reads whatever there is behind what was received.
    async fn receive(&mut self, progress: Progress, patience: &Patience) -> Result<(), Error> {
        self.received.reserve(READ);
        match patience.for_bytes(self.stream.read_buf(&mut self.received)).await? {
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

/// What a failed request brought, for those who look for the reason.
pub(crate) fn seen(content_type: Option<&str>, body: &[u8]) -> Seen {
    let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let beginning = body.get(..MOST_READ).unwrap_or(body);
    let beginning = String::from_utf8_lossy(beginning);
    let words: Vec<&str> = beginning.split(|c: char| c.is_whitespace() || c.is_control()).collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    Seen {
        media_type: media_type.chars().take(LONGEST_SHOWN).collect(),
        octets: body.len(),
        beginning: words.join(" ").chars().take(LONGEST_SHOWN).collect(),
    }
}

const LONGEST_SHOWN: usize = 80;
/// More than enough for that, whatever the characters are.
const MOST_READ: usize = 1_024;

/// Room for the head of a request without its secrets.
const HEAD: usize = 1_024;
/// A proxy asks twice at most.
const MOST_PROXY_ROUNDS: usize = 4;
const USER_AGENT: &str = concat!("Telarch/", env!("CARGO_PKG_VERSION"));
/// How much is read at a time, besides bodies of known length.
const READ: usize = 16 * 1_024;
/// How much room a body gets before its first octet has come.
const FIRST_ROOM: usize = 1_024 * 1_024;
const MOST_INTERIM: usize = 8;
