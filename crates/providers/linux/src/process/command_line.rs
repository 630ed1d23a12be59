//! Command lines as one text, and as the words of which they are made.

use std::borrow::Cow;

/// The words of a command line, as a shell splits it (POSIX 2.2), without expansions: nothing is looked up for `$`,
/// `*` or `~`, and `;` or `|` are letters.
///
/// `None` if a quotation has no end.
pub(crate) fn split(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' | '\t' | '\n' | '\r' => words.extend(word.take()),
            '\\' => word.get_or_insert_default().push(letters.next()?),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        '\'' => break,
                        letter => word.push(letter),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        '"' => break,
                        '\\' => match letters.next()? {
                            letter @ ('"' | '\\' | '$' | '`') => word.push(letter),
                            '\n' => {}
                            letter => word.extend(['\\', letter]),
                        },
                        letter => word.push(letter),
                    }
                }
            }
            letter => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    Some(words)
}

/// The arguments of a process, each with a NUL behind it, as a line that [`split`] takes apart again; `None` if it has
/// none.
///
/// Some programs write a title in place of their arguments; it stands alone and is not quoted.
pub(crate) fn joined(arguments: &str) -> Option<String> {
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

/// A word, in quotation marks if [`split`] would take it for something else.
pub(crate) fn quoted(word: &str) -> Cow<'_, str> {
    let is_plain = |letter: char| !letter.is_ascii_whitespace() && !matches!(letter, '"' | '\'' | '\\');
    if !word.is_empty() && word.chars().all(is_plain) {
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
    fn lines_are_split_as_a_shell_splits_them() {
        let words = |line: &str| split(line).map(|words| words.join("|"));
        for (line, expected) in [
            ("", Some("")),
            ("  a  b\tc\n", Some("a|b|c")),
            ("a 'b c' \"d e\"f", Some("a|b c|d ef")),
            ("a '' b", Some("a||b")),
            (r#"a\ b "c\"d\x" 'e\f'"#, Some(r#"a b|c"d\x|e\f"#)),
            ("$HOME *.c;d", Some("$HOME|*.c;d")),
            ("a 'b", None),
            ("a \"b", None),
            ("a \\", None),
        ] {
            assert_eq!(words(line).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn what_was_joined_is_split_into_the_same_words() {
        for words in [vec!["sh", "-c", "echo \"a\\b\" '$c'"], vec!["a", "", "b c\nd"], vec!["x", "\\", "'"]] {
            let line = joined(&(words.join("\0") + "\0")).expect("there are words");
            assert_eq!(split(&line).expect("it is whole"), words, "{line}");
        }
        assert_eq!(joined("sshd: alice [priv]\0\0\0").as_deref(), Some("sshd: alice [priv]"));
        assert_eq!(joined("\0"), None);
    }
}
