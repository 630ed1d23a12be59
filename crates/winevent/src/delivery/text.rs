//! Conversion of a body to text that contains only characters of XML.

use crate::encoding;

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
    let form = match body {
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] | [_, 0, ..] | [0, _, ..] => TextForm::Utf16,
        _ => TextForm::Utf8,
    };
    let text = encoding::decode(body).text;
    let text = match text.bytes().any(is_suspect) {
        true => text.chars().map(legal).collect(),
        false => text.into_owned(),
    };
    (text, form)
}

/// Returns whether an illegal character may begin with this byte: ASCII control characters, U+FFFE and U+FFFF.
fn is_suspect(byte: u8) -> bool {
    (byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')) || byte == 0xEF
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
