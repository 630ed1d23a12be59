//! A bound on guessing passwords.

mod ledger;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use auth::{Account, AuthError, PasswordVerifier, Secret, VerifierCost};

use self::ledger::{Admission, Ledger, Outcome, Ticket};
use limits::Origin;

/// A verifier that is not asked any more after too many wrong passwords.
///
/// ```
/// use std::sync::Arc;
///
/// use auth::AccountList;
/// use telarch_accounts::{Attempts, Lockout, LockoutPolicy};
///
/// let attempts = Arc::new(Attempts::new(LockoutPolicy::default()));
/// let accounts = AccountList::parse("alice:correct horse")?;
/// let verifier = Lockout::new(accounts, Arc::clone(&attempts));
/// // Other ways of signing in share `attempts` and call its `judge`.
/// # Ok::<(), auth::AccountListError>(())
/// ```
#[derive(Debug)]
pub struct Lockout<V> {
    verifier: V,
    attempts: Arc<Attempts>,
}

impl<V: PasswordVerifier> Lockout<V> {
    /// Puts a verifier behind the count of all attempts.
    #[must_use]
    pub fn new(verifier: V, attempts: Arc<Attempts>) -> Self {
        Self { verifier, attempts }
    }

    /// Judges as [`verify`](PasswordVerifier::verify) does, at a time that a test chooses.
    ///
    /// # Errors
    /// That of the verifier; [`AuthError::NotAllowed`] without asking it if there were too many failures.
    pub fn verify_at(
        &self,
        user: &str,
        password: &Secret,
        from: IpAddr,
        now: Instant,
    ) -> Result<Account, AuthError> {
        self.attempts.judge(user, from, now, || self.verifier.verify(user, password, from))
    }
}

impl<V: PasswordVerifier> PasswordVerifier for Lockout<V> {
    fn verify(&self, user: &str, password: &Secret, from: IpAddr) -> Result<Account, AuthError> {
        self.verify_at(user, password, from, Instant::now())
    }

    fn cost(&self) -> VerifierCost {
        self.verifier.cost()
    }
}

/// How many failures are too many.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockoutPolicy {
    /// So many failures for one name within the [`window`](Self::window) lock it. At least 1.
    pub failures: usize,
    /// How long a failure counts.
    pub window: Duration,
    /// How long a lock holds; attempts meanwhile are refused and do not prolong it.
    pub lock: Duration,
    /// So many failures one source may have at once. At least 1.
    pub burst: u32,
    /// After which time a source may have one more.
    pub recovery: Duration,
    /// Names that are never locked, so that nobody can lock an administrator out: in any case of letters.
    /// Once others would be locked, a failure counts [`slowdown`](Self::slowdown) times for its source.
    pub slowed: BTreeSet<String>,
    /// How often a failure of a [`slowed`](Self::slowed) name counts for its source.
    pub slowdown: u32,
}

impl Default for LockoutPolicy {
    /// 10 failures in 15 minutes lock a name for 15 minutes, `root` excepted; a source may have 30 failures
    /// at once and then 10 a minute, or 2 a minute for `root`.
    fn default() -> Self {
        const QUARTER: Duration = Duration::from_secs(15 * 60);
        Self {
            failures: 10,
            window: QUARTER,
            lock: QUARTER,
            burst: 30,
            recovery: Duration::from_secs(6),
            slowed: BTreeSet::from(["root".to_owned()]),
            slowdown: 5,
        }
    }
}

/// The failures of all names and sources, for all ways of signing in together.
///
/// A name is counted whether there is such an account or not, so that a lock tells nothing. It is a
/// verdict that counts: [`AuthError::WrongPassword`] for the name and for the source, and
/// [`AuthError::Unavailable`] for the source only. A success takes back the failures that the same source had
/// for the name.
///
/// How many names and sources are remembered is bounded; those with the fewest failures are forgotten first.
#[derive(Debug)]
pub struct Attempts {
    state: Mutex<State>,
    settled: Condvar,
}

#[derive(Debug)]
struct State {
    ledger: Ledger,
    waiting: usize,
}

impl Attempts {
    /// Counts from nothing.
    #[must_use]
    pub fn new(policy: LockoutPolicy) -> Self {
        let state = State { ledger: Ledger::new(policy), waiting: 0 };
        Self { state: Mutex::new(state), settled: Condvar::new() }
    }

    /// Lets an attempt be judged unless there were too many failures, and counts the verdict.
    ///
    /// While the verdicts still to come could make it too many, it waits for them, so that trying many
    /// passwords at the same time wins nothing.
    ///
    /// # Errors
    /// The verdict; [`AuthError::NotAllowed`] without a call of `verdict` if there were too many failures, and
    /// [`AuthError::Unavailable`] if too many attempts wait.
    pub fn judge<T>(
        &self,
        user: &str,
        from: IpAddr,
        now: Instant,
        verdict: impl FnOnce() -> Result<T, AuthError>,
    ) -> Result<T, AuthError> {
        let mut pending = Pending { attempts: self, ticket: Some(self.admit(Some(user), from, now)?), now };
        let verdict = verdict();
        pending.settle(match &verdict {
            Err(AuthError::WrongPassword) => Outcome::Failure,
            Err(AuthError::Unavailable) => Outcome::Unknown,
            // An account that may not sign in has still shown the right password.
            _ => Outcome::Success,
        });
        verdict
    }

    /// Lets an attempt without a name be judged unless its source had too many failures, and counts a failure for the
    /// source.
    ///
    /// # Errors
    /// The verdict; [`AuthError::NotAllowed`] and [`AuthError::Unavailable`] as for [`judge`](Self::judge).
    pub fn judge_source<T, E: From<AuthError>>(
        &self,
        from: IpAddr,
        now: Instant,
        verdict: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let mut pending = Pending { attempts: self, ticket: Some(self.admit(None, from, now)?), now };
        let verdict = verdict();
        pending.settle(if verdict.is_ok() { Outcome::Success } else { Outcome::Unknown });
        verdict
    }

    fn admit(&self, user: Option<&str>, from: IpAddr, now: Instant) -> Result<Ticket, AuthError> {
        let origin = Origin::of(from);
        let mut state = self.lock();
        loop {
            match state.ledger.admit(user, origin, now) {
                Admission::Admitted(ticket) => return Ok(ticket),
                Admission::NameLocked => {
                    tracing::warn!(account = user, peer = %from, "Attempt is refused: the account is locked");
                    return Err(AuthError::NotAllowed);
                }
                Admission::SourceExhausted => {
                    tracing::warn!(account = user, peer = %from, "Attempt is refused: too many failures from there");
                    return Err(AuthError::NotAllowed);
                }
                Admission::Wait if state.waiting < MAX_WAITING => {
                    state.waiting += 1;
                    state = self.settled.wait(state).unwrap_or_else(PoisonError::into_inner);
                    state.waiting -= 1;
                }
                Admission::Wait => {
                    tracing::warn!(account = user, peer = %from, "Attempt is refused: too many wait");
                    return Err(AuthError::Unavailable);
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that could panic happens under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An attempt without a verdict yet. If none ever comes, because judging panicked, that is one too.
struct Pending<'a> {
    attempts: &'a Attempts,
    ticket: Option<Ticket>,
    now: Instant,
}

impl Pending<'_> {
    fn settle(&mut self, outcome: Outcome) {
        let Some(ticket) = self.ticket.take() else { return };
        let mut state = self.attempts.lock();
        if let Some(locked) = state.ledger.settle(ticket, outcome, self.now) {
            tracing::warn!(account = locked, "Account is locked after too many failures");
        }
        drop(state);
        self.attempts.settled.notify_all();
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.settle(Outcome::Unknown);
    }
}

/// Threads that may wait for the verdicts of others.
const MAX_WAITING: usize = 256;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// Counts how often it is asked; knows the password `right`.
    #[derive(Default)]
    struct Asked(AtomicUsize);

    impl PasswordVerifier for Asked {
        fn verify(&self, user: &str, password: &Secret, _: IpAddr) -> Result<Account, AuthError> {
            self.0.fetch_add(1, Ordering::SeqCst);
            match password.expose() {
                "right" => Ok(Account { name: user.to_owned() }),
                "disabled" => Err(AuthError::NotAllowed),
                "panic" => panic!("on purpose"),
                _ => Err(AuthError::WrongPassword),
            }
        }

        fn cost(&self) -> VerifierCost {
            VerifierCost::Slow
        }
    }

    fn lockout() -> Lockout<Asked> {
        Lockout::new(Asked::default(), Arc::new(Attempts::new(LockoutPolicy::default())))
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[test]
    fn a_locked_account_is_refused_without_asking() {
        let (lockout, start) = (lockout(), Instant::now());
        let ask = |password: &str, seconds| {
            let now = start + Duration::from_secs(seconds);
            lockout.verify_at("alice", &secret(password), HERE, now).map(|account| account.name)
        };
        for second in 0..10 {
            assert_eq!(ask("wrong", second), Err(AuthError::WrongPassword));
        }
        assert_eq!(ask("right", 10), Err(AuthError::NotAllowed));
        assert_eq!(ask("right", 9 + 15 * 60 - 1), Err(AuthError::NotAllowed));
        assert_eq!(lockout.verifier.0.load(Ordering::SeqCst), 10);
        assert_eq!(ask("right", 9 + 15 * 60).as_deref(), Ok("alice"));
    }

    #[test]
    fn many_guesses_at_once_are_no_more_than_one_after_the_other() {
        let (lockout, now) = (lockout(), Instant::now());
        let verdicts: Vec<_> = thread::scope(|scope| {
            let guess = |_| scope.spawn(|| lockout.verify_at("alice", &secret("wrong"), HERE, now));
            let threads: Vec<_> = (0..40).map(guess).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let wrong = verdicts.iter().filter(|verdict| **verdict == Err(AuthError::WrongPassword)).count();
        assert_eq!(wrong, 10);
        assert_eq!(lockout.verifier.0.load(Ordering::SeqCst), 10);
    }

    #[test]
    fn many_right_passwords_at_once_are_all_let_in() {
        let (lockout, now) = (lockout(), Instant::now());
        thread::scope(|scope| {
            let sign_in = |_| scope.spawn(|| lockout.verify_at("alice", &secret("right"), HERE, now));
            let threads: Vec<_> = (0..60).map(sign_in).collect();
            for thread in threads {
                assert!(thread.join().unwrap().is_ok());
            }
        });
    }

    #[test]
    fn a_disabled_account_with_the_right_password_is_not_a_guess() {
        let (lockout, now) = (lockout(), Instant::now());
        for _ in 0..100 {
            let verdict = lockout.verify_at("alice", &secret("disabled"), HERE, now);
            assert_eq!(verdict, Err(AuthError::NotAllowed));
        }
        assert_eq!(lockout.verifier.0.load(Ordering::SeqCst), 100);
    }

    #[test]
    fn a_verifier_that_panics_leaves_no_attempt_open() {
        let (lockout, now) = (lockout(), Instant::now());
        for _ in 0..29 {
            let judge = || lockout.verify_at("alice", &secret("panic"), HERE, now);
            assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(judge)).is_err());
        }
        assert!(lockout.verify_at("alice", &secret("right"), HERE, now).is_ok());
    }
}
