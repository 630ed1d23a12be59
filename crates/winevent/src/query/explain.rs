//! Explanations: which parts of a query matched an event.

use std::fmt;

/// Result of one part of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// True for at least one node.
    True,
    /// False for every node for which it was evaluated.
    False,
    /// Not evaluated, because the event has no such node or another condition excluded it.
    NotReached,
}

/// Part of an expression with its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartVerdict<'q> {
    /// The part as written.
    pub text: &'q str,
    /// Offset of the part in the expression, in bytes.
    pub at: usize,
    /// Result for the event.
    pub verdict: Verdict,
}

/// Effect of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// `Select`: matching events are selected.
    Select,
    /// `Suppress`: matching events are not selected, whatever `Select` says.
    Suppress,
}

/// Result of one `Select` or `Suppress`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleVerdict<'q> {
    /// Identifier of the query that contains the rule.
    pub query: Option<u64>,
    /// Effect of the rule.
    pub action: Action,
    /// Channel of the rule.
    pub path: &'q str,
    /// Expression of the rule.
    pub expression: &'q str,
    /// Whether the event is in the channel of the rule. Otherwise the rule was not evaluated.
    pub is_in_channel: bool,
    /// Whether channel and expression match.
    pub is_match: bool,
    /// Results of the parts of the expression.
    pub parts: Vec<PartVerdict<'q>>,
}

/// Result of a query list for an event, with the results of all its rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation<'q> {
    /// Whether the event is selected.
    pub is_selected: bool,
    /// Results of the rules in the order of the list; in each query those of `Select` come first.
    pub rules: Vec<RuleVerdict<'q>>,
}

/// One line for each rule and each part.
impl fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", if self.is_selected { "selected" } else { "not selected" })?;
        for rule in &self.rules {
            let action = match rule.action {
                Action::Select => "Select",
                Action::Suppress => "Suppress",
            };
            let result = match (rule.is_in_channel, rule.is_match) {
                (false, _) => "other channel",
                (true, true) => "matches",
                (true, false) => "does not match",
            };
            if let Some(query) = rule.query {
                write!(f, "Query {query}, ")?;
            }
            writeln!(f, "{action} {}: {result}: {}", rule.path, rule.expression)?;
            for part in &rule.parts {
                let verdict = match part.verdict {
                    Verdict::True => "true",
                    Verdict::False => "false",
                    Verdict::NotReached => "not reached",
                };
                writeln!(f, "  {verdict}: {}", part.text)?;
            }
        }
        Ok(())
    }
}
