//! Splits Rust source text into tokens, without comments.

/// Token of a source file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'s> {
    /// Line of the file, from 1.
    pub line: usize,
    /// Kind and text of the token.
    pub kind: Kind<'s>,
}

/// Kind of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind<'s> {
    /// Identifier or keyword, without `r#`.
    Word(&'s str),
    /// `::`.
    PathSeparator,
    /// Any other punctuation character, also brackets.
    Sign(char),
    /// String, character, number or lifetime, as written.
    Literal(&'s str),
}

/// Returns the tokens of a source file that compiles.
#[must_use]
pub fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut rest = text;
    let mut line = 1;
    let mut found = Vec::new();
    while let Some(first) = rest.chars().next() {
        let (kind, length) = next(rest, first);
        if let Some(kind) = kind {
            found.push(Token { line, kind });
        }
        let (skipped, behind) = rest.split_at(length);
        line += skipped.matches('\n').count();
        rest = behind;
    }
    found
}

/// Returns the token at the beginning of a text, or `None` for space and comments, and its length in bytes.
fn next(text: &str, first: char) -> (Option<Kind<'_>>, usize) {
    if first.is_whitespace() {
        return (None, text.find(|next: char| !next.is_whitespace()).unwrap_or(text.len()));
    }
    if text.starts_with("//") {
        return (None, text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        return (None, block_comment(text));
    }
    if text.starts_with("::") {
        return (Some(Kind::PathSeparator), 2);
    }
    if ['"', 'b', 'c', 'r'].contains(&first)
        && let Some(length) = string(text)
    {
        return (text.get(..length).map(Kind::Literal), length);
    }
    if first == '\'' {
        let length = character_or_lifetime(text);
        return (text.get(..length).map(Kind::Literal), length);
    }
    if first.is_ascii_digit() {
        let length = word_length(text);
        return (text.get(..length).map(Kind::Literal), length);
    }
    if first.is_alphabetic() || first == '_' {
        let length = word_length(text);
        return match text.strip_prefix("r#") {
            Some(raw) => {
                let length = word_length(raw);
                (raw.get(..length).map(Kind::Word), 2 + length)
            }
            None => (text.get(..length).map(Kind::Word), length),
        };
    }
    (Some(Kind::Sign(first)), first.len_utf8())
}

fn word_length(text: &str) -> usize {
    text.find(|next: char| !next.is_alphanumeric() && next != '_').unwrap_or(text.len())
}

/// Returns the length of a comment, which may contain further comments.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let step = if rest.starts_with("/*") {
            depth += 1;
            2
        } else if rest.starts_with("*/") {
            depth -= 1;
            2
        } else {
            rest.chars().next().map_or(1, char::len_utf8)
        };
        at += step;
        if depth == 0 {
            break;
        }
    }
    at
}

/// Returns the length of the string literal at the beginning of a text, with its prefix and quotes.
fn string(text: &str) -> Option<usize> {
    let prefix = ["br", "cr", "r", "b", "c", ""].into_iter().find(|prefix| {
        let behind = text.strip_prefix(prefix).unwrap_or_default();
        let opening = if prefix.ends_with('r') { behind.trim_start_matches('#') } else { behind };
        opening.starts_with('"')
    })?;
    let behind = text.get(prefix.len()..)?;
    let opening = behind.find('"')? + 1;
    let content = behind.get(opening..)?;
    let length = if prefix.ends_with('r') {
        let closing = format!("\"{}", "#".repeat(opening - 1));
        content.find(&closing).map(|at| at + closing.len())
    } else {
        let mut is_escaped = false;
        let closing = content.bytes().position(|byte| {
            let is_closing = byte == b'"' && !is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            is_closing
        });
        closing.map(|at| at + 1)
    };
    Some(prefix.len() + opening + length.unwrap_or(content.len()))
}

/// Returns the length of `'a'`, `'\n'` or `'lifetime`.
fn character_or_lifetime(text: &str) -> usize {
    let content = text.get(1..).unwrap_or_default();
    if content.starts_with('\\') {
        // An escaped quote does not end the literal.
        let closing = content.get(2..).and_then(|rest| rest.find('\''));
        return closing.map_or(text.len(), |at| at + 4);
    }
    let first = content.chars().next().map_or(0, char::len_utf8);
    if content.get(first..).is_some_and(|rest| rest.starts_with('\'')) {
        return first + 2;
    }
    1 + word_length(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<(usize, &str)> {
        let words = tokens(text).into_iter().filter_map(|token| match token.kind {
            Kind::Word(word) => Some((token.line, word)),
            _ => None,
        });
        words.collect()
    }

    #[test]
    fn comments_and_literals_contain_no_words() {
        let text = "a // b\n/* c /* d */ e */ f \"g \\\" h\\\\\" i r#\"j \" k\"# b\"l\" 'm' '\\'' '\\u{1F}' 'n, o 1_p";
        assert_eq!(words(text), [(1, "a"), (2, "f"), (2, "i"), (2, "o")]);
    }

    #[test]
    fn paths_and_raw_identifiers_are_split() {
        let kinds: Vec<_> = tokens("r#use::x!").into_iter().map(|token| token.kind).collect();
        assert_eq!(kinds, [Kind::Word("use"), Kind::PathSeparator, Kind::Word("x"), Kind::Sign('!')]);
    }
}
