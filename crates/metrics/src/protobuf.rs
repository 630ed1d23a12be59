//! Writer of Protocol Buffers (encoding of protobuf.dev, "Encoding").

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

/// Wire types.
const VARINT: u64 = 0;
const FIXED: u64 = 1;
const LENGTH: u64 = 2;

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
}
