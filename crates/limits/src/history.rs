//! Recent outcomes of sign-ins by source and account.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use crate::Origin;

/// Urgency of an attempt to sign in, the lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// The last attempt failed, and none has succeeded recently.
    Failing,
    /// No attempt is remembered, or attempts have both succeeded and failed recently.
    Unknown,
    /// An account of which nothing is remembered, at a source where another one has signed in recently.
    KnownSource,
    /// The last attempt succeeded, recently.
    Proven,
}

/// Remembers which accounts signed in from which sources, and which sources failed.
///
/// Memory is bounded, and successes and failures have memories of their own, so failures never displace a success.
/// When there are too many successes, the account that has most of them loses its oldest one. An attacker with one
/// account and many source addresses therefore displaces the entries of that account only.
#[derive(Debug)]
pub struct OutcomeHistory<K> {
    duration: Duration,
    capacity: usize,
    /// Times of the last success by account and source.
    ///
    /// INVARIANT: no inner map is empty, and together they have `pairs` entries, at most `capacity`.
    successes: HashMap<K, HashMap<Origin, Instant>>,
    pairs: usize,
    /// Sources in `successes`.
    origins: HashMap<Origin, Succeeded>,
    /// Sources whose last attempt failed, and when. INVARIANT: at most `capacity` entries.
    failed_origins: HashMap<Origin, Instant>,
    /// Sources and accounts whose last attempt failed, and when. INVARIANT: at most `capacity` entries.
    failed_pairs: HashMap<(Origin, K), Instant>,
}

#[derive(Debug)]
struct Succeeded {
    last: Instant,
    /// Number of accounts in `successes` with this source. At least 1.
    accounts: usize,
}

impl<K: Eq + Hash + Clone> OutcomeHistory<K> {
    /// Makes an empty history. An outcome is remembered for `duration`, and each memory has at most `capacity` entries.
    #[must_use]
    pub fn new(duration: Duration, capacity: usize) -> Self {
        Self {
            duration,
            capacity: capacity.max(1),
            successes: HashMap::new(),
            pairs: 0,
            origins: HashMap::new(),
            failed_origins: HashMap::new(),
            failed_pairs: HashMap::new(),
        }
    }

    /// Remembers that an account has signed in.
    pub fn record_success(&mut self, origin: Origin, account: K, now: Instant) {
        self.failed_origins.remove(&origin);
        self.failed_pairs.remove(&(origin, account.clone()));
        let known = self.successes.get_mut(&account).and_then(|times| times.get_mut(&origin));
        if let Some(time) = known {
            *time = now;
        } else {
            if self.pairs >= self.capacity {
                self.make_room(now);
            }
            self.successes.entry(account).or_default().insert(origin, now);
            self.pairs += 1;
            self.origins.entry(origin).or_insert(Succeeded { last: now, accounts: 0 }).accounts += 1;
        }
        if let Some(succeeded) = self.origins.get_mut(&origin) {
            succeeded.last = now;
        }
    }

    /// Remembers a wrong password, for an account if a name was given.
    pub fn record_failure(&mut self, origin: Origin, account: Option<K>, now: Instant) {
        let (duration, capacity) = (self.duration, self.capacity);
        remember(&mut self.failed_origins, origin, now, duration, capacity);
        if let Some(account) = account {
            remember(&mut self.failed_pairs, (origin, account), now, duration, capacity);
        }
    }

    /// Returns whether an account has signed in from a source recently, whatever happened since.
    #[must_use]
    pub fn has_succeeded(&self, origin: Origin, account: &K, now: Instant) -> bool {
        let time = self.successes.get(account).and_then(|times| times.get(&origin));
        time.is_some_and(|time| is_recent(*time, self.duration, now))
    }

    /// Returns how urgent an attempt is. Without an account, the source alone decides.
    ///
    /// An account of which nothing is remembered at the source is never [`Priority::Proven`]: otherwise an attacker
    /// with one valid account could guess the passwords of others with that priority.
    #[must_use]
    pub fn priority(&self, origin: Origin, account: Option<&K>, now: Instant) -> Priority {
        let last_success = self.origins.get(&origin).map(|known| known.last);
        let origin_has_succeeded = last_success.is_some_and(|time| is_recent(time, self.duration, now));
        let last_failure = self.failed_origins.get(&origin);
        let origin_has_failed = last_failure.is_some_and(|time| is_recent(*time, self.duration, now));
        let of_origin = priority(origin_has_succeeded, origin_has_failed);
        let Some(account) = account else { return of_origin };
        let has_succeeded = self.has_succeeded(origin, account, now);
        let last_failure = self.failed_pairs.get(&(origin, account.clone()));
        let has_failed = last_failure.is_some_and(|time| is_recent(*time, self.duration, now));
        if has_succeeded || has_failed {
            priority(has_succeeded, has_failed)
        } else {
            of_origin.min(Priority::KnownSource)
        }
    }

    /// Drops successes that are too old, or else the oldest one of the account with the most.
    fn make_room(&mut self, now: Instant) {
        let duration = self.duration;
        let old: Vec<(K, Origin)> = self
            .successes
            .iter()
            .flat_map(|(account, times)| times.iter().map(move |(origin, time)| (account, *origin, *time)))
            .filter(|(_, _, time)| !is_recent(*time, duration, now))
            .map(|(account, origin, _)| (account.clone(), origin))
            .collect();
        for (account, origin) in old {
            self.forget(&account, origin);
        }
        if self.pairs < self.capacity {
            return;
        }
        let most = self.successes.iter().max_by_key(|(_, times)| times.len());
        let oldest = most.and_then(|(account, times)| {
            let (origin, _) = times.iter().min_by_key(|(_, time)| **time)?;
            Some((account.clone(), *origin))
        });
        if let Some((account, origin)) = oldest {
            self.forget(&account, origin);
        }
    }

    fn forget(&mut self, account: &K, origin: Origin) {
        let Some(times) = self.successes.get_mut(account) else { return };
        if times.remove(&origin).is_none() {
            return;
        }
        self.pairs = self.pairs.saturating_sub(1);
        if times.is_empty() {
            self.successes.remove(account);
        }
        if let Some(succeeded) = self.origins.get_mut(&origin) {
            succeeded.accounts = succeeded.accounts.saturating_sub(1);
            if succeeded.accounts == 0 {
                self.origins.remove(&origin);
            }
        }
    }
}

/// Returns the priority by what is remembered. A failure that is remembered is later than any success.
fn priority(has_succeeded: bool, has_failed: bool) -> Priority {
    match (has_succeeded, has_failed) {
        (true, false) => Priority::Proven,
        (true, true) | (false, false) => Priority::Unknown,
        (false, true) => Priority::Failing,
    }
}

fn is_recent(time: Instant, duration: Duration, now: Instant) -> bool {
    now.saturating_duration_since(time) < duration
}

/// Adds a failure. If there are too many, those that are too old are dropped, or else the oldest quarter.
fn remember<N: Eq + Hash + Clone>(
    failures: &mut HashMap<N, Instant>,
    key: N,
    now: Instant,
    duration: Duration,
    capacity: usize,
) {
    if failures.len() >= capacity && !failures.contains_key(&key) {
        failures.retain(|_, time| is_recent(*time, duration, now));
        if failures.len() >= capacity {
            let mut times: Vec<Instant> = failures.values().copied().collect();
            let quarter = times.len() / 4;
            let (_, limit, _) = times.select_nth_unstable(quarter);
            let limit = *limit;
            let mut surplus = quarter + 1;
            failures.retain(|_, time| {
                let is_dropped = *time <= limit && surplus > 0;
                surplus -= usize::from(is_dropped);
                !is_dropped
            });
        }
    }
    failures.insert(key, now);
}

#[cfg(test)]
mod tests {
    use super::*;

    const DURATION: Duration = Duration::from_secs(900);

    fn origin(number: u16) -> Origin {
        let [high, low] = number.to_be_bytes();
        Origin::of([10, 0, high, low].into())
    }

    #[test]
    fn the_last_outcomes_of_source_and_account_decide() {
        let (now, mut history) = (Instant::now(), OutcomeHistory::new(DURATION, 8));
        assert_eq!(history.priority(origin(1), Some(&"ann"), now), Priority::Unknown);
        history.record_failure(origin(1), Some("ann"), now);
        assert_eq!(history.priority(origin(1), Some(&"ann"), now), Priority::Failing);
        assert_eq!(history.priority(origin(1), Some(&"ben"), now), Priority::Failing, "the source failed");
        assert_eq!(history.priority(origin(2), Some(&"ann"), now), Priority::Unknown, "another source");

        history.record_success(origin(1), "ann", now);
        assert_eq!(history.priority(origin(1), Some(&"ann"), now), Priority::Proven);
        assert_eq!(history.priority(origin(1), None, now), Priority::Proven);
        assert_eq!(history.priority(origin(1), Some(&"ben"), now), Priority::KnownSource, "ben is new there");

        history.record_failure(origin(1), Some("ben"), now);
        assert_eq!(history.priority(origin(1), Some(&"cleo"), now), Priority::Unknown, "no longer");
        assert_eq!(
            history.priority(origin(1), Some(&"ann"), now),
            Priority::Proven,
            "another account failed"
        );
        assert_eq!(history.priority(origin(1), Some(&"ben"), now), Priority::Failing);
        assert_eq!(history.priority(origin(1), None, now), Priority::Unknown);

        history.record_failure(origin(1), Some("ann"), now);
        assert_eq!(history.priority(origin(1), Some(&"ann"), now), Priority::Unknown);
        assert!(history.has_succeeded(origin(1), &"ann", now));
    }

    #[test]
    fn outcomes_expire_and_successes_are_renewed() {
        let (now, mut history) = (Instant::now(), OutcomeHistory::new(DURATION, 8));
        history.record_success(origin(1), "ann", now);
        history.record_failure(origin(2), Some("ann"), now);
        history.record_success(origin(1), "ann", now + DURATION / 2);
        assert_eq!(history.priority(origin(1), Some(&"ann"), now + DURATION), Priority::Proven);
        assert_eq!(history.priority(origin(2), Some(&"ann"), now + DURATION), Priority::Unknown);
        let late = now + DURATION * 3 / 2;
        assert!(!history.has_succeeded(origin(1), &"ann", late));
        assert_eq!(history.priority(origin(1), None, late), Priority::Unknown);
    }

    #[test]
    fn one_account_with_many_addresses_displaces_only_its_own_entries() {
        let (now, mut history) = (Instant::now(), OutcomeHistory::new(DURATION, 64));
        for number in 0..10 {
            history.record_success(origin(number), "ann", now);
        }
        for number in 0..10_000 {
            history.record_success(origin(number), "mallory", now + Duration::from_millis(number.into()));
            history.record_failure(origin(number), Some("ann"), now);
        }
        let later = now + Duration::from_secs(10);
        assert_eq!(history.pairs, 64);
        assert!((0..10).all(|number| history.has_succeeded(origin(number), &"ann", later)));
        assert!(history.origins.len() <= 64 && history.failed_origins.len() <= 64);
        assert!(history.failed_pairs.len() <= 64);
        // What is too old makes room first.
        history.record_success(origin(1), "ben", now + DURATION * 2);
        assert_eq!((history.pairs, history.origins.len()), (1, 1));
    }
}
