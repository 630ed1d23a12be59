//! Text of a stream whose pieces may end inside a character.

/// Decoder of UTF-8 in pieces. Invalid bytes become U+FFFD.
#[derive(Debug, Default)]
pub(super) struct TextPieces {
    /// Beginning of a character, at most three bytes.
    rest: Vec<u8>,
}

impl TextPieces {
    /// Returns the complete characters up to the end of a piece.
    pub(super) fn decode(&mut self, piece: &[u8]) -> String {
        let mut bytes = std::mem::take(&mut self.rest);
        bytes.extend_from_slice(piece);
        let complete = match std::str::from_utf8(&bytes) {
            // An incomplete character at the end has no length of an error.
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => match bytes.utf8_chunks().last() {
                Some(last) if is_beginning(last.invalid()) => bytes.len() - last.invalid().len(),
                _ => bytes.len(),
            },
            Ok(_) => bytes.len(),
        };
        self.rest = bytes.split_off(complete);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Returns whether bytes at the end of a text can be continued to a character.
fn is_beginning(bytes: &[u8]) -> bool {
    !bytes.is_empty() && std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_are_split_are_joined() {
        let text = "größe € 𝄞".as_bytes();
        for at in 0..text.len() {
            let (first, second) = text.split_at(at);
            let mut pieces = TextPieces::default();
            assert_eq!(pieces.decode(first) + &pieces.decode(second), "größe € 𝄞");
        }
        let mut pieces = TextPieces::default();
        assert_eq!(pieces.decode(b"\xFFa\xC3") + &pieces.decode(b"\xB6"), "\u{FFFD}aö");
    }
}
