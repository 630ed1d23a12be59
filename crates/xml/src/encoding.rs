//! Conversion between the bytes of a message and text (WS-Management 13.1 makes UTF-8 and UTF-16 mandatory).

/// Character encoding of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, with or without a byte order mark.
    #[default]
    Utf8,
    /// UTF-16; little-endian if there is no byte order mark.
    Utf16,
}

/// Why bytes cannot be decoded as text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodingError {
    /// The character set is neither UTF-8 nor UTF-16, the two that WS-Management requires.
    #[error("character set {0:?} is not supported: use UTF-8 or UTF-16")]
    Unsupported(String),
    /// The bytes are not valid in the encoding.
    #[error("not valid {encoding} at octet {offset}")]
    Malformed {
        /// `UTF-8` or `UTF-16`.
        encoding: &'static str,
        /// Offset in bytes of the first invalid byte, counted from zero.
        offset: usize,
    },
}

impl Encoding {
    /// Returns the encoding for the value of a `charset` parameter, case-insensitive.
    ///
    /// # Errors
    /// [`EncodingError::Unsupported`] for any other name.
    pub fn from_charset(name: &str) -> Result<Self, EncodingError> {
        let name = name.trim();
        if name.eq_ignore_ascii_case("utf-8") || name.eq_ignore_ascii_case("utf8") {
            Ok(Self::Utf8)
        } else if name.eq_ignore_ascii_case("utf-16") || name.eq_ignore_ascii_case("utf-16le") {
            Ok(Self::Utf16)
        } else {
            Err(EncodingError::Unsupported(name.chars().take(40).collect()))
        }
    }

    /// Returns the value for a `charset` parameter.
    #[must_use]
    pub fn charset(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Utf16 => "UTF-16",
        }
    }

    /// Decodes bytes to text and removes a byte order mark. In UTF-16 the mark selects the byte order.
    ///
    /// # Errors
    /// [`EncodingError::Malformed`] with the offset of the first invalid byte.
    pub fn decode(self, octets: Vec<u8>) -> Result<String, EncodingError> {
        match self {
            Self::Utf8 => decode_utf8(octets),
            Self::Utf16 => decode_utf16(&octets),
        }
    }

    /// Encodes text. UTF-16 is little-endian and starts with a byte order mark.
    #[must_use]
    pub fn encode(self, text: String) -> Vec<u8> {
        match self {
            Self::Utf8 => text.into_bytes(),
            Self::Utf16 => {
                let mut octets = Vec::with_capacity(text.len().saturating_mul(2).saturating_add(2));
                octets.extend_from_slice(&[0xFF, 0xFE]);
                octets.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
                octets
            }
        }
    }
}

fn decode_utf8(mut octets: Vec<u8>) -> Result<String, EncodingError> {
    if octets.starts_with(&[0xEF, 0xBB, 0xBF]) {
        octets.drain(..3);
    }
    String::from_utf8(octets).map_err(|error| EncodingError::Malformed {
        encoding: "UTF-8",
        offset: error.utf8_error().valid_up_to(),
    })
}

fn decode_utf16(octets: &[u8]) -> Result<String, EncodingError> {
    let (body, most_significant_first) = match octets {
        [0xFF, 0xFE, rest @ ..] => (rest, false),
        [0xFE, 0xFF, rest @ ..] => (rest, true),
        all => (all, false),
    };
    let read = if most_significant_first { u16::from_be_bytes } else { u16::from_le_bytes };
    let (units, rest) = body.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(malformed_utf16(octets.len()));
    }
    let mut text = String::with_capacity(body.len());
    for decoded in char::decode_utf16(units.iter().map(|unit| read(*unit))) {
        text.push(decoded.map_err(|_| malformed_utf16(text.len()))?);
    }
    Ok(text)
}

fn malformed_utf16(offset: usize) -> EncodingError {
    EncodingError::Malformed { encoding: "UTF-16", offset }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf_16_is_read_with_either_mark_and_without() {
        let little = [0x61, 0x00, 0x3D, 0xD8, 0x00, 0xDE];
        let big = [0xFE, 0xFF, 0x00, 0x61, 0xD8, 0x3D, 0xDE, 0x00];
        assert_eq!(Encoding::Utf16.decode(little.to_vec()), Ok("a\u{1F600}".to_owned()));
        assert_eq!(Encoding::Utf16.decode(big.to_vec()), Ok("a\u{1F600}".to_owned()));
        let round = Encoding::Utf16.encode("a\u{1F600}".to_owned());
        assert_eq!(Encoding::Utf16.decode(round), Ok("a\u{1F600}".to_owned()));
    }

    #[test]
    fn odd_lengths_and_lone_surrogates_are_rejected() {
        assert!(Encoding::Utf16.decode(vec![0x61]).is_err());
        assert!(Encoding::Utf16.decode(vec![0x3D, 0xD8]).is_err());
        assert!(Encoding::Utf8.decode(vec![b'a', 0xFF]).is_err());
    }

    #[test]
    fn a_byte_order_mark_is_not_part_of_the_text() {
        assert_eq!(Encoding::Utf8.decode(b"\xEF\xBB\xBFx".to_vec()), Ok("x".to_owned()));
    }

    #[test]
    fn only_the_mandatory_character_sets_are_known() {
        assert_eq!(Encoding::from_charset("utf-16"), Ok(Encoding::Utf16));
        assert!(Encoding::from_charset("iso-8859-1").is_err());
    }
}
