//! Syntax errors.

use std::fmt;

/// Syntax error of a configuration file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem} in line {line}")]
pub struct SyntaxError {
    /// Line that nginx reports, from 1.
    pub line: u32,
    /// Kind of the error.
    pub problem: SyntaxProblem,
}

/// Kind of a syntax error. The texts are those of nginx, except for the limits of this parser.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyntaxProblem {
    /// A character at a place where it is not allowed.
    Unexpected(char),
    /// The file ends inside a directive.
    UnendedDirective,
    /// The file ends inside a block.
    UnendedBlock,
    /// A word or comment has 4096 bytes or more.
    TooLong {
        /// Quote that is probably missing.
        quote: Option<char>,
        /// First bytes of the word, at most 10.
        start: String,
    },
    /// Lua code without an end.
    UnendedLua,
    /// The file exceeds a limit of this parser.
    Limit {
        /// The limited quantity.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

impl fmt::Display for SyntaxProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unexpected(character) if character.is_control() => {
                write!(f, "unexpected \"{}\"", character.escape_default())
            }
            Self::Unexpected(character) => write!(f, "unexpected \"{character}\""),
            Self::UnendedDirective => f.write_str("unexpected end of file, expecting \";\" or \"}\""),
            Self::UnendedBlock => f.write_str("unexpected end of file, expecting \"}\""),
            Self::TooLong { quote: Some(quote), .. } => {
                write!(f, "too long parameter, probably missing terminating \"{quote}\" character")
            }
            Self::TooLong { quote: None, start } => write!(f, "too long parameter \"{start}...\" started"),
            Self::UnendedLua => {
                f.write_str("unexpected end of file, expecting the end of a block of Lua code")
            }
            Self::Limit { what, limit } => write!(f, "{what} exceeds the limit of {limit}"),
        }
    }
}
