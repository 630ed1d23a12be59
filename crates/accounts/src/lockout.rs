//! Lock-out: a limit on password guessing.

mod ledger;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use auth::certificate_mapping::CertificateThumbprint;
use auth::{Account, AuthError, PasswordVerifier, Secret, VerifierCost};
use limits::{FoldedWarnings, Origin, Report};
use locks::{Condvar, Mutex};

pub(crate) use self::ledger::shortened;
use self::ledger::{Admission, Ledger, Outcome, Ticket};
use crate::verdict_queue::VerdictQueue;

/// A password verifier that is no longer called after too many wrong passwords.
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
/// // Other authentication schemes share `attempts` and call its `judge`.
/// # Ok::<(), auth::AccountListError>(())
/// ```
#[derive(Debug)]
pub struct Lockout<V> {
    verifier: V,
    attempts: Arc<Attempts>,
}

impl<V: PasswordVerifier> Lockout<V> {
    /// Limits the calls of a verifier by a shared record of failed attempts.
    #[must_use]
    pub fn new(verifier: V, attempts: Arc<Attempts>) -> Self {
        Self { verifier, attempts }
    }

    /// Verifies as [`verify`](PasswordVerifier::verify) does, at a given time; for tests.
    ///
    /// # Errors
    /// The error of the verifier; [`AuthError::NotAllowed`] without calling it after too many failures.
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

/// Thresholds of the lock-out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockoutPolicy {
    /// Number of failures for one account name within [`window`](Self::window) that lock it. At least 1.
    pub failures: usize,
    /// Time after which a failure no longer counts.
    pub window: Duration,
    /// Duration of a lock. Attempts during that time are refused and do not prolong it.
    pub lock: Duration,
    /// Maximum number of failures that one source may accumulate. At least 1.
    pub burst: u32,
    /// Time in which a source regains one failure.
    pub recovery: Duration,
    /// Account names that are never locked, so that no attacker can lock administrators out; compared without case.
    /// Where other names would be locked, a failure is charged [`slowdown`](Self::slowdown) times to its source.
    pub slowed: BTreeSet<String>,
    /// Number of failures charged to the source for a failure of a [`slowed`](Self::slowed) name.
    pub slowdown: u32,
    /// Time for which an account that has signed in from a source keeps a budget of its own there, and access while its
    /// name is locked because of other sources.
    pub proven_for: Duration,
}

impl Default for LockoutPolicy {
    /// 10 failures in 15 minutes lock a name for 15 minutes, except `root`. A source may have 30 failures at once and
    /// then 10 per minute, or 2 per minute for `root`. An account stays proven at a source for 15 minutes.
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
            proven_for: QUARTER,
        }
    }
}

/// Failed attempts of all account names and sources, shared by all authentication schemes.
///
/// A name is counted whether or not the account exists, so that a lock reveals nothing. Only verdicts count:
/// [`AuthError::WrongPassword`] for the name and for the source, [`AuthError::NotAllowed`] for neither, and any other
/// error for the source only. A success removes the failures that the same source had for the name.
///
/// An account that has signed in from a source recently is counted as a source of its own, so others behind the same
/// address cannot use up its budget, and other sources cannot lock it out there; see the module `ledger`.
///
/// The number of remembered names and sources is bounded; those with the fewest failures are forgotten first.
#[derive(Debug)]
pub struct Attempts {
    state: Mutex<State>,
    settled: Condvar,
}

#[derive(Debug)]
struct State {
    ledger: Ledger,
    waiting: usize,
    refusals: FoldedWarnings<Origin>,
    locks: FoldedWarnings<Origin>,
}

/// An attempt to sign in that has no verdict yet.
#[derive(Clone, Copy)]
pub(crate) struct Attempt<'a> {
    /// Account name as the client has sent it.
    pub(crate) user: &'a str,
    pub(crate) from: IpAddr,
    pub(crate) now: Instant,
    /// Queue for a verdict that takes long.
    pub(crate) queue: Option<&'a VerdictQueue>,
}

/// Meaning of a verdict without error.
#[derive(Clone, Copy)]
enum Proof {
    /// The account has signed in.
    Complete,
    /// Only the password was right; more has to be verified.
    PasswordOnly,
}

impl Attempts {
    /// Creates an empty record with these thresholds.
    #[must_use]
    pub fn new(policy: LockoutPolicy) -> Self {
        let ledger = Ledger::new(policy);
        let state = State { ledger, waiting: 0, refusals: folded_warnings(), locks: folded_warnings() };
        Self { state: Mutex::new(state), settled: Condvar::new() }
    }

    /// Runs `verdict` unless there were too many failures, and counts its result.
    ///
    /// If the attempts still being judged could exceed the limit, it waits for their verdicts, so that trying many
    /// passwords concurrently gains nothing.
    ///
    /// # Errors
    /// The error of `verdict`; [`AuthError::NotAllowed`] without calling it after too many failures, and
    /// [`AuthError::Unavailable`] if too many attempts are waiting.
    pub fn judge<T>(
        &self,
        user: &str,
        from: IpAddr,
        now: Instant,
        verdict: impl FnOnce() -> Result<T, AuthError>,
    ) -> Result<T, AuthError> {
        self.judge_attempt(Attempt { user, from, now, queue: None }, verdict)
    }

    /// Judges an attempt like [`judge`](Self::judge), in the order of the attempt's queue.
    pub(crate) fn judge_attempt<T>(
        &self,
        attempt: Attempt<'_>,
        verdict: impl FnOnce() -> Result<T, AuthError>,
    ) -> Result<T, AuthError> {
        self.judge_proof(attempt, Proof::Complete, verdict)
    }

    /// Judges the password alone, like [`judge_attempt`](Self::judge_attempt). The caller must call
    /// [`complete`](Self::complete) or [`fail_after_password`](Self::fail_after_password) once the rest is verified.
    pub(crate) fn judge_password_only<T>(
        &self,
        attempt: Attempt<'_>,
        verdict: impl FnOnce() -> Result<T, AuthError>,
    ) -> Result<T, AuthError> {
        self.judge_proof(attempt, Proof::PasswordOnly, verdict)
    }

    /// Counts the success of a sign-in whose password was right.
    pub(crate) fn complete(&self, user: &str, from: IpAddr, now: Instant) {
        self.state.lock().ledger.complete(user, Origin::of(from), now);
    }

    /// Counts a sign-in that failed although its password was right: its response may have been relayed.
    pub(crate) fn fail_after_password(&self, from: IpAddr, now: Instant) {
        self.state.lock().ledger.charge(Origin::of(from), now);
    }

    /// Judges the holder of a certificate unless its source had too many failures, and counts a failure for the source.
    /// A certificate that was accepted recently is counted as a source of its own.
    ///
    /// # Errors
    /// The error of `verdict`; [`AuthError::NotAllowed`] and [`AuthError::Unavailable`] as for [`judge`](Self::judge).
    pub(crate) fn judge_certificate<T, E: From<AuthError>>(
        &self,
        thumbprint: CertificateThumbprint,
        from: IpAddr,
        now: Instant,
        verdict: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        // The NUL character prevents a collision with an account name, which cannot contain control characters.
        let name = format!("\u{0}certificate {thumbprint}");
        let mut pending = self.admit(&name, from, now)?;
        let verdict = verdict();
        pending.settle(if verdict.is_ok() { Outcome::Success } else { Outcome::Unknown });
        verdict
    }

    /// Returns the report to log for a refused attempt, or `None` if a later one includes it.
    pub(crate) fn refusal(&self, from: IpAddr, now: Instant) -> Option<Report> {
        self.state.lock().refusals.note(Origin::of(from), now)
    }

    fn judge_proof<T>(
        &self,
        Attempt { user, from, now, queue }: Attempt<'_>,
        proof: Proof,
        verdict: impl FnOnce() -> Result<T, AuthError>,
    ) -> Result<T, AuthError> {
        let mut pending = self.admit(user, from, now)?;
        let slot = match queue {
            Some(queue) => {
                let claim = self.state.lock().ledger.claim(Some(user), Origin::of(from), now);
                let Some(slot) = queue.enter(claim) else {
                    pending.settle(Outcome::NotJudged);
                    self.state.lock().warn("too many attempts wait for a verdict", user, from, now);
                    return Err(AuthError::Unavailable);
                };
                Some(slot)
            }
            None => None,
        };
        let verdict = verdict();
        drop(slot);
        pending.settle(match (&verdict, proof) {
            (Ok(_), Proof::Complete) => Outcome::Success,
            // An account that may not sign in has still shown the right password.
            (Ok(_), Proof::PasswordOnly) | (Err(AuthError::NotAllowed), _) => Outcome::RightPassword,
            (Err(AuthError::WrongPassword), _) => Outcome::Failure,
            (Err(_), _) => Outcome::Unknown,
        });
        verdict
    }

    fn admit(&self, user: &str, from: IpAddr, now: Instant) -> Result<Pending<'_>, AuthError> {
        let origin = Origin::of(from);
        let mut state = self.state.lock();
        loop {
            let (reason, error) = match state.ledger.admit(Some(user), origin, now) {
                Admission::Admitted(ticket) => {
                    return Ok(Pending { attempts: self, ticket: Some(ticket), now });
                }
                Admission::NameLocked => ("the account is locked", AuthError::NotAllowed),
                Admission::SourceExhausted => ("too many failures from this source", AuthError::NotAllowed),
                Admission::Wait if state.waiting < MAX_WAITING => {
                    state.waiting += 1;
                    state = self.settled.wait(state);
                    state.waiting -= 1;
                    continue;
                }
                Admission::Wait => {
                    ("too many attempts wait for the verdict on others", AuthError::Unavailable)
                }
            };
            state.warn(reason, user, from, now);
            return Err(error);
        }
    }
}

fn folded_warnings() -> FoldedWarnings<Origin> {
    FoldedWarnings::new(WARNING_INTERVAL, MAX_WARNINGS)
}

impl State {
    /// Logs a refused attempt, at most once per source and interval.
    fn warn(&mut self, reason: &'static str, user: &str, from: IpAddr, now: Instant) {
        if let Some(Report { repeated, others }) = self.refusals.note(Origin::of(from), now) {
            let account = shortened(user);
            tracing::warn!(account, peer = %from, reason, repeated, others, "Sign-in attempt refused");
        }
    }
}

/// Adds an audit record of a lock, from which administrators learn how long it lasts. The time is in seconds since 1970.
fn record_lock(account: &str, origin: Origin, lock: Duration) {
    let until = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default() + lock;
    tracing::debug!(
        target: "audit", event = "lock", outcome = "locked", account, address = %origin, until = until.as_secs(),
        "Account locked"
    );
}

/// An attempt without a verdict. If judging panics, dropping this value counts the attempt as [`Outcome::Unknown`].
struct Pending<'a> {
    attempts: &'a Attempts,
    ticket: Option<Ticket>,
    now: Instant,
}

impl Pending<'_> {
    fn settle(&mut self, outcome: Outcome) {
        let Some(ticket) = self.ticket.take() else { return };
        let mut state = self.attempts.state.lock();
        let origin = ticket.origin();
        let locked = state.ledger.settle(ticket, outcome, self.now);
        let lock = state.ledger.lock_duration();
        if let Some(account) = locked.as_deref()
            && let Some(Report { repeated, others }) = state.locks.note(origin, self.now)
        {
            tracing::warn!(account, %origin, repeated, others, "Account locked after too many failures");
        }
        drop(state);
        if let Some(account) = locked.as_deref() {
            record_lock(account, origin, lock);
        }
        self.attempts.settled.notify_all();
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.settle(Outcome::Unknown);
    }
}

/// Interval between two warnings about one source.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// Maximum number of sources with warnings of their own.
const MAX_WARNINGS: usize = 256;

/// Maximum number of threads that wait for the verdicts of others.
const MAX_WAITING: usize = 128;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// Counts its calls; the right password is `right`.
    #[derive(Default)]
    struct CountingVerifier(AtomicUsize);

    impl PasswordVerifier for CountingVerifier {
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

    fn lockout() -> Lockout<CountingVerifier> {
        Lockout::new(CountingVerifier::default(), Arc::new(Attempts::new(LockoutPolicy::default())))
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[test]
    fn a_locked_account_is_refused_without_calling_the_verifier() {
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
    fn concurrent_guesses_count_like_sequential_ones() {
        let (lockout, now) = (lockout(), Instant::now());
        let verdicts: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..40)
                .map(|_| scope.spawn(|| lockout.verify_at("alice", &secret("wrong"), HERE, now)))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let wrong = verdicts.iter().filter(|verdict| **verdict == Err(AuthError::WrongPassword)).count();
        assert_eq!(wrong, 10);
        assert_eq!(lockout.verifier.0.load(Ordering::SeqCst), 10);
    }

    #[test]
    fn concurrent_right_passwords_are_all_accepted() {
        let (lockout, now) = (lockout(), Instant::now());
        thread::scope(|scope| {
            let threads: Vec<_> = (0..60)
                .map(|_| scope.spawn(|| lockout.verify_at("alice", &secret("right"), HERE, now)))
                .collect();
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
            let verdict = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                lockout.verify_at("alice", &secret("panic"), HERE, now)
            }));
            assert!(verdict.is_err());
        }
        assert!(lockout.verify_at("alice", &secret("right"), HERE, now).is_ok());
    }
}
