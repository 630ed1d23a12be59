//! Conversion of a body to text that contains only characters of XML.

use std::borrow::Cow;

use crate::encoding::{self, Form};
use crate::error::WinEventError;
use crate::sldc;

/// Character encoding of a message; the answer uses the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextForm {
    /// UTF-8.
    Utf8,
    /// UTF-16, as Windows sends it.
    Utf16,
}

/// Converts the body of a message to text, and returns its encoding.
///
/// Bytes that are not text, unpaired surrogates, and characters that XML does not allow become U+FFFD, so the
/// conversion never fails. The encoding is found as by [`encoding::decode`].
#[must_use]
pub fn decode(body: &[u8]) -> (String, TextForm) {
    let mut buffer = TextBuffer::default();
    let form = buffer.decode(body);
    (buffer.text, form)
}

/// Text of a message, whose memory the next message uses again.
#[derive(Debug, Default)]
pub struct TextBuffer {
    text: String,
    /// Decompressed bytes that are not converted yet, after those to which later ones may refer.
    window: Vec<u8>,
}

impl TextBuffer {
    /// Converts a body as [`decode`] does.
    pub fn decode(&mut self, body: &[u8]) -> TextForm {
        let (form, mark) = Form::of(body);
        let mut text = self.take();
        match form {
            Form::Utf8 => {
                let decoded = encoding::decode(body).text;
                text.extend_from_slice(legal_text(&decoded).as_bytes());
            }
            Form::Utf16Little | Form::Utf16Big => {
                let units = body.get(mark..).unwrap_or_default();
                encoding::decode_utf16_piece(units, form == Form::Utf16Big, true, &mut text);
                replace_illegal(&mut text, 0);
            }
        }
        self.put(text);
        form_of(body)
    }

    /// Decompresses a body with at most `maximum` bytes, and converts it as [`decode`] does, in one pass: the
    /// decompressed bytes are not kept.
    ///
    /// # Errors
    /// As for [`sldc::decode`]; the text is then empty.
    pub fn decompress(&mut self, body: &[u8], maximum: usize) -> Result<TextForm, WinEventError> {
        let mut text = self.take();
        let mut conversion = Conversion { text: &mut text, form: None, utf8: Vec::new() };
        let mut window = std::mem::take(&mut self.window);
        let decompressed = sldc::decode_in_pieces(body, maximum, &mut window, &mut conversion);
        self.window = window;
        let (form, utf8) = (conversion.form, conversion.utf8);
        decompressed?;
        self.put(text);
        match form {
            Some(Start { form: Form::Utf16Little | Form::Utf16Big, text, .. }) => Ok(text),
            _ => Ok(self.decode(&utf8)),
        }
    }

    /// Returns the text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the number of bytes of its memory.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.text.capacity() + self.window.capacity()
    }

    /// Returns the empty buffer.
    fn take(&mut self) -> Vec<u8> {
        let mut text = std::mem::take(&mut self.text).into_bytes();
        text.clear();
        text
    }

    /// Stores UTF-8.
    fn put(&mut self, text: Vec<u8>) {
        self.text = String::from_utf8(text)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    }
}

/// Encoding of a body, found at its start.
#[derive(Clone, Copy)]
struct Start {
    form: Form,
    text: TextForm,
}

/// Receiver of decompressed pieces.
struct Conversion<'b> {
    text: &'b mut Vec<u8>,
    form: Option<Start>,
    /// A body in UTF-8 is converted as a whole.
    utf8: Vec<u8>,
}

impl sldc::Pieces for Conversion<'_> {
    fn expect(&mut self, length: usize) {
        self.text.reserve(length / 2 + length / 64);
    }

    fn take(&mut self, piece: &[u8], is_last: bool) -> usize {
        let mut mark = 0;
        let start = *self.form.get_or_insert_with(|| {
            let (form, length) = Form::of(piece);
            mark = length;
            Start { form, text: form_of(piece) }
        });
        if start.form == Form::Utf8 {
            self.utf8.extend_from_slice(piece);
            return piece.len();
        }
        let (units, from) = (piece.get(mark..).unwrap_or_default(), self.text.len());
        let decoded = encoding::decode_utf16_piece(units, start.form == Form::Utf16Big, is_last, self.text);
        replace_illegal(self.text, from);
        mark + decoded.consumed
    }
}

fn form_of(body: &[u8]) -> TextForm {
    match body {
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] | [_, 0, ..] | [0, _, ..] => TextForm::Utf16,
        _ => TextForm::Utf8,
    }
}

/// Replaces characters in the part of a text from `from` on, which is UTF-8.
fn replace_illegal(text: &mut Vec<u8>, from: usize) {
    let part = text.get(from..).unwrap_or_default();
    if !has_suspect(part) {
        return;
    }
    let legal: String = String::from_utf8_lossy(part).chars().map(legal).collect();
    text.truncate(from);
    text.extend_from_slice(legal.as_bytes());
}

fn legal_text(text: &str) -> Cow<'_, str> {
    match has_suspect(text.as_bytes()) {
        true => Cow::Owned(text.chars().map(legal).collect()),
        false => Cow::Borrowed(text),
    }
}

/// Returns whether an illegal character may begin with one of the bytes: ASCII control characters, U+FFFE and U+FFFF.
/// There is no branch for each byte, so that several are tested at once.
fn has_suspect(bytes: &[u8]) -> bool {
    bytes.iter().fold(false, |suspect, byte| {
        suspect | ((*byte < 0x20) & !matches!(*byte, b'\t' | b'\n' | b'\r')) | (*byte == 0xEF)
    })
}

/// Returns the character, or U+FFFD if XML does not allow it (Extensible Markup Language 1.0, production `Char`).
fn legal(character: char) -> char {
    match character {
        '\0'..='\u{8}' | '\u{B}' | '\u{C}' | '\u{E}'..='\u{1F}' | '\u{FFFE}' | '\u{FFFF}' => {
            char::REPLACEMENT_CHARACTER
        }
        other => other,
    }
}
