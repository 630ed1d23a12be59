//! Syntax errors, and words that cannot be written.

use std::fmt;

/// Syntax error of a configuration file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem} in line {line}")]
pub struct SyntaxError {
    /// Line that Apache reports, from 1: the last line of a continued directive.
    pub line: u32,
    /// Kind of the error.
    pub problem: SyntaxProblem,
}

/// Kind of a syntax error. Names in the texts are cut after 60 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyntaxProblem {
    /// A section ends that was not begun.
    UnmatchedEnd(String),
    /// Another section ends than the innermost one.
    WrongEnd {
        /// Name of the innermost section.
        expected: String,
        /// Name in the end tag.
        found: String,
    },
    /// A tag has no `>`.
    MissingBracket(String),
    /// The file ends inside a section.
    UnendedSection(String),
    /// The file ends after a backslash, which would continue the next line that is added.
    UnendedLine,
    /// A byte 0, behind which Apache ignores the rest of the line.
    Nul,
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
            Self::UnmatchedEnd(name) => write!(f, "</{name}> without matching <{name}> section"),
            Self::WrongEnd { expected, found } => write!(f, "Expected </{expected}> but saw </{found}>"),
            Self::MissingBracket(name) => write!(f, "<{name}> directive missing closing '>'"),
            Self::UnendedSection(name) => write!(f, "<{name}> was not closed."),
            Self::UnendedLine => f.write_str("the file ends with a backslash, which continues a line"),
            Self::Nul => f.write_str("the line contains a byte 0"),
            Self::Limit { what, limit } => write!(f, "{what} exceeds the limit of {limit}"),
        }
    }
}

/// Word that no quoting can represent: Apache has no escape for control characters and for `${`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{beginning:?} cannot be written to a configuration of Apache: it contains a control character or ${{"
)]
pub struct UnquotableWord {
    /// First characters of the word.
    pub beginning: String,
}

impl UnquotableWord {
    pub(crate) fn new(word: &[u8]) -> Self {
        Self { beginning: shortened(word) }
    }
}

/// Returns the first characters of a name for an error.
pub(crate) fn shortened(name: &[u8]) -> String {
    String::from_utf8_lossy(name).chars().take(60).collect()
}
