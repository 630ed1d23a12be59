//! Attempts at chosen times.

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
    assert!(clock.ledger.budgets.len() <= MAX_REMEMBERED + 1, "{}", clock.ledger.budgets.len());
    assert_eq!(clock.fail(2, "victim", 60_000), "locked");
    assert_eq!(clock.fail(2, "nearly", 60_000), "locks");
    for attempt in 0..u16::MAX / 4 {
        clock.fail(4_000, &format!("user{attempt}"), attempt);
    }
    assert!(!clock.ledger.names.contains_key("victim"), "what no longer counts is kept");
    assert!(key(&"x".repeat(5_000)).len() <= 512);
}

#[test]
fn one_who_fails_all_the_time_keeps_nobody_out_who_has_signed_in_from_the_same_address() {
    let mut clock = Clock::new(LockoutPolicy::default());
    assert_eq!(clock.attempt(0, "ann", 1, Outcome::Success), "judged");
    for user in 0..30 {
        assert_eq!(clock.fail(1, &format!("user{user}"), 1), "judged");
    }
    assert_eq!(clock.fail(1, "other", 1), "exhausted");
    assert_eq!(clock.attempt(1, "ben", 1, Outcome::Success), "exhausted", "it has not signed in before");
    assert_eq!(clock.attempt(1, "Ann", 1, Outcome::Success), "judged");
    // Use renews it, so that it lasts for 15 minutes from then on.
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
fn ten_thousand_users_of_one_proxy_sign_in_again_while_one_of_them_fails_all_the_time() {
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
    // Who has signed in from there before may be guessed at like from any other source.
    let mut clock = Clock::new(LockoutPolicy::default());
    clock.attempt(0, "ann", 1, Outcome::Success);
    for _ in 0..9 {
        assert_eq!(clock.fail(0, "ann", 1), "judged");
    }
    assert_eq!(clock.fail(0, "ann", 1), "locks");
    assert_eq!(clock.attempt(1, "ann", 1, Outcome::Success), "locked", "the pair itself has failed");
    // Sign-ins of the victim take failures back, and the budget of the pair still bounds the guesses.
    let mut clock = Clock::new(LockoutPolicy::default());
    let mut judged = 0;
    for _ in 0..100 {
        clock.attempt(0, "ann", 1, Outcome::Success);
        judged += u32::from(clock.fail(0, "ann", 1) == "judged");
    }
    assert_eq!(judged, 30);
}

#[test]
fn a_locked_name_stays_open_where_it_has_signed_in_recently_and_nowhere_else() {
    let mut clock = Clock::new(LockoutPolicy::default());
    assert_eq!(clock.attempt(0, "ann", 1, Outcome::Success), "judged");
    for attempt in 0..9 {
        assert_eq!(clock.fail(1, "ann", 100 + attempt), "judged");
    }
    assert_eq!(clock.fail(1, "ann", 200), "locks");
    assert_eq!(clock.attempt(2, "ann", 2, Outcome::Success), "locked", "another source");
    assert_eq!(clock.attempt(2, "ann", 1, Outcome::Success), "judged");
    // Its failures neither prolong the lock of others nor go on for ever.
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
fn attempts_of_others_that_are_being_judged_do_not_hold_up_who_has_signed_in() {
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
fn a_right_password_alone_takes_nothing_back_and_opens_nothing() {
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
fn what_was_not_judged_costs_nothing() {
    let mut clock = Clock::new(LockoutPolicy::default());
    for _ in 0..100 {
        assert_eq!(clock.attempt(0, "ann", 1, Outcome::NotJudged), "judged");
    }
    for _ in 0..30 {
        clock.ledger.charge(origin(2), clock.start);
    }
    assert_eq!(clock.fail(0, "ann", 2), "exhausted");
}
