//! Runs checks with time limits and skips checks that depend on a failed one.

use std::future::Future;
use std::io;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::finding::Outcome;
use super::{Check, Finding, FindingSink, Verdict};

/// A sequence of checks in progress.
pub(super) struct CheckRunner<'r> {
    sink: &'r mut dyn FindingSink,
    /// Time limit of every check; `None` for the default of each check.
    limit: Option<Duration>,
    /// Checks that failed or were skipped because of a failure, each with the check that failed.
    unusable: Vec<(Check, Check)>,
}

/// Time limit of a check, and its outcome if the check exceeds it.
pub(super) struct Limit {
    pub(super) after: Duration,
    pub(super) late: Outcome,
}

impl<'r> CheckRunner<'r> {
    pub(super) fn new(sink: &'r mut dyn FindingSink, limit: Option<Duration>) -> Self {
        Self { sink, limit, unusable: Vec::new() }
    }

    /// Runs a check, unless one of the checks that it `needs` has failed. Returns the data of the check, or `None` if it
    /// failed or was skipped.
    pub(super) async fn run<T>(
        &mut self,
        check: Check,
        needs: &[Check],
        limit: Limit,
        work: impl Future<Output = (Outcome, Option<T>)>,
    ) -> io::Result<Option<T>> {
        if self.failed(needs).is_some() {
            return self.skip(check, needs, "").map(|()| None);
        }
        let begun = Instant::now();
        let after = self.limit.unwrap_or(limit.after);
        let (outcome, data) = timeout(after, work).await.unwrap_or((limit.late, None));
        let is_failed = outcome.verdict == Verdict::Fail;
        if is_failed {
            self.unusable.push((check, check));
        }
        self.add(check, outcome, begun.elapsed())?;
        Ok(data.filter(|_| !is_failed))
    }

    /// Records a check as skipped: because of a failure among `needs`, or otherwise for `reason`.
    pub(super) fn skip(&mut self, check: Check, needs: &[Check], reason: &str) -> io::Result<()> {
        let Some(failed) = self.failed(needs) else {
            return self.add(check, Outcome::skip(reason), Duration::ZERO);
        };
        self.unusable.push((check, failed));
        self.add(check, Outcome::skip(format!("{} failed", failed.name())), Duration::ZERO)
    }

    /// Records an outcome that is already known.
    pub(super) fn record(&mut self, check: Check, outcome: Outcome) -> io::Result<()> {
        if outcome.verdict == Verdict::Fail {
            self.unusable.push((check, check));
        }
        self.add(check, outcome, Duration::ZERO)
    }

    /// Returns the failed check because of which one of `needs` failed or was skipped.
    pub(super) fn failed(&self, needs: &[Check]) -> Option<Check> {
        self.unusable.iter().find(|(check, _)| needs.contains(check)).map(|(_, failed)| *failed)
    }

    fn add(&mut self, check: Check, outcome: Outcome, elapsed: Duration) -> io::Result<()> {
        let Outcome { verdict, seen, fixes, kind } = outcome;
        self.sink.add(Finding { check, verdict, seen, fixes, kind, elapsed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Kind;

    #[derive(Default)]
    struct Notes(Vec<(Check, Verdict, String)>);

    impl FindingSink for Notes {
        fn add(&mut self, finding: Finding) -> io::Result<()> {
            self.0.push((finding.check, finding.verdict, finding.seen));
            Ok(())
        }
    }

    fn limit() -> Limit {
        Limit { after: Duration::from_secs(1), late: Outcome::fail(Kind::Timeout, "too late") }
    }

    #[tokio::test(start_paused = true)]
    async fn checks_that_depend_on_a_failure_are_skipped() {
        let mut notes = Notes::default();
        let mut runner = CheckRunner::new(&mut notes, None);
        let fail = async { (Outcome::fail(Kind::Connect, "no"), Some(1)) };
        let forever = std::future::pending::<(Outcome, Option<()>)>();
        assert_eq!(runner.run(Check::Port, &[], limit(), fail).await.expect("added"), None);
        for (check, needed) in [(Check::Tls, Check::Port), (Check::Shell, Check::Tls)] {
            let skipped = async { panic!("the check must not run") };
            assert_eq!(runner.run::<()>(check, &[needed], limit(), skipped).await.expect("added"), None);
        }
        runner.run(Check::Clock, &[Check::Name], limit(), forever).await.expect("added");
        let expected = [
            (Check::Port, Verdict::Fail, "no"),
            (Check::Tls, Verdict::Skipped, "port failed"),
            (Check::Shell, Verdict::Skipped, "port failed"),
            (Check::Clock, Verdict::Fail, "too late"),
        ];
        assert_eq!(notes.0, expected.map(|(check, verdict, seen)| (check, verdict, seen.to_owned())));
    }
}
