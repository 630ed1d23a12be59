//! Messages between web process and privileged process.

use std::net::SocketAddr;
use std::time::Duration;

use broker::wire::{Malformed, Reader, Writer};
use bytes::Bytes;
use management::{LoggedRequest, Timestamp};
use zeroize::Zeroizing;

use crate::reply::{Content, Reply};
use crate::routes::{ROUTES, Route};

/// First message to the web process. The listening socket is attached.
#[derive(Clone)]
pub struct WebProcessStart {
    /// Requests of other machines are accepted.
    pub is_remote_enabled: bool,
    /// Address rules, as text.
    pub restrictions: String,
    /// Names and addresses by which clients may address the service.
    pub host_names: Vec<String>,
    /// Every request is logged.
    pub is_logging: bool,
    /// Certificate and key in PEM.
    pub certificate: Zeroizing<String>,
}

impl std::fmt::Debug for WebProcessStart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebProcessStart").field("host_names", &self.host_names).finish_non_exhaustive()
    }
}

impl WebProcessStart {
    /// Encodes the message.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut w = Writer::default();
        w.u8(u8::from(self.is_remote_enabled)).text(&self.restrictions).u8(u8::from(self.is_logging));
        w.text(&self.certificate).u32(u32::try_from(self.host_names.len()).unwrap_or(u32::MAX));
        for name in &self.host_names {
            w.text(name);
        }
        w.finish()
    }

    /// Decodes the message.
    ///
    /// # Errors
    /// [`Malformed`]
    pub fn decode(message: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(message);
        let (is_remote_enabled, restrictions) = (flag(&mut r)?, r.text()?.to_owned());
        let (is_logging, certificate) = (flag(&mut r)?, Zeroizing::new(r.text()?.to_owned()));
        let count = r.u32()?;
        let host_names = (0..count).map(|_| Ok(r.text()?.to_owned())).collect::<Result<_, Malformed>>()?;
        r.finish()?;
        Ok(Self { is_remote_enabled, restrictions, host_names, is_logging, certificate })
    }
}

/// Credential of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ClientCredential {
    None,
    /// Secret of the session cookie.
    Session(String),
    /// API key.
    Key(String),
}

/// Operation of the table of routes, with its arguments.
#[derive(Clone, Debug)]
pub(super) struct OperationRequest {
    pub(super) route: &'static Route,
    /// Parts of the path in the order of the pattern, decoded.
    pub(super) parts: Vec<String>,
    /// Query, as sent.
    pub(super) query: String,
    pub(super) credential: ClientCredential,
    /// Secret of the session, which changing requests repeat.
    pub(super) session_secret: String,
    pub(super) is_own_origin: bool,
    pub(super) revision: Option<String>,
    pub(super) last_event: Option<String>,
    pub(super) media_type: Option<String>,
    /// Protocols of a WebSocket, with the ticket of a terminal.
    pub(super) protocols: Option<String>,
    pub(super) body: Zeroizing<Vec<u8>>,
    pub(super) client: SocketAddr,
    pub(super) server: SocketAddr,
}

/// Record for the request log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogEntry {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) user: String,
    pub(super) agent: String,
    pub(super) client: SocketAddr,
    pub(super) server: SocketAddr,
    pub(super) status: u16,
    pub(super) substatus: u16,
    pub(super) win32: u32,
    pub(super) taken: Duration,
}

/// Request of the web process.
#[derive(Clone, Debug)]
pub(super) enum WebRequest {
    Operation(Box<OperationRequest>),
    /// Reads the next events of a stream.
    NextEvents {
        stream: u64,
        credential: ClientCredential,
    },
    /// Ends a stream. There is no response.
    CloseStream(u64),
    /// Appends to the request log. There is no response.
    Log(LogEntry),
    /// The web process is confined and accepts connections. There is no response.
    Ready,
}

/// Number of bytes that must be read before the size limit is known: number, kind and route.
pub(super) const PREFIX: usize = 8 + 1 + 4;

/// Returns whether a request that begins with these bytes may have this length. Operations without a body are short, and
/// a sign-in is shorter than a configuration.
pub(super) fn is_within_limit(beginning: &[u8], length: usize) -> bool {
    let most = match beginning.get(8) {
        Some(&OPERATION) => {
            let number =
                beginning.get(9..13).and_then(|bytes| Some(u32::from_be_bytes(*bytes.first_chunk()?)));
            match number.and_then(route) {
                None => 0,
                Some(Route { path: "/session" | "/session/elevate", .. }) => MAX_FIELDS + MAX_SIGN_IN,
                Some(Route { request: Some(_), .. }) => MAX_FIELDS + MAX_BODY,
                Some(_) => MAX_FIELDS + MAX_SMALL_BODY,
            }
        }
        Some(&LOG) => MAX_FIELDS,
        Some(_) => 1_024,
        // A message without a kind is shorter than the prefix, and fails to decode.
        None => PREFIX,
    };
    length <= most
}

/// Fields other than the body. A head of HTTP has at most 32 KiB, and a decoded part is not longer than the encoded one.
const MAX_FIELDS: usize = 80 << 10;
/// User name and password.
const MAX_SIGN_IN: usize = 8 << 10;
/// Body that the operation ignores or that is empty.
const MAX_SMALL_BODY: usize = 4 << 10;
/// Body of a request, as in the server.
const MAX_BODY: usize = 1 << 20;

const OPERATION: u8 = 1;
const NEXT_EVENTS: u8 = 2;
const CLOSE_STREAM: u8 = 3;
const LOG: u8 = 4;
const READY: u8 = 5;

/// Returns the route with a number.
fn route(number: u32) -> Option<&'static Route> {
    ROUTES.get(usize::try_from(number).ok()?)
}

/// Returns the number of a route.
fn number(route: &Route) -> u32 {
    let found = ROUTES.iter().position(|other| (other.method, other.path) == (route.method, route.path));
    found.and_then(|number| u32::try_from(number).ok()).unwrap_or(u32::MAX)
}

impl WebRequest {
    /// Encodes the request with its number.
    pub(super) fn encode(&self, request: u64) -> Zeroizing<Vec<u8>> {
        let mut w = Writer::default();
        w.u64(request);
        match self {
            Self::Operation(operation) => {
                let parts = u32::try_from(operation.parts.len()).unwrap_or(u32::MAX);
                w.u8(OPERATION).u32(number(operation.route)).u32(parts);
                for part in &operation.parts {
                    w.text(part);
                }
                put_credential(w.text(&operation.query), &operation.credential)
                    .text(&operation.session_secret)
                    .u8(u8::from(operation.is_own_origin));
                let optional =
                    [&operation.revision, &operation.last_event, &operation.media_type, &operation.protocols];
                for field in optional {
                    w.optional(field.as_deref(), |w, text| _ = w.text(text));
                }
                put_address(put_address(w.octets(&operation.body), operation.client), operation.server);
            }
            Self::NextEvents { stream, credential } => {
                put_credential(w.u8(NEXT_EVENTS).u64(*stream), credential);
            }
            Self::CloseStream(stream) => {
                w.u8(CLOSE_STREAM).u64(*stream);
            }
            Self::Ready => {
                w.u8(READY);
            }
            Self::Log(entry) => {
                w.u8(LOG);
                for text in [&entry.method, &entry.path, &entry.query, &entry.user, &entry.agent] {
                    w.text(text);
                }
                put_address(put_address(&mut w, entry.client), entry.server);
                w.u32(u32::from(entry.status)).u32(u32::from(entry.substatus)).u32(entry.win32);
                w.u64(u64::try_from(entry.taken.as_millis()).unwrap_or(u64::MAX));
            }
        }
        w.finish()
    }

    /// Decodes a request and its number.
    pub(super) fn decode(message: &[u8]) -> Result<(u64, Self), Malformed> {
        let mut r = Reader::new(message);
        let request = r.u64()?;
        let decoded = match r.u8()? {
            OPERATION => Self::Operation(Box::new(operation(&mut r)?)),
            NEXT_EVENTS => Self::NextEvents { stream: r.u64()?, credential: credential(&mut r)? },
            CLOSE_STREAM => Self::CloseStream(r.u64()?),
            LOG => Self::Log(log_entry(&mut r)?),
            READY => Self::Ready,
            _ => return Err(Malformed("unknown operation")),
        };
        r.finish()?;
        Ok((request, decoded))
    }
}

fn operation(r: &mut Reader<'_>) -> Result<OperationRequest, Malformed> {
    let route = route(r.u32()?).ok_or(Malformed("unknown operation"))?;
    let expected = route.path.split('/').filter(|part| part.starts_with('{')).count();
    if usize::try_from(r.u32()?) != Ok(expected) {
        return Err(Malformed("wrong number of path parts"));
    }
    let parts = (0..expected).map(|_| Ok(r.text()?.to_owned())).collect::<Result<_, Malformed>>()?;
    Ok(OperationRequest {
        route,
        parts,
        query: r.text()?.to_owned(),
        credential: credential(r)?,
        session_secret: r.text()?.to_owned(),
        is_own_origin: flag(r)?,
        revision: r.optional(owned_text)?,
        last_event: r.optional(owned_text)?,
        media_type: r.optional(owned_text)?,
        protocols: r.optional(owned_text)?,
        body: Zeroizing::new(r.octets()?.to_vec()),
        client: address(r)?,
        server: address(r)?,
    })
}

fn log_entry(r: &mut Reader<'_>) -> Result<LogEntry, Malformed> {
    let [method, path, query, user, agent] =
        [owned_text(r)?, owned_text(r)?, owned_text(r)?, owned_text(r)?, owned_text(r)?];
    let (client, server) = (address(r)?, address(r)?);
    let (status, substatus, win32) = (short(r)?, short(r)?, r.u32()?);
    let taken = Duration::from_millis(r.u64()?);
    Ok(LogEntry { method, path, query, user, agent, client, server, status, substatus, win32, taken })
}

impl LogEntry {
    /// Copies a record.
    pub(super) fn of(logged: &LoggedRequest<'_>) -> Self {
        Self {
            method: shortened(logged.method, 64),
            path: shortened(logged.path, 32 << 10),
            query: shortened(logged.query, 32 << 10),
            user: shortened(logged.user, 1_024),
            agent: shortened(logged.agent, 4 << 10),
            client: logged.client,
            server: logged.server,
            status: logged.status,
            substatus: logged.substatus,
            win32: logged.win32,
            taken: logged.taken,
        }
    }

    /// Returns the record at a time.
    pub(super) fn at(&self, time: Timestamp) -> LoggedRequest<'_> {
        LoggedRequest {
            time,
            server: self.server,
            method: &self.method,
            path: &self.path,
            query: &self.query,
            user: &self.user,
            client: self.client,
            agent: &self.agent,
            status: self.status,
            substatus: self.substatus,
            win32: self.win32,
            taken: self.taken,
        }
    }
}

/// Returns at most `most` bytes of a text.
fn shortened(text: &str, most: usize) -> String {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default().to_owned()
}

/// Response of the privileged process.
#[derive(Debug)]
pub(super) enum PrivilegedReply {
    /// Result of an operation.
    Done {
        /// Name of the signed-in user, for the request log.
        user: String,
        reply: Reply,
        /// Number of the stream, if the content is one.
        stream: Option<u64>,
    },
    /// New events of a stream, or the reason for its end.
    Events(Result<String, String>),
}

const DONE: u8 = 1;
const EVENTS: u8 = 2;
const STREAM_END: u8 = 3;

const EMPTY: u8 = 0;
const JSON: u8 = 1;
const PROBLEM: u8 = 2;
const STREAM: u8 = 3;

impl PrivilegedReply {
    /// Encodes the response to a request.
    pub(super) fn encode(&self, request: u64) -> Zeroizing<Vec<u8>> {
        let mut w = Writer::default();
        w.u64(request);
        match self {
            Self::Done { user, reply, stream } => {
                w.u8(DONE).text(user).u32(u32::from(reply.status));
                w.u32(u32::from(reply.substatus.0)).u32(reply.substatus.1);
                let headers = reply.headers.iter().filter(|(name, _)| header_name(name).is_some());
                w.u32(u32::try_from(headers.clone().count()).unwrap_or(u32::MAX));
                for (name, value) in headers {
                    w.text(name).text(value);
                }
                match (&reply.content, stream) {
                    (_, Some(stream)) => w.u8(STREAM).u64(*stream),
                    (Content::Json(value), _) => w.u8(JSON).text(&value.to_string()),
                    (Content::Encoded(_, json), _) => w.u8(JSON).octets(json),
                    (Content::Problem(value), _) => w.u8(PROBLEM).text(&value.to_string()),
                    _ => w.u8(EMPTY),
                };
            }
            Self::Events(Ok(text)) => {
                w.u8(EVENTS).text(text);
            }
            Self::Events(Err(reason)) => {
                w.u8(STREAM_END).text(reason);
            }
        }
        w.finish()
    }

    /// Decodes a response and the number of its request.
    pub(super) fn decode(message: &[u8]) -> Result<(u64, Self), Malformed> {
        let mut r = Reader::new(message);
        let request = r.u64()?;
        let decoded = match r.u8()? {
            DONE => done(&mut r)?,
            EVENTS => Self::Events(Ok(owned_text(&mut r)?)),
            STREAM_END => Self::Events(Err(owned_text(&mut r)?)),
            _ => return Err(Malformed("unknown response")),
        };
        r.finish()?;
        Ok((request, decoded))
    }
}

fn done(r: &mut Reader<'_>) -> Result<PrivilegedReply, Malformed> {
    let (user, status) = (owned_text(r)?, short(r)?);
    let substatus = (short(r)?, r.u32()?);
    let mut headers = Vec::new();
    for _ in 0..r.u32()? {
        let name = header_name(r.text()?).ok_or(Malformed("unknown header"))?;
        headers.push((name, owned_text(r)?));
    }
    let (content, stream) = match r.u8()? {
        EMPTY => (Content::Empty, None),
        JSON => (Content::Encoded("application/json", Bytes::copy_from_slice(r.octets()?)), None),
        PROBLEM => (Content::Encoded("application/problem+json", Bytes::copy_from_slice(r.octets()?)), None),
        STREAM => (Content::Empty, Some(r.u64()?)),
        _ => return Err(Malformed("unknown content")),
    };
    let reply = Reply { status, headers, content, substatus, audit: String::new() };
    Ok(PrivilegedReply::Done { user, reply, stream })
}

/// Returns the name of a header that operations set.
fn header_name(name: &str) -> Option<&'static str> {
    ["allow", "etag", "location", "retry-after", "set-cookie"].into_iter().find(|known| *known == name)
}

fn put_credential<'w>(w: &'w mut Writer, credential: &ClientCredential) -> &'w mut Writer {
    match credential {
        ClientCredential::None => w.u8(0),
        ClientCredential::Session(secret) => w.u8(1).text(secret),
        ClientCredential::Key(key) => w.u8(2).text(key),
    }
}

fn credential(r: &mut Reader<'_>) -> Result<ClientCredential, Malformed> {
    match r.u8()? {
        0 => Ok(ClientCredential::None),
        1 => owned_text(r).map(ClientCredential::Session),
        2 => owned_text(r).map(ClientCredential::Key),
        _ => Err(Malformed("unknown credential")),
    }
}

fn put_address(w: &mut Writer, address: SocketAddr) -> &mut Writer {
    w.address(address.ip()).u32(u32::from(address.port()))
}

fn address(r: &mut Reader<'_>) -> Result<SocketAddr, Malformed> {
    let address = r.address()?;
    Ok(SocketAddr::new(address, short(r)?))
}

fn short(r: &mut Reader<'_>) -> Result<u16, Malformed> {
    u16::try_from(r.u32()?).map_err(|_| Malformed("number out of range"))
}

fn flag(r: &mut Reader<'_>) -> Result<bool, Malformed> {
    match r.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Malformed("invalid flag")),
    }
}

fn owned_text(r: &mut Reader<'_>) -> Result<String, Malformed> {
    r.text().map(str::to_owned)
}
