//! Logical lines and their words, by the rules of Apache's own reader (`ap_cfg_getline`, `ap_getword_conf`).

use std::ops::Range;

/// A line with its continuations, without the backslashes and line breaks between them and without white space around it.
#[derive(Debug, Default)]
pub(crate) struct Line {
    bytes: Vec<u8>,
    /// Offset of each byte in the text.
    offsets: Vec<usize>,
    /// Number of the last physical line, from 1. Apache reports this one.
    pub(crate) last: u32,
    /// Number of the physical line with the first byte, from 1.
    pub(crate) first: u32,
    /// Bytes of all its physical lines, with their breaks.
    pub(crate) lines: Range<usize>,
    /// The text ends after a backslash.
    pub(crate) is_unended: bool,
}

/// A word with its position and value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawWord {
    /// Bytes of the word, including quotes.
    pub(crate) span: Range<usize>,
    /// Value without quotes and escapes.
    pub(crate) value: Vec<u8>,
    /// Position behind the word in the line.
    pub(crate) next: usize,
}

/// Reader of lines.
#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    line: u32,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, line: 0 }
    }

    /// Reads the next line into `line`. Returns `false` at the end of the text.
    pub(crate) fn read(&mut self, line: &mut Line) -> bool {
        line.bytes.clear();
        line.offsets.clear();
        line.is_unended = false;
        if self.at >= self.text.len() {
            return false;
        }
        line.first = self.line.saturating_add(1);
        line.lines.start = self.at;
        loop {
            self.line = self.line.saturating_add(1);
            let begin = self.at;
            let rest = self.text.get(begin..).unwrap_or_default();
            let length = rest.iter().position(|byte| *byte == b'\n');
            let end = begin.saturating_add(length.unwrap_or(rest.len()));
            self.at = if length.is_some() { end.saturating_add(1) } else { end };
            for (offset, byte) in (begin..end).zip(rest) {
                line.bytes.push(*byte);
                line.offsets.push(offset);
            }
            if length.is_none() {
                line.is_unended = line.bytes.last() == Some(&b'\\') || rest.is_empty();
                break;
            }
            let without_break = line.bytes.strip_suffix(b"\r").unwrap_or(&line.bytes);
            let Some(continued) = without_break.strip_suffix(b"\\").map(<[u8]>::len) else { break };
            line.bytes.truncate(continued);
            line.offsets.truncate(continued);
        }
        line.last = self.line;
        line.lines.end = self.at;
        line.trim();
        true
    }
}

impl Line {
    fn trim(&mut self) {
        let end =
            self.bytes.iter().rposition(|byte| !is_space(*byte)).map_or(0, |last| last.saturating_add(1));
        self.bytes.truncate(end);
        self.offsets.truncate(end);
        let start = self.bytes.iter().position(|byte| !is_space(*byte)).unwrap_or(end);
        self.bytes.drain(..start);
        self.offsets.drain(..start);
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns whether the line has no directive: it is empty or a comment.
    pub(crate) fn is_blank(&self) -> bool {
        self.bytes.first().is_none_or(|byte| *byte == b'#')
    }

    /// Returns the range of the line in the text, from its first to its last byte other than white space.
    pub(crate) fn span(&self) -> Range<usize> {
        let start = self.offsets.first().copied().unwrap_or_default();
        start..self.offset_end(self.bytes.len()).max(start)
    }

    /// Returns the offset in the text behind the byte before `end`.
    fn offset_end(&self, end: usize) -> usize {
        let last = end.checked_sub(1).and_then(|last| self.offsets.get(last));
        last.map_or(0, |last| last.saturating_add(1))
    }

    /// Reads the word at `at` or behind white space after it, before `end`. Returns `None` if there is none.
    pub(crate) fn word(&self, at: usize, end: usize) -> Option<RawWord> {
        let bytes = self.bytes.get(..end).unwrap_or(&self.bytes);
        let rest = bytes.get(at..)?;
        let start = at.saturating_add(rest.iter().position(|byte| !is_space(*byte))?);
        let first = *bytes.get(start)?;
        let (inner, next, quote) = match first {
            b'"' | b'\'' => {
                let inner = start.saturating_add(1);
                let close = quoted_end(bytes, inner, first);
                (inner..close, close.saturating_add(1).min(bytes.len()), Some(first))
            }
            _ => {
                let rest = bytes.get(start..).unwrap_or_default();
                let length = rest.iter().position(|byte| is_space(*byte)).unwrap_or(rest.len());
                let close = start.saturating_add(length);
                (start..close, close, None)
            }
        };
        let value = decode(bytes.get(inner).unwrap_or_default(), quote);
        let begin = self.offsets.get(start).copied().unwrap_or_default();
        Some(RawWord { span: begin..self.offset_end(next), value, next })
    }
}

/// Returns the position of the closing quote, or the end of the line.
fn quoted_end(bytes: &[u8], mut at: usize, quote: u8) -> usize {
    while let Some(byte) = bytes.get(at) {
        if *byte == quote {
            return at;
        }
        let next = bytes.get(at.saturating_add(1));
        let is_escape = *byte == b'\\' && next.is_some_and(|next| *next == quote || *next == b'\\');
        at = at.saturating_add(if is_escape { 2 } else { 1 });
    }
    bytes.len()
}

/// Removes the backslash before a backslash, and before the quote of a quoted word.
fn decode(raw: &[u8], quote: Option<u8>) -> Vec<u8> {
    let mut value = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match bytes.peek() {
            Some(&next) if byte == b'\\' && (next == b'\\' || Some(next) == quote) => {
                value.push(next);
                bytes.next();
            }
            _ => value.push(byte),
        }
    }
    value
}

/// White space of the C locale.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}
