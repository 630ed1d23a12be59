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

/// Encoding of text, found in its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Utf8,
    Utf16Little,
    Utf16Big,
}

impl Form {
    /// Returns the encoding, and the length of the byte order mark.
    pub(crate) fn of(bytes: &[u8]) -> (Self, usize) {
        match bytes {
            [0xFF, 0xFE, ..] => (Self::Utf16Little, 2),
            [0xFE, 0xFF, ..] => (Self::Utf16Big, 2),
            [0xEF, 0xBB, 0xBF, ..] => (Self::Utf8, 3),
            [1..0x80, 0, ..] => (Self::Utf16Little, 0),
            [0, 1..0x80, ..] => (Self::Utf16Big, 0),
            _ => (Self::Utf8, 0),
        }
    }
}

/// Decodes UTF-16 or UTF-8. A byte order mark selects the encoding; without one, text that begins with an
/// ASCII character in UTF-16 is recognised by the zero byte. Input is bounded by the caller.
#[must_use]
pub fn decode(bytes: &[u8]) -> Decoded<'_> {
    let (form, mark) = Form::of(bytes);
    let bytes = bytes.get(mark..).unwrap_or_default();
    let is_big = match form {
        Form::Utf8 => return decode_utf8(bytes),
        Form::Utf16Little => false,
        Form::Utf16Big => true,
    };
    let mut text = Vec::new();
    let piece = decode_utf16_piece(bytes, is_big, true, &mut text);
    // The bytes are UTF-8, so nothing is replaced here.
    let text = String::from_utf8(text).unwrap_or_else(|error| error.to_string());
    Decoded { text: Cow::Owned(text), replaced: piece.replaced }
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
const BLOCK: usize = 32;

/// Result of decoding a piece of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Number of bytes that were decoded. The rest of the piece belongs to a character that the next piece completes.
    pub(crate) consumed: usize,
    /// Number of replaced sequences.
    pub(crate) replaced: usize,
}

/// Decodes a piece of UTF-16 and appends it as UTF-8. At the end of the text nothing is left.
pub(crate) fn decode_utf16_piece(bytes: &[u8], is_big: bool, is_last: bool, text: &mut Vec<u8>) -> Piece {
    match is_big {
        true => decode_utf16(bytes, |[high, low]| [low, high], is_last, text),
        false => decode_utf16(bytes, |unit| unit, is_last, text),
    }
}

/// Decodes units of UTF-16, whose bytes `order` returns with the low byte first.
#[inline]
fn decode_utf16(
    bytes: &[u8],
    order: impl Fn([u8; 2]) -> [u8; 2] + Copy,
    is_last: bool,
    text: &mut Vec<u8>,
) -> Piece {
    let (units, odd) = bytes.as_chunks::<2>();
    let unit = |pair: &[u8; 2]| u16::from_le_bytes(order(*pair));
    let mut left = units;
    if let Some((last, before)) = units.split_last()
        && !is_last
        && (0xD800..0xDC00).contains(&unit(last))
    {
        left = before;
    }
    let mut piece = Piece { consumed: left.len() * 2, replaced: 0 };
    text.reserve(left.len() + left.len() / 16);
    while !left.is_empty() {
        // Most text is ASCII, which is copied in blocks. The loops have no branches, so that several units are
        // converted at once.
        while let Some((block, after)) = left.split_first_chunk::<BLOCK>() {
            let (mut ascii, mut all) = ([0; BLOCK], 0);
            for (byte, pair) in ascii.iter_mut().zip(block) {
                let unit = unit(pair);
                all |= unit;
                [*byte, _] = unit.to_le_bytes();
            }
            if all >= 0x80 {
                break;
            }
            text.extend_from_slice(&ascii);
            left = after;
        }
        // A block with other characters is decoded one by one; a surrogate pair may begin in it.
        let mut taken = 0;
        let mut decoded = char::decode_utf16(left.iter().map(unit));
        while taken < BLOCK
            && let Some(c) = decoded.next()
        {
            taken += c.as_ref().map_or(1, |c| c.len_utf16());
            piece.replaced += usize::from(c.is_err());
            let c = c.unwrap_or(char::REPLACEMENT_CHARACTER);
            text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
        left = left.get(taken..).unwrap_or_default();
    }
    if is_last && !odd.is_empty() {
        piece.consumed += odd.len();
        piece.replaced += 1;
        text.extend_from_slice("\u{FFFD}".as_bytes());
    }
    piece
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

    #[test]
    fn text_in_pieces_is_the_same() {
        let text = format!("{}\u{1F600}é{}\u{1F600}", "a".repeat(33), "b".repeat(70));
        let mut bytes = utf16(&text);
        bytes.extend([0x3D, 0xD8, 0x61]);
        let whole = decode(&bytes);
        for size in 1..bytes.len() {
            let (mut out, mut from, mut replaced) = (Vec::new(), 0, 0);
            for end in (size..bytes.len()).step_by(size).chain([bytes.len()]) {
                let piece = decode_utf16_piece(&bytes[from..end], false, end == bytes.len(), &mut out);
                from += piece.consumed;
                replaced += piece.replaced;
            }
            assert_eq!((String::from_utf8(out).unwrap(), replaced), (whole.text.to_string(), 2), "{size}");
        }
    }
}
