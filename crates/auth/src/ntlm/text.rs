//! Strings of NTLM: UTF-16LE without a byte order mark (MS-NLMP 2.2).

use zeroize::Zeroizing;

use crate::AuthError;

/// Encodes a text, which may be a password.
pub(super) fn utf16(text: &str) -> Zeroizing<Vec<u8>> {
    // Full capacity from the start, so that growing leaves no copy of the text in memory.
    let mut octets = Zeroizing::new(Vec::with_capacity(text.len() * 2));
    text.encode_utf16().for_each(|unit| octets.extend_from_slice(&unit.to_le_bytes()));
    octets
}

/// Decodes a name sent by the peer.
pub(super) fn name(octets: &[u8]) -> Result<String, AuthError> {
    if octets.len() > MAX_NAME_LENGTH {
        return Err(AuthError::Malformed("name is too long"));
    }
    let (pairs, rest) = octets.as_chunks::<2>();
    let text = String::from_utf16(&pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect::<Vec<_>>());
    let text = text.ok().filter(|_| rest.is_empty()).ok_or(AuthError::Malformed("name is not UTF-16"))?;
    if text.chars().any(char::is_control) {
        return Err(AuthError::Malformed("name contains control characters"));
    }
    Ok(text)
}

/// Converts a name to upper case, one UTF-16 unit for one unit; a letter whose upper case is longer, such as ß, is kept
/// (MS-NLMP 3.3.2, `Uppercase`; MS-UCODEREF 3.1.5.3).
pub(super) fn upper_case(name: &str) -> String {
    name.chars().map(upper_case_letter).collect()
}

fn upper_case_letter(c: char) -> char {
    let mut letters = c.to_uppercase();
    match (letters.next(), letters.next()) {
        (Some(upper), None) if c.len_utf16() == 1 && upper.len_utf16() == 1 => upper,
        _ => c,
    }
}

/// Maximum length of a name in bytes; Windows allows 256 characters.
const MAX_NAME_LENGTH: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for text in ["", "alice", "Jürgen", "𝔘"] {
            assert_eq!(name(&utf16(text)).as_deref(), Ok(text));
        }
    }

    #[test]
    fn malformed_names_are_rejected() {
        for octets in [b"a".as_slice(), b"a\0b", b"\0\xD8", b"\n\0", b"\0\0", &b"a\0".repeat(513)] {
            assert!(matches!(name(octets), Err(AuthError::Malformed(_))), "{octets:?}");
        }
    }

    #[test]
    fn upper_case_keeps_the_number_of_units() {
        assert_eq!(upper_case("jürgen é ß ŉ ÿ 𐐨"), "JÜRGEN É ß ŉ Ÿ 𐐨");
    }
}
