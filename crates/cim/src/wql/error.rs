//! What can be wrong with a query.

use std::fmt;

use crate::Status;

/// A piece of a query's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Octets before it.
    pub start: usize,
    /// Octets up to its end.
    pub end: usize,
}

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{reason} at octet {} of the query", span.start)]
pub struct QueryError {
    /// What.
    pub reason: Reason,
    /// Where.
    pub span: Span,
}

/// The exact reason of a [`QueryError`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Something else should stand there.
    Expected {
        /// What should.
        expected: &'static str,
        /// What does.
        found: String,
    },
    /// A character without a meaning.
    Character(char),
    /// A text without an end.
    OpenText,
    /// A `\` before something else than `\`, `"` or `'`.
    Escape,
    /// A number that is none.
    Number,
    /// Two properties are compared with each other.
    TwoProperties,
    /// NULL is compared with something else than `=` or `<>`.
    NullOrder,
    /// A word of WHERE is given twice.
    Twice(String),
    /// Words of WHERE contradict each other.
    Contradiction,
    /// The object path in braces is wrong.
    Path(String),
    /// The class has no such property.
    NoProperty {
        /// The class.
        class: String,
        /// The property.
        name: String,
    },
    /// An array is compared as a whole.
    Array(String),
    /// A number in brackets behind what is no array.
    NotAnArray(String),
    /// A point behind what is no embedded instance, or ISA of it.
    NotAnObject(String),
    /// Events are grouped by whole instances.
    GroupedByObject(String),
    /// BY or HAVING without GROUP WITHIN.
    NoGroup(&'static str),
    /// BY without a property.
    NoAggregation,
    /// A value of this type cannot be compared so.
    Operator {
        /// The property.
        name: String,
        /// Its type.
        kind: String,
    },
    /// A constant is no value of the property's type.
    Constant {
        /// The property.
        name: String,
        /// Its type.
        kind: String,
        /// The constant.
        found: String,
    },
    /// The query is longer than is read.
    TooLong,
    /// Conditions are deeper inside each other than is read.
    TooDeep,
}

impl QueryError {
    /// What WMI calls it.
    #[must_use]
    pub fn status(&self) -> Status {
        match self.reason {
            Reason::TooLong | Reason::TooDeep => Status::QuotaViolation,
            Reason::Path(_) => Status::InvalidObjectPath,
            Reason::GroupedByObject(_) => Status::AggregatingByObject,
            Reason::NoGroup(_) => Status::MissingGroupWithin,
            Reason::NoAggregation => Status::MissingAggregationList,
            _ => Status::InvalidQuery,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expected { expected, found } => write!(f, "expected {expected}, found {found}"),
            Self::Character(character) => write!(f, "{character:?} has no meaning"),
            Self::OpenText => f.write_str("a text does not end"),
            Self::Escape => f.write_str("'\\' is not followed by '\\' or a quote: write it twice"),
            Self::Number => f.write_str("not a number"),
            Self::TwoProperties => f.write_str("two properties cannot be compared: put a text into quotes"),
            Self::NullOrder => f.write_str("NULL can be compared with = and <> only"),
            Self::Twice(word) => write!(f, "{word} is given twice"),
            Self::Contradiction => f.write_str("ClassDefsOnly cannot be used with ResultClass"),
            Self::Path(problem) => f.write_str(problem),
            Self::NoProperty { class, name } => write!(f, "{class} has no property {name}"),
            Self::Array(name) => write!(f, "the array {name} can be compared by element only: {name}[0]"),
            Self::NotAnArray(name) => write!(f, "{name} is not an array"),
            Self::NotAnObject(name) => write!(f, "{name} holds no instance"),
            Self::GroupedByObject(name) => {
                write!(f, "events cannot be grouped by the whole instance {name}: name one of its properties")
            }
            Self::NoGroup(word) => write!(f, "{word} takes GROUP WITHIN and a number of seconds before it"),
            Self::NoAggregation => f.write_str("BY takes the names of properties"),
            Self::Operator { name, kind } => write!(f, "{name} of type {kind} cannot be compared so"),
            Self::Constant { name, kind, found } => write!(f, "{name} is of type {kind}, not {found}"),
            Self::TooLong => write!(f, "a query has at most {} octets", super::MAX_TEXT),
            Self::TooDeep => write!(f, "conditions stand at most {} deep in each other", super::MAX_DEPTH),
        }
    }
}
