//! Event queries: the XPath subset of Windows, and lists of queries that select and suppress events.
//!
//! [`QueryList::parse`] compiles a list once; [`QueryList::is_selected`] evaluates it for a record, and
//! [`QueryList::explain`] returns which parts of it matched.
//!
//! ```
//! use telarch_winevent::{QueryList, Timestamp, event::Record};
//!
//! let list = QueryList::parse(
//!     r#"<QueryList><Query Id="0" Path="Security">
//!          <Select>*[System[(EventID >= 4624 and EventID &lt;= 4626)]]</Select>
//!          <Suppress>*[EventData[Data[@Name='TargetUserSid']='S-1-5-18']]</Suppress>
//!        </Query></QueryList>"#,
//! )?;
//! let event = |user: &str| Record::parse(&format!(
//!     "<Event><System><Provider Name='P'/><EventID>4624</EventID><Channel>Security</Channel><Computer/></System>\
//!      <EventData><Data Name='TargetUserSid'>{user}</Data></EventData></Event>"));
//! let now = Timestamp::new(0, 0);
//! assert!(list.is_selected(&event("S-1-5-19")?, now));
//! assert!(!list.is_selected(&event("S-1-5-18")?, now));
//! # Ok::<(), telarch_winevent::WinEventError>(())
//! ```
//!
//! The language is that of MS-EVEN6 2.2.15 and 2.2.16, which has relative paths over elements and attributes,
//! comparisons, `and`, `or`, `position()`, `band()` and `timediff()`. All other XPath is rejected with the
//! position and the reason: absolute paths, `//`, `.`, `..`, unions, arithmetic, `not()`, `contains()`,
//! namespaces and variables.
//!
//! A comparison with a path is true if it is true for any node of the path. Names are compared without their
//! namespace. The literal selects the type of a comparison: number, time, GUID, SID, Boolean or text.

mod evaluate;
mod explain;
mod expression;
mod list;
mod literal;
mod operator;
mod parse;

pub use explain::{Action, Explanation, PartVerdict, RuleVerdict, Verdict};
pub use list::{MAX_CHANNELS, MAX_LIST, QueryList};
pub use literal::StringCase;
pub use parse::{MAX_CONDITIONS, MAX_DEPTH, MAX_EXPRESSION, MAX_STEPS};

use crate::error::WinEventError;
use crate::event::Record;
use crate::timestamp::Timestamp;
use expression::Step;

/// A compiled XPath expression of the language of event queries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    source: String,
    /// The step for the element `Event`, and those after it.
    steps: Vec<Step>,
    /// Source ranges of the parts, by their numbers.
    parts: Vec<std::ops::Range<usize>>,
    conditions: usize,
}

impl Query {
    /// Compiles an expression such as `*[System[EventID=4624]]`. Texts are compared with their case.
    ///
    /// # Errors
    /// [`WinEventError::Query`] with position and reason, or [`WinEventError::Limit`] if the expression exceeds
    /// a bound: [`MAX_EXPRESSION`], [`MAX_DEPTH`], [`MAX_CONDITIONS`] or [`MAX_STEPS`].
    pub fn parse(expression: &str) -> Result<Self, WinEventError> {
        Self::parse_with(expression, StringCase::Sensitive)
    }

    /// Compiles an expression as [`Query::parse`] does, and compares texts as selected.
    ///
    /// # Errors
    /// As for [`Query::parse`].
    pub fn parse_with(expression: &str, case: StringCase) -> Result<Self, WinEventError> {
        let parse::Compiled { steps, parts, conditions } = parse::parse(expression, case)?;
        Ok(Self { source: expression.to_owned(), steps, parts, conditions })
    }

    /// Returns the expression as written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns the number of conditions: comparisons, functions, and paths without predicates.
    #[must_use]
    pub fn condition_count(&self) -> usize {
        self.conditions
    }

    /// Returns whether the expression selects the event. `now` is the time for `timediff()`.
    #[must_use]
    pub fn is_match(&self, record: &Record, now: Timestamp) -> bool {
        evaluate::Evaluator::new(now).selects(&self.steps, record.root())
    }

    /// Returns whether the expression selects the event, and the verdict of each of its parts.
    #[must_use]
    pub fn explain(&self, record: &Record, now: Timestamp) -> (bool, Vec<PartVerdict<'_>>) {
        let mut evaluator = evaluate::Evaluator::tracing(now, self.parts.len());
        let is_match = evaluator.selects(&self.steps, record.root());
        let verdicts = evaluator.into_verdicts().into_iter().zip(&self.parts);
        let parts = verdicts.map(|(verdict, range)| PartVerdict {
            text: self.source.get(range.clone()).unwrap_or_default(),
            at: range.start,
            verdict,
        });
        (is_match, parts.collect())
    }
}
