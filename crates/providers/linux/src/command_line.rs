//! Command lines as people write them.

/// The words of a command line, as POSIX quotes them, without anything a shell would expand (POSIX, Shell Command
/// Language 2.2).
///
/// `None` if a quotation does not end.
pub(crate) fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            blank if blank.is_ascii_whitespace() => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next()? {
                        '\'' => break,
                        other => word.push(other),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next()? {
                        '"' => break,
                        '\\' => match characters.next()? {
                            escaped @ ('"' | '\\' | '$' | '`') => word.push(escaped),
                            other => word.extend(['\\', other]),
                        },
                        other => word.push(other),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(characters.next()?),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_a_shell() {
        for text in ["a b  c", "'a b' \"c d\"e\\ f", "\"\\\"x\\\\y\\z\" ''", "a\\'b '\\n' \"\"", "", "  "] {
            let output =
                std::process::Command::new("sh").args(["-c", &format!("printf '%s\\n' {text}")]).output();
            let shell = String::from_utf8(output.expect("there is a shell").stdout).expect("it is text");
            let mut wanted: Vec<&str> = shell.split_terminator('\n').collect();
            if words(text).is_some_and(|words| words.is_empty()) {
                // Without words, printf prints an empty line.
                wanted.clear();
            }
            assert_eq!(words(text).expect(text), wanted, "{text}");
        }
        assert_eq!(words("'a"), None);
        assert_eq!(words("a\\"), None);
    }
}
