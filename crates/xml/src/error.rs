//! What can be wrong with a document.

use std::fmt;

/// What is wrong with a document, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at octet {offset}")]
pub struct ReadError {
    /// Octets before the place, counted from zero.
    pub offset: usize,
    /// What is wrong there.
    pub reason: Reason,
}

/// The exact reason of a [`ReadError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The text ends inside the document.
    UnexpectedEnd,
    /// There is no root element, or something other than white space beside it.
    NotOneRoot,
    /// A `<!DOCTYPE`.
    DoctypeRefused,
    /// A processing instruction.
    InstructionRefused,
    /// A character that XML does not allow.
    IllegalCharacter,
    /// Something that should be a name is none.
    BadName,
    /// A tag that is not `<name attribute="value">`.
    BadTag,
    /// An end tag that does not close the element that is open.
    MismatchedEnd,
    /// A reference other than the five of XML and those to characters.
    UnknownReference,
    /// The same attribute twice.
    DuplicateAttribute,
    /// A prefix that is not declared, or a declaration that is not allowed.
    BadNamespace,
    /// `]]>` in text, or a comment with `--` in it.
    BadCharacterData,
    /// One of the [`Bounds`](crate::Bounds) is passed.
    TooLarge(
        /// Which one.
        &'static str,
    ),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnexpectedEnd => "the document ends too early",
            Self::NotOneRoot => "a document must be exactly one element",
            Self::DoctypeRefused => "a document type declaration is not allowed",
            Self::InstructionRefused => "a processing instruction is not allowed",
            Self::IllegalCharacter => "a character that XML does not allow",
            Self::BadName => "not a name",
            Self::BadTag => "a tag that is not well-formed",
            Self::MismatchedEnd => "an end tag that closes no open element",
            Self::UnknownReference => "an unknown reference",
            Self::DuplicateAttribute => "an attribute given twice",
            Self::BadNamespace => "a prefix without a namespace, or a forbidden declaration",
            Self::BadCharacterData => "character data that is not well-formed",
            Self::TooLarge(bound) => return write!(f, "more {bound} than allowed"),
        })
    }
}
