//! Message framing and connection persistence (RFC 9112 6 and 9).

use crate::HeadError;
use crate::grammar::trim_blanks;

/// HTTP version of a message, ordered by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0: the connection closes after the response unless both sides ask to keep it.
    Http10,
    /// HTTP/1.1.
    Http11,
}

impl Version {
    /// Parses the version of a start line, which is case-sensitive (RFC 9112 2.3).
    pub(crate) fn parse(word: &[u8]) -> Result<Self, HeadError> {
        match word {
            b"HTTP/1.1" => Ok(Self::Http11),
            b"HTTP/1.0" => Ok(Self::Http10),
            [b'H', b'T', b'T', b'P', b'/', ..] => Err(HeadError::UnsupportedVersion),
            _ => Err(HeadError::StartLine),
        }
    }
}

/// How the body of a request is delimited (RFC 9112 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFraming {
    /// Neither `Content-Length` nor `Transfer-Encoding`: there is no body.
    Empty,
    /// `Content-Length`: the body has this many bytes, which may be none.
    Length(u64),
    /// `Transfer-Encoding: chunked`: a [`ChunkedDecoder`](crate::ChunkedDecoder) finds the end.
    Chunked,
}

/// How the body of a response is delimited (RFC 9112 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseFraming {
    /// Status 1xx, 204 or 304: there is no body, whatever the headers say.
    Empty,
    /// `Content-Length`: the body has this many bytes, which may be none.
    Length(u64),
    /// `Transfer-Encoding: chunked`: a [`ChunkedDecoder`](crate::ChunkedDecoder) finds the end.
    Chunked,
    /// Neither header is present: the body ends when the connection closes.
    UntilClose,
}

/// Collects the headers that delimit a message, one at a time.
#[derive(Default)]
pub(crate) struct Framing {
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
}

impl Framing {
    pub(crate) fn note(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadError> {
        // Comparing the length first rejects most headers without examining their letters.
        match name.len() {
            10 if name.eq_ignore_ascii_case(b"Connection") => self.connection(value),
            14 if name.eq_ignore_ascii_case(b"Content-Length") => {
                let length = content_length(value)?;
                if self.length.replace(length).is_some() {
                    return Err(HeadError::RepeatedContentLength);
                }
            }
            17 if name.eq_ignore_ascii_case(b"Transfer-Encoding") => {
                if self.chunked {
                    return Err(HeadError::RepeatedTransferEncoding);
                }
                // Coding names are case-insensitive (RFC 9112 7). Lists are rejected, even one that contains
                // only `identity`.
                if !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(HeadError::UnsupportedTransferEncoding);
                }
                self.chunked = true;
            }
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn body(&self, version: Version) -> Result<BodyFraming, HeadError> {
        match (self.length, self.chunked, version) {
            (Some(_), true, _) => Err(HeadError::LengthAndEncoding),
            (None, true, Version::Http10) => Err(HeadError::TransferEncodingInHttp10),
            (None, true, Version::Http11) => Ok(BodyFraming::Chunked),
            (Some(length), false, _) => Ok(BodyFraming::Length(length)),
            (None, false, _) => Ok(BodyFraming::Empty),
        }
    }

    /// Returns whether the connection persists after this message (RFC 9112 9.3). `close` overrides
    /// `keep-alive`.
    pub(crate) fn persists(&self, version: Version) -> bool {
        !self.close && (version == Version::Http11 || self.keep_alive)
    }

    fn connection(&mut self, value: &[u8]) {
        for option in value.split(|&byte| byte == b',').map(trim_blanks) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }
}

fn content_length(value: &[u8]) -> Result<u64, HeadError> {
    /// Maximum number of digits: nineteen nines fit into 64 bits, twenty do not.
    const DIGITS: usize = 19;

    if value.contains(&b',') {
        return Err(HeadError::ContentLengthList);
    }
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(HeadError::InvalidContentLength);
    }
    if value.len() > DIGITS {
        return Err(HeadError::ContentLengthTooLong);
    }
    Ok(value.iter().fold(0, |length, digit| length * 10 + u64::from(digit & 0x0f)))
}
