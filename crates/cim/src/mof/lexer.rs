//! Words of MOF.

use crate::Error;
use crate::name::excerpt;

/// A word with the place it begins at.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// Octets before it.
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
    /// One of `{ } [ ] ( ) , ; : =`
    Sign(char),
    End,
}

impl Kind {
    /// For errors.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Word(word) => format!("{:?}", excerpt(word)),
            Self::Alias(name) => format!("${}", excerpt(name)),
            Self::Pragma => "#pragma".to_owned(),
            Self::Text(_) => "a text".to_owned(),
            Self::Character(_) => "a character".to_owned(),
            Self::Integer(number) => number.to_string(),
            Self::Real(number) => number.to_string(),
            Self::Sign(sign) => format!("'{sign}'"),
            Self::End => "the end".to_owned(),
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

    /// The next word.
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
            Some(other) => return Err(self.wrong(at, format!("{other:?} has no meaning here"))),
        };
        if matches!(&kind, Kind::Alias(name) if name.is_empty()) {
            return Err(self.wrong(at, "'$' without a name".to_owned()));
        }
        Ok(Token { kind, at })
    }

    /// An error at a place.
    pub(super) fn wrong(&self, at: usize, problem: String) -> Error {
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
                    return Err(self.wrong(self.at, "a comment does not end".to_owned()));
                };
                self.at += end + 2;
            } else {
                return Ok(());
            }
        }
    }

    fn word(&mut self) -> &'t str {
        let fits = |octet: &u8| octet.is_ascii_alphanumeric() || *octet == b'_';
        let length = self.rest().bytes().take_while(fits).count();
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
            Err(self.wrong(at, "'#' is followed by something else than pragma".to_owned()))
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
                _ => return Err(self.wrong(from, "a text does not end on its line".to_owned())),
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
                let wrong = || self.wrong(at, "\\x is not followed by the number of a character".to_owned());
                unit.and_then(char::from_u32).ok_or_else(wrong)?
            }
            _ => return Err(self.wrong(at, "'\\' is followed by what it has no meaning with".to_owned())),
        })
    }

    fn character(&mut self) -> Result<Kind, Error> {
        let at = self.at;
        // Half of a pair is a unit, but no text.
        let unit =
            |escaped: &str| u16::from_str_radix(escaped, 16).ok().filter(|_| !escaped.starts_with('+'));
        let escaped = self.rest().strip_prefix("'\\x").and_then(|rest| rest.split_once('\''));
        if let Some((digits, unit)) = escaped.and_then(|(digits, _)| Some((digits, unit(digits)?))) {
            self.at += digits.len() + 4;
            return Ok(Kind::Character(unit));
        }
        let text = self.quoted('\'')?;
        let mut units = text.encode_utf16();
        match (units.next(), units.next()) {
            (Some(unit), None) => Ok(Kind::Character(unit)),
            _ => Err(self.wrong(at, "not one character of UTF-16".to_owned())),
        }
    }

    /// Decimal, `0x1F`, `017`, `101b`, or a real number.
    fn number(&mut self) -> Result<Kind, Error> {
        let at = self.at;
        let fits = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'-' | b'.');
        let mut length = 0;
        let mut before = b'e';
        for octet in self.rest().bytes().take_while(fits) {
            // A sign stands at the beginning or behind the letter of an exponent.
            if matches!(octet, b'+' | b'-') && !before.eq_ignore_ascii_case(&b'e') {
                break;
            }
            before = octet;
            length += 1;
        }
        let text = self.rest().get(..length).unwrap_or_default();
        self.at += length;
        number(text).ok_or_else(|| self.wrong(at, format!("{:?} is not a number", excerpt(text))))
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }
}

fn number(text: &str) -> Option<Kind> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let based = |digits: &str, base: u32| {
        let fits = digits.chars().all(|digit| digit.is_digit(base)) && (1..=64).contains(&digits.len());
        fits.then(|| i128::from_str_radix(digits, base).ok())?
    };
    let magnitude = if let Some(digits) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        based(digits, 16)
    } else if let Some(digits) = digits.strip_suffix(['b', 'B']) {
        based(digits, 2)
    } else if let Some(digits) =
        digits.strip_prefix('0').filter(|rest| !rest.is_empty() && !rest.contains(['.', 'e', 'E']))
    {
        based(digits, 8)
    } else if digits.bytes().all(|octet| octet.is_ascii_digit()) {
        based(digits, 10)
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
        let integers = |text: &str| {
            all(text).map(|kinds| {
                kinds
                    .into_iter()
                    .map(|kind| if let Kind::Integer(number) = kind { Some(number) } else { None })
                    .collect::<Vec<_>>()
            })
        };
        assert_eq!(
            integers("0 7 -12 +5 0x1F 017 101b -0xFF"),
            Ok([0, 7, -12, 5, 31, 15, 5, -255].map(Some).into())
        );
        assert_eq!(all("1.5 -2.0e3 .5"), Ok([1.5, -2_000.0, 0.5].map(Kind::Real).into()));
        for wrong in ["1a", "0x", "09", "102b", "1e", "--1", ".", "+", "1.2.3", &"9".repeat(65)] {
            assert!(all(wrong).is_err(), "{wrong} was taken");
        }
    }

    #[test]
    fn comments_and_white_space_separate_words() {
        let words = [Kind::Word("a".to_owned()), Kind::Word("b".to_owned())];
        assert_eq!(all("\u{feff}a//x\n/* y\n */b // z"), Ok(words.into()));
        assert_eq!(all("a\n  /* b"), Err("line 2, column 3: a comment does not end".to_owned()));
    }

    #[test]
    fn texts_are_unescaped() {
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
            assert!(all(wrong).is_err(), "{wrong} was taken");
        }
    }
}
