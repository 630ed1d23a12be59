//! Evaluation of expressions.
//!
//! Paths lead down only, so each path visits every node of a record at most once, in the order of the record.

use std::borrow::Cow;
use std::collections::BTreeSet;

use xml::{Attribute, Element};

use super::explain::Verdict;
use super::expression::{Axis, Expression, MAX_PREDICATES, Number, Part, PartKind, Step, Test, Time};
use super::literal::number;
use super::operator::Operator;
use crate::timestamp::Timestamp;

/// Node of a record.
#[derive(Clone, Copy)]
enum Node<'r> {
    Element(Element<'r>),
    Attribute(Attribute<'r>),
    /// Text of the element itself.
    Text(Element<'r>),
}

impl<'r> Node<'r> {
    /// Returns the string value (XPath 1.0, section 5).
    fn text(self) -> Cow<'r, str> {
        match self {
            Self::Attribute(attribute) => attribute.value(),
            Self::Text(element) => element.text(),
            Self::Element(element) if element.children().next().is_none() => element.text(),
            Self::Element(element) => {
                let mut text = String::new();
                append_text(element, &mut text);
                Cow::Owned(text)
            }
        }
    }
}

/// Appends the text of an element and of all below it. Text of an element comes before that of its children,
/// which differs from the order of the document only in mixed content.
fn append_text(element: Element<'_>, text: &mut String) {
    text.push_str(&element.text());
    element.children().for_each(|child| append_text(child, text));
}

/// Evaluates expressions at a point in time.
pub(super) struct Evaluator {
    now: Timestamp,
    /// Verdicts of the parts if they are wanted; all parts are evaluated then.
    verdicts: Option<Vec<Verdict>>,
}

impl Evaluator {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { now, verdicts: None }
    }

    /// Returns an evaluator that records the verdict of each of this number of parts.
    pub(super) fn tracing(now: Timestamp, parts: usize) -> Self {
        Self { now, verdicts: Some(vec![Verdict::NotReached; parts]) }
    }

    pub(super) fn into_verdicts(self) -> Vec<Verdict> {
        self.verdicts.unwrap_or_default()
    }

    /// Returns whether the steps, of which the first one is that of the root element, select a node.
    pub(super) fn selects(&mut self, steps: &[Step], root: Element<'_>) -> bool {
        let Some((first, rest)) = steps.split_first() else { return false };
        first.test.accepts(root.name())
            && self.accepts(first, Node::Element(root), &mut [0; MAX_PREDICATES])
            && self.walk(rest, Node::Element(root), &mut |_| true)
    }

    /// Calls `visit` for each node of a path until it returns `true`; returns whether it did.
    fn walk<'r>(
        &mut self,
        steps: &[Step],
        context: Node<'r>,
        visit: &mut dyn FnMut(Node<'r>) -> bool,
    ) -> bool {
        let Some((step, rest)) = steps.split_first() else { return visit(context) };
        let Node::Element(element) = context else { return false };
        let mut positions = [0; MAX_PREDICATES];
        match (step.axis, &step.test) {
            (Axis::Attribute, test) => {
                for attribute in element.attributes().filter(|attribute| test.accepts(attribute.name())) {
                    let node = Node::Attribute(attribute);
                    if self.accepts(step, node, &mut positions) && self.walk(rest, node, visit) {
                        return true;
                    }
                }
                false
            }
            (Axis::Child, Test::Text) => {
                let node = Node::Text(element);
                !element.text().is_empty()
                    && self.accepts(step, node, &mut positions)
                    && self.walk(rest, node, visit)
            }
            (Axis::Child, test) => {
                for child in element.children().filter(|child| test.accepts(child.name())) {
                    let node = Node::Element(child);
                    if self.accepts(step, node, &mut positions) && self.walk(rest, node, visit) {
                        return true;
                    }
                }
                false
            }
        }
    }

    /// Returns whether all predicates of a step hold. The position counts the nodes that the predicates before
    /// have accepted.
    fn accepts(&mut self, step: &Step, node: Node<'_>, positions: &mut [u64; MAX_PREDICATES]) -> bool {
        step.predicates.iter().zip(positions).all(|(predicate, position)| {
            *position += 1;
            self.holds(predicate, node, *position)
        })
    }

    fn holds(&mut self, expression: &Expression, node: Node<'_>, position: u64) -> bool {
        match expression {
            Expression::Or(all) if self.verdicts.is_none() => {
                all.iter().any(|inner| self.holds(inner, node, position))
            }
            Expression::And(all) if self.verdicts.is_none() => {
                all.iter().all(|inner| self.holds(inner, node, position))
            }
            Expression::Or(all) => {
                all.iter().fold(false, |found, inner| self.holds(inner, node, position) | found)
            }
            Expression::And(all) => {
                all.iter().fold(true, |found, inner| self.holds(inner, node, position) & found)
            }
            Expression::Part(part) => self.part_holds(part, node, position),
        }
    }

    fn part_holds(&mut self, part: &Part, node: Node<'_>, position: u64) -> bool {
        let holds = match &part.kind {
            PartKind::Exists(path) => self.walk(path, node, &mut |_| true),
            PartKind::Literal(path, operator, literal) => {
                self.walk(path, node, &mut |found| literal.compare(&found.text(), *operator))
            }
            PartKind::Paths(left, operator, right) => self.compare_paths(left, *operator, right, node),
            PartKind::Position(operator, wanted) => operator.holds(&position, wanted),
            PartKind::Band(left, right) => {
                let numbers = (self.number(left, node), self.number(right, node));
                matches!(numbers, (Some(left), Some(right)) if left & right != 0)
            }
            PartKind::TimeDifference { from, to, operator, milliseconds } => {
                let to = match to {
                    Some(to) => self.time(to, node),
                    None => Some(self.now),
                };
                let times = (self.time(from, node), to);
                matches!(times, (Some(from), Some(to))
                    if operator.holds(&difference(from, to), &i128::from(*milliseconds)))
            }
        };
        if let Some(verdict) = self.verdicts.as_mut().and_then(|verdicts| verdicts.get_mut(part.number)) {
            *verdict = if holds || *verdict == Verdict::True { Verdict::True } else { Verdict::False };
        }
        holds
    }

    /// Compares any node of a path with any node of another: as numbers with `<` and the like, else as text.
    /// Works on sets, so that its time does not grow with the product of the numbers of nodes.
    fn compare_paths(&mut self, left: &[Step], operator: Operator, right: &[Step], node: Node<'_>) -> bool {
        let (left, right) = (self.texts(left, node), self.texts(right, node));
        if !operator.is_order() {
            return match operator {
                Operator::Equal => !left.is_disjoint(&right),
                // Unless both are one and the same text, some pair differs.
                _ => !left.is_empty() && !right.is_empty() && left.union(&right).nth(1).is_some(),
            };
        }
        let numbers = |texts: &BTreeSet<Cow<'_, str>>| {
            let numbers: BTreeSet<i128> = texts.iter().filter_map(|text| number(text)).collect();
            Some((*numbers.first()?, *numbers.last()?))
        };
        let (Some((left_low, left_high)), Some((right_low, right_high))) = (numbers(&left), numbers(&right))
        else {
            return false;
        };
        match operator {
            Operator::Less | Operator::LessOrEqual => operator.holds(&left_low, &right_high),
            _ => operator.holds(&left_high, &right_low),
        }
    }

    fn texts<'r>(&mut self, path: &[Step], node: Node<'r>) -> BTreeSet<Cow<'r, str>> {
        let mut texts = BTreeSet::new();
        self.walk(path, node, &mut |found| {
            texts.insert(found.text());
            false
        });
        texts
    }

    /// Returns the text of the first node of a path.
    fn first<'r>(&mut self, path: &[Step], node: Node<'r>) -> Option<Cow<'r, str>> {
        let mut first = None;
        self.walk(path, node, &mut |found| {
            first = Some(found.text());
            true
        });
        first
    }

    /// Returns the bits of a number; those of a negative one in two's complement.
    fn number(&mut self, argument: &Number, node: Node<'_>) -> Option<i128> {
        match argument {
            Number::Literal(number) => Some(i128::from(*number)),
            Number::Path(path) => number(&self.first(path, node)?),
        }
    }

    fn time(&mut self, argument: &Time, node: Node<'_>) -> Option<Timestamp> {
        match argument {
            Time::Literal(time) => Some(*time),
            Time::Path(path) => Timestamp::parse(self.first(path, node)?.trim()).ok(),
        }
    }
}

/// Returns the milliseconds from one time to another, rounded down.
fn difference(from: Timestamp, to: Timestamp) -> i128 {
    let nanoseconds =
        |time: Timestamp| i128::from(time.seconds()) * 1_000_000_000 + i128::from(time.nanoseconds());
    (nanoseconds(to) - nanoseconds(from)).div_euclid(1_000_000)
}
