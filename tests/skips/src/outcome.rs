//! Results of a test run, read from what the test runners write.

use std::collections::BTreeSet;

/// Counts of one or several runs.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Tests that ran without a failure, including those that skipped themselves.
    pub passed: usize,
    /// Tests that failed, crashed or were ended by the runner.
    pub failed: usize,
    /// Tests marked `#[ignore]`.
    pub ignored: usize,
    /// Names of tests that failed at first and passed when they were repeated. They count as passed.
    pub unstable: BTreeSet<String>,
    /// Names of failed tests, as far as the runner gives them; `cargo test` gives them without a package.
    pub failures: BTreeSet<String>,
}

impl Outcome {
    /// Adds the results of nextest, written as JUnit XML.
    ///
    /// nextest writes each element on a line of its own and escapes `<` in the output of tests.
    pub fn add_junit(&mut self, text: &str) {
        let mut case = None;
        for line in text.lines().map(str::trim_start) {
            if line.starts_with("<testcase ") {
                case = name_of_case(line);
                self.passed += 1;
            } else if line.starts_with("<flakyFailure") || line.starts_with("<flakyError") {
                self.unstable.extend(case.clone());
            } else if line.starts_with("<failure") || line.starts_with("<error") {
                // A test has one of either at most; `take` counts it once in any case.
                if let Some(name) = case.take() {
                    self.passed -= 1;
                    self.failed += 1;
                    self.failures.insert(name);
                }
            }
        }
    }

    /// Adds the results of `cargo test`: its lines `test NAME ... FAILED` and `test result: …`.
    pub fn add_libtest(&mut self, text: &str) {
        for line in text.lines() {
            if let Some(result) = line.strip_prefix("test result: ") {
                self.passed += count(result, " passed");
                self.failed += count(result, " failed");
                self.ignored += count(result, " ignored");
            } else if let Some(name) = line.strip_prefix("test ").and_then(|l| l.strip_suffix(" ... FAILED"))
            {
                self.failures.insert(name.to_owned());
            }
        }
    }

    /// Returns whether a test failed; its name is given with the package.
    #[must_use]
    pub fn has_failed(&self, test: &str) -> bool {
        let bare = test.split_once(' ').map_or(test, |(_, name)| name);
        self.failures.contains(test) || self.failures.contains(bare)
    }
}

/// Package and test of `<testcase name="audit::x" classname="telarchd::it" …>`.
fn name_of_case(line: &str) -> Option<String> {
    let binary = attribute(line, " classname=\"")?;
    let package = binary.split_once("::").map_or(binary, |(package, _)| package);
    Some(format!("{package} {}", attribute(line, " name=\"")?))
}

fn attribute<'l>(line: &'l str, begin: &str) -> Option<&'l str> {
    Some(line.split_once(begin)?.1.split_once('"')?.0)
}

/// The number in front of a word, as 3 in `ok. 3 passed; 0 failed`.
fn count(result: &str, word: &str) -> usize {
    let number = result.split_once(word).and_then(|(before, _)| before.rsplit(' ').next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_of_nextest_is_counted() {
        let mut outcome = Outcome::default();
        outcome.add_junit(
            r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="nextest-run" tests="3" failures="1" errors="0" uuid="0" time="0.3">
    <testsuite name="telarchd::it" tests="2" disabled="0" errors="0" failures="1">
        <testcase name="audit::x" classname="telarchd::it" timestamp="2026-11-22T00:00:00+00:00" time="0.1">
        </testcase>
        <testcase name="audit::y" classname="telarchd::it" timestamp="2026-11-22T00:00:00+00:00" time="0.1">
            <failure type="test failure with exit code 101">it said &lt;testcase name="z" classname="z"&gt;</failure>
            <system-out>2 passed</system-out>
        </testcase>
    </testsuite>
    <testsuite name="telarch-auth" tests="1" disabled="0" errors="0" failures="0">
        <testcase name="z" classname="telarch-auth" time="0.1"/>
    </testsuite>
</testsuites>"#,
        );
        assert_eq!((outcome.passed, outcome.failed, outcome.ignored), (2, 1, 0));
        assert!(outcome.has_failed("telarchd audit::y") && !outcome.has_failed("telarchd audit::x"));
        assert!(outcome.unstable.is_empty());
    }

    #[test]
    fn a_test_that_passed_when_repeated_counts_as_passed_and_unstable() {
        let mut outcome = Outcome::default();
        outcome.add_junit(
            r#"
        <testcase name="audit::x" classname="telarchd::it" time="0.1">
            <flakyFailure timestamp="2026-11-22T00:00:00+00:00" time="0.1" type="test failure with exit code 101">
            </flakyFailure>
        </testcase>
        <testcase name="audit::y" classname="telarchd::it" time="0.1">
            <failure type="test failure with exit code 101">panicked</failure>
            <rerunFailure type="test failure with exit code 101">panicked</rerunFailure>
        </testcase>"#,
        );
        assert_eq!((outcome.passed, outcome.failed), (1, 1));
        assert_eq!(outcome.unstable.into_iter().collect::<Vec<_>>(), ["telarchd audit::x"]);
    }

    #[test]
    fn the_output_of_cargo_test_is_counted() {
        let mut outcome = Outcome::default();
        outcome.add_libtest(
            "running 3 tests\n\
             test a::b ... ok\n\
             test a::c ... FAILED\n\
             test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s\n\
             test result: ok. 40 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s\n",
        );
        assert_eq!((outcome.passed, outcome.failed, outcome.ignored), (41, 1, 1));
        assert!(outcome.has_failed("telarch-x a::c"));
    }
}
