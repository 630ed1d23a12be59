//! Patterns of `include`, as in glob(3).

/// Returns whether a path is a pattern.
#[must_use]
pub fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// Returns whether a file name matches one component of a pattern. A leading dot matches only a literal dot.
#[must_use]
pub fn matches(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') && !pattern.starts_with("\\.") {
        return false;
    }
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut in_name) = (0_usize, 0_usize);
    // Position after the last `*`, and the position in the name from which it is tried again.
    let mut retry: Option<(usize, usize)> = None;
    while in_name < name.len() {
        if pattern.get(at) == Some(&'*') {
            at = at.saturating_add(1);
            retry = Some((at, in_name));
            continue;
        }
        let step =
            name.get(in_name).and_then(|character| one(pattern.get(at..).unwrap_or_default(), *character));
        if let Some(length) = step {
            at = at.saturating_add(length);
            in_name = in_name.saturating_add(1);
            continue;
        }
        let Some((after_star, tried)) = retry else { return false };
        at = after_star;
        in_name = tried.saturating_add(1);
        retry = Some((after_star, in_name));
    }
    pattern.get(at..).unwrap_or_default().iter().all(|character| *character == '*')
}

/// Returns the length of the beginning of a pattern that matches a character.
fn one(pattern: &[char], character: char) -> Option<usize> {
    match *pattern.first()? {
        '?' => Some(1),
        '[' => match set(pattern, character) {
            Some((length, is_match)) => is_match.then_some(length),
            None => (character == '[').then_some(1),
        },
        '\\' => match pattern.get(1) {
            Some(escaped) => (*escaped == character).then_some(2),
            None => (character == '\\').then_some(1),
        },
        literal => (literal == character).then_some(1),
    }
}

/// Returns the length of a set such as `[a-c!]` and whether it contains the character; `None` if it has no end.
fn set(pattern: &[char], character: char) -> Option<(usize, bool)> {
    let mut at = 1_usize;
    let negated = matches!(pattern.get(at), Some('!' | '^'));
    at = at.checked_add(usize::from(negated))?;
    let mut found = false;
    let first = at;
    loop {
        let low = *pattern.get(at)?;
        if low == ']' && at > first {
            return Some((at.checked_add(1)?, found != negated));
        }
        let range_end = at.checked_add(2)?;
        match (pattern.get(at.checked_add(1)?), pattern.get(range_end)) {
            (Some('-'), Some(high)) if *high != ']' => {
                found |= (low..=*high).contains(&character);
                at = range_end.checked_add(1)?;
            }
            _ => {
                found |= low == character;
                at = at.checked_add(1)?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_like_glob() {
        let cases = [
            ("*", "site", true),
            ("*", ".site", false),
            (".*", ".site", true),
            ("*.conf", "a.conf", true),
            ("*.conf", "a.conf~", false),
            ("*a*b", "xaybab", true),
            ("s?te", "site", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]]", "]", true),
            ("[a", "[a", true),
            (r"\*", "*", true),
            (r"\*", "a", false),
            ("", "", true),
            ("**", "", true),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
