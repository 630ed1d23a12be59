//! Patterns with `*` and `?`.

/// Returns whether text matches a pattern; a pattern without `*` and `?` matches anywhere in the text.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    if !pattern.contains(['*', '?']) {
        return text.contains(pattern);
    }
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    // Element N is true if the pattern so far matches the first N characters of the text.
    let mut matched = vec![false; text.len() + 1];
    if let Some(first) = matched.first_mut() {
        *first = true;
    }
    for sign in pattern {
        let mut next = vec![false; text.len() + 1];
        let mut any = false;
        for (at, cell) in next.iter_mut().enumerate() {
            let here = matched.get(at).copied().unwrap_or(false);
            any |= here;
            let before = at.checked_sub(1);
            let from = before.and_then(|before| matched.get(before)).copied().unwrap_or(false);
            let letter = before.and_then(|before| text.get(before)).copied();
            *cell = match sign {
                '*' => any,
                '?' => from,
                sign => from && letter == Some(sign),
            };
        }
        matched = next;
    }
    matched.last().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_as_in_shells() {
        for (pattern, text, expected) in [
            ("win32_*", "win32_process", true),
            ("*process", "win32_process", true),
            ("*process", "win32_processor", false),
            ("win32_?", "win32_x", true),
            ("win32_?", "win32_", false),
            ("w*c*s", "win32_process", true),
            ("process", "win32_processor", true),
            ("**", "", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
        assert!(!matches(&"*a".repeat(40), &"a".repeat(39)));
    }
}
