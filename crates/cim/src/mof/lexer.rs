//! Tokens of MOF.

use crate::Error;
use crate::name::excerpt;

/// A token with its position.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// Number of bytes before the token.
    pub(super) at: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// A name or keyword.
    Word(String),
    /// `$Name`, without the sign.
    Alias(String),
    /// `#pragma`
    Pragma,
    Text(String),
    Character(u16),
    Integer(i128),
    Real(f64),
    /// A sign: `{ } [ ] ( ) , ; : =`
    Sign(char),
    End,
}

impl Kind {
    /// Describes the token for error messages.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Word(word) => format!("\"{}\"", excerpt(word)),
            Self::Alias(name) => format!("${}", excerpt(name)),
            Self::Pragma => "#pragma".to_owned(),
            Self::Text(_) => "a string".to_owned(),
            Self::Character(_) => "a character".to_owned(),
            Self::Integer(number) => number.to_string(),
            Self::Real(number) => number.to_string(),
            Self::Sign(sign) => format!("'{sign}'"),
            Self::End => "the end of the text".to_owned(),
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

    /// Returns the next token.
    pub(super) fn next(&mut self) -> Result<Token, Error> {
        self.skip_blank()?;
        let at = self.at;
        let kind = match self.peek() {
            None => Kind::End,
            Some('"') => Kind::Text(self.quoted('"')?),
            Some('\'') => self.character()?,
            Some('#') => self.directive()?,
            Some('$') => {
                self.at += 1;
                Kind::Alias(self.word().to_owned())
            }
            Some(sign @ ('{' | '}' | '[' | ']' | '(' | ')' | ',' | ';' | ':' | '=')) => {
                self.at += 1;
                Kind::Sign(sign)
            }
            Some('0'..='9' | '+' | '-' | '.') => self.number()?,
            Some(first) if first.is_ascii_alphabetic() || first == '_' => Kind::Word(self.word().to_owned()),
            Some(other) => return Err(self.error_at(at, format!("unexpected character '{other}'"))),
        };
        if matches!(&kind, Kind::Alias(name) if name.is_empty()) {
            return Err(self.error_at(at, "'$' without a name".to_owned()));
        }
        Ok(Token { kind, at })
    }

    /// Creates an error at a position.
    pub(super) fn error_at(&self, at: usize, problem: String) -> Error {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Error::Mof { line, column, problem }
    }

    fn skip_blank(&mut self) -> Result<(), Error> {
        loop {
            let rest = self.rest();
            // Some files begin with a byte order mark.
            let blank = rest.trim_start_matches([' ', '\t', '\r', '\n', '\u{c}', '\u{feff}']);
            self.at += rest.len() - blank.len();
            if blank.starts_with("//") {
                self.at += blank.find('\n').unwrap_or(blank.len());
            } else if blank.starts_with("/*") {
                let Some(end) = blank.find("*/") else {
                    return Err(self.error_at(self.at, "unterminated comment".to_owned()));
                };
                self.at += end + 2;
            } else {
                return Ok(());
            }
        }
    }

    fn word(&mut self) -> &'t str {
        let length = self.rest().bytes().take_while(is_word_byte).count();
        let word = self.rest().get(..length).unwrap_or_default();
        self.at += length;
        word
    }

    fn directive(&mut self) -> Result<Kind, Error> {
        let at = self.at;
        self.at += 1;
        if self.word().eq_ignore_ascii_case("pragma") {
            Ok(Kind::Pragma)
        } else {
            Err(self.error_at(at, "expected pragma after '#'".to_owned()))
        }
    }

    fn quoted(&mut self, quote: char) -> Result<String, Error> {
        let from = self.at;
        self.at += 1;
        let mut value = String::new();
        loop {
            let plain = self.rest().find([quote, '\\', '\n']).unwrap_or(self.rest().len());
            value.push_str(self.rest().get(..plain).unwrap_or_default());
            self.at += plain;
            match self.peek() {
                Some('\\') => value.push(self.escape()?),
                Some(found) if found == quote => {
                    self.at += 1;
                    return Ok(value);
                }
                _ => return Err(self.error_at(from, "unterminated string".to_owned())),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Error> {
        let at = self.at;
        self.at += 1;
        let escaped = self.peek();
        self.at += escaped.map_or(0, char::len_utf8);
        Ok(match escaped {
            Some('b') => '\u{8}',
            Some('t') => '\t',
            Some('n') => '\n',
            Some('f') => '\u{c}',
            Some('r') => '\r',
            Some(same @ ('"' | '\'' | '\\')) => same,
            Some('x' | 'X') => {
                let digits = self.rest().bytes().take(4).take_while(u8::is_ascii_hexdigit).count();
                let hexadecimal = self.rest().get(..digits).unwrap_or_default();
                let unit = u32::from_str_radix(hexadecimal, 16).ok();
                self.at += digits;
                let character = unit.and_then(char::from_u32);
                character.ok_or_else(|| {
                    self.error_at(at, "\\x must be followed by the code of a character".to_owned())
                })?
            }
            _ => return Err(self.error_at(at, "unknown escape sequence".to_owned())),
        })
    }

    fn character(&mut self) -> Result<Kind, Error> {
        let at = self.at;
        // A surrogate is one UTF-16 code unit but not a valid string.
        let escaped = self.rest().strip_prefix("'\\x").and_then(|rest| rest.split_once('\''));
        if let Some((digits, unit)) = escaped.and_then(|(digits, _)| Some((digits, hexadecimal(digits)?))) {
            self.at += digits.len() + 4;
            return Ok(Kind::Character(unit));
        }
        let text = self.quoted('\'')?;
        let mut units = text.encode_utf16();
        match (units.next(), units.next()) {
            (Some(unit), None) => Ok(Kind::Character(unit)),
            _ => Err(self.error_at(at, "a character must be one UTF-16 code unit".to_owned())),
        }
    }

    /// Reads a number: decimal, `0x1F`, `017`, `101b`, or real.
    fn number(&mut self) -> Result<Kind, Error> {
        let at = self.at;
        let mut length = 0;
        let mut before = b'e';
        for byte in self.rest().bytes().take_while(is_number_byte) {
            // A sign is valid at the beginning and after the letter of an exponent.
            if matches!(byte, b'+' | b'-') && !before.eq_ignore_ascii_case(&b'e') {
                break;
            }
            before = byte;
            length += 1;
        }
        let text = self.rest().get(..length).unwrap_or_default();
        self.at += length;
        number(text).ok_or_else(|| self.error_at(at, format!("invalid number \"{}\"", excerpt(text))))
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }
}

fn is_word_byte(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || *byte == b'_'
}

fn is_number_byte(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

fn hexadecimal(digits: &str) -> Option<u16> {
    u16::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'))
}

fn integer(digits: &str, base: u32) -> Option<i128> {
    let is_valid = digits.chars().all(|digit| digit.is_digit(base)) && (1..=64).contains(&digits.len());
    is_valid.then(|| i128::from_str_radix(digits, base).ok())?
}

fn number(text: &str) -> Option<Kind> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let magnitude = if let Some(digits) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        integer(digits, 16)
    } else if let Some(digits) = digits.strip_suffix(['b', 'B']) {
        integer(digits, 2)
    } else if let Some(digits) =
        digits.strip_prefix('0').filter(|rest| !rest.is_empty() && !rest.contains(['.', 'e', 'E']))
    {
        integer(digits, 8)
    } else if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        integer(digits, 10)
    } else {
        let real =
            crate::value::real(digits).filter(|real| real.is_finite() && digits.contains(['.', 'e', 'E']))?;
        return Some(Kind::Real(if negative { -real } else { real }));
    }?;
    Some(Kind::Integer(if negative { -magnitude } else { magnitude }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Result<Vec<Kind>, String> {
        let mut lexer = Lexer::new(text);
        let mut kinds = Vec::new();
        loop {
            match lexer.next().map_err(|error| error.to_string())?.kind {
                Kind::End => return Ok(kinds),
                kind => kinds.push(kind),
            }
        }
    }

    #[test]
    fn numbers_are_read_in_every_base() {
        assert_eq!(
            all("0 7 -12 +5 0x1F 017 101b -0xFF"),
            Ok([0, 7, -12, 5, 31, 15, 5, -255].map(Kind::Integer).into())
        );
        assert_eq!(all("1.5 -2.0e3 .5"), Ok([1.5, -2_000.0, 0.5].map(Kind::Real).into()));
        for wrong in ["1a", "0x", "09", "102b", "1e", "--1", ".", "+", "1.2.3", &"9".repeat(65)] {
            assert!(all(wrong).is_err(), "{wrong} was accepted");
        }
    }

    #[test]
    fn comments_and_white_space_separate_words() {
        let words = [Kind::Word("a".to_owned()), Kind::Word("b".to_owned())];
        assert_eq!(all("\u{feff}a//x\n/* y\n */b // z"), Ok(words.into()));
        assert_eq!(all("a\n  /* b"), Err("line 2, column 3: unterminated comment".to_owned()));
    }

    #[test]
    fn strings_are_unescaped() {
        assert_eq!(all(r#""a\"\\\t\x41""#), Ok(vec![Kind::Text("a\"\\\tA".to_owned())]));
        assert_eq!(all(r"'\n' '\x2028'"), Ok(vec![Kind::Character(10), Kind::Character(0x2028)]));
        for wrong in [
            "\"a",
            "\"a\nb\"",
            r#""\q""#,
            r#""\x""#,
            r#""\xD800""#,
            "''",
            "'ab'",
            "'😀'",
            "$",
            "#include",
            "é",
        ] {
            assert!(all(wrong).is_err(), "{wrong} was accepted");
        }
    }
}
