//! Errors of the parser.

use std::fmt;

/// Why a document was rejected, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at octet {offset}")]
pub struct ReadError {
    /// Offset in bytes of the error, counted from zero.
    pub offset: usize,
    /// Reason for the rejection.
    pub reason: Reason,
}

/// Exact reason of a [`ReadError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The text ends inside the document.
    UnexpectedEnd,
    /// There is no root element, or there is content other than white space and comments outside it.
    NotOneRoot,
    /// A `<!DOCTYPE` declaration, which is always rejected.
    DoctypeRefused,
    /// A processing instruction, which is always rejected.
    InstructionRefused,
    /// A character that XML 1.0 does not allow.
    IllegalCharacter,
    /// A name is missing or malformed.
    BadName,
    /// A tag is not of the form `<name attribute="value">`.
    BadTag,
    /// An end tag does not match the innermost open element.
    MismatchedEnd,
    /// A reference other than the five predefined entities and character references.
    UnknownReference,
    /// An attribute appears twice on one element.
    DuplicateAttribute,
    /// A prefix is not declared, or a namespace declaration is not allowed.
    BadNamespace,
    /// `]]>` in text, or `--` in a comment.
    BadCharacterData,
    /// The document exceeds one of the [`Bounds`](crate::Bounds).
    TooLarge(
        /// Name of the bound.
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
