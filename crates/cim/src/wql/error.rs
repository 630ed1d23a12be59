//! Errors of queries.

use std::fmt;

use crate::Status;

/// A range of the text of a query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The number of bytes before it.
    pub start: usize,
    /// The number of bytes up to its end.
    pub end: usize,
}

/// An error of a query with its position.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{reason} at byte {} of the query{}", span.start, Advice(reason.advice()))]
pub struct QueryError {
    /// The reason.
    pub reason: Reason,
    /// The position.
    pub span: Span,
}

/// Reason of a [`QueryError`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// A token other than expected.
    Expected {
        /// The expected token.
        expected: &'static str,
        /// The token found.
        found: String,
    },
    /// An unexpected character.
    Character(char),
    /// An unterminated string.
    OpenText,
    /// A `\` before a character other than `\`, `"` or `'`.
    Escape,
    /// An invalid number.
    Number,
    /// A comparison of two properties.
    TwoProperties,
    /// A comparison of NULL other than with `=` or `<>`.
    NullOrder,
    /// A duplicate word of WHERE.
    Twice(String),
    /// Contradictory words of WHERE.
    Contradiction,
    /// An invalid object path in braces.
    Path(String),
    /// A property that does not exist in the class.
    NoProperty {
        /// The class.
        class: String,
        /// The property.
        name: String,
    },
    /// A comparison of a whole array.
    Array(String),
    /// An index on a property that is not an array.
    NotAnArray(String),
    /// A point or ISA on a property that is not an embedded instance.
    NotAnObject(String),
    /// Grouping of events by whole instances.
    GroupedByObject(String),
    /// BY or HAVING without GROUP WITHIN.
    NoGroup(&'static str),
    /// BY without a property.
    NoAggregation,
    /// A comparison that the type of the property does not support.
    Operator {
        /// The property.
        name: String,
        /// The type.
        kind: String,
    },
    /// A constant that is not a value of the property's type.
    Constant {
        /// The property.
        name: String,
        /// The type.
        kind: String,
        /// The constant.
        found: String,
    },
    /// A construct of SQL that WQL does not have.
    Sql(SqlConstruct),
    /// A query longer than the limit.
    TooLong,
    /// Conditions nested deeper than the limit.
    TooDeep,
}

/// Construct of SQL that WQL does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SqlConstruct {
    /// `SELECT DISTINCT`
    Distinct,
    /// A function among the columns, such as `COUNT(*)`.
    Function,
    /// `SELECT TOP 5`
    Top,
    /// `ORDER BY`
    OrderBy,
    /// `LIMIT`
    Limit,
    /// `IN (…)`
    In,
    /// `BETWEEN … AND …`
    Between,
}

impl QueryError {
    /// Returns the WMI status of the error.
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

impl Reason {
    /// Returns what to do instead, if there is an equivalent.
    #[must_use]
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Sql(construct) => Some(construct.advice()),
            Self::NoGroup(_) => {
                Some("only events are grouped; group other rows in the client, for example with Group-Object")
            }
            _ => None,
        }
    }
}

impl SqlConstruct {
    /// Returns the name of the construct.
    const fn name(self) -> &'static str {
        match self {
            Self::Distinct => "DISTINCT",
            Self::Function => "functions of columns",
            Self::Top => "TOP",
            Self::OrderBy => "ORDER BY",
            Self::Limit => "LIMIT",
            Self::In => "IN",
            Self::Between => "BETWEEN",
        }
    }

    /// Returns what WQL or its clients offer instead.
    const fn advice(self) -> &'static str {
        match self {
            Self::Distinct => "remove duplicates in the client, for example with Sort-Object -Unique",
            Self::Function => "count or sum the rows in the client, for example with Measure-Object",
            Self::Top | Self::Limit => {
                "read fewer rows with the maximum number of the enumeration, for example with Select-Object -First"
            }
            Self::OrderBy => "sort the rows in the client, for example with Sort-Object",
            Self::In => "write Name = 'a' OR Name = 'b'",
            Self::Between => "write Size >= 1 AND Size <= 5",
        }
    }
}

/// Advice on a line of its own.
struct Advice(Option<&'static str>);

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |advice| write!(f, "\n  {advice}"))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expected { expected, found } => write!(f, "expected {expected}, found {found}"),
            Self::Character(character) => write!(f, "unexpected character '{character}'"),
            Self::OpenText => f.write_str("unterminated string"),
            Self::Escape => f.write_str("'\\' must be followed by '\\' or a quote"),
            Self::Number => f.write_str("invalid number"),
            Self::TwoProperties => f.write_str("two properties cannot be compared: write a string in quotes"),
            Self::NullOrder => f.write_str("NULL can be compared only with = and <>"),
            Self::Twice(word) => write!(f, "duplicate {word}"),
            Self::Contradiction => f.write_str("ClassDefsOnly cannot be used with ResultClass"),
            Self::Path(problem) => f.write_str(problem),
            Self::NoProperty { class, name } => write!(f, "{class} has no property {name}"),
            Self::Array(name) => write!(f, "the array {name} can be compared only by element: {name}[0]"),
            Self::NotAnArray(name) => write!(f, "{name} is not an array"),
            Self::NotAnObject(name) => write!(f, "{name} is not an embedded instance"),
            Self::GroupedByObject(name) => {
                write!(f, "events cannot be grouped by the whole instance {name}: name one of its properties")
            }
            Self::NoGroup(word) => {
                write!(f, "{word} requires GROUP WITHIN and a number of seconds before it")
            }
            Self::NoAggregation => f.write_str("BY requires the names of properties"),
            Self::Operator { name, kind } => {
                write!(f, "{name} of type {kind} does not support this comparison")
            }
            Self::Constant { name, kind, found } => write!(f, "{found} is not a {kind}, the type of {name}"),
            Self::Sql(construct) => write!(f, "WQL has no {}", construct.name()),
            Self::TooLong => write!(f, "the query exceeds {} bytes", super::MAX_TEXT),
            Self::TooDeep => write!(f, "conditions are nested more than {} levels deep", super::MAX_DEPTH),
        }
    }
}
