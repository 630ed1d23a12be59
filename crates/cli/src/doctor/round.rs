//! The row of checks: each with its limit, and skipped where something before it has failed.

use std::future::Future;
use std::io;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::finding::Outcome;
use super::{Audience, Check, Finding, Verdict};

/// A round of checks under way.
pub(super) struct Round<'r> {
    audience: &'r mut dyn Audience,
    /// How long each check may take, if that was said.
    limit: Option<Duration>,
    /// What has failed, and what could not be looked at because of it, with what has failed.
    shut: Vec<(Check, Check)>,
}

/// How long a check may take, and what it means if it takes longer.
pub(super) struct Limit {
    pub(super) after: Duration,
    pub(super) late: Outcome,
}

impl<'r> Round<'r> {
    pub(super) fn new(audience: &'r mut dyn Audience, limit: Option<Duration>) -> Self {
        Self { audience, limit, shut: Vec::new() }
    }

    /// Looks, if what it `needs` has not failed; returns what was learnt unless it failed.
    pub(super) async fn look<T>(
        &mut self,
        check: Check,
        needs: &[Check],
        limit: Limit,
        looking: impl Future<Output = (Outcome, Option<T>)>,
    ) -> io::Result<Option<T>> {
        if self.failed(needs).is_some() {
            return self.skip(check, needs, "").map(|()| None);
        }
        let begun = Instant::now();
        let after = self.limit.unwrap_or(limit.after);
        let (outcome, learnt) = timeout(after, looking).await.unwrap_or((limit.late, None));
        let is_failed = outcome.verdict == Verdict::Fail;
        if is_failed {
            self.shut.push((check, check));
        }
        self.tell(check, outcome, begun.elapsed())?;
        Ok(learnt.filter(|_| !is_failed))
    }

    /// Says that nothing was looked at: because of what has failed among `needs`, or else `why`.
    pub(super) fn skip(&mut self, check: Check, needs: &[Check], why: &str) -> io::Result<()> {
        let Some(failed) = self.failed(needs) else {
            return self.tell(check, Outcome::skip(why), Duration::ZERO);
        };
        self.shut.push((check, failed));
        self.tell(check, Outcome::skip(format!("{} has failed", failed.name())), Duration::ZERO)
    }

    /// Says what is known already.
    pub(super) fn note(&mut self, check: Check, outcome: Outcome) -> io::Result<()> {
        if outcome.verdict == Verdict::Fail {
            self.shut.push((check, check));
        }
        self.tell(check, outcome, Duration::ZERO)
    }

    /// What has failed of these, or of what they needed.
    pub(super) fn failed(&self, needs: &[Check]) -> Option<Check> {
        self.shut.iter().find(|(shut, _)| needs.contains(shut)).map(|(_, failed)| *failed)
    }

    fn tell(&mut self, check: Check, outcome: Outcome, elapsed: Duration) -> io::Result<()> {
        let Outcome { verdict, seen, fixes, kind } = outcome;
        self.audience.hear(Finding { check, verdict, seen, fixes, kind, elapsed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Kind;

    #[derive(Default)]
    struct Notes(Vec<(Check, Verdict, String)>);

    impl Audience for Notes {
        fn hear(&mut self, finding: Finding) -> io::Result<()> {
            self.0.push((finding.check, finding.verdict, finding.seen));
            Ok(())
        }
    }

    fn limit() -> Limit {
        Limit { after: Duration::from_secs(1), late: Outcome::fail(Kind::Timeout, "too late") }
    }

    #[tokio::test(start_paused = true)]
    async fn what_hangs_on_a_failure_is_skipped_with_its_name_and_the_rest_goes_on() {
        let mut notes = Notes::default();
        let mut round = Round::new(&mut notes, None);
        let fail = async { (Outcome::fail(Kind::Connect, "no"), Some(1)) };
        let unseen = async { panic!("it must not be looked at") };
        let forever = std::future::pending::<(Outcome, Option<()>)>();
        assert_eq!(round.look(Check::Port, &[], limit(), fail).await.expect("told"), None);
        assert_eq!(round.look::<()>(Check::Tls, &[Check::Port], limit(), unseen).await.expect("told"), None);
        let unseen = async { panic!("it must not be looked at") };
        assert_eq!(round.look::<()>(Check::Shell, &[Check::Tls], limit(), unseen).await.expect("told"), None);
        round.look(Check::Clock, &[Check::Name], limit(), forever).await.expect("told");
        let expected = [
            (Check::Port, Verdict::Fail, "no"),
            (Check::Tls, Verdict::Skipped, "port has failed"),
            (Check::Shell, Verdict::Skipped, "port has failed"),
            (Check::Clock, Verdict::Fail, "too late"),
        ];
        assert_eq!(notes.0, expected.map(|(check, verdict, seen)| (check, verdict, seen.to_owned())));
    }
}
