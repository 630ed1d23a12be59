//! WebSocket of a terminal (RFC 6455).
//!
//! Binary messages are input and output. Text messages of the client are JSON: `{"resize": [columns, rows]}`, and
//! `{"acknowledged": bytes}` once the window has shown output. At most [`WINDOW`] bytes are sent without
//! acknowledgement; then the shell is not read, and a program that writes to it waits.

use std::io;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::header::HeaderValue;
use hyper::upgrade::OnUpgrade;
use hyper::{Response, header};
use hyper_util::rt::TokioIo;
use management_terminal::ShellRequest;
use serde_json::Value;
use sha1::{Digest as _, Sha1};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::call::Call;
use crate::problem::Problem;
use crate::reply::Reply;
use crate::response::{ResponseBody, of_reply};

/// Name of the protocol. The client offers the ticket as a second protocol, because browsers send no other header of its
/// choice, and a path would be logged.
const PROTOCOL: &str = "telarch.terminal";

/// Returns the ticket that a client has sent.
pub(crate) fn ticket_of(call: &Call) -> Option<&str> {
    let (protocol, ticket) = call.header("sec-websocket-protocol")?.split_once(',')?;
    (protocol.trim() == PROTOCOL).then(|| ticket.trim())
}

/// Refuses a request that does not open a WebSocket.
pub(crate) fn require_handshake(call: &Call) -> Result<(), Problem> {
    fn has_word(value: Option<&str>, word: &str) -> bool {
        value.unwrap_or_default().split(',').any(|part| part.trim().eq_ignore_ascii_case(word))
    }
    let key = call.header("sec-websocket-key").and_then(|key| STANDARD.decode(key).ok());
    let is_valid = call.method == "GET"
        && has_word(call.header("connection"), "upgrade")
        && has_word(call.header("upgrade"), "websocket")
        && call.header("sec-websocket-version") == Some("13")
        && key.is_some_and(|key| key.len() == 16);
    is_valid.then_some(()).ok_or_else(|| {
        Problem::new(426, "upgrade-required", "this resource is a WebSocket of version 13 (RFC 6455)")
    })
}

/// Returns the response that opens the WebSocket, and relays between both in a task of its own.
pub(crate) fn accept(upgrade: OnUpgrade, call: &Call, shell: UnixStream) -> Response<ResponseBody> {
    let shell = shell.set_nonblocking(true).and_then(|()| tokio::net::UnixStream::from_std(shell));
    let shell = match shell {
        Ok(shell) => shell,
        Err(error) => {
            let detail = format!("cannot use the socket of the terminal: {error}");
            return of_reply(&Problem::new(500, "terminal-failed", detail).reply());
        }
    };
    let mut response = of_reply(&Reply::new(101, crate::reply::Content::Empty));
    let key = call.header("sec-websocket-key").unwrap_or_default();
    let accepted = STANDARD.encode(Sha1::digest(format!("{key}{GUID}")));
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    if let Ok(accepted) = HeaderValue::from_str(&accepted) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accepted);
    }
    let client = call.client;
    tokio::spawn(async move {
        let upgraded = match upgrade.await {
            Ok(upgraded) => TokioIo::new(upgraded),
            Err(error) => return tracing::debug!(peer = %client, %error, "Cannot open a WebSocket"),
        };
        let ended = relay(upgraded, shell).await;
        tracing::debug!(peer = %client, reason = ended.reason, "WebSocket of a terminal has ended");
    });
    response
}

/// Reason for the end of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    code: u16,
    /// At most 123 bytes, for the client.
    pub(crate) reason: &'static str,
}

const SHELL_ENDED: End = End { code: 1_000, reason: "the terminal has ended" };
const CLIENT_CLOSED: End = End { code: 1_000, reason: "" };
const INVALID: End = End { code: 1_008, reason: "invalid message" };
const TOO_LARGE: End = End { code: 1_009, reason: "a message is longer than 64 KiB" };
const TOO_MUCH_INPUT: End = End { code: 1_008, reason: "the program does not read the input" };
const NO_ANSWER: End = End { code: 1_001, reason: "the browser does not answer" };
const SHELL_FAILED: End = End { code: 1_011, reason: "the connection to the shell failed" };

/// Relays between a WebSocket and a shell until one of both ends.
pub(crate) async fn relay<S>(stream: S, shell: tokio::net::UnixStream) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let config =
        WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
    let socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
    let mut relay = Relay { socket, unacknowledged: 0, input: Vec::new(), budget: Budget::full() };
    let end = relay.run(shell).await;
    let frame = CloseFrame { code: CloseCode::from(end.code), reason: end.reason.into() };
    // The client may be gone.
    let _ = timeout(CLOSE, async {
        let _ = relay.socket.close(Some(frame)).await;
        // The close frame of the client; later input is ignored.
        for _ in 0..MAX_AFTER_CLOSE {
            if !matches!(relay.socket.next().await, Some(Ok(_))) {
                break;
            }
        }
    })
    .await;
    end
}

struct Relay<S> {
    socket: WebSocketStream<S>,
    /// Bytes of output that the client has not acknowledged.
    unacknowledged: usize,
    /// Encoded requests that the shell has not accepted yet.
    input: Vec<u8>,
    budget: Budget,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Relay<S> {
    async fn run(&mut self, shell: tokio::net::UnixStream) -> End {
        let (mut output, mut input) = shell.into_split();
        let mut buffer = vec![0; BUFFER];
        let mut pings = interval(PING);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut silent_intervals = 0;
        loop {
            let now = Instant::now();
            let refilled = self.budget.time_of_next(now);
            tokio::select! {
                message = self.socket.next(), if refilled <= now => {
                    silent_intervals = 0;
                    let received = match message {
                        None | Some(Ok(Message::Close(_)) | Err(Error::ConnectionClosed)) => return CLIENT_CLOSED,
                        Some(Err(Error::Capacity(_))) => return TOO_LARGE,
                        Some(Err(_)) => return INVALID,
                        Some(Ok(message)) => self.receive(&message),
                    };
                    if let Err(end) = received {
                        return end;
                    }
                }
                () = sleep_until(refilled), if refilled > now => {}
                read = output.read(&mut buffer), if self.unacknowledged < WINDOW => match read {
                    Ok(0) => return SHELL_ENDED,
                    Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return SHELL_ENDED,
                    Err(_) => return SHELL_FAILED,
                    Ok(read) => {
                        self.unacknowledged += read;
                        let bytes = Bytes::copy_from_slice(buffer.get(..read).unwrap_or_default());
                        if let Err(end) = self.send(Message::Binary(bytes)).await {
                            return end;
                        }
                    }
                },
                written = input.write(&self.input), if !self.input.is_empty() => match written {
                    Ok(written) => _ = self.input.drain(..written.min(self.input.len())),
                    // The last output is still to be read.
                    Err(_) => self.input.clear(),
                },
                _ = pings.tick() => {
                    silent_intervals += 1;
                    if silent_intervals > MAX_SILENT_INTERVALS {
                        return NO_ANSWER;
                    }
                    if let Err(end) = self.send(Message::Ping(Bytes::new())).await {
                        return end;
                    }
                }
            }
        }
    }

    async fn send(&mut self, message: Message) -> Result<(), End> {
        match timeout(SEND, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(CLIENT_CLOSED),
            Err(_) => Err(NO_ANSWER),
        }
    }

    /// Handles a message of the client.
    fn receive(&mut self, message: &Message) -> Result<(), End> {
        self.budget.spend(message.len(), Instant::now());
        match message {
            Message::Binary(bytes) => {
                self.input.extend_from_slice(&ShellRequest::Input(bytes.to_vec()).encode());
            }
            Message::Text(text) => match Command::parse(text).ok_or(INVALID)? {
                Command::Resize { columns, rows } => {
                    self.input.extend_from_slice(&ShellRequest::Resize { columns, rows }.encode());
                }
                Command::Acknowledge(bytes) => {
                    self.unacknowledged = self.unacknowledged.saturating_sub(bytes);
                }
            },
            _ => {}
        }
        // The socket must be read on for acknowledgements, so input cannot wait there.
        if self.input.len() > MAX_WAITING { Err(TOO_MUCH_INPUT) } else { Ok(()) }
    }
}

/// Text message of a client.
#[derive(Debug, PartialEq, Eq)]
enum Command {
    Resize { columns: u16, rows: u16 },
    Acknowledge(usize),
}

impl Command {
    fn parse(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        if let Some(bytes) = value.get("acknowledged") {
            return Some(Self::Acknowledge(usize::try_from(bytes.as_u64()?).ok()?));
        }
        let number = |index: usize| {
            let number = value.get("resize")?.get(index)?.as_u64()?;
            u16::try_from(number).ok().filter(|number| (1..=MAX_SIZE).contains(number))
        };
        Some(Self::Resize { columns: number(0)?, rows: number(1)? })
    }
}

/// Messages that a client may send, as a number that grows with time up to a maximum. A longer message counts more.
struct Budget {
    left: f64,
    at: Instant,
}

impl Budget {
    fn full() -> Self {
        Self { left: BURST, at: Instant::now() }
    }

    /// Counts a message.
    fn spend(&mut self, length: usize, now: Instant) {
        let grown = now.saturating_duration_since(self.at).as_secs_f64() * PER_SECOND;
        let units = u32::try_from(length / UNIT).unwrap_or(u32::MAX);
        self.left = (self.left + grown).min(BURST) - 1.0 - f64::from(units);
        self.at = now;
    }

    /// Returns the time at which the next message is read.
    fn time_of_next(&self, now: Instant) -> Instant {
        let missing = (1.0 - self.left) / PER_SECOND;
        if missing <= 0.0 { now } else { self.at + Duration::from_secs_f64(missing) }
    }
}

/// Value that every server appends to the key of the client (RFC 6455, section 4.2.2).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Maximum length of a message in bytes.
const MAX_MESSAGE: usize = 64 << 10;
/// Bytes of output that are sent without acknowledgement.
const WINDOW: usize = 128 << 10;
/// Bytes of output in one message.
const BUFFER: usize = 16 << 10;
/// Bytes of input that may wait for the shell.
const MAX_WAITING: usize = 1 << 20;
/// Maximum number of columns or rows.
const MAX_SIZE: u16 = 1_000;
/// Messages that are read at once, and those in each second after that.
const BURST: f64 = 1_000.0;
const PER_SECOND: f64 = 500.0;
/// Bytes of a message that count as a further one.
const UNIT: usize = 4 << 10;
/// Interval of pings, and the number of intervals in which a client may send nothing.
const PING: Duration = Duration::from_secs(30);
const MAX_SILENT_INTERVALS: u32 = 2;
/// Time for sending one message.
const SEND: Duration = Duration::from_secs(30);
/// Time for the client to close its end, and the number of messages that are read meanwhile.
const CLOSE: Duration = Duration::from_secs(5);
const MAX_AFTER_CLOSE: u32 = 1_000;

#[cfg(test)]
mod tests;
