//! LIKE patterns.

use std::str::Chars;

use super::compare::capital;

/// A pattern: `%` matches any run of characters, `_` one, `[a-f]` one in a range, `[^a-f]` one outside a range.
///
/// Matching takes at most the product of both lengths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The parts; `None` matches no string, for a pattern with an unclosed `[`.
    parts: Option<Vec<Part>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Run,
    Any,
    /// A character in upper case.
    One(char),
    Set {
        negated: bool,
        /// Inclusive ranges, in upper case.
        ranges: Vec<(char, char)>,
    },
}

impl Pattern {
    /// Parses a pattern; every string is valid.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut rest = text.chars();
        while let Some(character) = rest.next() {
            parts.push(match character {
                // Adjacent runs are equivalent to one.
                '%' if parts.last() == Some(&Part::Run) => continue,
                '%' => Part::Run,
                '_' => Part::Any,
                '[' => match set(&mut rest) {
                    Some(set) => set,
                    None => return Self { parts: None },
                },
                character => Part::One(capital(character)),
            });
        }
        Self { parts: Some(parts) }
    }

    /// Matches a string against the pattern.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let Some(parts) = &self.parts else { return false };
        let (mut parts, mut rest) = (parts.as_slice(), text.chars());
        // The parts after the last run, and the rest of the string of the last attempt: only these are retried.
        let mut again: Option<(&[Part], Chars<'_>)> = None;
        loop {
            match parts.split_first() {
                Some((Part::Run, after)) => {
                    again = Some((after, rest.clone()));
                    parts = after;
                    continue;
                }
                Some((part, after)) => {
                    let mut ahead = rest.clone();
                    if ahead.next().is_some_and(|character| part.matches(character)) {
                        (parts, rest) = (after, ahead);
                        continue;
                    }
                }
                None if rest.as_str().is_empty() => return true,
                None => {}
            }
            let Some((after, tried)) = &mut again else { return false };
            if tried.next().is_none() {
                return false;
            }
            (parts, rest) = (after, tried.clone());
        }
    }
}

impl Part {
    fn matches(&self, character: char) -> bool {
        let character = capital(character);
        match self {
            Self::Run => false,
            Self::Any => true,
            Self::One(wanted) => *wanted == character,
            Self::Set { negated, ranges } => {
                ranges.iter().any(|(from, to)| (*from..=*to).contains(&character)) != *negated
            }
        }
    }
}

/// Parses the set after a `[`; `None` without a closing `]`.
fn set(rest: &mut Chars<'_>) -> Option<Part> {
    let (inside, after) = rest.as_str().split_once(']')?;
    *rest = after.chars();
    let (negated, inside) = match inside.strip_prefix('^') {
        Some(inside) => (true, inside),
        None => (false, inside),
    };
    let mut ranges = Vec::new();
    let mut characters = inside.chars();
    while let Some(from) = characters.next() {
        let mut ahead = characters.clone();
        let range = match (ahead.next(), ahead.next()) {
            (Some('-'), Some(to)) => {
                characters = ahead;
                (capital(from), capital(to))
            }
            _ => (capital(from), capital(from)),
        };
        ranges.push(range);
    }
    Some(Part::Set { negated, ranges })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_documented() {
        for (pattern, text, matches) in [
            ("", "", true),
            ("", "a", false),
            ("abc", "ABC", true),
            ("%", "", true),
            ("%", "anything", true),
            ("a%", "a", true),
            ("a%c", "abbbc", true),
            ("a%c", "abbbcd", false),
            ("%b%", "abc", true),
            ("_", "", false),
            ("_", "é", true),
            ("_%_", "a", false),
            ("_%_", "ab", true),
            ("[abc]x", "Bx", true),
            ("[a-f]", "E", true),
            ("[a-f]", "g", false),
            ("[^a-f]", "g", true),
            ("[^a-f]", "", false),
            ("100[%]", "100%", true),
            ("100[%]", "1000", false),
            ("a[_]b", "a_b", true),
            ("a[_]b", "axb", false),
            ("[[]x", "[x", true),
            ("[a-]", "-", true),
            ("[-a]", "-", true),
            ("[]", "]", false),
            ("[", "[", false),
            ("a[b", "a[b", false),
            ("%[", "", false),
            ("ab]", "ab]", true),
            ("größe%", "GRÖßE 5", true),
        ] {
            assert_eq!(Pattern::new(pattern).matches(text), matches, "{text:?} LIKE {pattern:?}");
        }
    }

    #[test]
    fn many_runs_match_in_quadratic_time() {
        let pattern = Pattern::new(&"%a".repeat(2_000));
        assert!(!pattern.matches(&format!("{}b", "a".repeat(4_000))));
        assert!(pattern.matches(&"a".repeat(4_000)));
    }
}
