//! Earliest time that a condition permits for a column.

use super::Operator;
use super::predicate::{Node, Predicate};
use super::test::{Operand, Test};
use crate::Column;

impl Predicate {
    /// Returns the earliest time that a column of dates can have in a matching row, in microseconds since 1970; `None` if
    /// the condition does not restrict it.
    ///
    /// Earlier rows can be skipped; later rows must still be evaluated.
    #[must_use]
    pub fn not_before(&self, column: Column) -> Option<i64> {
        not_before(&self.root, column)
    }
}

/// Returns the earliest time of matching rows, in microseconds since 1970; `None` if the time is not restricted.
fn not_before(node: &Node, wanted: Column) -> Option<i64> {
    match node {
        // No row matches at any time.
        Node::Constant(false) => Some(i64::MAX),
        Node::And(all) => all.iter().filter_map(|node| not_before(node, wanted)).max(),
        // One alternative without a limit removes the limit.
        Node::Or(all) => {
            let bounds = all.iter().map(|node| not_before(node, wanted)).collect::<Option<Vec<_>>>();
            bounds?.into_iter().min()
        }
        Node::Column {
            column,
            index: None,
            members,
            test: Test::Compare(operator, Operand::Instant(moment)),
            ..
        } => {
            let is_bound = matches!(operator, Operator::Equal | Operator::Greater | Operator::GreaterOrEqual);
            (*column == wanted && members.is_empty() && is_bound).then_some(*moment)
        }
        _ => None,
    }
}
