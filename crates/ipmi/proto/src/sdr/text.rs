//! Text encodings of records and inventories (IPMI 2.0, 43.15; FRU 1.0, 13).

use crate::ProtoError;
use crate::octets::Octets;

/// Decodes a text with its type/length byte. It is the last field of a record; some records are shorter than
/// the length byte says.
pub(crate) fn type_length(octets: &mut Octets<'_>) -> Result<String, ProtoError> {
    let head = octets.u8()?;
    let text = octets.take(usize::from(head & 0x1f).min(octets.rest().len()))?;
    Ok(decoded(head >> 6, text, |text| String::from_utf8_lossy(text).into_owned(), latin))
}

/// Decodes a text of an inventory; `None` at the end marker. There, type 0 is binary data, and type 3 is
/// UTF-16 if the language is not English.
pub(crate) fn fru_text(octets: &mut Octets<'_>, is_english: bool) -> Result<Option<String>, ProtoError> {
    let head = octets.u8()?;
    if head == END {
        return Ok(None);
    }
    let text = octets.take(usize::from(head & 0x3f))?;
    Ok(Some(decoded(head >> 6, text, hex, |text| {
        let wide = if is_english { None } else { utf16(text) };
        wide.unwrap_or_else(|| latin(text))
    })))
}

/// Returns the undecoded text with its type/length byte; `None` at the end marker.
pub(crate) fn fru_field<'o>(octets: &mut Octets<'o>) -> Result<Option<&'o [u8]>, ProtoError> {
    let mut whole = *octets;
    let head = octets.u8()?;
    if head == END {
        return Ok(None);
    }
    let length = usize::from(head & 0x3f);
    octets.take(length)?;
    whole.take(length + 1).map(Some)
}

fn decoded(
    encoding: u8,
    text: &[u8],
    of_type_0: impl Fn(&[u8]) -> String,
    of_type_3: impl Fn(&[u8]) -> String,
) -> String {
    let text: String = match encoding {
        0 => of_type_0(text),
        1 => text.iter().flat_map(|octet| [octet >> 4, octet & 0x0f]).filter_map(bcd_plus).collect(),
        2 => six_bits(text),
        _ => of_type_3(text),
    };
    // Control characters are replaced.
    text.trim_end_matches(['\0', ' ']).replace(|letter: char| letter.is_control(), "\u{fffd}")
}

fn hex(text: &[u8]) -> String {
    text.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn latin(text: &[u8]) -> String {
    text.iter().copied().map(char::from).collect()
}

/// Decodes UTF-16, little-endian; `None` if it is invalid or plain ASCII, which many inventories contain
/// under any language code.
fn utf16(text: &[u8]) -> Option<String> {
    let (pairs, rest) = text.as_chunks::<2>();
    let is_ascii = text.iter().all(|octet| (0x20..0x7f).contains(octet));
    let units = pairs.iter().map(|pair| u16::from_le_bytes(*pair));
    let read: Result<String, _> = char::decode_utf16(units).collect();
    read.ok().filter(|_| rest.is_empty() && !is_ascii)
}

/// End marker after the last field of an area.
const END: u8 = 0xc1;

fn bcd_plus(digit: u8) -> Option<char> {
    match digit {
        0..=9 => Some(char::from(b'0' + digit)),
        0x0a => Some(' '),
        0x0b => Some('-'),
        0x0c => Some('.'),
        _ => None,
    }
}

/// Decodes 6-bit ASCII: four characters in three bytes, lowest bits first.
fn six_bits(text: &[u8]) -> String {
    let mut letters = String::new();
    for group in text.chunks(3) {
        let packed = group.iter().rev().fold(0_u32, |packed, octet| packed << 8 | u32::from(*octet));
        for index in 0..group.len() * 8 / 6 {
            let letter = u8::try_from(packed >> (index * 6) & 0x3f).unwrap_or_default();
            letters.push(char::from(letter + 0x20));
        }
    }
    letters
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(octets: &[u8]) -> Result<String, ProtoError> {
        type_length(&mut Octets::new("a text", octets))
    }

    #[test]
    fn each_encoding_is_read() {
        assert_eq!(text(&[0xc3, b'a', 0xe4, b'b']).as_deref(), Ok("aäb"));
        assert_eq!(text(&[0x42, 0x1b, 0x2c]).as_deref(), Ok("1-2."));
        // FRU 1.0, 13.3: IPMI is 29 dc a6 in six-bit ASCII.
        assert_eq!(text(&[0x83, 0x29, 0xdc, 0xa6]).as_deref(), Ok("IPMI"));
        assert_eq!(text(&[0xc4, b'a', 0x1b, b' ', 0]).as_deref(), Ok("a\u{fffd}"));
        assert!(text(&[0xc4, b'a']).as_deref() == Ok("a") && text(&[]).is_err());
    }

    #[test]
    fn non_english_texts_are_utf16_unless_they_are_ascii() {
        let text = |octets: &[u8], is_english| fru_text(&mut Octets::new("a text", octets), is_english);
        let written = [0xc4, 0x71, 0x67, 0xac, 0x4e];
        assert_eq!(text(&written, false), Ok(Some("\u{6771}\u{4eac}".to_owned())));
        assert_eq!(text(&written, true), Ok(Some("qg\u{ac}N".to_owned())));
        assert_eq!(text(b"\xc4Dell", false), Ok(Some("Dell".to_owned())));
        assert_eq!(text(b"\xc3\xe9te", false), Ok(Some("\u{e9}te".to_owned())));
    }
}
