//! How early a condition lets a column be.

use super::Operator;
use super::predicate::Node;
use super::test::{Test, Wanted};
use crate::Column;

/// The earliest moment of rows that pass, in microseconds since 1970; `None` if there is none.
pub(super) fn not_before(node: &Node, wanted: Column) -> Option<i64> {
    match node {
        // No row passes, whenever.
        Node::Constant(false) => Some(i64::MAX),
        Node::And(all) => all.iter().filter_map(|node| not_before(node, wanted)).max(),
        // One that is open to the past leaves all open.
        Node::Or(all) => {
            let bounds = all.iter().map(|node| not_before(node, wanted)).collect::<Option<Vec<_>>>();
            bounds?.into_iter().min()
        }
        Node::Column {
            column,
            index: None,
            members,
            test: Test::Compare(operator, Wanted::Instant(moment)),
            ..
        } => {
            let is_bound = matches!(operator, Operator::Equal | Operator::Greater | Operator::GreaterOrEqual);
            (*column == wanted && members.is_empty() && is_bound).then_some(*moment)
        }
        _ => None,
    }
}
