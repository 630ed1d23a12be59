//! Where the sealed octets lie between the lines around them.

use std::ops::Range;

use super::content_type::{Form, Original, Wrapping};
use super::{Protocol, SealedBodyError};
use crate::SecurityContext;

/// What each part of a body is written with.
pub(super) struct Layout<'a> {
    pub(super) protocol: Protocol,
    pub(super) content_type: &'a str,
}

impl Layout<'_> {
    /// At most so many octets come with each part.
    pub(super) fn overhead(&self) -> usize {
        FIXED_OVERHEAD + self.protocol.name().len() + self.content_type.len()
    }

    /// Seals a message in place and adds it with its lines.
    pub(super) fn write(
        &self,
        context: &mut dyn SecurityContext,
        message: &mut Vec<u8>,
        body: &mut Vec<u8>,
    ) -> Result<(), SealedBodyError> {
        let open = message.len();
        let header = context.seal(message)?;
        // Padding counts, but a TLS record is longer than what is in it for other reasons.
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

/// Where a part lies in its body.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// How many octets it says it holds.
    pub(super) length: usize,
    pub(super) header: Range<usize>,
    pub(super) sealed: Range<usize>,
}

impl Part {
    /// Padding that the mechanism has taken away again is counted in the length (RFC 4757 pads by one octet).
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

/// Finds every part of a body, from its first octet to its last, and what they are parts of.
pub(super) fn find(
    body: &[u8],
    wrapping: &Wrapping,
    protocol: Protocol,
    limit: usize,
) -> Result<(Original, Vec<Part>), SealedBodyError> {
    let most = match wrapping.form {
        Form::One => 1,
        // Whoever cuts a body up does so in pieces of 16 KiB.
        Form::Several => limit / SMALLEST_USUAL_PART + 1,
    };
    let mut reader = Reader { body, at: 0, boundary: wrapping.boundary.as_bytes(), part: 1 };
    let mut parts: Vec<Part> = Vec::new();
    let (mut whole, mut left) = (None, limit);
    let mut delimiter = reader.delimiter("it does not begin with the boundary")?;
    while delimiter == Delimiter::Next {
        if parts.len() == most {
            return Err(SealedBodyError::TooManyParts { limit: most });
        }
        reader.part = parts.len() + 1;
        let (original, length) = reader.head(protocol)?;
        left = left.checked_sub(length).ok_or(SealedBodyError::TooLarge { limit })?;
        if *whole.get_or_insert_with(|| original.clone()) != original {
            return Err(reader.malformed("it is of another type than the first"));
        }
        parts.push(reader.sealed(protocol, length)?);
        delimiter = reader.delimiter("no boundary follows the sealed octets")?;
    }
    if reader.at != body.len() {
        return Err(reader.malformed("something follows the last boundary"));
    }
    let whole = whole.ok_or_else(|| reader.malformed("there is none"))?;
    Ok((whole, parts))
}

/// Reads a body from the beginning, never beyond its end.
struct Reader<'b> {
    body: &'b [u8],
    at: usize,
    boundary: &'b [u8],
    /// Counted from one, for errors.
    part: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Delimiter {
    Next,
    Last,
}

impl<'b> Reader<'b> {
    /// The lines before the sealed octets, from behind the first boundary.
    fn head(&mut self, protocol: Protocol) -> Result<(Original, usize), SealedBodyError> {
        let (mut content_type, mut original) = (None, None);
        for _ in 0..MAX_LINES {
            let line = self.line("a line has no end")?;
            if line.starts_with(b"--") {
                if self.is_delimiter(line) != Some(Delimiter::Next) {
                    return Err(self.malformed("the second boundary is another one"));
                }
                return self.judge(content_type, original, protocol);
            }
            let (name, value) = field(line).ok_or_else(|| self.malformed("a line is no header"))?;
            let slot = if name.eq_ignore_ascii_case("Content-Type") {
                &mut content_type
            } else if name.eq_ignore_ascii_case("OriginalContent") {
                &mut original
            } else {
                continue;
            };
            if slot.replace(value).is_some() {
                return Err(self.malformed("a header is repeated"));
            }
        }
        Err(self.malformed("it has too many headers"))
    }

    fn judge(
        &mut self,
        content_type: Option<&str>,
        original: Option<&str>,
        protocol: Protocol,
    ) -> Result<(Original, usize), SealedBodyError> {
        let content_type = content_type.ok_or_else(|| self.malformed("it has no Content-Type"))?;
        if !content_type.eq_ignore_ascii_case(protocol.name()) {
            return Err(SealedBodyError::Protocol);
        }
        let original = original
            .and_then(Original::parse)
            .ok_or_else(|| self.malformed("OriginalContent has no type or no length"))?;
        let line = self.line("it has no sealed octets")?;
        match field(line) {
            Some((name, value))
                if name.eq_ignore_ascii_case("Content-Type") && value.eq_ignore_ascii_case(OCTETS) =>
            {
                Ok(original)
            }
            _ => Err(self.malformed("the sealed octets are not announced as such")),
        }
    }

    /// The sealed octets, from behind the lines before them.
    fn sealed(&mut self, protocol: Protocol, length: usize) -> Result<Part, SealedBodyError> {
        let header_length = self.length_of_header()?;
        let (header, sealed) = match protocol {
            Protocol::CredSsp => (self.at..self.at, self.records()?),
            Protocol::Spnego | Protocol::Kerberos => {
                (self.header(header_length)?, self.take(length, "the sealed octets end early")?)
            }
        };
        Ok(Part { length, header, sealed })
    }

    fn length_of_header(&mut self) -> Result<u32, SealedBodyError> {
        let range = self.take(4, "the length of the mechanism's header is missing")?;
        let octets = self.body.get(range).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
        Ok(u32::from_le_bytes(octets))
    }

    fn header(&mut self, length: u32) -> Result<Range<usize>, SealedBodyError> {
        match usize::try_from(length) {
            Ok(length) if length <= MAX_HEADER => self.take(length, "the mechanism's header ends early"),
            _ => Err(self.malformed("the mechanism's header is too long")),
        }
    }

    /// One or more records of TLS (RFC 8446 5.2), told by their own lengths.
    ///
    /// What stands where the others have the length of their header is the length of a trailer: clients get it
    /// wrong and it decides nothing.
    fn records(&mut self) -> Result<Range<usize>, SealedBodyError> {
        let start = self.at;
        while let Some([APPLICATION_DATA, rest @ ..]) = self.body.get(self.at..) {
            let Some(([3, 3, high, low], _)) = rest.split_first_chunk() else {
                return Err(self.malformed("a TLS record is of another version or ends early"));
            };
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            if !(1..=MAX_RECORD).contains(&length) {
                return Err(self.malformed("a TLS record is empty or too long"));
            }
            self.take(RECORD_HEADER + length, "a TLS record ends early")?;
        }
        if self.at == start { Err(self.malformed("there is no TLS record")) } else { Ok(start..self.at) }
    }

    fn delimiter(&mut self, otherwise: &'static str) -> Result<Delimiter, SealedBodyError> {
        let line = self.line(otherwise)?;
        self.is_delimiter(line).ok_or_else(|| self.malformed(otherwise))
    }

    /// Exchange writes a space before the boundary.
    fn is_delimiter(&self, line: &[u8]) -> Option<Delimiter> {
        let name = trim_blanks(line.strip_prefix(b"--")?);
        if name == self.boundary {
            return Some(Delimiter::Next);
        }
        (name.strip_suffix(b"--") == Some(self.boundary)).then_some(Delimiter::Last)
    }

    /// What stands before the next end of a line, which must not be far.
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

/// Name and value of a header, with or without the TAB before it.
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
/// Every line of a part with its fixed words, the longest length, and what a mechanism adds to a message.
const FIXED_OVERHEAD: usize = 256;
const MAX_LINE: usize = 1_024;
const MAX_LINES: usize = 8;
const MAX_HEADER: usize = 1_024;
const MAX_PADDING: usize = 16;
const SMALLEST_USUAL_PART: usize = 4 * 1_024;
const APPLICATION_DATA: u8 = 0x17;
const RECORD_HEADER: usize = 5;
/// RFC 5246 6.2.3.
const MAX_RECORD: usize = (1 << 14) + 2_048;
