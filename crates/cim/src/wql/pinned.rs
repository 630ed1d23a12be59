//! Which values a condition leaves to some columns.

use super::compare;
use super::predicate::Node;
use super::test::same_object;
use crate::{Column, Value};

/// How many sets of values are worked out; beyond, looking rows up one by one is no gain.
const MOST: usize = 64;

/// Values that columns must have, together.
type Term = Vec<(Column, Value)>;

pub(super) fn pinned(root: &Node, columns: &[Column]) -> Option<Vec<Vec<Value>>> {
    let mut sets: Vec<Vec<Value>> = Vec::new();
    for term in terms(root, columns) {
        let value = |column: &Column| {
            term.iter().find(|(pinned, _)| pinned == column).map(|(_, value)| value.clone())
        };
        let set = columns.iter().map(value).collect::<Option<Vec<_>>>()?;
        let known = |before: &Vec<Value>| before.iter().zip(&set).all(|(left, right)| same(left, right));
        if !sets.iter().any(known) {
            sets.push(set);
        }
    }
    Some(sets)
}

/// Every row that passes has the values of at least one term.
fn terms(node: &Node, columns: &[Column]) -> Vec<Term> {
    let open = || vec![Term::new()];
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
                    return open();
                }
            }
            any
        }
        Node::And(all) => {
            let mut both = open();
            for node in all {
                let more = terms(node, columns);
                // Leaving a condition out leaves more rows, which are evaluated anyway.
                if both.len() * more.len() <= MOST {
                    both = both
                        .iter()
                        .flat_map(|left| more.iter().filter_map(|right| merged(left, right)))
                        .collect();
                }
            }
            both
        }
        // What is not so pins nothing: a value that is missing is also not so.
        _ => open(),
    }
}

/// Both terms, unless they contradict each other.
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
