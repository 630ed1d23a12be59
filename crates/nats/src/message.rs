//! Messages of a server.

use serde_json::Value;

use crate::error::NatsError;

/// Message of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerMessage<'a> {
    /// Properties of the server, at the beginning and when they change.
    Info(Info),
    /// Message to a subject of this client.
    Message(Message<'a>),
    /// Request for a PONG.
    Ping,
    /// Response to a PING.
    Pong,
    /// Acknowledgement of a line, in verbose mode only.
    Ok,
    /// Error, after which servers usually close the connection.
    Error(&'a str),
}

/// Properties of a server that a publisher uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// Maximum size of headers and payload of a message in bytes.
    pub max_payload: usize,
    /// Text that a client with a key signs.
    pub nonce: Option<String>,
    /// Whether the server supports headers.
    pub has_headers: bool,
    /// Whether the server has JetStream.
    pub has_jetstream: bool,
    /// Whether the server accepts TLS.
    pub offers_tls: bool,
    /// Whether the server refuses connections without TLS.
    pub requires_tls: bool,
}

/// Message to a subject of this client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Subject of the message.
    pub subject: &'a str,
    /// Status in the first line of the headers; 503 means that the published message had no receiver.
    pub status: Option<u16>,
    /// Content after the headers.
    pub payload: &'a [u8],
}

impl<'a> ServerMessage<'a> {
    /// Decodes the first message of some bytes, and returns it with its length. `None` means that more bytes are
    /// needed.
    ///
    /// # Errors
    /// [`NatsError`] if the bytes are no message, or one that is larger than the limits.
    pub fn decode(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, NatsError> {
        let Some(end) = memchr::memchr(b'\n', bytes) else {
            return if bytes.len() > MAX_LINE { Err(NatsError::LongLine(MAX_LINE)) } else { Ok(None) };
        };
        if end > MAX_LINE {
            return Err(NatsError::LongLine(MAX_LINE));
        }
        let line = bytes.get(..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = str::from_utf8(line).map_err(|_| NatsError::InvalidLine("protocol"))?;
        let (verb, arguments) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        let after = bytes.get(end + 1..).unwrap_or_default();
        let message = match verb.to_ascii_uppercase().as_str() {
            "INFO" => Self::Info(Info::parse(arguments)?),
            "PING" => Self::Ping,
            "PONG" => Self::Pong,
            "+OK" => Self::Ok,
            "-ERR" => Self::Error(arguments.trim().trim_matches('\'')),
            "MSG" => return decode_message(arguments, after, Headers::Absent).map(|found| sized(found, end)),
            "HMSG" => {
                return decode_message(arguments, after, Headers::Present).map(|found| sized(found, end));
            }
            _ => return Err(NatsError::InvalidLine("protocol")),
        };
        Ok(Some((message, end + 1)))
    }
}

/// Returns a message with its length and that of the line before it, whose line break is at `end`.
fn sized(found: Option<(Message<'_>, usize)>, end: usize) -> Option<(ServerMessage<'_>, usize)> {
    found.map(|(message, length)| (ServerMessage::Message(message), end + 1 + length))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Headers {
    Absent,
    Present,
}

/// Decodes `SUBJECT SID [REPLY] [HEADER SIZE] TOTAL SIZE` and the bytes that follow the line.
fn decode_message<'a>(
    arguments: &'a str,
    after: &'a [u8],
    headers: Headers,
) -> Result<Option<(Message<'a>, usize)>, NatsError> {
    const INVALID: NatsError = NatsError::InvalidLine("MSG");
    let mut words = arguments.split_ascii_whitespace();
    let subject = words.next().ok_or(INVALID)?;
    let _identifier = words.next().ok_or(INVALID)?;
    let rest: Vec<&str> = words.take(4).collect();
    let (header, total) = match (headers, rest.as_slice()) {
        (Headers::Absent, [total] | [_, total]) => ("0", *total),
        (Headers::Present, [header, total] | [_, header, total]) => (*header, *total),
        _ => return Err(INVALID),
    };
    let (header, total) = (number(header).ok_or(INVALID)?, number(total).ok_or(INVALID)?);
    if total > MAX_PAYLOAD {
        return Err(NatsError::LongPayload { size: total, limit: MAX_PAYLOAD });
    }
    if header > total {
        return Err(INVALID);
    }
    let Some((content, end)) = after.split_at_checked(total) else { return Ok(None) };
    match end {
        [b'\r', b'\n', ..] => {}
        [] | [b'\r'] => return Ok(None),
        _ => return Err(INVALID),
    }
    let (header, payload) = content.split_at_checked(header).ok_or(INVALID)?;
    Ok(Some((Message { subject, status: status(header), payload }, total + 2)))
}

/// Returns a decimal number of at most nine digits.
fn number(text: &str) -> Option<usize> {
    let is_number = (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

/// Returns the status in the first line of headers: `NATS/1.0 503`.
fn status(headers: &[u8]) -> Option<u16> {
    let line = headers.split(|byte| *byte == b'\r').next()?;
    let status = line.strip_prefix(b"NATS/1.0 ")?.get(..3)?;
    str::from_utf8(status).ok()?.parse().ok()
}

impl Info {
    fn parse(json: &str) -> Result<Self, NatsError> {
        let value: Value = serde_json::from_str(json).map_err(|_| NatsError::InvalidLine("INFO"))?;
        if !value.is_object() {
            return Err(NatsError::InvalidLine("INFO"));
        }
        let max_payload = value.get("max_payload").and_then(Value::as_u64).unwrap_or(DEFAULT_MAX_PAYLOAD);
        let nonce = value.get("nonce").and_then(Value::as_str);
        Ok(Self {
            max_payload: usize::try_from(max_payload).unwrap_or(usize::MAX),
            nonce: nonce.filter(|nonce| !nonce.is_empty()).map(str::to_owned),
            has_headers: is_set(&value, "headers"),
            has_jetstream: is_set(&value, "jetstream"),
            offers_tls: is_set(&value, "tls_required") || is_set(&value, "tls_available"),
            requires_tls: is_set(&value, "tls_required"),
        })
    }
}

fn is_set(value: &Value, name: &str) -> bool {
    value.get(name).and_then(Value::as_bool).unwrap_or_default()
}

/// Maximum length of a line of the server in bytes. INFO lists the addresses of all servers of a cluster.
pub const MAX_LINE: usize = 64 << 10;
/// Maximum size of a received message in bytes; acknowledgements have some hundred.
pub const MAX_PAYLOAD: usize = 64 << 10;
/// Maximum size of a message in bytes if the server does not state it.
const DEFAULT_MAX_PAYLOAD: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> ServerMessage<'_> {
        let (message, length) = ServerMessage::decode(text.as_bytes()).unwrap().unwrap();
        assert_eq!(length, text.len());
        for end in 0..length {
            assert_eq!(ServerMessage::decode(&text.as_bytes()[..end]), Ok(None), "{end} of {text:?}");
        }
        message
    }

    #[test]
    fn messages_of_a_server_are_decoded_once_they_are_complete() {
        let info =
            one("INFO {\"max_payload\":1048576,\"nonce\":\"n\",\"headers\":true,\"tls_required\":true}\r\n");
        let expected = Info {
            max_payload: 1 << 20,
            nonce: Some("n".to_owned()),
            has_headers: true,
            offers_tls: true,
            requires_tls: true,
            ..Info::default()
        };
        assert_eq!(info, ServerMessage::Info(expected));
        assert_eq!(one("PING\r\n"), ServerMessage::Ping);
        assert_eq!(one("pong\r\n"), ServerMessage::Pong);
        assert_eq!(one("+OK\r\n"), ServerMessage::Ok);
        let error = ServerMessage::Error("Authorization Violation");
        assert_eq!(one("-ERR 'Authorization Violation'\r\n"), error);
        let message = Message { subject: "_INBOX.a.1", status: None, payload: b"{}" };
        assert_eq!(one("MSG _INBOX.a.1 1 2\r\n{}\r\n"), ServerMessage::Message(message));
        assert_eq!(one("MSG _INBOX.a.1 1 reply 2\r\n{}\r\n"), ServerMessage::Message(message));
        let refused = Message { subject: "_INBOX.a.1", status: Some(503), payload: b"" };
        let text = "HMSG _INBOX.a.1 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n";
        assert_eq!(one(text), ServerMessage::Message(refused));
    }

    #[test]
    fn lengths_are_bounded_and_must_agree() {
        for text in [
            "MSG a 1 65537\r\n",
            "MSG a 1 99999999999999999999\r\n",
            "MSG a 1 -1\r\n",
            "MSG a 1\r\n",
            "MSG a 1 2\r\nabc\r\n",
            "HMSG a 1 3 2\r\nab\r\n",
            "HMSG a 1 3\r\nabc\r\n",
            "INFO []\r\n",
            "HELLO\r\n",
        ] {
            assert!(ServerMessage::decode(text.as_bytes()).is_err(), "{text:?}");
        }
        let long = vec![b'x'; MAX_LINE + 1];
        assert_eq!(ServerMessage::decode(&long), Err(NatsError::LongLine(MAX_LINE)));
    }
}
