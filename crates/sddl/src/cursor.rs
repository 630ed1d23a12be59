use std::ops::BitOr;

use crate::SddlError;

/// Position in a text that is being parsed; always on a character boundary.
pub(crate) struct Cursor<'a> {
    text: &'a str,
    /// INVARIANT: a character boundary of `text`, at most its length.
    at: usize,
}

/// Parses all of `text` with `read`; remaining text is an error.
pub(crate) fn parse_all<'a, T>(
    text: &'a str,
    read: impl FnOnce(&mut Cursor<'a>) -> Result<T, SddlError>,
) -> Result<T, SddlError> {
    let mut cursor = Cursor { text, at: 0 };
    let value = read(&mut cursor)?;
    if cursor.rest().is_empty() { Ok(value) } else { Err(cursor.expected("the end")) }
}

impl<'a> Cursor<'a> {
    /// Returns the byte offset from the start of the text.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Returns the text that has not been read yet.
    pub(crate) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(crate) fn starts_with(&self, word: &str) -> bool {
        self.rest().starts_with(word)
    }

    /// Skips `word` if the rest starts with it, and returns whether it did.
    pub(crate) fn eat(&mut self, word: &str) -> bool {
        let found = self.starts_with(word);
        if found {
            self.at += word.len();
        }
        found
    }

    /// Skips `word`, or returns an error that asks for `expected`.
    pub(crate) fn require(&mut self, word: &str, expected: &'static str) -> Result<(), SddlError> {
        if self.eat(word) { Ok(()) } else { Err(self.expected(expected)) }
    }

    /// Reads the longest prefix whose characters all satisfy `belongs`.
    pub(crate) fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|character| !belongs(character)).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }

    /// Reads consecutive words of the table and returns their union.
    pub(crate) fn words<T: Copy + BitOr<Output = T>>(&mut self, none: T, table: &[(&str, T)]) -> T {
        let mut set = none;
        while let Some((word, bit)) = table.iter().find(|(word, _)| self.starts_with(word)) {
            self.at += word.len();
            set = set | *bit;
        }
        set
    }

    pub(crate) fn expected(&self, expected: &'static str) -> SddlError {
        SddlError::Expected { at: self.at, expected, found: self.excerpt() }
    }

    /// Returns the first characters of the rest of the field, or the delimiter at this position. Control characters
    /// become U+FFFD, because the text appears in messages.
    ///
    /// It is kept short, because it becomes part of an error message and the text may come from an untrusted
    /// source.
    pub(crate) fn excerpt(&self) -> String {
        let mut characters = self.rest().chars();
        let first = characters.next();
        let more = match first {
            Some(character) if !is_delimiter(character) => EXCERPT - 1,
            _ => 0,
        };
        first
            .into_iter()
            .chain(characters.take(more).take_while(|character| !is_delimiter(*character)))
            .map(|character| if character.is_control() { char::REPLACEMENT_CHARACTER } else { character })
            .collect()
    }
}

const EXCERPT: usize = 8;

fn is_delimiter(character: char) -> bool {
    matches!(character, ';' | '(' | ')' | ':')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excerpt(text: &str) -> String {
        Cursor { text, at: 0 }.excerpt()
    }

    #[test]
    fn an_excerpt_ends_with_its_field() {
        assert_eq!(excerpt("GQ;;;BA)"), "GQ");
        assert_eq!(excerpt(";;BA)"), ";");
        assert_eq!(excerpt(""), "");
    }

    #[test]
    fn an_excerpt_counts_characters_not_bytes() {
        assert_eq!(excerpt("ääääääääää"), "ääääääää");
    }
}
