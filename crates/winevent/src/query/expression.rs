//! Compiled expressions.

use super::literal::Literal;
use super::operator::Operator;
use crate::timestamp::Timestamp;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) axis: Axis,
    pub(super) test: Test,
    /// Conditions, applied one after another; at most [`MAX_PREDICATES`].
    pub(super) predicates: Vec<Expression>,
}

/// Maximum number of predicates of a step.
pub(super) const MAX_PREDICATES: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Axis {
    Child,
    Attribute,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Test {
    /// Local name.
    Name(Box<str>),
    Any,
    /// `text()`.
    Text,
}

impl Test {
    pub(super) fn accepts(&self, name: &str) -> bool {
        match self {
            Self::Name(wanted) => **wanted == *name,
            Self::Any => true,
            Self::Text => false,
        }
    }
}

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expression {
    Or(Vec<Expression>),
    And(Vec<Expression>),
    Part(Part),
}

/// A condition without `and` and `or`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Number of the part in its query.
    pub(super) number: usize,
    pub(super) kind: PartKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PartKind {
    Exists(Vec<Step>),
    /// Any node of the path, compared with the literal.
    Literal(Vec<Step>, Operator, Literal),
    /// Any node of a path, compared with any node of another.
    Paths(Vec<Step>, Operator, Vec<Step>),
    Position(Operator, u64),
    /// Whether two numbers have a common bit.
    Band(Number, Number),
    /// Milliseconds from the first time to the second (or to now), compared with a number.
    TimeDifference {
        from: Time,
        to: Option<Time>,
        operator: Operator,
        milliseconds: u64,
    },
}

/// Argument of `band()`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Number {
    Literal(u64),
    Path(Vec<Step>),
}

/// Argument of `timediff()`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Time {
    Literal(Timestamp),
    Path(Vec<Step>),
}
