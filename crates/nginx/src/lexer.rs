//! Words and statement ends, by the rules of nginx's own reader (`ngx_conf_read_token`).

use std::ops::Range;

use crate::error::{SyntaxError, SyntaxProblem};
use crate::lua;

/// A word with its position and value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawWord {
    /// Bytes of the word, including quotes.
    pub(crate) span: Range<usize>,
    /// Value without quotes and escapes.
    pub(crate) value: Vec<u8>,
}

/// Words up to the end of a statement.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) words: Vec<RawWord>,
    /// Line of the first word.
    pub(crate) line: u32,
    pub(crate) end: End,
    /// Offset of the character that ends the statement.
    pub(crate) end_at: usize,
}

/// End of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// `;`
    Semicolon,
    /// `{`
    Open,
    /// `}`; there are no words.
    Close,
    /// End of the file; there are no words.
    File,
}

/// Reader of statements.
#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    line: u32,
}

/// Size of nginx's buffer: a word, comment or quoted text must be shorter, unless the file ends there.
const BUFFER: usize = 4_096;

/// State within a statement.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Between words.
    Space,
    /// In a comment.
    Comment,
    /// In a word without quotes.
    Plain,
    /// In a quoted word.
    Quoted(u8),
    /// After a closing quote.
    AfterQuote,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, line: 1 }
    }

    /// Skips a block of Lua code after its opening brace. Returns the offset of the closing brace.
    pub(crate) fn skip_lua(&mut self) -> Result<usize, SyntaxError> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let Some(length) = lua::block_length(rest) else {
            return Err(self.error(SyntaxProblem::UnendedLua));
        };
        let code = rest.get(..length).unwrap_or_default();
        self.line = self.line.saturating_add(lines(code));
        let close = self.at.saturating_add(length);
        self.at = close.saturating_add(1);
        Ok(close)
    }

    /// Reads the next statement, with at most `limit` words.
    pub(crate) fn statement(&mut self, limit: usize) -> Result<Statement, SyntaxError> {
        let mut words: Vec<RawWord> = Vec::new();
        let mut state = State::Space;
        let (mut escaped, mut variable) = (false, false);
        // `begin` is the first byte of the value, `word` that of the word with its quote.
        let (mut begin, mut begin_line, mut word, mut first_line) = (self.at, self.line, self.at, self.line);
        loop {
            if self.at.saturating_sub(begin) == BUFFER && self.at < self.text.len() {
                return Err(self.too_long(begin, begin_line, state));
            }
            let Some(&byte) = self.text.get(self.at) else {
                return match (words.is_empty(), state) {
                    (true, State::Space | State::Comment) => {
                        Ok(Statement { words, line: self.line, end: End::File, end_at: self.at })
                    }
                    _ => Err(self.error(SyntaxProblem::UnendedDirective)),
                };
            };
            let here = self.at;
            self.at = here.saturating_add(1);
            if byte == b'\n' {
                self.line = self.line.saturating_add(1);
            }
            if escaped {
                escaped = false;
                continue;
            }
            if state == State::Comment {
                if byte != b'\n' {
                    continue;
                }
                state = State::Space;
            }
            if state == State::AfterQuote {
                match byte {
                    b' ' | b'\t' | b'\r' | b'\n' => {
                        state = State::Space;
                        continue;
                    }
                    b';' | b'{' => return Ok(finish(words, first_line, byte, here)),
                    b')' => state = State::Space,
                    _ => return Err(self.error(SyntaxProblem::Unexpected(char::from(byte)))),
                }
            }
            if state == State::Space {
                (begin, begin_line, word) = (here, self.line, here);
                match byte {
                    b' ' | b'\t' | b'\r' | b'\n' => {}
                    b';' | b'{' if words.is_empty() => {
                        return Err(self.error(SyntaxProblem::Unexpected(char::from(byte))));
                    }
                    b';' | b'{' => return Ok(finish(words, first_line, byte, here)),
                    b'}' if words.is_empty() => {
                        return Ok(Statement { words, line: self.line, end: End::Close, end_at: here });
                    }
                    b'}' => return Err(self.error(SyntaxProblem::Unexpected('}'))),
                    b'#' => state = State::Comment,
                    _ => {
                        if words.is_empty() {
                            first_line = self.line;
                        }
                        (escaped, variable) = (byte == b'\\', byte == b'$');
                        state = match byte {
                            b'"' | b'\'' => {
                                begin = self.at;
                                State::Quoted(byte)
                            }
                            _ => State::Plain,
                        };
                    }
                }
                continue;
            }
            if byte == b'{' && variable {
                continue;
            }
            (escaped, variable) = (byte == b'\\', byte == b'$');
            if escaped || variable {
                continue;
            }
            let is_end = match state {
                State::Quoted(quote) => byte == quote,
                _ => matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b';' | b'{'),
            };
            if !is_end {
                continue;
            }
            if words.len() >= limit {
                return Err(
                    self.error(SyntaxProblem::Limit { what: "the number of words of a directive", limit })
                );
            }
            let end = if state == State::Plain { here } else { self.at };
            let value = decode(self.text.get(begin..here).unwrap_or_default());
            words.push(RawWord { span: word..end, value });
            match (state, byte) {
                (State::Quoted(_), _) => state = State::AfterQuote,
                (_, b';' | b'{') => return Ok(finish(words, first_line, byte, here)),
                _ => state = State::Space,
            }
        }
    }

    pub(crate) fn error(&self, problem: SyntaxProblem) -> SyntaxError {
        SyntaxError { line: self.line, problem }
    }

    fn too_long(&self, begin: usize, line: u32, state: State) -> SyntaxError {
        let quote = match state {
            State::Quoted(quote) => Some(char::from(quote)),
            _ => None,
        };
        let start = self.text.get(begin..begin.saturating_add(10)).unwrap_or_default();
        let start = String::from_utf8_lossy(start).escape_debug().to_string();
        SyntaxError { line, problem: SyntaxProblem::TooLong { quote, start } }
    }
}

fn finish(words: Vec<RawWord>, line: u32, byte: u8, end_at: usize) -> Statement {
    let end = if byte == b'{' { End::Open } else { End::Semicolon };
    Statement { words, line, end, end_at }
}

/// Removes the escapes that nginx knows; it keeps other backslashes.
fn decode(raw: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        let replaced = match (byte, bytes.peek()) {
            (b'\\', Some(&next @ (b'"' | b'\'' | b'\\'))) => Some(next),
            (b'\\', Some(b't')) => Some(b'\t'),
            (b'\\', Some(b'r')) => Some(b'\r'),
            (b'\\', Some(b'n')) => Some(b'\n'),
            _ => None,
        };
        if replaced.is_some() {
            bytes.next();
        }
        value.push(replaced.unwrap_or(byte));
    }
    value
}

fn lines(text: &[u8]) -> u32 {
    u32::try_from(text.iter().filter(|byte| **byte == b'\n').count()).unwrap_or(u32::MAX)
}
