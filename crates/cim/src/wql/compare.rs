//! Comparison of strings, ignoring case.

use std::cmp::Ordering;

/// Compares two strings for equality as WQL does: unit by unit of UTF-16, each in upper case.
#[must_use]
pub fn equal(left: &str, right: &str) -> bool {
    if left.is_ascii() && right.is_ascii() {
        return left.eq_ignore_ascii_case(right);
    }
    left.chars().map(capital).eq(right.chars().map(capital))
}

/// Returns a string in upper case: two results are equal exactly if the strings are [`equal`].
#[must_use]
pub fn capitals(text: &str) -> String {
    text.chars().map(capital).collect()
}

/// Compares two strings as WQL does: by the UTF-16 of their upper case.
#[must_use]
pub fn order(left: &str, right: &str) -> Ordering {
    if left.is_ascii() && right.is_ascii() {
        return left.to_ascii_uppercase().cmp(&right.to_ascii_uppercase());
    }
    left.chars().map(Unit::upper).cmp(right.chars().map(Unit::upper))
}

/// Returns the upper case of a character if it is also one character and one UTF-16 code unit.
pub(super) fn capital(character: char) -> char {
    if character.is_ascii() {
        return character.to_ascii_uppercase();
    }
    let mut capitals = character.to_uppercase();
    match (capitals.next(), capitals.next()) {
        (Some(capital), None) if character.len_utf16() == 1 && capital.len_utf16() == 1 => capital,
        _ => character,
    }
}

/// A character in UTF-16 order, in which surrogates come before the end of the basic plane.
#[derive(PartialEq, Eq)]
struct Unit(char);

impl Unit {
    fn upper(character: char) -> Self {
        Self(capital(character))
    }
}

impl PartialOrd for Unit {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Unit {
    fn cmp(&self, other: &Self) -> Ordering {
        let mut buffers = [[0; 2]; 2];
        let [left, right] = &mut buffers;
        self.0.encode_utf16(left).cmp(&other.0.encode_utf16(right))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparison_ignores_case() {
        assert!(equal("Größe", "GRÖßE") && equal("ΑΒΓ", "αβγ") && !equal("a", "ab"));
        assert!(!equal("straße", "strasse"), "one character was equal to two");
        for (left, right) in [("Größe", "gröSSe"), ("ΟΔΟΣ", "οδος"), ("οδος", "οδοσ"), ("ẞ", "ß"), ("ǆ", "ǅ")]
        {
            assert_eq!(capitals(left) == capitals(right), equal(left, right), "{left} {right}");
        }
        assert_eq!(order("abc", "ABD"), Ordering::Less);
        assert_eq!(order("_", "a"), Ordering::Greater, "the upper case of a comes before _");
        assert_eq!(order("ä", "z"), Ordering::Greater);
        assert_eq!(order("\u{1F600}", "\u{FF5E}"), Ordering::Less, "surrogates come first");
        assert_eq!(order("a", "ab"), Ordering::Less);
        assert_eq!(order("ä", "Ä"), Ordering::Equal);
    }
}
