//! Splitting of command lines into words.

/// Splits a command line into words with POSIX quoting; `None` if a quotation is not closed.
pub type Words = fn(&str) -> Option<Vec<String>>;
