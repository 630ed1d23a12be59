//! Identifiers of messages, shells, commands and enumeration contexts.

use std::fmt;

/// UUID of version 4 (RFC 9562), written in upper case as in Windows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uuid([u8; 16]);

impl Uuid {
    /// Creates a UUID from 16 random bytes; six bits are overwritten.
    #[must_use]
    pub fn from_random(mut octets: [u8; 16]) -> Self {
        let [.., version, _, variant, _, _, _, _, _, _, _] = &mut octets;
        *version = (*version & 0x0F) | 0x40;
        *variant = (*variant & 0x3F) | 0x80;
        Self(octets)
    }

    /// Parses five groups of hexadecimal digits in either case, with or without the prefix `uuid:`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix("uuid:").unwrap_or(text);
        let mut octets = [0; 16];
        let mut into = octets.iter_mut();
        let mut groups = text.split('-');
        for length in [8, 4, 4, 4, 12] {
            let group = groups.next().filter(|group| group.len() == length && group.is_ascii())?;
            for pair in group.as_bytes().chunks(2) {
                let digits = std::str::from_utf8(pair).ok().filter(|digits| !digits.starts_with('+'))?;
                *into.next()? = u8::from_str_radix(digits, 16).ok()?;
            }
        }
        groups.next().is_none().then_some(Self(octets))
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(36);
        for (at, octet) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            for digit in [octet >> 4, octet & 0x0F] {
                text.extend(char::from_digit(digit.into(), 16).map(|digit| digit.to_ascii_uppercase()));
            }
        }
        f.write_str(&text)
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_and_variant_are_set_and_the_text_is_parsed_again() {
        let uuid = Uuid::from_random([0xFF; 16]);
        assert_eq!(uuid.to_string(), "FFFFFFFF-FFFF-4FFF-BFFF-FFFFFFFFFFFF");
        assert_eq!(Uuid::parse("uuid:ffffffff-ffff-4fff-bfff-ffffffffffff"), Some(uuid));
    }

    #[test]
    fn invalid_uuids_are_rejected() {
        for wrong in
            ["", "FFFFFFFF", "FFFFFFFF-FFFF-4FFF-BFFF-FFFFFFFFFFF", "+FFFFFFF-FFFF-4FFF-BFFF-FFFFFFFFFFFF"]
        {
            assert_eq!(Uuid::parse(wrong), None, "{wrong}");
        }
    }
}
