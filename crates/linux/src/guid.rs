//! GUIDs derived from stable properties.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// Returns the GUID derived from some texts, in Windows notation: upper case, in braces.
///
/// Version 8 and variant as RFC 9562 defines for custom GUIDs.
pub fn of(texts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(text);
        hash.update([0]);
    }
    let mut guid = String::from("{");
    for (at, octet) in hash.finalize().iter().take(16).enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            guid.push('-');
        }
        let octet = match at {
            6 => octet & 0x0F | 0x80,
            8 => octet & 0x3F | 0x80,
            _ => *octet,
        };
        // Writing to a `String` does not fail.
        let _ = write!(guid, "{octet:02X}");
    }
    guid + "}"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_texts_yield_different_guids() {
        let guid = of(&["a", "b"]);
        assert_eq!((guid.len(), guid.get(15..16), guid == of(&["a", "b"])), (38, Some("8"), true));
        assert_ne!(guid, of(&["ab", ""]));
    }
}
