//! Tokens of WQL.

use super::Operator;
use super::error::{QueryError, Reason, Span};
use crate::name::excerpt;
use crate::value::{integer, real};

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// A name or keyword.
    Word(String),
    Text(String),
    Integer(i128),
    Real(f64),
    Operator(Operator),
    /// The text between braces.
    Path(String),
    /// A sign: `* , . ( ) [ ] ;`
    Sign(char),
    End,
}

impl Kind {
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Word(word) => excerpt(word),
            Self::Text(text) => format!("{:?}", excerpt(text)),
            Self::Integer(number) => number.to_string(),
            Self::Real(number) => number.to_string(),
            Self::Operator(operator) => operator.to_string(),
            Self::Path(_) => "{…}".to_owned(),
            Self::Sign(sign) => format!("'{sign}'"),
            Self::End => "the end of the query".to_owned(),
        }
    }
}

pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn next(&mut self) -> Result<Token, QueryError> {
        self.at = self.text.len() - self.rest().trim_start_matches([' ', '\t', '\r', '\n', '\u{c}']).len();
        let start = self.at;
        let error = |end: usize, reason| QueryError { reason, span: Span { start, end } };
        let rest = self.rest();
        let mut bytes = rest.bytes();
        let (first, second) = (bytes.next(), bytes.next());
        let (kind, length) = match (first, second) {
            (None, _) => (Kind::End, 0),
            (Some(b'<'), Some(b'>')) | (Some(b'!'), Some(b'=')) => (Kind::Operator(Operator::NotEqual), 2),
            (Some(b'<'), Some(b'=')) => (Kind::Operator(Operator::LessOrEqual), 2),
            (Some(b'>'), Some(b'=')) => (Kind::Operator(Operator::GreaterOrEqual), 2),
            (Some(b'<'), _) => (Kind::Operator(Operator::Less), 1),
            (Some(b'>'), _) => (Kind::Operator(Operator::Greater), 1),
            (Some(b'='), _) => (Kind::Operator(Operator::Equal), 1),
            (Some(sign @ (b'*' | b',' | b'(' | b')' | b'[' | b']' | b';')), _) => {
                (Kind::Sign(sign.into()), 1)
            }
            (Some(b'.'), second) if !second.is_some_and(|byte| byte.is_ascii_digit()) => (Kind::Sign('.'), 1),
            (Some(quote @ (b'"' | b'\'')), _) => {
                let (text, length) =
                    quoted(rest, quote.into()).map_err(|reason| error(self.text.len(), reason))?;
                (Kind::Text(text), length)
            }
            (Some(b'{'), _) => {
                let length = braced(rest).ok_or_else(|| error(self.text.len(), Reason::OpenText))?;
                (Kind::Path(rest.get(1..length - 1).unwrap_or_default().to_owned()), length)
            }
            (Some(byte), _) if byte.is_ascii_alphabetic() || byte == b'_' => {
                let length = rest.bytes().take_while(is_word_byte).count();
                (Kind::Word(rest.get(..length).unwrap_or_default().to_owned()), length)
            }
            (Some(byte), _) if byte.is_ascii_digit() || b"+-.".contains(&byte) => {
                let length = number_length(rest);
                let number = rest.get(..length).unwrap_or_default();
                let kind = integer(number)
                    .map(Kind::Integer)
                    .or_else(|| real(number).filter(|real| real.is_finite()).map(Kind::Real));
                (kind.ok_or_else(|| error(start + length, Reason::Number))?, length)
            }
            _ => {
                let character = rest.chars().next().unwrap_or_default();
                return Err(error(start + character.len_utf8(), Reason::Character(character)));
            }
        };
        self.at += length;
        Ok(Token { kind, span: Span { start, end: self.at } })
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }
}

fn is_word_byte(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || *byte == b'_'
}

/// Reads a string in quotes and returns it with its length including the quotes.
fn quoted(rest: &str, quote: char) -> Result<(String, usize), Reason> {
    let mut text = String::new();
    let mut characters = rest.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some((_, escaped @ ('\\' | '"' | '\''))) => text.push(escaped),
                Some(_) => return Err(Reason::Escape),
                None => break,
            },
            character if character == quote => return Ok((text, at + 1)),
            character => text.push(character),
        }
    }
    Err(Reason::OpenText)
}

/// Returns the length of a text in braces, including the braces; braces in quotes do not count.
fn braced(rest: &str) -> Option<usize> {
    let mut quote = None;
    let mut characters = rest.char_indices();
    while let Some((at, character)) = characters.next() {
        match (quote, character) {
            (Some(_), '\\') => {
                characters.next();
            }
            (Some(open), character) if open == character => quote = None,
            (None, '"' | '\'') => quote = Some(character),
            (None, '}') => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn number_length(rest: &str) -> usize {
    let mut before = b'e';
    let mut length = 0;
    for byte in rest.bytes() {
        let is_sign = matches!(byte, b'+' | b'-');
        let is_exponent_sign = is_sign && before.eq_ignore_ascii_case(&b'e');
        if !is_exponent_sign && !byte.is_ascii_alphanumeric() && byte != b'.' {
            break;
        }
        before = byte;
        length += 1;
    }
    length
}
