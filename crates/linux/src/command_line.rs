//! Splitting and joining command lines.

use std::borrow::Cow;

/// Splits a command line into words with POSIX quoting, but without any expansion (POSIX, Shell Command
/// Language 2.2).
///
/// `None` if a quotation is not closed.
#[must_use]
pub fn words(text: &str) -> Option<Vec<String>> {
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

/// Joins the arguments of a process, each terminated by NUL, to a line that [`words`] splits into the same
/// words; `None` for empty arguments.
///
/// Some programs replace their arguments by a title; a single text without NUL is returned without quotes.
pub fn joined(arguments: &str) -> Option<String> {
    let arguments = arguments.trim_end_matches('\0');
    if arguments.is_empty() {
        return None;
    }
    if !arguments.contains('\0') {
        return Some(arguments.to_owned());
    }
    let words: Vec<_> = arguments.split('\0').map(quoted).collect();
    Some(words.join(" "))
}

/// Returns a word, quoted if [`words`] would not return it unchanged.
pub fn quoted(word: &str) -> Cow<'_, str> {
    if !word.is_empty()
        && word.chars().all(|letter| !letter.is_ascii_whitespace() && !matches!(letter, '"' | '\'' | '\\'))
    {
        return word.into();
    }
    let mut text = String::with_capacity(word.len() + 2);
    text.push('"');
    for letter in word.chars() {
        if matches!(letter, '"' | '\\') {
            text.push('\\');
        }
        text.push(letter);
    }
    text.push('"');
    text.into()
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

    #[test]
    fn joined_words_split_into_the_same_words() {
        for words in [vec!["sh", "-c", "echo \"a\\b\" '$c'"], vec!["a", "", "b c\nd"], vec!["x", "\\", "'"]] {
            let line = joined(&(words.join("\0") + "\0")).expect("there are words");
            assert_eq!(super::words(&line).expect("it is whole"), words, "{line}");
        }
        assert_eq!(joined("sshd: alice [priv]\0\0\0").as_deref(), Some("sshd: alice [priv]"));
        assert_eq!(joined("\0"), None);
    }
}
