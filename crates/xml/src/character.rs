//! Character classes of XML 1.0 (Extensible Markup Language 1.0, sections 2.2 and 2.3).

/// Returns whether a document may contain the character (production `Char`).
pub(crate) fn is_legal(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// Returns whether an unqualified name may begin with the character (production `NameStartChar` without the
/// colon).
pub(crate) fn starts_name(c: char) -> bool {
    matches!(c,
        'A'..='Z' | 'a'..='z' | '_'
        | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}' | '\u{370}'..='\u{37D}'
        | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}'
        | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}'
        | '\u{FDF0}'..='\u{FFFD}' | '\u{10000}'..='\u{EFFFF}')
}

/// Returns whether an unqualified name may continue with the character (production `NameChar` without the
/// colon).
pub(crate) fn continues_name(c: char) -> bool {
    starts_name(c)
        || matches!(c, '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

/// Whether an unqualified name may continue with each byte, if it is ASCII.
const CONTINUES_ASCII_NAME: [bool; 256] = {
    let mut table = [false; 256];
    let (mut octet, mut rest) = (0_u8, table.as_mut_slice());
    while let Some((continues, after)) = rest.split_first_mut() {
        *continues = octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-' | b'.');
        (octet, rest) = (octet.wrapping_add(1), after);
    }
    table
};

fn continues_ascii_name(octet: u8) -> bool {
    CONTINUES_ASCII_NAME.get(usize::from(octet)).is_some_and(|continues| *continues)
}

/// Returns the length in bytes of the unqualified name at the start of the text; zero if it starts otherwise.
pub(crate) fn name_length(text: &str) -> usize {
    let octets = text.as_bytes();
    let length = octets.iter().position(|octet| !continues_ascii_name(*octet)).unwrap_or(octets.len());
    match octets.get(length) {
        // Fast path: nearly every name is ASCII.
        None | Some(..0x80) => match octets.first() {
            Some(first) if first.is_ascii_alphabetic() || *first == b'_' => length,
            _ => 0,
        },
        Some(_) => {
            let mut characters = text.char_indices();
            match characters.next() {
                Some((_, first)) if starts_name(first) => {}
                _ => return 0,
            }
            characters.find(|(_, c)| !continues_name(*c)).map_or(text.len(), |(at, _)| at)
        }
    }
}

/// Returns whether the byte is white space between the parts of markup (production `S`).
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Finds the first character that [`is_legal`] rejects; fast on text without one.
pub(crate) fn first_illegal(text: &str) -> Option<usize> {
    // Every illegal character is an ASCII control character or begins with the byte 0xEF (U+FFFE and U+FFFF),
    // so one pass without branches accepts nearly every text.
    let mut suspect = false;
    for &byte in text.as_bytes() {
        suspect |= (byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')) || byte == 0xEF;
    }
    if !suspect {
        return None;
    }
    text.char_indices().find(|(_, c)| !is_legal(*c)).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_as_long_as_the_characters_it_may_have() {
        let texts = [
            "",
            ":",
            "a",
            "a:b",
            "Win32_Process",
            "x-y.z0 ",
            "_/>",
            "-a",
            ".a",
            "0a",
            "größe=",
            "a\u{b7}b>",
            "é",
            "日本語 ",
            "\u{b7}",
            "a\u{d7}b",
            "a×",
            "abc\u{300}\u{2040}-",
            "\u{fffe}",
            "a\u{10000}b",
        ];
        for text in texts {
            let mut length = 0;
            for (at, c) in text.char_indices() {
                let fits = if at == 0 { starts_name(c) } else { continues_name(c) };
                if !fits {
                    break;
                }
                length = at + c.len_utf8();
            }
            assert_eq!(name_length(text), length, "{text:?}");
        }
    }
}
