//! The count of failures: a value that is told what happened and when.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::{Duration, Instant};

use auth::account_file::AccountName;

use super::LockoutPolicy;
use limits::Origin;

/// What is remembered of names and sources.
#[derive(Debug)]
pub(super) struct Ledger {
    policy: LockoutPolicy,
    /// INVARIANT: beyond [`MAX_REMEMBERED`] only names with an attempt that is being judged.
    names: HashMap<String, Name>,
    /// INVARIANT: as for `names`.
    sources: HashMap<Origin, Source>,
}

/// Whether an attempt may be judged.
#[derive(Debug)]
pub(super) enum Admission {
    /// It may; the ticket must come back with the outcome.
    Admitted(Ticket),
    /// Perhaps, once the attempts being judged have their outcome.
    Wait,
    /// There were too many failures for the name.
    NameLocked,
    /// There were too many failures from the source.
    SourceExhausted,
}

/// An attempt that is being judged.
#[derive(Debug)]
pub(super) struct Ticket {
    /// None if it is not about a name.
    name: Option<String>,
    origin: Origin,
    cost: u32,
}

/// How an attempt was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The password was right.
    Success,
    /// It was wrong.
    Failure,
    /// Nobody could say.
    Unknown,
}

#[derive(Debug, Default)]
struct Name {
    /// INVARIANT: in the order of time, at most as many as lock a name.
    failures: VecDeque<(Instant, Origin)>,
    locked_until: Option<Instant>,
    /// Attempts that are being judged.
    open: usize,
}

/// A bucket of tokens, of which a failure takes some; told by the time at which it will be full again.
#[derive(Debug, Default)]
struct Source {
    full_at: Option<Instant>,
    /// What the attempts that are being judged would cost.
    open: u32,
}

impl Ledger {
    pub(super) fn new(policy: LockoutPolicy) -> Self {
        let slowed = policy.slowed.iter().map(|name| key(name)).collect();
        let (failures, burst) = (policy.failures.max(1), policy.burst.max(1));
        let policy = LockoutPolicy { slowed, failures, burst, ..policy };
        Self { policy, names: HashMap::new(), sources: HashMap::new() }
    }

    pub(super) fn admit(&mut self, user: Option<&str>, origin: Origin, now: Instant) -> Admission {
        let policy = &self.policy;
        let key = user.map(key);
        let is_slowed = key.as_ref().is_some_and(|key| policy.slowed.contains(key));
        let (failures, open) = match key.as_ref().and_then(|key| self.names.get_mut(key)) {
            Some(name) => {
                name.forget(policy, now);
                if name.locked_until.is_some() {
                    return Admission::NameLocked;
                }
                (name.failures.len(), name.open)
            }
            None => (0, 0),
        };
        let cost = if is_slowed && failures >= policy.failures { policy.slowdown.max(1) } else { 1 };
        // A bucket must hold what one attempt costs, or it could never be made.
        let burst = policy.recovery.saturating_mul(policy.burst.max(cost));
        let (owed, pending) =
            self.sources.get(&origin).map_or((Duration::ZERO, 0), |source| (source.owed(now), source.open));
        let fits = |cost: u32| owed.saturating_add(policy.recovery.saturating_mul(cost)) <= burst;
        if !fits(cost) {
            return Admission::SourceExhausted;
        }
        if !fits(pending.saturating_add(cost)) || (!is_slowed && failures + open >= policy.failures) {
            return Admission::Wait;
        }
        self.make_room(now);
        if let Some(key) = &key {
            self.names.entry(key.clone()).or_default().open += 1;
        }
        self.sources.entry(origin).or_default().open += cost;
        Admission::Admitted(Ticket { name: key, origin, cost })
    }

    /// Counts the outcome of an attempt; returns the name if it is locked from now on.
    pub(super) fn settle(&mut self, ticket: Ticket, outcome: Outcome, now: Instant) -> Option<String> {
        let Ticket { name: key, origin, cost } = ticket;
        let source = self.sources.entry(origin).or_default();
        source.open = source.open.saturating_sub(cost);
        if outcome != Outcome::Success {
            let full_at = source.full_at.filter(|at| *at > now).unwrap_or(now);
            source.full_at = full_at.checked_add(self.policy.recovery.saturating_mul(cost));
        }
        if source.open == 0 && source.owed(now).is_zero() {
            self.sources.remove(&origin);
        }

        let key = key?;
        let name = self.names.entry(key.clone()).or_default();
        name.open = name.open.saturating_sub(1);
        let mut is_locked = false;
        match outcome {
            Outcome::Success => name.failures.retain(|(_, from)| *from != origin),
            Outcome::Failure => {
                name.forget(&self.policy, now);
                if name.failures.len() >= self.policy.failures {
                    name.failures.pop_front();
                }
                name.failures.push_back((now, origin));
                is_locked = name.failures.len() >= self.policy.failures && !self.policy.slowed.contains(&key);
                if is_locked {
                    name.locked_until = now.checked_add(self.policy.lock);
                }
            }
            Outcome::Unknown => {}
        }
        if name.is_blank() {
            self.names.remove(&key);
        }
        is_locked.then_some(key)
    }

    /// Forgets what no longer counts, and if that is not enough a quarter of all: those who failed least.
    fn make_room(&mut self, now: Instant) {
        if self.names.len() >= MAX_REMEMBERED {
            let policy = &self.policy;
            self.names.retain(|_, name| {
                name.forget(policy, now);
                !name.is_blank()
            });
            keep_worst(&mut self.names, |name| {
                let last = name.failures.back().map(|(at, _)| *at);
                (name.open > 0, (name.locked_until.is_some(), name.failures.len(), last))
            });
        }
        if self.sources.len() >= MAX_REMEMBERED {
            self.sources.retain(|_, source| source.open > 0 || !source.owed(now).is_zero());
            keep_worst(&mut self.sources, |source| (source.open > 0, source.full_at));
        }
    }
}

/// Drops a quarter of too many, but none whose rank begins with `true`.
fn keep_worst<K, V, R>(remembered: &mut HashMap<K, V>, rank: impl Fn(&V) -> (bool, R))
where
    K: Clone + Eq + Hash,
    (bool, R): Ord,
{
    if remembered.len() < MAX_REMEMBERED {
        return;
    }
    let mut ranked: Vec<_> = remembered.iter().map(|(key, value)| (rank(value), key.clone())).collect();
    ranked.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    let least = ranked.into_iter().take(MAX_REMEMBERED / 4).filter(|((is_open, _), _)| !is_open);
    for (_, key) in least {
        remembered.remove(&key);
    }
}

impl Name {
    /// Drops failures and a lock whose time is over.
    fn forget(&mut self, policy: &LockoutPolicy, now: Instant) {
        if self.locked_until.is_some_and(|until| until <= now) {
            self.locked_until = None;
            self.failures.clear();
        }
        let is_over = |at: Instant| now.saturating_duration_since(at) >= policy.window;
        while self.failures.front().is_some_and(|(at, _)| is_over(*at)) {
            self.failures.pop_front();
        }
    }

    fn is_blank(&self) -> bool {
        self.open == 0 && self.failures.is_empty() && self.locked_until.is_none()
    }
}

impl Source {
    fn owed(&self, now: Instant) -> Duration {
        self.full_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now))
    }
}

/// Names are counted as the file knows them, whatever their case, and no longer than a name can be.
fn key(user: &str) -> String {
    let beginning: String = user.chars().take(MAX_KEY_CHARACTERS).collect();
    AccountName::key_of(&beginning)
}

/// More names or sources than this are not remembered at the same time.
const MAX_REMEMBERED: usize = 10_000;

const MAX_KEY_CHARACTERS: usize = 128;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Attempts at a time in seconds since the start.
    struct Clock {
        ledger: Ledger,
        start: Instant,
    }

    impl Clock {
        fn new(policy: LockoutPolicy) -> Self {
            Self { ledger: Ledger::new(policy), start: Instant::now() }
        }

        /// One attempt from one of the networks 10.x.y.0/24; what is shown is how it was answered.
        fn attempt(&mut self, second: u64, user: &str, source: u16, outcome: Outcome) -> &'static str {
            let now = self.start + Duration::from_secs(second);
            match self.ledger.admit(Some(user), origin(source), now) {
                Admission::Admitted(ticket) => match self.ledger.settle(ticket, outcome, now) {
                    Some(_) => "locks",
                    None => "judged",
                },
                Admission::Wait => "waits",
                Admission::NameLocked => "locked",
                Admission::SourceExhausted => "exhausted",
            }
        }

        fn fail(&mut self, second: u64, user: &str, source: u16) -> &'static str {
            self.attempt(second, user, source, Outcome::Failure)
        }
    }

    fn origin(source: u16) -> Origin {
        let [high, low] = source.to_be_bytes();
        Origin::of([10, high, low, 1].into())
    }

    #[test]
    fn the_tenth_failure_in_a_quarter_of_an_hour_locks_for_a_quarter_of_an_hour() {
        let mut clock = Clock::new(LockoutPolicy::default());
        for attempt in 0..9 {
            assert_eq!(clock.fail(attempt * 60, "alice", 1), "judged", "{attempt}");
        }
        // The first was at 0, so that at 900 it no longer counts.
        assert_eq!(clock.fail(900, "Alice", 2), "judged");
        assert_eq!(clock.fail(901, "ALICE", 3), "locks");
        assert_eq!(clock.fail(902, "alice", 4), "locked");
        assert_eq!(clock.attempt(1_800, "alice", 4, Outcome::Success), "locked");
        assert_eq!(clock.attempt(1_800, "bob", 4, Outcome::Success), "judged");
        // Attempts while it was locked have not prolonged it, and it begins anew.
        assert_eq!(clock.fail(1_801, "alice", 4), "judged");
        for _ in 0..8 {
            assert_eq!(clock.fail(1_802, "alice", 4), "judged");
        }
        assert_eq!(clock.fail(1_803, "alice", 4), "locks");
    }

    #[test]
    fn a_success_takes_back_only_the_failures_of_its_own_source() {
        let mut clock = Clock::new(LockoutPolicy::default());
        for _ in 0..4 {
            clock.fail(0, "alice", 1);
            clock.fail(0, "alice", 2);
        }
        assert_eq!(clock.attempt(1, "alice", 1, Outcome::Success), "judged");
        for _ in 0..5 {
            assert_eq!(clock.fail(2, "alice", 2), "judged");
        }
        assert_eq!(clock.fail(2, "alice", 2), "locks");
    }

    #[test]
    fn what_nobody_could_judge_does_not_lock_but_exhausts_its_source() {
        let mut clock = Clock::new(LockoutPolicy::default());
        for _ in 0..30 {
            assert_eq!(clock.attempt(0, "alice", 1, Outcome::Unknown), "judged");
        }
        assert_eq!(clock.attempt(0, "alice", 1, Outcome::Success), "exhausted");
        assert_eq!(clock.attempt(0, "alice", 2, Outcome::Success), "judged");
    }

    #[test]
    fn a_source_has_its_burst_and_then_what_it_recovers() {
        let mut clock = Clock::new(LockoutPolicy::default());
        for user in 0..30 {
            assert_eq!(clock.fail(0, &format!("user{user}"), 1), "judged");
        }
        assert_eq!(clock.fail(5, "other", 1), "exhausted");
        assert_eq!(clock.fail(5, "other", 2), "judged");
        assert_eq!(clock.fail(6, "other", 1), "judged");
        assert_eq!(clock.fail(6, "other", 1), "exhausted");
        assert_eq!(clock.attempt(12, "other", 1, Outcome::Success), "judged");
        assert_eq!(clock.attempt(12, "other", 1, Outcome::Success), "judged", "a success costs nothing");
        for user in 0..30 {
            assert_eq!(clock.fail(192, &format!("user{user}"), 1), "judged");
        }
        assert_eq!(clock.fail(192, "other", 1), "exhausted");
    }

    #[test]
    fn root_is_slowed_down_and_never_locked() {
        let mut clock = Clock::new(LockoutPolicy::default());
        for _ in 0..10 {
            assert_eq!(clock.fail(0, "Root", 1), "judged");
        }
        // 20 of 30 are left, and each costs 5 now.
        for _ in 0..4 {
            assert_eq!(clock.fail(0, "root", 1), "judged");
        }
        assert_eq!(clock.fail(0, "root", 1), "exhausted");
        assert_eq!(clock.fail(29, "root", 1), "exhausted");
        assert_eq!(clock.fail(30, "root", 1), "judged");
        assert_eq!(clock.attempt(30, "root", 2, Outcome::Success), "judged", "others are not kept out");
    }

    #[test]
    fn attempts_being_judged_count_as_if_they_failed_until_they_do_not() {
        let mut clock = Clock::new(LockoutPolicy::default());
        let now = clock.start;
        let mut tickets: Vec<Ticket> = (0..10)
            .map(|source| match clock.ledger.admit(Some("alice"), origin(source), now) {
                Admission::Admitted(ticket) => ticket,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(clock.fail(0, "alice", 99), "waits");
        clock.ledger.settle(tickets.pop().unwrap(), Outcome::Success, now);
        assert_eq!(clock.attempt(0, "alice", 99, Outcome::Success), "judged");
        for ticket in tickets {
            clock.ledger.settle(ticket, Outcome::Failure, now);
        }
        assert_eq!(clock.fail(0, "alice", 99), "locks");
    }

    #[test]
    fn memory_is_bounded_and_the_worst_are_remembered() {
        let mut clock = Clock::new(LockoutPolicy::default());
        for _ in 0..10 {
            clock.fail(0, "victim", 0);
        }
        for _ in 0..9 {
            clock.fail(0, "nearly", 0);
        }
        for attempt in 0..u16::MAX {
            clock.fail(1, &format!("user{attempt}"), attempt / 4 + 1);
        }
        assert!(clock.ledger.names.len() <= MAX_REMEMBERED + 1, "{}", clock.ledger.names.len());
        assert!(clock.ledger.sources.len() <= MAX_REMEMBERED + 1, "{}", clock.ledger.sources.len());
        assert_eq!(clock.fail(2, "victim", 60_000), "locked");
        assert_eq!(clock.fail(2, "nearly", 60_000), "locks");
        for attempt in 0..u16::MAX / 4 {
            clock.fail(4_000, &format!("user{attempt}"), attempt);
        }
        assert!(!clock.ledger.names.contains_key("victim"), "what no longer counts is kept");
        assert!(key(&"x".repeat(5_000)).len() <= 512);
    }
}
