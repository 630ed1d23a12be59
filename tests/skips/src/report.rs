//! The report after a test run: skipped tests with their reasons, and the closing line.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::outcome::Outcome;
use crate::{Extent, Skip};

/// A skip that is known and accepted: a line of `tests/expected-skips`.
#[derive(Debug, PartialEq, Eq)]
pub struct Expected {
    /// Package and test, where `*` stands for any text.
    test: String,
    /// Reason, where `*` stands for any text.
    reason: String,
}

/// A line of the list that has no reason.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Number of the line, from 1.
    pub line: usize,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: expected `package test: reason`", self.line)
    }
}

impl Expected {
    /// Parses the list: `package test: reason` on each line, `#` begins a comment line.
    ///
    /// # Errors
    /// The first line without a reason.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, Malformed> {
        let lines = (1..).zip(text.lines().map(str::trim));
        let entries = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        entries
            .map(|(number, line)| {
                let (test, reason) = line.split_once(": ").ok_or(Malformed { line: number })?;
                Ok(Self { test: test.to_owned(), reason: reason.trim_start().to_owned() })
            })
            .collect()
    }

    fn covers(&self, skip: &Skip) -> bool {
        matches(&self.test, &skip.test) && matches(&self.reason, &skip.reason)
    }
}

/// The report of a test run.
#[derive(Debug)]
pub struct Report {
    skips: BTreeSet<Skip>,
    outcome: Outcome,
}

impl Report {
    /// Combines the recorded skips with the counts of the test runner.
    #[must_use]
    pub fn new(skips: BTreeSet<Skip>, outcome: Outcome) -> Self {
        Self { skips, outcome }
    }

    /// Skips that no entry of the list covers.
    pub fn unexpected<'r>(&'r self, expected: &'r [Expected]) -> impl Iterator<Item = &'r Skip> {
        self.skips.iter().filter(|skip| !expected.iter().any(|entry| entry.covers(skip)))
    }

    /// Entries of the list that cover no skip of this run.
    pub fn unused<'r>(&'r self, expected: &'r [Expected]) -> impl Iterator<Item = &'r Expected> {
        expected.iter().filter(|entry| !self.skips.iter().any(|skip| entry.covers(skip)))
    }

    /// `N passed, N failed, N skipped`. A test that skipped itself as a whole is not counted as passed.
    #[must_use]
    pub fn closing_line(&self) -> String {
        let skipped = self.skipped().filter(|test| !self.outcome.has_failed(test)).count();
        let Outcome { passed, failed, ignored, .. } = self.outcome;
        format!("{} passed, {failed} failed, {} skipped", passed.saturating_sub(skipped), skipped + ignored)
    }

    /// Returns whether more tests were unstable than one run may have.
    #[must_use]
    pub fn is_too_unstable(&self) -> bool {
        self.outcome.unstable.len() > MOST_UNSTABLE
    }

    fn skipped(&self) -> impl Iterator<Item = &str> {
        let whole = self.skips.iter().filter(|skip| skip.extent == Extent::Whole);
        whole.map(|skip| skip.test.as_str()).collect::<BTreeSet<_>>().into_iter()
    }
}

/// Maximum number of unstable tests in a run.
const MOST_UNSTABLE: usize = 3;

/// Lists the unstable tests, and the skipped ones with their reasons.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.outcome.unstable.is_empty() {
            writeln!(f, "failed at first and passed when repeated: {}", self.outcome.unstable.len())?;
            for test in &self.outcome.unstable {
                writeln!(f, "    {test}")?;
            }
        }
        let mut by_reason: BTreeMap<(Extent, &str), Vec<&str>> = BTreeMap::new();
        for skip in &self.skips {
            by_reason.entry((skip.extent, &skip.reason)).or_default().push(&skip.test);
        }
        if by_reason.is_empty() {
            return writeln!(f, "skipped tests: none");
        }
        writeln!(f, "skipped tests: {}", self.skipped().count() + self.outcome.ignored)?;
        if self.outcome.ignored > 0 {
            writeln!(f, "  {} marked #[ignore] or `ignore`", self.outcome.ignored)?;
        }
        for ((extent, reason), tests) in by_reason {
            writeln!(f, "  {}{reason}", if extent == Extent::Part { "in part: " } else { "" })?;
            for test in tests {
                writeln!(f, "    {test}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.test, self.reason)
    }
}

/// Returns whether a pattern with `*` for any text matches all of a text.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((begin, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(begin) else { return false };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let end = pieces.pop().unwrap_or_default();
    for piece in pieces {
        let Some((_, after)) = text.split_once(piece) else { return false };
        text = after;
    }
    text.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEDGER: &str = "a x::one\tthere is no dog\n\
                          a x::two\tin part: there is no dog\n\
                          b y::three\tthere is no cat here\n\
                          b y::three\tthere is no mouse\n";

    fn report(passed: usize, failures: &[&str]) -> Report {
        let failures: BTreeSet<String> = failures.iter().map(|name| (*name).to_owned()).collect();
        let outcome = Outcome { passed, failed: failures.len(), failures, ..Outcome::default() };
        Report::new(Skip::parse_all(LEDGER), outcome)
    }

    #[test]
    fn a_test_that_skipped_itself_is_not_counted_as_passed() {
        assert_eq!(report(10, &[]).closing_line(), "8 passed, 0 failed, 2 skipped");
    }

    #[test]
    fn a_test_that_failed_after_a_skip_counts_as_failed() {
        assert_eq!(report(9, &["a x::one"]).closing_line(), "8 passed, 1 failed, 1 skipped");
    }

    #[test]
    fn skips_are_listed_by_their_reasons() {
        let expected = "skipped tests: 2\n  \
                        there is no cat here\n    b y::three\n  \
                        there is no dog\n    a x::one\n  \
                        there is no mouse\n    b y::three\n  \
                        in part: there is no dog\n    a x::two\n";
        assert_eq!(report(10, &[]).to_string(), expected);
    }

    #[test]
    fn unstable_tests_are_listed_and_few_are_accepted() {
        for (count, is_accepted) in [(1, true), (3, true), (4, false)] {
            let unstable = (0..count).map(|number| format!("a x::test_{number}")).collect();
            let report = Report::new(BTreeSet::new(), Outcome { unstable, ..Outcome::default() });
            assert_eq!(!report.is_too_unstable(), is_accepted, "{count}");
            let begin = format!("failed at first and passed when repeated: {count}\n    a x::test_0\n");
            assert!(report.to_string().starts_with(&begin), "{report}");
        }
    }

    #[test]
    fn a_skip_is_expected_if_its_test_and_its_reason_are_on_the_list() {
        let list =
            "# the pound is closed\na x::*: there is no dog\n\nb y::three: *cat*\nc *: there is no *\n";
        let expected = Expected::parse_all(list).unwrap();
        let report = report(10, &[]);
        let unexpected: Vec<_> = report.unexpected(&expected).map(|skip| skip.reason.as_str()).collect();
        assert_eq!(unexpected, ["there is no mouse"]);
        let unused: Vec<_> = report.unused(&expected).map(ToString::to_string).collect();
        assert_eq!(unused, ["c *: there is no *"]);
    }

    #[test]
    fn a_line_of_the_list_needs_a_reason() {
        assert_eq!(Expected::parse_all("# comment\na x::one\n"), Err(Malformed { line: 2 }));
    }

    #[test]
    fn patterns_match_the_whole_text() {
        for (pattern, text, expected) in [
            ("ab", "ab", true),
            ("ab", "abc", false),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "a1c2b", false),
            ("a*bc*bc", "abc", false),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
