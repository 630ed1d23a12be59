//! Tests of the ledger with explicit times.

use super::*;

/// Makes attempts at times given in seconds since the start.
struct Clock {
    ledger: Ledger,
    start: Instant,
}

impl Clock {
    fn new(policy: LockoutPolicy) -> Self {
        Self { ledger: Ledger::new(policy), start: Instant::now() }
    }

    /// Makes an attempt from one of the networks 10.x.y.0/24 and returns the decision as text.
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
fn the_tenth_failure_in_15_minutes_locks_for_15_minutes() {
    let mut clock = Clock::new(LockoutPolicy::default());
    for attempt in 0..9 {
        assert_eq!(clock.fail(attempt * 60, "alice", 1), "judged", "{attempt}");
    }
    // The first failure, at 0 seconds, has expired at 900.
    assert_eq!(clock.fail(900, "Alice", 2), "judged");
    assert_eq!(clock.fail(901, "ALICE", 3), "locks");
    assert_eq!(clock.fail(902, "alice", 4), "locked");
    assert_eq!(clock.attempt(1_800, "alice", 4, Outcome::Success), "locked");
    assert_eq!(clock.attempt(1_800, "bob", 4, Outcome::Success), "judged");
    // Attempts during the lock have not prolonged it, and the count restarts.
    assert_eq!(clock.fail(1_801, "alice", 4), "judged");
    for _ in 0..8 {
        assert_eq!(clock.fail(1_802, "alice", 4), "judged");
    }
    assert_eq!(clock.fail(1_803, "alice", 4), "locks");
}

#[test]
fn a_success_removes_only_the_failures_of_its_own_source() {
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
fn unknown_outcomes_do_not_lock_the_name_but_exhaust_the_source() {
    let mut clock = Clock::new(LockoutPolicy::default());
    for _ in 0..30 {
        assert_eq!(clock.attempt(0, "alice", 1, Outcome::Unknown), "judged");
    }
    assert_eq!(clock.attempt(0, "alice", 1, Outcome::Success), "exhausted");
    assert_eq!(clock.attempt(0, "alice", 2, Outcome::Success), "judged");
}

#[test]
fn a_source_may_use_its_burst_and_then_its_recovery_rate() {
    let mut clock = Clock::new(LockoutPolicy::default());
    for user in 0..30 {
        assert_eq!(clock.fail(0, &format!("user{user}"), 1), "judged");
    }
    assert_eq!(clock.fail(5, "other", 1), "exhausted");
    assert_eq!(clock.fail(5, "other", 2), "judged");
    assert_eq!(clock.fail(6, "other", 1), "judged");
    assert_eq!(clock.fail(6, "other", 1), "exhausted");
    assert_eq!(clock.attempt(12, "other", 1, Outcome::Success), "judged");
    assert_eq!(clock.attempt(12, "another", 1, Outcome::Success), "judged", "a success costs nothing");
    for user in 0..30 {
        assert_eq!(clock.fail(192, &format!("user{user}"), 1), "judged");
    }
    assert_eq!(clock.fail(192, "third", 1), "exhausted");
}

#[test]
fn root_is_slowed_down_and_never_locked() {
    let mut clock = Clock::new(LockoutPolicy::default());
    for _ in 0..10 {
        assert_eq!(clock.fail(0, "Root", 1), "judged");
    }
    // 20 of 30 tokens are left, and each failure now costs 5.
    for _ in 0..4 {
        assert_eq!(clock.fail(0, "root", 1), "judged");
    }
    assert_eq!(clock.fail(0, "root", 1), "exhausted");
    assert_eq!(clock.fail(29, "root", 1), "exhausted");
    assert_eq!(clock.fail(30, "root", 1), "judged");
    assert_eq!(clock.attempt(30, "root", 2, Outcome::Success), "judged", "another source is not affected");
}

#[test]
fn attempts_being_judged_count_as_failures() {
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
fn memory_is_bounded_and_names_with_most_failures_are_kept() {
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
    assert!(clock.ledger.budgets.len() <= MAX_REMEMBERED + 1, "{}", clock.ledger.budgets.len());
    assert_eq!(clock.fail(2, "victim", 60_000), "locked");
    assert_eq!(clock.fail(2, "nearly", 60_000), "locks");
    for attempt in 0..u16::MAX / 4 {
        clock.fail(4_000, &format!("user{attempt}"), attempt);
    }
    assert!(!clock.ledger.names.contains_key("victim"), "an expired entry was kept");
    assert!(key(&"x".repeat(5_000)).len() <= 512);
}

#[test]
fn a_failing_client_does_not_block_proven_pairs_at_its_address() {
    let mut clock = Clock::new(LockoutPolicy::default());
    assert_eq!(clock.attempt(0, "ann", 1, Outcome::Success), "judged");
    for user in 0..30 {
        assert_eq!(clock.fail(1, &format!("user{user}"), 1), "judged");
    }
    assert_eq!(clock.fail(1, "other", 1), "exhausted");
    assert_eq!(clock.attempt(1, "ben", 1, Outcome::Success), "exhausted", "it has not signed in before");
    assert_eq!(clock.attempt(1, "Ann", 1, Outcome::Success), "judged");
    // A sign-in renews the pair for another 15 minutes.
    assert_eq!(clock.attempt(800, "ann", 1, Outcome::Success), "judged");
    for user in 0..30 {
        clock.fail(1_000, &format!("user{user}"), 1);
    }
    assert_eq!(clock.attempt(1_001, "ann", 1, Outcome::Success), "judged");
    let mut clock = Clock::new(LockoutPolicy::default());
    clock.attempt(0, "ann", 1, Outcome::Success);
    for user in 0..30 {
        clock.fail(899, &format!("user{user}"), 1);
    }
    assert_eq!(clock.attempt(900, "ann", 1, Outcome::Success), "exhausted", "that was too long ago");
}

#[test]
fn ten_thousand_users_of_a_proxy_sign_in_while_one_fails() {
    let mut clock = Clock::new(LockoutPolicy::default());
    for user in 0..10_000 {
        assert_eq!(clock.attempt(0, &format!("user{user}"), 1, Outcome::Success), "judged");
    }
    for attempt in 0..1_000 {
        clock.fail(1, &format!("guess{attempt}"), 1);
    }
    for user in 0..10_000 {
        assert_eq!(clock.attempt(2, &format!("user{user}"), 1, Outcome::Success), "judged", "{user}");
    }
}

#[test]
fn a_valid_account_buys_no_guesses_at_others() {
    let mut clock = Clock::new(LockoutPolicy::default());
    let mut judged = 0;
    for round in 0..100 {
        assert_eq!(clock.attempt(0, "mallory", 1, Outcome::Success), "judged");
        judged += u32::from(clock.fail(0, &format!("victim{round}"), 1) == "judged");
    }
    assert_eq!(judged, 30);
    // A proven pair has the same limit of guesses as any other source.
    let mut clock = Clock::new(LockoutPolicy::default());
    clock.attempt(0, "ann", 1, Outcome::Success);
    for _ in 0..9 {
        assert_eq!(clock.fail(0, "ann", 1), "judged");
    }
    assert_eq!(clock.fail(0, "ann", 1), "locks");
    assert_eq!(clock.attempt(1, "ann", 1, Outcome::Success), "locked", "the pair itself has failed");
    // Sign-ins of the victim remove failures, but the budget of the pair still limits the guesses.
    let mut clock = Clock::new(LockoutPolicy::default());
    let mut judged = 0;
    for _ in 0..100 {
        clock.attempt(0, "ann", 1, Outcome::Success);
        judged += u32::from(clock.fail(0, "ann", 1) == "judged");
    }
    assert_eq!(judged, 30);
}

#[test]
fn a_locked_name_may_sign_in_only_where_it_has_done_so_recently() {
    let mut clock = Clock::new(LockoutPolicy::default());
    assert_eq!(clock.attempt(0, "ann", 1, Outcome::Success), "judged");
    for attempt in 0..9 {
        assert_eq!(clock.fail(1, "ann", 100 + attempt), "judged");
    }
    assert_eq!(clock.fail(1, "ann", 200), "locks");
    assert_eq!(clock.attempt(2, "ann", 2, Outcome::Success), "locked", "another source");
    assert_eq!(clock.attempt(2, "ann", 1, Outcome::Success), "judged");
    // Failures of the pair do not prolong the lock elsewhere, and lock the pair in turn.
    for _ in 0..9 {
        assert_eq!(clock.fail(3, "ann", 1), "judged");
    }
    assert_eq!(clock.fail(3, "ann", 1), "locks");
    assert_eq!(clock.attempt(4, "ann", 1, Outcome::Success), "locked");
    assert_eq!(clock.attempt(903, "ann", 1, Outcome::Success), "judged");

    let mut clock = Clock::new(LockoutPolicy::default());
    clock.attempt(0, "ann", 1, Outcome::Success);
    for attempt in 0..10 {
        clock.fail(1, "ann", 100 + attempt);
    }
    assert_eq!(clock.fail(800, "ann", 1), "judged");
    assert_eq!(
        clock.attempt(901, "ann", 2, Outcome::Success),
        "judged",
        "one failure has prolonged the lock"
    );
}

#[test]
fn a_proven_pair_does_not_wait_for_attempts_of_others() {
    let mut clock = Clock::new(LockoutPolicy::default());
    clock.attempt(0, "ann", 1, Outcome::Success);
    let now = clock.start;
    for attempt in 0..30_u16 {
        let name = if attempt < 10 { "ann".to_owned() } else { format!("user{attempt}") };
        let source = if attempt < 10 { 100 + attempt } else { 1 };
        assert!(matches!(clock.ledger.admit(Some(&name), origin(source), now), Admission::Admitted(_)));
    }
    assert_eq!(clock.fail(0, "ann", 2), "waits");
    assert_eq!(clock.attempt(0, "ann", 1, Outcome::Success), "judged");
}

#[test]
fn a_right_password_alone_removes_no_failures_and_proves_no_pair() {
    for outcome in [Outcome::RightPassword, Outcome::Unknown, Outcome::NotJudged] {
        let mut clock = Clock::new(LockoutPolicy::default());
        for _ in 0..9 {
            clock.fail(0, "ann", 1);
        }
        assert_eq!(clock.attempt(1, "ann", 1, outcome), "judged");
        assert_eq!(clock.fail(1, "ann", 1), "locks", "{outcome:?}");
        assert_eq!(clock.attempt(2, "ann", 1, Outcome::Success), "locked");
    }
    let mut clock = Clock::new(LockoutPolicy::default());
    for _ in 0..9 {
        clock.fail(0, "ann", 1);
    }
    clock.attempt(1, "ann", 1, Outcome::RightPassword);
    clock.ledger.complete("Ann", origin(1), clock.start);
    assert!(clock.ledger.names.is_empty());
    assert_eq!(clock.fail(1, "ann", 1), "judged");
}

#[test]
fn an_attempt_that_was_not_judged_costs_nothing() {
    let mut clock = Clock::new(LockoutPolicy::default());
    for _ in 0..100 {
        assert_eq!(clock.attempt(0, "ann", 1, Outcome::NotJudged), "judged");
    }
    for _ in 0..30 {
        clock.ledger.charge(origin(2), clock.start);
    }
    assert_eq!(clock.fail(0, "ann", 2), "exhausted");
}
