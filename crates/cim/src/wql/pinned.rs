//! Values that a condition permits for some columns.

use super::compare;
use super::predicate::{Node, Predicate};
use super::test::same_object;
use crate::{Column, Value};

/// Maximum number of sets of values; for more sets, looking up single rows is not faster.
const MOST: usize = 64;

/// A conjunction of values of columns.
type Term = Vec<(Column, Value)>;

impl Predicate {
    /// Returns the values that some columns must have in a matching row, one set for each row to look up; `None` if the
    /// condition does not restrict one of them.
    ///
    /// An empty result means that no row matches.
    /// Every set has the types and order of its columns; strings are compared ignoring case.
    /// A row with such values must still be evaluated.
    #[must_use]
    pub fn pinned(&self, columns: &[Column]) -> Option<Vec<Vec<Value>>> {
        pinned(&self.root, columns)
    }
}

fn pinned(root: &Node, columns: &[Column]) -> Option<Vec<Vec<Value>>> {
    let mut sets: Vec<Vec<Value>> = Vec::new();
    for term in terms(root, columns) {
        let set = columns.iter().map(|column| pinned_value(&term, column)).collect::<Option<Vec<_>>>()?;
        if !sets.iter().any(|known| known.iter().zip(&set).all(|(left, right)| same(left, right))) {
            sets.push(set);
        }
    }
    Some(sets)
}

fn pinned_value(term: &Term, column: &Column) -> Option<Value> {
    term.iter().find(|(pinned, _)| pinned == column).map(|(_, value)| value.clone())
}

/// Returns terms such that every matching row has the values of at least one of them.
fn terms(node: &Node, columns: &[Column]) -> Vec<Term> {
    match node {
        Node::Constant(false) => Vec::new(),
        Node::Column { column, pin: Some(value), .. } if columns.contains(column) => {
            vec![vec![(*column, value.clone())]]
        }
        Node::Or(all) => {
            let mut any = Vec::new();
            for node in all {
                any.extend(terms(node, columns));
                if any.len() > MOST {
                    return any_row();
                }
            }
            any
        }
        Node::And(all) => {
            let mut both = any_row();
            for node in all {
                let more = terms(node, columns);
                // Ignoring a condition adds rows, which are evaluated later anyway.
                if both.len() * more.len() <= MOST {
                    both = both
                        .iter()
                        .flat_map(|left| more.iter().filter_map(|right| merged(left, right)))
                        .collect();
                }
            }
            both
        }
        // A negation pins no value: it also holds for a missing value.
        _ => any_row(),
    }
}

fn any_row() -> Vec<Term> {
    vec![Term::new()]
}

/// Returns the conjunction of both terms, or `None` if they contradict each other.
fn merged(left: &Term, right: &Term) -> Option<Term> {
    let mut both = left.clone();
    for (column, value) in right {
        match left.iter().find(|(known, _)| known == column) {
            Some((_, known)) if !same(known, value) => return None,
            Some(_) => {}
            None => both.push((*column, value.clone())),
        }
    }
    Some(both)
}

fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::String(left), Value::String(right)) => compare::equal(left, right),
        (Value::Reference(left), Value::Reference(right)) => same_object(left, right),
        (left, right) => left == right,
    }
}
