//! The subset of the Distinguished Encoding Rules that SPNEGO and CredSSP use (ITU-T X.690).
//!
//! Nothing here recurses by itself: the caller determines the depth. Lengths must be definite and minimal; no known
//! WinRM peer writes others.

use crate::AuthError;

/// Identifier octet of an element: class, form and a number below 31.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag(pub u8);

impl Tag {
    /// INTEGER.
    pub const INTEGER: Self = Self(0x02);
    /// OCTET STRING.
    pub const OCTET_STRING: Self = Self(0x04);
    /// OBJECT IDENTIFIER.
    pub const OID: Self = Self(0x06);
    /// ENUMERATED.
    pub const ENUMERATED: Self = Self(0x0a);
    /// GeneralString.
    pub const GENERAL_STRING: Self = Self(0x1b);
    /// SEQUENCE, and SEQUENCE OF.
    pub const SEQUENCE: Self = Self(0x30);
    /// First token of a GSS mechanism (RFC 2743 3.1).
    pub const INITIAL_TOKEN: Self = Self(0x60);

    /// Returns the tag of an explicitly tagged field of a sequence; `number` is below 31.
    #[must_use]
    pub const fn field(number: u8) -> Self {
        Self(0xa0 | number)
    }
}

/// A DER element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element<'a> {
    /// Tag.
    pub tag: Tag,
    /// Content, without tag and length.
    pub content: &'a [u8],
    /// The whole element as received, with tag and length.
    pub whole: &'a [u8],
}

/// Reads a sequence of elements.
#[derive(Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Creates a reader of the elements in `octets`.
    #[must_use]
    pub fn new(octets: &'a [u8]) -> Self {
        Self { rest: octets }
    }

    /// Returns whether all elements have been read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Returns the unread bytes, for example the data after a mechanism's OID, which is not DER.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Reads the next element.
    ///
    /// # Errors
    /// [`AuthError::Malformed`] if there is none, or its tag or length is not supported.
    pub fn element(&mut self) -> Result<Element<'a>, AuthError> {
        let begin = self.rest;
        let (tag, rest) = begin.split_first().ok_or(TRUNCATED)?;
        if tag & 0x1f == 0x1f {
            return Err(AuthError::Malformed("multi-byte tag"));
        }
        let (length, rest) = length(rest)?;
        let (content, rest) = rest.split_at_checked(length).ok_or(TRUNCATED)?;
        let whole = begin.get(..begin.len() - rest.len()).ok_or(TRUNCATED)?;
        self.rest = rest;
        Ok(Element { tag: Tag(*tag), content, whole })
    }

    /// Reads the next element, which must have this tag.
    ///
    /// # Errors
    /// [`AuthError::Malformed`] for any other element.
    pub fn expect(&mut self, tag: Tag) -> Result<Element<'a>, AuthError> {
        let element = self.element()?;
        if element.tag == tag { Ok(element) } else { Err(UNEXPECTED) }
    }

    /// Reads the content of field `number`, if it is next.
    ///
    /// # Errors
    /// [`AuthError::Malformed`] if the element is malformed.
    pub fn field(&mut self, number: u8) -> Result<Option<&'a [u8]>, AuthError> {
        if self.rest.first() != Some(&Tag::field(number).0) {
            return Ok(None);
        }
        Ok(Some(self.element()?.content))
    }

    /// Reads the octet string in field `number`, if it is next.
    ///
    /// # Errors
    /// [`AuthError::Malformed`] if the element is malformed, or is no octet string.
    pub fn octets_field(&mut self, number: u8) -> Result<Option<&'a [u8]>, AuthError> {
        self.field(number)?.map(|field| only(field, Tag::OCTET_STRING)).transpose()
    }

    /// Skips fields that later versions may have added: numbers above `last`.
    ///
    /// # Errors
    /// [`AuthError::Malformed`] for any other element.
    pub fn skip_fields_after(mut self, last: u8) -> Result<(), AuthError> {
        while !self.is_empty() {
            let Tag(tag) = self.element()?.tag;
            if tag & 0xc0 != 0x80 || tag & 0x1f <= last {
                return Err(UNEXPECTED);
            }
        }
        Ok(())
    }

    /// Checks that all elements have been read.
    ///
    /// # Errors
    /// [`AuthError::Malformed`] if bytes are left.
    pub fn end(self) -> Result<(), AuthError> {
        if self.is_empty() { Ok(()) } else { Err(AuthError::Malformed("trailing bytes")) }
    }
}

/// Returns the content of the only element in `octets`, which must have this tag.
///
/// # Errors
/// [`AuthError::Malformed`] for any other element, and for further bytes.
pub fn only(octets: &[u8], tag: Tag) -> Result<&[u8], AuthError> {
    let mut reader = Reader::new(octets);
    let element = reader.expect(tag)?;
    reader.end()?;
    Ok(element.content)
}

/// Parses the content of a non-negative INTEGER.
///
/// # Errors
/// [`AuthError::Malformed`] if it is negative, above 32 bits, or not minimal.
pub fn unsigned(content: &[u8]) -> Result<u32, AuthError> {
    match content {
        [] => Err(BAD_NUMBER),
        [0, second, ..] if second & 0x80 == 0 => Err(BAD_NUMBER),
        [first, ..] if first & 0x80 != 0 => Err(BAD_NUMBER),
        [0, number @ ..] | number => big_endian(number),
    }
}

/// Parses the content of an INTEGER that is a 32-bit status.
///
/// Some peers write it as four bytes regardless of sign, others as a positive number of five.
///
/// # Errors
/// [`AuthError::Malformed`] for other content.
pub fn status(content: &[u8]) -> Result<u32, AuthError> {
    match content {
        [_, _, _, _] => big_endian(content),
        _ => unsigned(content),
    }
}

/// Encodes an element with this content. The buffer is allocated once, so that secrets are not copied.
#[must_use]
pub fn element(tag: Tag, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut written = Vec::with_capacity(length + 2 + size_of::<usize>());
    written.push(tag.0);
    match u8::try_from(length) {
        Ok(short @ ..0x80) => written.push(short),
        _ => {
            let octets = length.to_be_bytes();
            let digits = octets.iter().skip_while(|octet| **octet == 0);
            written.push(0x80 | u8::try_from(digits.clone().count()).unwrap_or_default());
            written.extend(digits);
        }
    }
    for part in parts {
        written.extend_from_slice(part);
    }
    written
}

/// Encodes an octet string as field `number`.
#[must_use]
pub fn octets_field(number: u8, octets: &[u8]) -> Vec<u8> {
    element(Tag::field(number), &[&element(Tag::OCTET_STRING, &[octets])])
}

/// Encodes a non-negative INTEGER.
#[must_use]
pub fn integer(value: u32) -> Vec<u8> {
    let octets = value.to_be_bytes();
    let zeros = octets.iter().take(3).take_while(|octet| **octet == 0).count();
    let digits = octets.get(zeros..).unwrap_or_default();
    let sign: &[u8] = if digits.first().is_some_and(|octet| octet & 0x80 != 0) { &[0] } else { &[] };
    element(Tag::INTEGER, &[sign, digits])
}

/// Splits `octets` after the length at its beginning.
fn length(octets: &[u8]) -> Result<(usize, &[u8]), AuthError> {
    let (first, rest) = octets.split_first().ok_or(TRUNCATED)?;
    let count = usize::from(first & 0x7f);
    if first & 0x80 == 0 {
        return Ok((count, rest));
    }
    if count == 0 || count > MAX_LENGTH_OCTETS {
        return Err(AuthError::Malformed("indefinite or excessive length"));
    }
    let (digits, rest) = rest.split_at_checked(count).ok_or(TRUNCATED)?;
    let length = digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit));
    if digits.first() == Some(&0) || length < 0x80 {
        return Err(AuthError::Malformed("length is not minimal"));
    }
    Ok((length, rest))
}

fn big_endian(digits: &[u8]) -> Result<u32, AuthError> {
    if digits.len() > size_of::<u32>() {
        return Err(BAD_NUMBER);
    }
    Ok(digits.iter().fold(0, |sum, digit| sum << 8 | u32::from(*digit)))
}

/// Maximum number of length bytes: tokens are shorter than 64 KiB.
const MAX_LENGTH_OCTETS: usize = 3;

const TRUNCATED: AuthError = AuthError::Malformed("truncated");
const UNEXPECTED: AuthError = AuthError::Malformed("unexpected element");
const BAD_NUMBER: AuthError = AuthError::Malformed("invalid or excessive number");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_all_lengths_round_trip() {
        for length in [0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x1_0000] {
            let content = vec![7; length];
            let written = element(Tag::OCTET_STRING, &[&content]);
            assert_eq!(only(&written, Tag::OCTET_STRING), Ok(&content[..]), "{length}");
            let mut longer = written.clone();
            longer.push(0);
            assert!(only(&longer, Tag::OCTET_STRING).is_err(), "{length}: trailing byte");
            let (_, cut) = written.split_last().expect("a tag at least");
            assert!(only(cut, Tag::OCTET_STRING).is_err(), "{length}: cut");
            assert!(only(&written, Tag::SEQUENCE).is_err(), "{length}: another tag");
        }
    }

    #[test]
    fn only_minimal_definite_lengths_are_accepted() {
        for octets in [
            &b"\x04"[..],
            b"\x04\x80\x00\x00",
            b"\x04\x81\x01\x00",
            b"\x04\x82\x00\x80",
            b"\x04\x82\x01",
            b"\x04\x84\x00\x00\x00\x01\x00",
            b"\x04\xff",
            b"\x1f\x01\x00",
        ] {
            assert!(Reader::new(octets).element().is_err(), "{octets:02x?}");
        }
    }

    #[test]
    fn integers_round_trip() {
        for (value, written) in [
            (0, &b"\x02\x01\x00"[..]),
            (6, b"\x02\x01\x06"),
            (0x7f, b"\x02\x01\x7f"),
            (0x80, b"\x02\x02\x00\x80"),
            (0x1234, b"\x02\x02\x12\x34"),
            (u32::MAX, b"\x02\x05\x00\xff\xff\xff\xff"),
        ] {
            assert_eq!(integer(value), written);
            assert_eq!(only(written, Tag::INTEGER).and_then(unsigned), Ok(value));
        }
        for content in [&b""[..], b"\xff", b"\x00\x01", b"\x01\x00\x00\x00\x00", b"\x00\xff\x00\x00\x00\x00"]
        {
            assert!(unsigned(content).is_err(), "{content:02x?}");
        }
    }

    #[test]
    fn both_forms_of_a_status_are_parsed() {
        assert_eq!(status(b"\xc0\x00\x00\x6d"), Ok(0xc000_006d));
        assert_eq!(status(b"\x00\xc0\x00\x00\x6d"), Ok(0xc000_006d));
        assert_eq!(status(b"\x05"), Ok(5));
        assert!(status(b"\xc0").is_err());
    }
}
