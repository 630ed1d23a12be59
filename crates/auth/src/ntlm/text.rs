//! Texts as NTLM writes them: UTF-16 without a mark, the low octet first (MS-NLMP 2.2).

use zeroize::Zeroizing;

use crate::AuthError;

/// The octets of a text; it may be a password.
pub(super) fn utf16(text: &str) -> Zeroizing<Vec<u8>> {
    // Reserved at once, so that growing leaves no copy behind.
    let mut octets = Zeroizing::new(Vec::with_capacity(text.len() * 2));
    text.encode_utf16().for_each(|unit| octets.extend_from_slice(&unit.to_le_bytes()));
    octets
}

/// The text of a name that a peer sent.
pub(super) fn name(octets: &[u8]) -> Result<String, AuthError> {
    if octets.len() > MOST_NAME_OCTETS {
        return Err(AuthError::Malformed("a name is too long"));
    }
    let (pairs, rest) = octets.as_chunks::<2>();
    let text = String::from_utf16(&pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect::<Vec<_>>());
    let text = text.ok().filter(|_| rest.is_empty()).ok_or(AuthError::Malformed("a name is not UTF-16"))?;
    if text.chars().any(char::is_control) {
        return Err(AuthError::Malformed("a name contains control characters"));
    }
    Ok(text)
}

/// A name in capitals, one unit for one unit: a letter whose capital would be longer, such as ß, stays as it is
/// (MS-NLMP 3.3.2, `Uppercase`; MS-UCODEREF 3.1.5.3).
pub(super) fn upper_case(name: &str) -> String {
    let capital = |c: char| {
        let mut capitals = c.to_uppercase();
        match (capitals.next(), capitals.next()) {
            (Some(capital), None) if c.len_utf16() == 1 && capital.len_utf16() == 1 => capital,
            _ => c,
        }
    };
    name.chars().map(capital).collect()
}

/// Longer names are not looked at; those of Windows have at most 256 characters.
const MOST_NAME_OCTETS: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_as_they_were() {
        for text in ["", "alice", "Jürgen", "𝔘"] {
            assert_eq!(name(&utf16(text)).as_deref(), Ok(text));
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for octets in [b"a".as_slice(), b"a\0b", b"\0\xD8", b"\n\0", b"\0\0", &b"a\0".repeat(513)] {
            assert!(matches!(name(octets), Err(AuthError::Malformed(_))), "{octets:?}");
        }
    }

    #[test]
    fn capitals_have_as_many_units_as_the_letters() {
        assert_eq!(upper_case("jürgen é ß ŉ ÿ 𐐨"), "JÜRGEN É ß ŉ Ÿ 𐐨");
    }
}
