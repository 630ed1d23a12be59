//! Conversion of bytes from Windows to text, without failing on characters that are not valid.

use std::borrow::Cow;

/// Text of a message, and how much of it was not valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded<'b> {
    /// The text without byte order mark.
    pub text: Cow<'b, str>,
    /// Number of replaced sequences: unpaired surrogates, or bytes that are not UTF-8. Each is U+FFFD in the
    /// text.
    pub replaced: usize,
}

/// Decodes UTF-16 or UTF-8. A byte order mark selects the encoding; without one, text that begins with an
/// ASCII character in UTF-16 is recognised by the zero byte. Input is bounded by the caller.
#[must_use]
pub fn decode(bytes: &[u8]) -> Decoded<'_> {
    match bytes {
        [0xFF, 0xFE, rest @ ..] => decode_utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => decode_utf16(rest, u16::from_be_bytes),
        [0xEF, 0xBB, 0xBF, rest @ ..] => decode_utf8(rest),
        [1..0x80, 0, ..] => decode_utf16(bytes, u16::from_le_bytes),
        [0, 1..0x80, ..] => decode_utf16(bytes, u16::from_be_bytes),
        _ => decode_utf8(bytes),
    }
}

fn decode_utf8(bytes: &[u8]) -> Decoded<'_> {
    match str::from_utf8(bytes) {
        Ok(text) => Decoded { text: Cow::Borrowed(text), replaced: 0 },
        Err(_) => {
            let replaced = bytes.utf8_chunks().filter(|chunk| !chunk.invalid().is_empty()).count();
            Decoded { text: String::from_utf8_lossy(bytes), replaced }
        }
    }
}

/// Number of code units that are checked at once.
const BLOCK: usize = 16;

fn decode_utf16(bytes: &[u8], read: fn([u8; 2]) -> u16) -> Decoded<'static> {
    let (units, rest) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(units.len() + units.len() / 16);
    let mut replaced = 0;
    let mut left = units;
    while !left.is_empty() {
        // Most text is ASCII, which is copied in blocks.
        while let Some((block, after)) = left.split_first_chunk::<BLOCK>() {
            let block = block.map(read);
            if block.iter().fold(0, |all, unit| all | unit) >= 0x80 {
                break;
            }
            let ascii = block.map(|unit| u8::try_from(unit).unwrap_or(b'?'));
            text.push_str(str::from_utf8(&ascii).unwrap_or_default());
            left = after;
        }
        // A block with other characters is decoded one by one; a surrogate pair may begin in it.
        let mut taken = 0;
        let mut decoded = char::decode_utf16(left.iter().map(|unit| read(*unit)));
        while taken < BLOCK
            && let Some(c) = decoded.next()
        {
            taken += c.as_ref().map_or(1, |c| c.len_utf16());
            replaced += usize::from(c.is_err());
            text.push(c.unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        left = left.get(taken..).unwrap_or_default();
    }
    if !rest.is_empty() {
        replaced += 1;
        text.push(char::REPLACEMENT_CHARACTER);
    }
    Decoded { text: Cow::Owned(text), replaced }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn every_encoding_of_windows_is_recognised() {
        let text = "<a>0123456789abcdef ünïcödé \u{1F600} 0123456789abcdef0123456789\u{1F600}</a>";
        let marked = [&[0xFF, 0xFE], utf16(text).as_slice()].concat();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for bytes in [utf16(text), marked, big, text.as_bytes().to_vec()] {
            assert_eq!(decode(&bytes), Decoded { text: text.into(), replaced: 0 });
        }
        assert_eq!(decode(b"\xEF\xBB\xBFx").text, "x");
    }

    #[test]
    fn invalid_units_are_replaced_and_counted() {
        let lone = [0x3C, 0, 0x3D, 0xD8, 0x61, 0];
        assert_eq!(decode(&lone), Decoded { text: "<\u{FFFD}a".into(), replaced: 1 });
        assert_eq!(decode(&[0x3C, 0, 0x61]), Decoded { text: "<\u{FFFD}".into(), replaced: 1 });
        assert_eq!(decode(b"a\xFFb\xC3"), Decoded { text: "a\u{FFFD}b\u{FFFD}".into(), replaced: 2 });
    }

    #[test]
    fn pairs_across_blocks_stay_together() {
        for before in 0..40 {
            let text = format!("<{}\u{1F600}é{}", "a".repeat(before), "b".repeat(40));
            assert_eq!(decode(&utf16(&text)).text, text);
        }
    }
}
