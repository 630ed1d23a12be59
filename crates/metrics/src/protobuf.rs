//! Writer and reader of Protocol Buffers (encoding of protobuf.dev, "Encoding").

/// Message that is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message(Vec<u8>);

impl Message {
    /// Adds a text; an empty one is the default and is omitted.
    pub(crate) fn text(&mut self, field: u32, text: &str) {
        if !text.is_empty() {
            self.bytes(field, text.as_bytes());
        }
    }

    /// Adds a message.
    pub(crate) fn message(&mut self, field: u32, message: &Self) {
        self.bytes(field, &message.0);
    }

    /// Adds a number of variable length.
    pub(crate) fn number(&mut self, field: u32, number: u32) {
        self.tag(field, VARINT);
        self.varint(number.into());
    }

    /// Adds eight bytes: `fixed64`, `sfixed64` or `double`.
    pub(crate) fn fixed(&mut self, field: u32, bytes: [u8; 8]) {
        self.tag(field, FIXED);
        self.0.extend_from_slice(&bytes);
    }

    /// Adds a packed list of `fixed64` or `double`.
    pub(crate) fn packed(&mut self, field: u32, values: impl IntoIterator<Item = [u8; 8]>) {
        let values: Vec<u8> = values.into_iter().flatten().collect();
        self.bytes(field, &values);
    }

    /// Returns the encoded message.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }

    fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.tag(field, LENGTH);
        self.varint(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.0.extend_from_slice(bytes);
    }

    fn tag(&mut self, field: u32, wire_type: u64) {
        self.varint(u64::from(field) << 3 | wire_type);
    }

    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(u8::try_from(number & 0x7F).unwrap_or_default() | 0x80);
            number >>= 7;
        }
        self.0.push(u8::try_from(number).unwrap_or_default());
    }
}

/// Field of a message that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field<'m> {
    /// Number of variable length.
    Number(u64),
    /// Text, bytes or message.
    Bytes(&'m [u8]),
    /// Field of a fixed length, which no message here needs.
    Other,
}

/// Fields of a message with their numbers, in order. An invalid field is the last one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'m>(&'m [u8]);

impl<'m> Fields<'m> {
    /// Reads the fields of a message.
    pub(crate) fn of(message: &'m [u8]) -> Self {
        Self(message)
    }

    fn read(&mut self) -> Option<(u64, Field<'m>)> {
        let tag = self.varint()?;
        let field = match tag & 7 {
            VARINT => Field::Number(self.varint()?),
            FIXED => self.take(8).map(|_| Field::Other)?,
            LENGTH => {
                let length = usize::try_from(self.varint()?).ok()?;
                Field::Bytes(self.take(length)?)
            }
            FIXED_32 => self.take(4).map(|_| Field::Other)?,
            // Groups are obsolete.
            _ => return None,
        };
        Some((tag >> 3, field))
    }

    fn take(&mut self, length: usize) -> Option<&'m [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

/// Returns a field; an error for an invalid one, after which there are no others.
impl<'m> Iterator for Fields<'m> {
    type Item = Result<(u64, Field<'m>), InvalidField>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.read().ok_or(InvalidField);
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

/// A field that is cut off or has an unknown type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidField;

/// Wire types.
const VARINT: u64 = 0;
const FIXED: u64 = 1;
const LENGTH: u64 = 2;
const FIXED_32: u64 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_encoded_as_in_the_specification() {
        let mut inner = Message::default();
        inner.number(1, 150);
        let mut message = Message::default();
        message.text(2, "testing");
        message.text(2, "");
        message.message(3, &inner);
        message.fixed(4, 1.0_f64.to_le_bytes());
        message.packed(16, [7_u64.to_le_bytes()]);
        let expected = [
            &[0x12, 7][..],
            b"testing",
            &[0x1a, 3, 0x08, 0x96, 0x01, 0x21, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f],
            &[0x82, 0x01, 8, 7, 0, 0, 0, 0, 0, 0, 0],
        ];
        assert_eq!(message.finish(), expected.concat());
    }

    #[test]
    fn fields_are_read_until_the_first_invalid_one() {
        let mut message = Message::default();
        message.number(1, 300);
        message.text(2, "testing");
        message.fixed(3, [0; 8]);
        let mut bytes = message.finish();
        bytes.extend([0x25, 0, 0, 0, 0]);
        let fields: Vec<_> = Fields::of(&bytes).collect();
        let expected =
            [(1, Field::Number(300)), (2, Field::Bytes(b"testing")), (3, Field::Other), (4, Field::Other)];
        assert_eq!(fields, expected.map(Ok));
        for invalid in [&[0x08][..], &[0x12, 3, 0], &[0x0B], &[0xFF; 11], &[0x21, 0]] {
            assert_eq!(Fields::of(invalid).collect::<Vec<_>>(), [Err(InvalidField)], "{invalid:?}");
        }
    }
}
