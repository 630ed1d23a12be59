//! Parts of account records as text.

/// Parses a decimal number without sign and leading zeros, so that every number has one spelling.
pub(super) fn decimal(text: &str) -> Option<u64> {
    let is_canonical = text == "0" || (!text.starts_with('0') && text.bytes().all(|c| c.is_ascii_digit()));
    if is_canonical { text.parse().ok() } else { None }
}

/// Returns the first 40 characters of a text.
pub(super) fn beginning(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_spelling() {
        assert_eq!(decimal("0"), Some(0));
        assert_eq!(decimal("10"), Some(10));
        for text in ["", "00", "01", "+1", "-1", " 1", "1 ", "99999999999999999999"] {
            assert_eq!(decimal(text), None, "{text:?}");
        }
    }
}
