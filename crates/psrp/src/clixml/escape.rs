//! Escapes `_xHHHH_` for characters that XML or PowerShell does not allow in text (MS-PSRP 2.2.5.3.2).

use std::borrow::Cow;

/// Returns the text with its escapes resolved, and whether half of a surrogate pair was replaced by U+FFFD.
pub(super) fn decode(text: &str) -> (Cow<'_, str>, bool) {
    if !text.as_bytes().contains(&b'_') {
        return (Cow::Borrowed(text), false);
    }
    let mut decoded = String::with_capacity(text.len());
    let mut units: Vec<u16> = Vec::new();
    let mut is_lossy = false;
    let mut rest = text;
    while !rest.is_empty() {
        if let Some((unit, behind)) = escape(rest) {
            units.push(unit);
            rest = behind;
            continue;
        }
        is_lossy |= flush(&mut units, &mut decoded);
        // The first character is plain; the next escape may begin at any later `_`.
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let next = rest.get(first..).and_then(|behind| behind.find('_')).map_or(rest.len(), |at| first + at);
        let (plain, behind) = rest.split_at_checked(next).unwrap_or((rest, ""));
        decoded.push_str(plain);
        rest = behind;
    }
    is_lossy |= flush(&mut units, &mut decoded);
    (Cow::Owned(decoded), is_lossy)
}

/// Returns whether the text has no escapes and needs none; `false` for some texts of which that is true.
pub(super) fn is_plain(text: &str) -> bool {
    // Checks the whole text without branches, which is faster than stopping at the first other byte.
    text.bytes().fold(true, |plain, byte| plain & (0x20..0x7F).contains(&byte) & (byte != b'_'))
}

/// Reads an escape at the start of the text and returns its UTF-16 unit and the text behind it.
fn escape(text: &str) -> Option<(u16, &str)> {
    let rest = text.strip_prefix("_x").or_else(|| text.strip_prefix("_X"))?;
    let (digits, rest) = rest.split_at_checked(4)?;
    let rest = rest.strip_prefix('_')?;
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    Some((u16::from_str_radix(digits, 16).ok()?, rest))
}

/// Appends the collected units and returns whether one of them was half of a surrogate pair.
fn flush(units: &mut Vec<u16>, decoded: &mut String) -> bool {
    let mut is_lossy = false;
    for character in char::decode_utf16(units.drain(..)) {
        is_lossy |= character.is_err();
        decoded.push(character.unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    is_lossy
}

/// Returns the text with escapes, as PowerShell writes it: for control characters, surrogates, and `_` before
/// `x` or `X`. U+FFFE and U+FFFF are escaped as well, because XML cannot represent them.
pub(super) fn encode(text: &str) -> Cow<'_, str> {
    if is_plain(text) {
        return Cow::Borrowed(text);
    }
    let mut encoded = String::with_capacity(text.len() + 16);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let is_escaped = match character {
            '\0'..='\u{1F}' | '\u{7F}'..='\u{9F}' | '\u{FFFE}' | '\u{FFFF}' | '\u{10000}'.. => true,
            '_' => matches!(characters.peek(), Some('x' | 'X')),
            _ => false,
        };
        if !is_escaped {
            encoded.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            encoded.push_str("_x");
            for shift in [12, 8, 4, 0] {
                let digit = char::from_digit(u32::from(*unit >> shift & 15), 16);
                encoded.push(digit.unwrap_or('0').to_ascii_uppercase());
            }
            encoded.push('_');
        }
    }
    Cow::Owned(encoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_as_powershell_does() {
        for (text, escaped) in [
            ("plain ü", "plain ü"),
            ("a\nb\t\u{7f}\u{9f}", "a_x000A_b_x0009__x007F__x009F_"),
            ("\u{1F600}", "_xD83D__xDE00_"),
            ("_x _X __x a_b", "_x005F_x _x005F_X __x005F_x a_b"),
            ("\u{FFFE}\u{FFFF}\u{FFFD}", "_xFFFE__xFFFF_\u{FFFD}"),
            ("", ""),
        ] {
            assert_eq!(encode(text), escaped);
            assert_eq!(decode(escaped), (Cow::Borrowed(text), false));
        }
    }

    #[test]
    fn any_case_is_decoded_and_incomplete_escapes_stay() {
        assert_eq!(decode("_X000a__x000A_").0, "\n\n");
        for text in ["_x", "_x00_", "_x000G_", "_x000A", "a_ü_x", "_x+00A_", "__", "_xüü_"] {
            assert_eq!(decode(text), (Cow::Borrowed(text), false));
        }
        assert_eq!(decode("ü_x000A_ü").0, "ü\nü");
    }

    #[test]
    fn half_of_a_surrogate_pair_is_replaced() {
        assert_eq!(decode("a_xD83D_b"), (Cow::Borrowed("a\u{FFFD}b"), true));
        assert_eq!(decode("_xDE00__xD83D_"), (Cow::Borrowed("\u{FFFD}\u{FFFD}"), true));
    }
}
