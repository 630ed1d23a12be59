//! Texts in one of four encodings (IPMI 2.0, 43.15; FRU 1.0, 13).

use crate::ProtoError;
use crate::octets::Octets;

/// A text of a record that begins with its type and length.
pub(crate) fn type_length(octets: &mut Octets<'_>) -> Result<String, ProtoError> {
    let head = octets.u8()?;
    let text = octets.take(usize::from(head & 0x1f))?;
    Ok(decoded(head >> 6, text, |text| String::from_utf8_lossy(text).into_owned()))
}

/// A text of an inventory; none where the mark of the end stands. Type 0 is octets without a meaning there.
pub(crate) fn fru_text(octets: &mut Octets<'_>) -> Result<Option<String>, ProtoError> {
    let head = octets.u8()?;
    if head == END {
        return Ok(None);
    }
    let text = octets.take(usize::from(head & 0x3f))?;
    let hex = |text: &[u8]| text.iter().map(|octet| format!("{octet:02x}")).collect();
    Ok(Some(decoded(head >> 6, text, hex)))
}

/// The same as it stands there, with its type and length.
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

fn decoded(encoding: u8, text: &[u8], of_type_0: impl Fn(&[u8]) -> String) -> String {
    let text: String = match encoding {
        0 => of_type_0(text),
        1 => text.iter().flat_map(|octet| [octet >> 4, octet & 0x0f]).filter_map(bcd_plus).collect(),
        2 => six_bits(text),
        _ => text.iter().copied().map(char::from).collect(),
    };
    // Whatever would move a cursor or end a line is not shown.
    text.trim_end_matches(['\0', ' ']).replace(|letter: char| letter.is_control(), "\u{fffd}")
}

/// The mark behind the last field of an area.
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

/// Four letters in three octets, the lowest bits first.
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
        // From FRU 1.0, 13.3: IPMI is 29 dc a6 in six bits.
        assert_eq!(text(&[0x83, 0x29, 0xdc, 0xa6]).as_deref(), Ok("IPMI"));
        assert_eq!(text(&[0xc4, b'a', 0x1b, b' ', 0]).as_deref(), Ok("a\u{fffd}"));
        assert!(text(&[0xc4, b'a']).is_err() && text(&[]).is_err());
    }
}
