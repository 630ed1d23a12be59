//! Base64 variant of crypt(5), least significant bits first.

/// Returns the value of a character.
pub(super) fn value(character: u8) -> Option<u8> {
    match character {
        b'.' => Some(0),
        b'/'..=b'9' => Some(character - b'/' + 1),
        b'A'..=b'Z' => Some(character - b'A' + 12),
        b'a'..=b'z' => Some(character - b'a' + 38),
        _ => None,
    }
}

/// Decodes groups of four characters to three bytes; `None` for other characters or if unused bits are not zero.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len() * 3 / 4);
    for group in text.as_bytes().chunks(4) {
        let mut bits = 0_u32;
        for character in group.iter().rev() {
            bits = bits << 6 | u32::from(value(*character)?);
        }
        let [first, second, third, _] = bits.to_le_bytes();
        let whole = group.len() * 6 / 8;
        if group.len() == 1 || bits >> (whole * 8) != 0 {
            return None;
        }
        octets.extend([first, second, third].into_iter().take(whole));
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn least_significant_bits_come_first() {
        assert_eq!(decode(""), Some(vec![]));
        assert_eq!(decode("/..."), Some(vec![1, 0, 0]));
        assert_eq!(decode("zzzz"), Some(vec![255, 255, 255]));
        assert_eq!(decode("z1"), Some(vec![255]));
        assert_eq!(decode("zzD"), Some(vec![255, 255]));
        for wrong in ["z", "z2", "zzE", "zzz-", "....z", "é."] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }
}
