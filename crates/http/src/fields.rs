//! Code shared by request and response heads: finding the end of a head, and its header lines.

use std::fmt;
use std::ops::Range;

use memchr::memchr;

use crate::HeadError;
use crate::grammar::{has_control, is_control, is_token_byte, trim_blanks};

/// Size limits of a message head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Maximum length of a head in bytes, including the start line and the empty line at its end.
    ///
    /// 96 KiB by default, because a Kerberos token of 64 KiB must fit in its base64 form.
    pub head: usize,
    /// Maximum number of header lines, 100 by default.
    pub headers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { head: 96 * 1024, headers: 100 }
    }
}

/// Position of a complete head in the bytes received.
#[derive(Clone, Copy)]
pub(crate) struct Extent {
    /// Offset just after the empty line that ends the head.
    pub(crate) end: usize,
    /// Number of header lines, without the start line.
    pub(crate) headers: usize,
}

impl Extent {
    /// Finds the end of the head that begins at `start`; `None` if it has not been received yet.
    ///
    /// Only line ends are examined, so calling it again after each read is cheap. Input that can never become
    /// a valid head is rejected before its end has arrived.
    pub(crate) fn find(bytes: &[u8], start: usize, limits: &Limits) -> Result<Option<Self>, HeadError> {
        let window = bytes.get(..limits.head).unwrap_or(bytes);
        let mut rest = window.get(start..).unwrap_or_default();
        let mut end = start;
        let mut lines = 0;
        while let Some(length) = memchr(b'\n', rest) {
            let (line, after) = rest.split_at_checked(length + 1).unwrap_or_default();
            end += line.len();
            rest = after;
            match line {
                b"\r\n" if lines == 0 => return Err(HeadError::LeadingEmptyLine),
                b"\r\n" => return Ok(Some(Self { end, headers: lines - 1 })),
                [.., b'\r', b'\n'] => lines += 1,
                _ => return Err(HeadError::BareLineFeed { line: lines + 1 }),
            }
            if lines > limits.headers.saturating_add(1) {
                return Err(HeadError::TooManyHeaders { limit: limits.headers });
            }
        }
        if bytes.len() >= limits.head {
            return Err(HeadError::HeadTooLarge { limit: limits.head });
        }
        Ok(None)
    }
}

/// The text of a head and the positions of its header lines.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Fields {
    text: Vec<u8>,
    lines: Vec<Line>,
}

/// INVARIANT: both ranges lie within the text, and the name is ASCII.
#[derive(Clone, PartialEq, Eq)]
struct Line {
    name: Range<usize>,
    value: Range<usize>,
}

impl Fields {
    /// Parses the header lines of a complete head and passes each to `note` in order.
    ///
    /// `section` is the offset of the first header line in `head`, just after the start line.
    pub(crate) fn parse(
        head: &[u8],
        section: usize,
        extent: Extent,
        mut note: impl FnMut(&[u8], &[u8]) -> Result<(), HeadError>,
    ) -> Result<Self, HeadError> {
        let mut lines = Vec::with_capacity(extent.headers);
        let mut start = section;
        for number in 2..extent.headers.saturating_add(2) {
            let rest = head.get(start..).unwrap_or_default();
            let length = memchr(b'\n', rest).unwrap_or_default();
            // `Extent::find` has verified that a carriage return precedes the line feed.
            let line = rest.get(..length.saturating_sub(1)).unwrap_or_default();
            let name = name(line, number)?;
            let value = value(line, name.len() + 1, number)?;
            note(name, line.get(value.clone()).unwrap_or_default())?;
            lines.push(Line {
                name: start..start + name.len(),
                value: start + value.start..start + value.end,
            });
            start += length + 1;
        }
        Ok(Self { text: head.to_vec(), lines })
    }

    pub(crate) fn text(&self, range: &Range<usize>) -> &str {
        std::str::from_utf8(self.bytes(range)).unwrap_or_default()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.lines.iter().map(|line| (self.text(&line.name), self.bytes(&line.value)))
    }

    /// Returns the values of all headers of this name, in the order received.
    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.lines
            .iter()
            .filter(move |line| self.bytes(&line.name).eq_ignore_ascii_case(name.as_bytes()))
            .map(|line| self.bytes(&line.value))
    }

    /// Returns the values of all headers of this name that are valid UTF-8.
    pub(crate) fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.values(name).filter_map(|value| std::str::from_utf8(value).ok())
    }

    fn bytes(&self, range: &Range<usize>) -> &[u8] {
        self.text.get(range.clone()).unwrap_or_default()
    }
}

impl Drop for Fields {
    /// Overwrites the head, because it may contain a password (`Authorization: Basic`) that must not outlive
    /// its request.
    fn drop(&mut self) {
        self.text.fill(0);
        std::hint::black_box(&mut self.text); // Keeps the fill from being optimised away.
    }
}

impl fmt::Debug for Fields {
    /// Shows names only, because values may be credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

/// Returns the header name at the start of the line, which a colon must follow.
fn name(line: &[u8], number: usize) -> Result<&[u8], HeadError> {
    let length = line.iter().position(|&byte| !is_token_byte(byte));
    let Some((name, rest)) = length.and_then(|length| line.split_at_checked(length)) else {
        return Err(HeadError::MissingColon { line: number });
    };
    match (name, rest) {
        ([], [b' ' | b'\t', ..]) => Err(HeadError::FoldedLine { line: number }),
        ([], [b':', ..]) => Err(HeadError::EmptyName { line: number }),
        (_, [b':', ..]) => Ok(name),
        (_, [b' ' | b'\t', ..]) if trim_blanks(rest).starts_with(b":") => {
            Err(HeadError::SpaceBeforeColon { line: number })
        }
        _ => Err(control(line, number).unwrap_or(HeadError::InvalidName { line: number })),
    }
}

/// Returns the range of the header value that begins at `start`, without surrounding white space.
fn value(line: &[u8], start: usize, number: usize) -> Result<Range<usize>, HeadError> {
    let all = line.get(start..).unwrap_or_default();
    if has_control(all)
        && let Some(error) = control(all, number)
    {
        return Err(error);
    }
    let blank = all.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let start = start + blank;
    Ok(start..start + trim_blanks(all).len())
}

/// Returns the error for the first control byte of a line, if there is one.
pub(crate) fn control(line: &[u8], number: usize) -> Option<HeadError> {
    match line.iter().find(|&&byte| is_control(byte))? {
        b'\r' => Some(HeadError::BareCarriageReturn { line: number }),
        _ => Some(HeadError::ControlByte { line: number }),
    }
}
