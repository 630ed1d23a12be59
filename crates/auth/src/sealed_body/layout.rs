//! Location of the sealed bytes between the MIME lines.

use std::ops::Range;

use super::content_type::{Form, Original, Wrapping};
use super::{Protocol, SealedBodyError};
use crate::SecurityContext;

/// Parameters for writing the parts of a body.
pub(super) struct Layout<'a> {
    pub(super) protocol: Protocol,
    pub(super) content_type: &'a str,
}

impl Layout<'_> {
    /// Maximum number of additional bytes per part.
    pub(super) fn overhead(&self) -> usize {
        FIXED_OVERHEAD + self.protocol.name().len() + self.content_type.len()
    }

    /// Seals a message in place and appends it with its lines.
    pub(super) fn write(
        &self,
        context: &mut dyn SecurityContext,
        message: &mut Vec<u8>,
        body: &mut Vec<u8>,
    ) -> Result<(), SealedBodyError> {
        let open = message.len();
        let header = context.seal(message)?;
        // The length includes padding of the mechanism, but not the overhead of TLS records.
        let length = if self.protocol == Protocol::CredSsp { open } else { message.len() };
        let header_length = u32::try_from(header.len()).map_err(|_| crate::SealError::Failed)?;
        for text in [
            "--Encrypted Boundary\r\n\tContent-Type: ",
            self.protocol.name(),
            "\r\n\tOriginalContent: type=",
            self.content_type,
            ";Length=",
            &length.to_string(),
            "\r\n--Encrypted Boundary\r\n\tContent-Type: application/octet-stream\r\n",
        ] {
            body.extend_from_slice(text.as_bytes());
        }
        body.extend_from_slice(&header_length.to_le_bytes());
        body.extend_from_slice(&header);
        body.extend_from_slice(message);
        Ok(())
    }
}

/// Location of a part in its body.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// Announced length in bytes.
    pub(super) length: usize,
    pub(super) header: Range<usize>,
    pub(super) sealed: Range<usize>,
}

impl Part {
    /// Checks the length of an opened part. The announced length includes padding that the mechanism has removed (RFC
    /// 4757 pads by one byte).
    pub(super) fn check_length(
        &self,
        number: usize,
        protocol: Protocol,
        open: usize,
    ) -> Result<(), SealedBodyError> {
        let padding = if protocol == Protocol::CredSsp { 0 } else { MAX_PADDING };
        let is_right = self.length.checked_sub(open).is_some_and(|missing| missing <= padding);
        if is_right { Ok(()) } else { Err(SealedBodyError::WrongLength { part: number }) }
    }
}

/// Locates all parts of a body, which must cover it completely, and returns them with their original content type.
pub(super) fn find(
    body: &[u8],
    wrapping: &Wrapping,
    protocol: Protocol,
    limit: usize,
) -> Result<(Original, Vec<Part>), SealedBodyError> {
    let max_parts = match wrapping.form {
        Form::One => 1,
        // Clients split bodies into chunks of 16 KiB.
        Form::Several => limit / MIN_PART_LENGTH + 1,
    };
    let mut reader = Reader { body, at: 0, boundary: wrapping.boundary.as_bytes(), part: 1 };
    let mut parts: Vec<Part> = Vec::new();
    let (mut whole, mut left) = (None, limit);
    let mut delimiter = reader.delimiter("missing boundary at the beginning")?;
    while delimiter == Delimiter::Next {
        if parts.len() == max_parts {
            return Err(SealedBodyError::TooManyParts { limit: max_parts });
        }
        reader.part = parts.len() + 1;
        let (original, length) = reader.head(protocol)?;
        left = left.checked_sub(length).ok_or(SealedBodyError::TooLarge { limit })?;
        if *whole.get_or_insert_with(|| original.clone()) != original {
            return Err(reader.malformed("type differs from the first part"));
        }
        parts.push(reader.sealed(protocol, length)?);
        delimiter = reader.delimiter("missing boundary after the sealed data")?;
    }
    if reader.at != body.len() {
        return Err(reader.malformed("data after the last boundary"));
    }
    let whole = whole.ok_or_else(|| reader.malformed("no part"))?;
    Ok((whole, parts))
}

/// Reads a body sequentially, never beyond its end.
struct Reader<'b> {
    body: &'b [u8],
    at: usize,
    boundary: &'b [u8],
    /// Number of the current part, from 1; for errors.
    part: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Delimiter {
    Next,
    Last,
}

impl<'b> Reader<'b> {
    /// Parses the lines between the first boundary and the sealed bytes.
    fn head(&mut self, protocol: Protocol) -> Result<(Original, usize), SealedBodyError> {
        let (mut content_type, mut original) = (None, None);
        for _ in 0..MAX_LINES {
            let line = self.line("unterminated line")?;
            if line.starts_with(b"--") {
                if self.is_delimiter(line) != Some(Delimiter::Next) {
                    return Err(self.malformed("second boundary differs"));
                }
                return self.check_headers(content_type, original, protocol);
            }
            let (name, value) = field(line).ok_or_else(|| self.malformed("invalid header line"))?;
            let slot = if name.eq_ignore_ascii_case("Content-Type") {
                &mut content_type
            } else if name.eq_ignore_ascii_case("OriginalContent") {
                &mut original
            } else {
                continue;
            };
            if slot.replace(value).is_some() {
                return Err(self.malformed("duplicate header"));
            }
        }
        Err(self.malformed("too many headers"))
    }

    fn check_headers(
        &mut self,
        content_type: Option<&str>,
        original: Option<&str>,
        protocol: Protocol,
    ) -> Result<(Original, usize), SealedBodyError> {
        let content_type = content_type.ok_or_else(|| self.malformed("missing Content-Type"))?;
        if !content_type.eq_ignore_ascii_case(protocol.name()) {
            return Err(SealedBodyError::Protocol);
        }
        let original = original
            .and_then(Original::parse)
            .ok_or_else(|| self.malformed("OriginalContent without type or length"))?;
        let line = self.line("missing sealed data")?;
        match field(line) {
            Some((name, value))
                if name.eq_ignore_ascii_case("Content-Type") && value.eq_ignore_ascii_case(OCTETS) =>
            {
                Ok(original)
            }
            _ => Err(self.malformed("sealed data has another content type")),
        }
    }

    /// Locates the sealed bytes.
    fn sealed(&mut self, protocol: Protocol, length: usize) -> Result<Part, SealedBodyError> {
        let empty = SealedBodyError::Empty { part: self.part };
        if self.is_at_delimiter() {
            return Err(empty);
        }
        let header_length = self.length_of_header()?;
        // The header of the other protocols contains at least a signature.
        if header_length == 0 && protocol != Protocol::CredSsp {
            return Err(empty);
        }
        let (header, sealed) = match protocol {
            Protocol::CredSsp => (self.at..self.at, self.records()?),
            Protocol::Spnego | Protocol::Kerberos => {
                (self.header(header_length)?, self.take(length, "truncated sealed data")?)
            }
        };
        Ok(Part { length, header, sealed })
    }

    /// Returns whether the body ends here, or a boundary follows.
    fn is_at_delimiter(&self) -> bool {
        let rest = self.body.get(self.at..).unwrap_or_default();
        rest.is_empty() || rest.strip_prefix(b"--").is_some_and(|rest| rest.starts_with(self.boundary))
    }

    fn length_of_header(&mut self) -> Result<u32, SealedBodyError> {
        let range = self.take(4, "missing header length")?;
        let octets = self.body.get(range).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
        Ok(u32::from_le_bytes(octets))
    }

    fn header(&mut self, length: u32) -> Result<Range<usize>, SealedBodyError> {
        match usize::try_from(length) {
            Ok(length) if length <= MAX_HEADER => self.take(length, "truncated mechanism header"),
            _ => Err(self.malformed("mechanism header is too long")),
        }
    }

    /// Locates one or more TLS records (RFC 8446 5.2) by their own lengths.
    ///
    /// For CredSSP the length before them is that of a trailer. Clients set it wrongly, and it is not needed.
    fn records(&mut self) -> Result<Range<usize>, SealedBodyError> {
        let start = self.at;
        while let Some([APPLICATION_DATA, rest @ ..]) = self.body.get(self.at..) {
            let Some(([3, 3, high, low], _)) = rest.split_first_chunk() else {
                return Err(self.malformed("unsupported or truncated TLS record"));
            };
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            if !(1..=MAX_RECORD).contains(&length) {
                return Err(self.malformed("empty or oversized TLS record"));
            }
            self.take(RECORD_HEADER + length, "truncated TLS record")?;
        }
        if self.at == start { Err(self.malformed("no TLS record")) } else { Ok(start..self.at) }
    }

    fn delimiter(&mut self, otherwise: &'static str) -> Result<Delimiter, SealedBodyError> {
        let line = self.line(otherwise)?;
        self.is_delimiter(line).ok_or_else(|| self.malformed(otherwise))
    }

    /// Recognises a boundary line. Exchange writes a space before the boundary.
    fn is_delimiter(&self, line: &[u8]) -> Option<Delimiter> {
        let name = trim_blanks(line.strip_prefix(b"--")?);
        if name == self.boundary {
            return Some(Delimiter::Next);
        }
        (name.strip_suffix(b"--") == Some(self.boundary)).then_some(Delimiter::Last)
    }

    /// Reads up to the next line ending, which must be near.
    fn line(&mut self, otherwise: &'static str) -> Result<&'b [u8], SealedBodyError> {
        let rest = self.body.get(self.at..).unwrap_or_default();
        let near = rest.get(..MAX_LINE).unwrap_or(rest);
        let line = near
            .windows(2)
            .position(|pair| pair == b"\r\n")
            .and_then(|end| near.get(..end))
            .ok_or_else(|| self.malformed(otherwise))?;
        self.at += line.len() + 2;
        Ok(line)
    }

    fn take(&mut self, length: usize, otherwise: &'static str) -> Result<Range<usize>, SealedBodyError> {
        let start = self.at;
        match start.checked_add(length) {
            Some(end) if end <= self.body.len() => {
                self.at = end;
                Ok(start..end)
            }
            _ => Err(self.malformed(otherwise)),
        }
    }

    fn malformed(&self, what: &'static str) -> SealedBodyError {
        SealedBodyError::Malformed { part: self.part, what }
    }
}

/// Splits a header line into name and value, with or without a leading TAB.
fn field(line: &[u8]) -> Option<(&str, &str)> {
    let (name, value) = std::str::from_utf8(line).ok()?.split_once(':')?;
    if value.chars().any(|c| c.is_control() && c != '\t') {
        return None;
    }
    Some((name.trim_matches(BLANKS), value.trim_matches(BLANKS)))
}

fn trim_blanks(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

pub(super) const CLOSING: &[u8] = b"--Encrypted Boundary--\r\n";

const OCTETS: &str = "application/octet-stream";
const BLANKS: [char; 2] = [' ', '\t'];
/// Maximum overhead of a part: its fixed text, the length digits, and the header of the mechanism.
const FIXED_OVERHEAD: usize = 256;
const MAX_LINE: usize = 1_024;
const MAX_LINES: usize = 8;
const MAX_HEADER: usize = 1_024;
const MAX_PADDING: usize = 16;
const MIN_PART_LENGTH: usize = 4 * 1_024;
const APPLICATION_DATA: u8 = 0x17;
const RECORD_HEADER: usize = 5;
/// Maximum length of a TLS record (RFC 5246 6.2.3).
const MAX_RECORD: usize = (1 << 14) + 2_048;
