//! Names with `*` and `?` for letters.

/// Whether a text is what a pattern with `*` and `?` says. A word without them may stand anywhere.
pub fn fits(pattern: &str, text: &str) -> bool {
    if !pattern.contains(['*', '?']) {
        return text.contains(pattern);
    }
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    // Which beginnings of the text the pattern so far can be.
    let mut reached = vec![false; text.len() + 1];
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    for sign in pattern {
        let mut next = vec![false; text.len() + 1];
        let mut any = false;
        for (at, place) in next.iter_mut().enumerate() {
            let here = reached.get(at).copied().unwrap_or(false);
            any |= here;
            let before = at.checked_sub(1);
            let from = before.and_then(|before| reached.get(before)).copied().unwrap_or(false);
            let letter = before.and_then(|before| text.get(before)).copied();
            *place = match sign {
                '*' => any,
                '?' => from,
                sign => from && letter == Some(sign),
            };
        }
        reached = next;
    }
    reached.last().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn patterns_mean_what_they_do_in_shells() {
        for (pattern, text, is_it) in [
            ("win32_*", "win32_process", true),
            ("*process", "win32_process", true),
            ("*process", "win32_processor", false),
            ("win32_?", "win32_x", true),
            ("win32_?", "win32_", false),
            ("w*c*s", "win32_process", true),
            ("process", "win32_processor", true),
            ("**", "", true),
        ] {
            assert_eq!(fits(pattern, text), is_it, "{pattern} {text}");
        }
        assert!(!fits(&"*a".repeat(40), &"a".repeat(39)));
    }
}
