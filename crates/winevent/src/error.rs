//! The error type of the crate.

use xml::ReadError;

/// Error of reading an event, a subscription, a query or compressed bytes.
///
/// `at` is an offset in bytes in the text or the bytes that were read, counted from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WinEventError {
    /// A bound of this crate is exceeded.
    #[error("more {bound} than the maximum of {maximum}")]
    Limit {
        /// Unit and object of the bound, such as `bytes of an event`.
        bound: &'static str,
        /// Value of the bound.
        maximum: usize,
    },

    /// The text is not well-formed XML, or exceeds a bound of the XML reader.
    #[error("not well-formed XML: {0}")]
    Xml(#[from] ReadError),

    /// The root element is another one.
    #[error("expected the element {expected}, found {found:?}")]
    WrongRoot {
        /// Name of the expected element.
        expected: &'static str,
        /// Name of the root element; long names are cut.
        found: String,
    },

    /// A required element or attribute is missing or empty.
    #[error("{field} is missing")]
    Missing {
        /// Name of the element or attribute.
        field: &'static str,
    },

    /// An element that may appear once appears again.
    #[error("{field} appears more than once")]
    Duplicate {
        /// Name of the element.
        field: &'static str,
    },

    /// A value of an element or attribute is not of its type.
    #[error("{field} is {found:?}: expected {expected}")]
    Value {
        /// Name of the element or attribute.
        field: &'static str,
        /// The value; long values are cut.
        found: String,
        /// Description of valid values.
        expected: &'static str,
    },

    /// A query does not follow the grammar, or uses a part of XPath that event queries do not have.
    #[error("query: {reason} at byte {at}")]
    Query {
        /// Offset of the error in the text of the expression.
        at: usize,
        /// Reason of the rejection, and what to write instead where there is an alternative.
        reason: &'static str,
    },

    /// Compressed bytes do not follow the format.
    #[error("SLDC: {reason} at byte {at}")]
    Sldc {
        /// Offset of the error in the compressed bytes.
        at: usize,
        /// Reason of the rejection.
        reason: &'static str,
    },
}

impl WinEventError {
    /// Returns the error of a value of the wrong type. Only the first characters of the value are kept.
    pub(crate) fn value(field: &'static str, found: &str, expected: &'static str) -> Self {
        Self::Value { field, found: quote(found), expected }
    }
}

/// Returns the first characters of a text from outside, for an error.
pub(crate) fn quote(text: &str) -> String {
    text.chars().take(60).collect()
}
