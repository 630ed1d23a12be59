//! Continuation lines: whether the brackets and quotes of a script are closed.

/// Returns whether a script is complete: its brackets, quotes, comments and here-strings are closed, and it does not
/// end with a pipe or a backtick.
pub(super) fn is_complete(script: &str) -> bool {
    let trimmed = script.trim_end_matches([' ', '\t']);
    if trimmed.ends_with('`') || trimmed.ends_with('|') {
        return false;
    }
    let mut rest = script;
    let mut depth = 0_i32;
    while let Some(first) = rest.chars().next() {
        let behind = rest.get(first.len_utf8()..).unwrap_or_default();
        rest = match first {
            '{' | '(' | '[' => {
                depth += 1;
                behind
            }
            '}' | ')' | ']' => {
                depth -= 1;
                behind
            }
            // A backtick escapes the next character.
            '`' => behind.get(behind.chars().next().map_or(0, char::len_utf8)..).unwrap_or_default(),
            '@' if begins_here_string(behind) => {
                let end = if behind.starts_with('"') { "\n\"@" } else { "\n'@" };
                let Some(place) = behind.find(end) else { return false };
                behind.get(place + end.len()..).unwrap_or_default()
            }
            '\'' => match behind.find('\'') {
                Some(place) => behind.get(place + 1..).unwrap_or_default(),
                None => return false,
            },
            '"' => match end_of_text(behind) {
                Some(place) => behind.get(place..).unwrap_or_default(),
                None => return false,
            },
            '<' if behind.starts_with('#') => match behind.find("#>") {
                Some(place) => behind.get(place + 2..).unwrap_or_default(),
                None => return false,
            },
            '#' => behind.find('\n').and_then(|place| behind.get(place..)).unwrap_or_default(),
            _ => behind,
        };
    }
    depth <= 0
}

/// Returns whether a here-string begins behind an `@`: a quote, and the end of the line.
fn begins_here_string(text: &str) -> bool {
    let behind = text.strip_prefix(['"', '\'']);
    behind.is_some_and(|behind| behind.trim_start_matches([' ', '\t', '\r']).starts_with('\n'))
}

/// Returns the place behind the end of a text in double quotes.
fn end_of_text(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (place, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '`' => is_escaped = true,
            '"' => return Some(place + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_brackets_quotes_and_pipes_continue() {
        for script in [
            "if ($x) {",
            "foo (",
            "'a",
            "\"a `\" b",
            "ls |",
            "ls `",
            "@\"\nabc\n",
            "<# comment",
            "@{ a = 1",
            "\"ü",
        ] {
            assert!(!is_complete(script), "{script}");
        }
        for script in [
            "",
            "ls",
            "if ($x) { 'a}' }",
            "\"a `\" b\"",
            "# it's {",
            "@\"\nab'c{\n\"@",
            "<# { #> ls",
            "'it''s'",
            "ls }",
            "`{",
            "'{' # \"",
        ] {
            assert!(is_complete(script), "{script}");
        }
    }
}
