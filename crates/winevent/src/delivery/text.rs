//! Conversion of a body to text that contains only characters of XML.

/// Character encoding of a message; the answer uses the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextForm {
    /// UTF-8.
    Utf8,
    /// UTF-16, as Windows sends it.
    Utf16,
}

/// Converts the body of a message to text. A byte order mark decides about the encoding; without one, a body whose
/// second byte is zero is UTF-16, and any other is UTF-8.
///
/// Bytes that are not text, unpaired surrogates, and characters that XML does not allow become U+FFFD, so the
/// conversion never fails.
#[must_use]
pub fn decode(body: &[u8]) -> (String, TextForm) {
    match body {
        [0xFF, 0xFE, rest @ ..] => (from_utf16(rest, u16::from_le_bytes), TextForm::Utf16),
        [0xFE, 0xFF, rest @ ..] => (from_utf16(rest, u16::from_be_bytes), TextForm::Utf16),
        [0xEF, 0xBB, 0xBF, rest @ ..] => (from_utf8(rest), TextForm::Utf8),
        [_, 0, ..] => (from_utf16(body, u16::from_le_bytes), TextForm::Utf16),
        all => (from_utf8(all), TextForm::Utf8),
    }
}

fn from_utf16(body: &[u8], read: fn([u8; 2]) -> u16) -> String {
    let (units, rest) = body.as_chunks::<2>();
    // Nearly every character of an event takes one byte in UTF-8.
    let mut text = String::with_capacity(units.len() + units.len() / 16 + 4);
    for decoded in char::decode_utf16(units.iter().map(|unit| read(*unit))) {
        text.push(decoded.map_or(char::REPLACEMENT_CHARACTER, legal));
    }
    if !rest.is_empty() {
        text.push(char::REPLACEMENT_CHARACTER);
    }
    text
}

fn from_utf8(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    // Illegal characters are ASCII control characters, or begin with this byte (U+FFFE and U+FFFF).
    let is_suspect = |byte: u8| (byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')) || byte == 0xEF;
    match text.bytes().any(is_suspect) {
        true => text.chars().map(legal).collect(),
        false => text.into_owned(),
    }
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
