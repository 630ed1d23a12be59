//! Texts without regard to case.

use std::cmp::Ordering;

/// Whether two texts are equal for WQL: unit by unit of UTF-16, each as its capital.
#[must_use]
pub fn equal(left: &str, right: &str) -> bool {
    if left.is_ascii() && right.is_ascii() {
        return left.eq_ignore_ascii_case(right);
    }
    left.chars().map(capital).eq(right.chars().map(capital))
}

/// A text in capitals: those of two texts are the same where the texts are [`equal`], and nowhere else.
#[must_use]
pub fn capitals(text: &str) -> String {
    text.chars().map(capital).collect()
}

/// The order of two texts for WQL: that of the UTF-16 of their capitals.
#[must_use]
pub fn order(left: &str, right: &str) -> Ordering {
    if left.is_ascii() && right.is_ascii() {
        let capital = |octet: u8| octet.to_ascii_uppercase();
        return left.bytes().map(capital).cmp(right.bytes().map(capital));
    }
    let unit = |character| Unit(capital(character));
    left.chars().map(unit).cmp(right.chars().map(unit))
}

/// The capital of a character where it is one character as well, and one unit of UTF-16 as well.
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

/// A character in the order of its UTF-16, in which surrogates come before the last of the plane.
#[derive(PartialEq, Eq)]
struct Unit(char);

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
    fn case_means_nothing() {
        assert!(equal("Größe", "GRÖßE") && equal("ΑΒΓ", "αβγ") && !equal("a", "ab"));
        assert!(!equal("straße", "strasse"), "one character was taken for two");
        for (left, right) in [("Größe", "gröSSe"), ("ΟΔΟΣ", "οδος"), ("οδος", "οδοσ"), ("ẞ", "ß"), ("ǆ", "ǅ")]
        {
            assert_eq!(capitals(left) == capitals(right), equal(left, right), "{left} {right}");
        }
        assert_eq!(order("abc", "ABD"), Ordering::Less);
        assert_eq!(order("_", "a"), Ordering::Greater, "the capital of a comes before _");
        assert_eq!(order("ä", "z"), Ordering::Greater);
        assert_eq!(order("\u{1F600}", "\u{FF5E}"), Ordering::Less, "surrogates come first");
        assert_eq!(order("a", "ab"), Ordering::Less);
        assert_eq!(order("ä", "Ä"), Ordering::Equal);
    }
}
