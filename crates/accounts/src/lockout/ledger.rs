//! Counts of failures by account name and by source, with time as an argument.
//!
//! # Rules
//!
//! Failures count twice: for the account name, which is locked after too many, and for the source, whose budget of
//! failures refills slowly. Both limits can be abused to deny access to other users:
//!
//! - Thousands of users behind one proxy share a source. One of them can exhaust its budget by failing continuously.
//! - An attacker who knows an account name can fail on purpose until it is locked.
//!
//! So an account that has signed in from a source recently, called a **proven pair** here, is counted as a source of
//! its own ([`OutcomeHistory::has_succeeded`]):
//!
//! - It has a budget of its own. The budget of the shared source and attempts from there that are still being judged do
//!   not affect it.
//! - The lock of a name does not apply to it, unless the pair itself has had as many failures as lock a name.
//!
//! # Consequences for an attacker
//!
//! - An attacker at the source of a victim who knows that the victim signs in from there may guess as often as any
//!   other source may guess at any name: the budget of the pair is as large as that of a source, and ten failures from
//!   there lock the name for the pair as well. These guesses do not use up the budget of the source, so the sum over
//!   all names that sign in from there is larger. The victim's own sign-ins remove the failures, as for any source.
//! - The owner of a valid account gains nothing for other names: their pairs are proven by their own passwords only.
//!   Guesses at one's own account gain nothing. Signing in from thousands of addresses evicts no proven pair of others,
//!   because the account with the most pairs loses one first.
//! - An attacker who locks a name blocks its user only where that user has not signed in within the last 15 minutes.
//! - A failure does not end a proven pair. Otherwise one wrong password from a shared source would be enough to lock
//!   its victim out again.
//!
//! Remaining weakness: a client behind a proxy that fails continuously blocks users of that proxy who have not signed
//! in from there recently.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};

use auth::account_file::AccountName;
use limits::{Claim, Origin, OutcomeHistory};

use super::LockoutPolicy;
use crate::verdict_queue::AccountKey;

/// Failures of names and sources, and recent outcomes.
#[derive(Debug)]
pub(super) struct Ledger {
    policy: LockoutPolicy,
    /// INVARIANT: more than [`MAX_REMEMBERED`] entries only while attempts at these names are being judged.
    names: HashMap<AccountKey, Name>,
    /// INVARIANT: same bound as `names`.
    budgets: HashMap<BudgetKey, Budget>,
    history: OutcomeHistory<AccountKey>,
}

/// Owner of a budget of failures.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum BudgetKey {
    /// All attempts from a source except those of proven pairs.
    Source(Origin),
    /// A proven pair: an account that has signed in from a source recently.
    Pair(Origin, AccountKey),
}

/// Decision on an attempt before it is judged.
#[derive(Debug)]
pub(super) enum Admission {
    /// The attempt may be judged; the ticket must be returned with the outcome.
    Admitted(Ticket),
    /// The decision depends on the outcome of attempts that are still being judged.
    Wait,
    /// Too many failures for the account name.
    NameLocked,
    /// Too many failures from the source.
    SourceExhausted,
}

/// An attempt that is being judged.
#[derive(Debug)]
pub(super) struct Ticket {
    /// Account name, or `None` if it is unknown.
    name: Option<AccountKey>,
    origin: Origin,
    budget: BudgetKey,
    cost: u32,
}

/// Verdict on an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The account has signed in.
    Success,
    /// The password was right, but the account may not sign in, or the sign-in is not complete yet.
    RightPassword,
    /// The password was wrong.
    Failure,
    /// There is no verdict on the password, or a later check of the sign-in failed.
    Unknown,
    /// The attempt was refused before it was judged.
    NotJudged,
}

#[derive(Debug, Default)]
struct Name {
    /// INVARIANT: in chronological order, at most as many as lock a name.
    failures: VecDeque<(Instant, Origin)>,
    locked_until: Option<Instant>,
    /// Number of attempts that are being judged.
    open: usize,
}

/// A token bucket for failures, stored as the time at which it will be full again.
#[derive(Debug, Default)]
struct Budget {
    full_at: Option<Instant>,
    /// Total cost of the attempts being judged, if they all fail.
    open: u32,
}

impl Ticket {
    pub(super) fn origin(&self) -> Origin {
        self.origin
    }
}

impl Ledger {
    pub(super) fn new(policy: LockoutPolicy) -> Self {
        let slowed = policy.slowed.iter().map(|name| key(name).to_string()).collect();
        let (failures, burst) = (policy.failures.max(1), policy.burst.max(1));
        let history = OutcomeHistory::new(policy.proven_for, MAX_PROVEN);
        let policy = LockoutPolicy { slowed, failures, burst, ..policy };
        Self { policy, names: HashMap::new(), budgets: HashMap::new(), history }
    }

    /// Returns origin, account and priority of an attempt for the queue.
    pub(super) fn claim(&self, user: Option<&str>, origin: Origin, now: Instant) -> Claim<AccountKey> {
        let account = user.map(key);
        let priority = self.history.priority(origin, account.as_ref(), now);
        Claim { origin, account, priority }
    }

    pub(super) fn admit(&mut self, user: Option<&str>, origin: Origin, now: Instant) -> Admission {
        let policy = &self.policy;
        let key = user.map(key);
        let is_slowed = key.as_ref().is_some_and(|key| policy.slowed.contains(&**key));
        let pair = key.as_ref().filter(|key| self.history.has_succeeded(origin, key, now));
        let budget = match pair {
            Some(account) => BudgetKey::Pair(origin, Arc::clone(account)),
            None => BudgetKey::Source(origin),
        };
        let (owed, pending) =
            self.budgets.get(&budget).map_or((Duration::ZERO, 0), |budget| (budget.owed(now), budget.open));
        let (failures, open) = match key.as_ref().and_then(|key| self.names.get_mut(key)) {
            Some(name) => {
                name.forget(policy, now);
                let (failures, open) = match pair {
                    Some(_) => (name.failures_from(origin), usize::try_from(pending).unwrap_or(usize::MAX)),
                    None => (name.failures.len(), name.open),
                };
                if name.locked_until.is_some() && (pair.is_none() || failures >= policy.failures) {
                    return Admission::NameLocked;
                }
                (failures, open)
            }
            None => (0, 0),
        };
        let cost = if is_slowed && failures >= policy.failures { policy.slowdown.max(1) } else { 1 };
        // A bucket must hold the cost of one attempt, otherwise no attempt would ever be admitted.
        let burst = policy.recovery.saturating_mul(policy.burst.max(cost));
        let recovery = policy.recovery;
        if owed.saturating_add(recovery.saturating_mul(cost)) > burst {
            return Admission::SourceExhausted;
        }
        let is_name_full = !is_slowed && failures.saturating_add(open) >= policy.failures;
        let cost_with_pending = recovery.saturating_mul(pending.saturating_add(cost));
        if owed.saturating_add(cost_with_pending) > burst || is_name_full {
            return Admission::Wait;
        }
        self.evict(now);
        if let Some(key) = &key {
            self.names.entry(Arc::clone(key)).or_default().open += 1;
        }
        self.budgets.entry(budget.clone()).or_default().open += cost;
        Admission::Admitted(Ticket { name: key, origin, budget, cost })
    }

    /// Duration of a lock.
    pub(super) fn lock_duration(&self) -> Duration {
        self.policy.lock
    }

    /// Counts the outcome of an attempt. Returns the account name if this locks it.
    pub(super) fn settle(&mut self, ticket: Ticket, outcome: Outcome, now: Instant) -> Option<AccountKey> {
        let Ticket { name: key, origin, budget: budget_key, cost } = ticket;
        let budget = self.budgets.entry(budget_key.clone()).or_default();
        budget.open = budget.open.saturating_sub(cost);
        if matches!(outcome, Outcome::Failure | Outcome::Unknown) {
            budget.charge(self.policy.recovery.saturating_mul(cost), now);
        }
        if budget.is_idle(now) {
            self.budgets.remove(&budget_key);
        }
        match outcome {
            Outcome::Success => key.iter().for_each(|key| self.succeed(key, origin, now)),
            Outcome::Failure => self.history.record_failure(origin, key.clone(), now),
            Outcome::RightPassword | Outcome::Unknown | Outcome::NotJudged => {}
        }

        let key = key?;
        let name = self.names.entry(Arc::clone(&key)).or_default();
        name.open = name.open.saturating_sub(1);
        let is_slowed = self.policy.slowed.contains(&*key);
        let is_locked = outcome == Outcome::Failure && name.fail(origin, &self.policy, is_slowed, now);
        if name.is_idle() {
            self.names.remove(&key);
        }
        is_locked.then_some(key)
    }

    /// Records that an account whose [password was right](Outcome::RightPassword) has completed its sign-in.
    pub(super) fn complete(&mut self, user: &str, origin: Origin, now: Instant) {
        let key = key(user);
        self.succeed(&key, origin, now);
        if self.names.get(&key).is_some_and(Name::is_idle) {
            self.names.remove(&key);
        }
    }

    /// Charges the source of an attempt that failed after its [password was right](Outcome::RightPassword).
    pub(super) fn charge(&mut self, origin: Origin, now: Instant) {
        self.evict(now);
        self.budgets.entry(BudgetKey::Source(origin)).or_default().charge(self.policy.recovery, now);
    }

    /// Removes the failures that a source had for a name.
    fn succeed(&mut self, key: &AccountKey, origin: Origin, now: Instant) {
        self.history.record_success(origin, Arc::clone(key), now);
        if let Some(name) = self.names.get_mut(key) {
            name.failures.retain(|(_, from)| *from != origin);
        }
    }

    /// Drops expired entries; if that is not enough, also the quarter of all entries with the fewest failures.
    fn evict(&mut self, now: Instant) {
        if self.names.len() >= MAX_REMEMBERED {
            let policy = &self.policy;
            self.names.retain(|_, name| {
                name.forget(policy, now);
                !name.is_idle()
            });
            evict_lowest(&mut self.names, |name| {
                let last = name.failures.back().map(|(at, _)| *at);
                (name.open > 0, (name.locked_until.is_some(), name.failures.len(), last))
            });
        }
        if self.budgets.len() >= MAX_REMEMBERED {
            self.budgets.retain(|_, budget| !budget.is_idle(now));
            evict_lowest(&mut self.budgets, |budget| (budget.open > 0, budget.full_at));
        }
    }
}

/// Drops a quarter of the entries if there are too many, lowest rank first, but none whose rank begins with `true`.
fn evict_lowest<K, V, R>(remembered: &mut HashMap<K, V>, rank: impl Fn(&V) -> (bool, R))
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
    /// Drops an expired lock and expired failures.
    fn forget(&mut self, policy: &LockoutPolicy, now: Instant) {
        if self.locked_until.is_some_and(|until| until <= now) {
            self.locked_until = None;
            self.failures.clear();
        }
        while self.failures.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) >= policy.window)
        {
            self.failures.pop_front();
        }
    }

    fn failures_from(&self, origin: Origin) -> usize {
        self.failures.iter().filter(|(_, from)| *from == origin).count()
    }

    /// Counts a failure. Returns whether it locks the name.
    fn fail(&mut self, origin: Origin, policy: &LockoutPolicy, is_slowed: bool, now: Instant) -> bool {
        self.forget(policy, now);
        if self.failures.len() >= policy.failures {
            self.failures.pop_front();
        }
        self.failures.push_back((now, origin));
        // While the name is locked, only a proven pair still fails; its own failures lock the name for the pair, too.
        let counted =
            if self.locked_until.is_some() { self.failures_from(origin) } else { self.failures.len() };
        let is_locked = counted >= policy.failures && !is_slowed;
        if is_locked {
            self.locked_until = now.checked_add(policy.lock);
        }
        is_locked
    }

    fn is_idle(&self) -> bool {
        self.open == 0 && self.failures.is_empty() && self.locked_until.is_none()
    }
}

impl Budget {
    fn owed(&self, now: Instant) -> Duration {
        self.full_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now))
    }

    fn charge(&mut self, time: Duration, now: Instant) {
        let full_at = self.full_at.filter(|at| *at > now).unwrap_or(now);
        self.full_at = full_at.checked_add(time);
    }

    fn is_idle(&self, now: Instant) -> bool {
        self.open == 0 && self.owed(now).is_zero()
    }
}

/// Returns the key that failures are counted by: the name in lower case, cut to [`MAX_KEY_CHARACTERS`].
fn key(user: &str) -> AccountKey {
    AccountName::key_of(shortened(user)).into()
}

/// Returns a name cut to [`MAX_KEY_CHARACTERS`] characters.
pub(crate) fn shortened(user: &str) -> &str {
    user.char_indices().nth(MAX_KEY_CHARACTERS).and_then(|(end, _)| user.get(..end)).unwrap_or(user)
}

/// Maximum number of names, and of budgets, in memory.
const MAX_REMEMBERED: usize = 10_000;

/// Maximum number of proven pairs in memory.
const MAX_PROVEN: usize = 20_000;

/// Maximum length of an account name in characters.
const MAX_KEY_CHARACTERS: usize = 128;

#[cfg(test)]
mod tests;
