//! Query lists: rules that select and suppress events of channels.

use std::collections::BTreeSet;

use xml::{Bounds, Document, Element};

use super::explain::{Action, Explanation, RuleVerdict};
use super::{Query, StringCase};
use crate::error::{WinEventError, quote};
use crate::event::Record;
use crate::timestamp::Timestamp;

/// Maximum length of a query list in bytes.
pub const MAX_LIST: usize = 256 << 10;
/// Maximum number of different channels of a query list.
pub const MAX_CHANNELS: usize = 256;
/// Maximum number of rules of a query list.
const MAX_RULES: usize = 1_024;
/// Maximum number of conditions of an expression outside a query list.
const MAX_PLAIN_CONDITIONS: usize = 20;
/// Prefix of paths that name files instead of channels.
const FILE: &str = "file://";

/// A compiled query list (MS-EVEN6 2.2.16).
///
/// An event is selected if any query selects it: if a `Select` of the query matches in the channel of the
/// event, and no `Suppress` of the same query does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryList {
    /// INVARIANT: not empty.
    queries: Vec<Entry>,
}

/// One query of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    id: Option<u64>,
    /// INVARIANT: not empty.
    selects: Vec<Rule>,
    suppresses: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    path: String,
    query: Query,
}

impl Rule {
    fn is_in(&self, channel: &str) -> bool {
        self.path.eq_ignore_ascii_case(channel)
    }
}

impl QueryList {
    /// Parses and compiles the XML of a query list. Texts are compared with their case.
    ///
    /// # Errors
    /// [`WinEventError`] if the XML or an expression is not valid, if a bound is exceeded, if a rule has no
    /// path, if a query has no `Select`, if a `Suppress` has no `Select` for its path, if one of several
    /// queries has no `Id` or that of another, or if files and channels are mixed.
    pub fn parse(text: &str) -> Result<Self, WinEventError> {
        Self::parse_with(text, StringCase::Sensitive)
    }

    /// Parses and compiles as [`QueryList::parse`] does, and compares texts as selected.
    ///
    /// # Errors
    /// As for [`QueryList::parse`].
    pub fn parse_with(text: &str, case: StringCase) -> Result<Self, WinEventError> {
        if text.len() > MAX_LIST {
            return Err(WinEventError::Limit { bound: "bytes of a query list", maximum: MAX_LIST });
        }
        let bounds = Bounds { octets: MAX_LIST, depth: 8, ..Bounds::default() };
        let document = Document::parse(text.trim(), &bounds)?;
        let root = document.root();
        if root.name() != "QueryList" {
            return Err(WinEventError::WrongRoot { expected: "QueryList", found: quote(root.name()) });
        }
        let mut rules = 0;
        let queries = root.children().map(|element| Entry::read(element, case, &mut rules));
        let list = Self { queries: queries.collect::<Result<_, _>>()? };
        list.check()?;
        Ok(list)
    }

    /// Returns the list of one expression for one channel.
    ///
    /// # Errors
    /// [`WinEventError`] if the expression is not valid or has more than 20 conditions, which are allowed in
    /// the XML of a query list only.
    pub fn of_expression(channel: &str, expression: &str) -> Result<Self, WinEventError> {
        let query = Query::parse(expression)?;
        if query.condition_count() > MAX_PLAIN_CONDITIONS {
            let bound = "conditions of an expression outside a QueryList";
            return Err(WinEventError::Limit { bound, maximum: MAX_PLAIN_CONDITIONS });
        }
        let rule = Rule { path: path("Path", channel)?, query };
        Ok(Self { queries: vec![Entry { id: None, selects: vec![rule], suppresses: Vec::new() }] })
    }

    fn check(&self) -> Result<(), WinEventError> {
        if self.queries.is_empty() {
            return Err(WinEventError::Missing { field: "Query" });
        }
        let mut ids = BTreeSet::new();
        for query in &self.queries {
            match query.id {
                Some(id) if !ids.insert(id) => return Err(WinEventError::Duplicate { field: "Id of Query" }),
                None if self.queries.len() > 1 => {
                    return Err(WinEventError::Missing { field: "Id of one of several queries" });
                }
                _ => {}
            }
        }
        let paths = self.paths();
        if paths.len() > MAX_CHANNELS {
            return Err(WinEventError::Limit { bound: "channels of a query list", maximum: MAX_CHANNELS });
        }
        let files = paths.iter().filter(|path| is_file(path)).count();
        if files > 0 && files < paths.len() {
            let found = paths.first().map(String::as_str).unwrap_or_default();
            return Err(WinEventError::value("Path", found, "only channels, or only paths with file://"));
        }
        Ok(())
    }

    /// Returns the channels (or files) of all `Select`, each once, sorted, in lower case.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        let paths: BTreeSet<String> = self
            .queries
            .iter()
            .flat_map(|query| &query.selects)
            .map(|rule| rule.path.to_ascii_lowercase())
            .collect();
        paths.into_iter().collect()
    }

    /// Returns whether the list selects an event of the channel that the event names. `now` is the time for
    /// `timediff()`. An event without a channel is not selected.
    #[must_use]
    pub fn is_selected(&self, record: &Record, now: Timestamp) -> bool {
        record.channel().is_some_and(|channel| self.is_selected_in(&channel, record, now))
    }

    /// Returns whether the list selects an event of a log that may have another name than the channel in the
    /// event, such as `ForwardedEvents`.
    #[must_use]
    pub fn is_selected_in(&self, log: &str, record: &Record, now: Timestamp) -> bool {
        let matches =
            |rules: &[Rule]| rules.iter().any(|rule| rule.is_in(log) && rule.query.is_match(record, now));
        self.queries.iter().any(|query| matches(&query.selects) && !matches(&query.suppresses))
    }

    /// Returns whether the list selects the event, and which rules and which of their parts matched.
    #[must_use]
    pub fn explain(&self, record: &Record, now: Timestamp) -> Explanation<'_> {
        let channel = record.channel().unwrap_or_default();
        self.explain_in(&[channel.as_ref()], record, now)
    }

    /// Explains the list, as [`explain`](Self::explain) does, for an event of logs that may have other names than the
    /// channel in the event.
    #[must_use]
    pub fn explain_in(&self, logs: &[&str], record: &Record, now: Timestamp) -> Explanation<'_> {
        let mut explanation = Explanation { is_selected: false, rules: Vec::new() };
        for query in &self.queries {
            let first = explanation.rules.len();
            for (action, rules) in [(Action::Select, &query.selects), (Action::Suppress, &query.suppresses)] {
                for rule in rules {
                    let is_in_channel = logs.iter().any(|log| rule.is_in(log));
                    let (matches, parts) =
                        if is_in_channel { rule.query.explain(record, now) } else { (false, Vec::new()) };
                    explanation.rules.push(RuleVerdict {
                        query: query.id,
                        action,
                        path: &rule.path,
                        expression: rule.query.source(),
                        is_in_channel,
                        is_match: matches,
                        parts,
                    });
                }
            }
            let mut verdicts = explanation.rules.iter().skip(first);
            let is_selected = verdicts.clone().any(|rule| rule.action == Action::Select && rule.is_match)
                && !verdicts.any(|rule| rule.action == Action::Suppress && rule.is_match);
            explanation.is_selected |= is_selected;
        }
        explanation
    }
}

impl Entry {
    fn read(element: Element<'_>, case: StringCase, rules: &mut usize) -> Result<Self, WinEventError> {
        if element.name() != "Query" {
            let found = element.name();
            return Err(WinEventError::value("element of QueryList", found, "Query"));
        }
        let id = element.attribute("", "Id");
        let id = id.map(|id| id.trim().parse().map_err(|_| WinEventError::value("Id", &id, "a number")));
        let mut entry = Self { id: id.transpose()?, selects: Vec::new(), suppresses: Vec::new() };
        let default = element.attribute("", "Path");
        for child in element.children() {
            *rules += 1;
            if *rules > MAX_RULES {
                return Err(WinEventError::Limit { bound: "rules of a query list", maximum: MAX_RULES });
            }
            let list = match child.name() {
                "Select" => &mut entry.selects,
                "Suppress" => &mut entry.suppresses,
                other => {
                    return Err(WinEventError::value("element of Query", other, "Select or Suppress"));
                }
            };
            let own = child.attribute("", "Path").or_else(|| default.clone());
            let path = path("Path", &own.unwrap_or_default())?;
            list.push(Rule { path, query: Query::parse_with(child.text().trim(), case)? });
        }
        if entry.selects.is_empty() {
            return Err(WinEventError::Missing { field: "Select" });
        }
        let is_selected = |rule: &Rule| entry.selects.iter().any(|select| select.is_in(&rule.path));
        match entry.suppresses.iter().find(|rule| !is_selected(rule)) {
            Some(rule) => {
                let expected = "a path that a Select of the same Query has";
                Err(WinEventError::value("Path of Suppress", &rule.path, expected))
            }
            None => Ok(entry),
        }
    }
}

/// Checks the name of a channel or file.
fn path(field: &'static str, text: &str) -> Result<String, WinEventError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(WinEventError::Missing { field });
    }
    if text.len() > 1_024 || text.contains(char::is_control) {
        return Err(WinEventError::value(field, text, "a channel of up to 1024 bytes"));
    }
    Ok(text.to_owned())
}

fn is_file(path: &str) -> bool {
    path.get(..FILE.len()).is_some_and(|start| start.eq_ignore_ascii_case(FILE))
}
