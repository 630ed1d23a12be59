//! Strings of NTLM: UTF-16LE without a byte order mark, or names in an OEM character set (MS-NLMP 2.2).

use zeroize::Zeroizing;

use super::flags::Flags;
use crate::AuthError;

/// Character set of the names in one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CharacterSet {
    Unicode,
    /// Character set of the client's system. The other end does not know which one, so only its ASCII part is used.
    Oem,
}

impl CharacterSet {
    /// Returns the character set of a message with these options: Unicode takes precedence (MS-NLMP 2.2.2.5).
    ///
    /// Messages without either option are rejected elsewhere.
    pub(super) fn of(flags: Flags) -> Self {
        let is_oem = flags.contains(Flags::OEM) && !flags.contains(Flags::UNICODE);
        if is_oem { Self::Oem } else { Self::Unicode }
    }

    /// Encodes a name. A character that OEM names cannot contain becomes a question mark.
    pub(super) fn encode(self, name: &str) -> Vec<u8> {
        match self {
            Self::Unicode => utf16(name).to_vec(),
            Self::Oem => {
                name.chars().map(|c| u8::try_from(c).ok().filter(u8::is_ascii).unwrap_or(b'?')).collect()
            }
        }
    }

    /// Decodes a name sent by the peer.
    pub(super) fn decode(self, octets: &[u8]) -> Result<String, AuthError> {
        if octets.len() > MAX_NAME_LENGTH {
            return Err(AuthError::Malformed("name is too long"));
        }
        let text = match self {
            Self::Unicode => from_utf16(octets).ok_or(AuthError::Malformed("name is not UTF-16"))?,
            Self::Oem => from_ascii(octets).ok_or(AuthError::Malformed("OEM name is not ASCII"))?,
        };
        if text.chars().any(char::is_control) {
            return Err(AuthError::Malformed("name contains control characters"));
        }
        Ok(text)
    }
}

fn from_utf16(octets: &[u8]) -> Option<String> {
    let (pairs, []) = octets.as_chunks::<2>() else { return None };
    String::from_utf16(&pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect::<Vec<_>>()).ok()
}

fn from_ascii(octets: &[u8]) -> Option<String> {
    octets.is_ascii().then(|| octets.iter().copied().map(char::from).collect())
}

/// Encodes a text, which may be a password.
pub(super) fn utf16(text: &str) -> Zeroizing<Vec<u8>> {
    // Full capacity from the start, so that growing leaves no copy of the text in memory.
    let mut octets = Zeroizing::new(Vec::with_capacity(text.len() * 2));
    text.encode_utf16().for_each(|unit| octets.extend_from_slice(&unit.to_le_bytes()));
    octets
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
        use CharacterSet::{Oem, Unicode};
        for (set, text) in [(Unicode, ""), (Unicode, "Jürgen"), (Unicode, "𝔘"), (Oem, ""), (Oem, "al~ice")]
        {
            assert_eq!(set.decode(&set.encode(text)).as_deref(), Ok(text));
        }
        assert_eq!(Oem.encode("KÖLN-𝔘"), b"K?LN-?");
    }

    #[test]
    fn malformed_names_are_rejected() {
        for octets in [b"a".as_slice(), b"a\0b", b"\0\xD8", b"\n\0", b"\0\0", &b"a\0".repeat(513)] {
            let name = CharacterSet::Unicode.decode(octets);
            assert!(matches!(name, Err(AuthError::Malformed(_))), "{octets:?}");
        }
        for octets in [b"J\x81rgen".as_slice(), b"a\0", b"a\n", &b"a".repeat(1_025)] {
            let name = CharacterSet::Oem.decode(octets);
            assert!(matches!(name, Err(AuthError::Malformed(_))), "{octets:?}");
        }
    }

    #[test]
    fn upper_case_keeps_the_number_of_units() {
        assert_eq!(upper_case("jürgen é ß ŉ ÿ 𐐨"), "JÜRGEN É ß ŉ Ÿ 𐐨");
    }
}
