//! What is lent to a reply: it counts as delivered when the reply arrived, which may be much later or never.

use telarch_plugin_shell::{CommandError, Committed, Release, Stdin};
use tokio::join;
use tokio::time::{Instant, sleep, timeout};

use super::*;

/// What a client that gets this reply knows more than before.
fn told(delivery: &Delivery) -> (Ran, CommandState) {
    let mut ran = Ran::default();
    ran.take(delivery);
    (ran, delivery.state())
}

#[tokio::test]
async fn a_receive_beside_an_undecided_delivery_gets_the_same_when_that_is_lost() {
    let command = spawn(line("echo out; echo err >&2; exit 5"));
    let first = next(&command).await;
    let expected = told(&first);
    assert_eq!(expected.1, CommandState::Done { exit_code: 5 });
    let lose = async {
        sleep(Duration::from_millis(50)).await;
        drop(first);
    };
    let (second, ()) = join!(next(&command), lose);
    assert_eq!(told(&second), expected);
    assert_eq!(second.commit(), Committed::Kept);
}

#[tokio::test]
async fn a_receive_beside_an_undecided_delivery_gets_what_follows_when_that_arrived() {
    let command = spawn(line("printf 0123456789; exit 5"));
    let first = command.receive(4, StreamSet::Both, PATIENCE).await.unwrap();
    assert_eq!(told(&first).0.text().0, "0123");
    let arrive = async {
        sleep(Duration::from_millis(50)).await;
        first.commit();
    };
    let (second, ()) = join!(next(&command), arrive);
    assert_eq!(told(&second).0.text().0, "456789");
}

#[tokio::test]
async fn a_receive_beside_an_undecided_end_learns_that_it_was_told() {
    let command = spawn(line("exit 5"));
    let first = next(&command).await;
    let arrive = async {
        sleep(Duration::from_millis(50)).await;
        first.commit();
    };
    let (second, ()) = join!(command.receive(REPLY, StreamSet::Both, PATIENCE), arrive);
    assert!(matches!(second.err(), Some(CommandError::AlreadyDone)));
}

#[tokio::test]
async fn while_nothing_is_decided_a_receive_times_out_and_takes_nothing() {
    let command = spawn(line("echo out; exit 5"));
    let first = next(&command).await;
    let expected = told(&first);
    for _ in 0..3 {
        let error = command.receive(REPLY, StreamSet::Both, Duration::from_millis(20)).await.err();
        assert!(matches!(error, Some(CommandError::TimedOut)));
    }
    drop(first);
    assert_eq!(told(&next(&command).await), expected);
}

#[tokio::test]
async fn a_receive_that_waits_for_a_decision_is_told_when_the_command_is_closed() {
    let command = Arc::new(spawn(line("echo out; sleep 100")));
    let undecided = next(&command).await;
    let waiting = {
        let command = Arc::clone(&command);
        tokio::spawn(async move { command.receive(REPLY, StreamSet::Both, PATIENCE).await.err() })
    };
    tokio::task::yield_now().await;
    let begin = Instant::now();
    command.close().await;
    assert!(matches!(waiting.await.unwrap(), Some(CommandError::Closed)));
    assert!(begin.elapsed() < PATIENCE / 2, "it waited for a decision that never came");
    // Whatever becomes of it now.
    assert_eq!(undecided.commit(), Committed::Kept);
}

#[tokio::test]
async fn streams_asked_for_apart_are_given_back_apart() {
    let command = spawn(line("echo out; echo err >&2; read go; exit 5"));
    drop(next(&command).await);
    for (wanted, expected) in [(StreamSet::Stderr, ("", "err\n", 0)), (StreamSet::Stdout, ("out\n", "", 0))] {
        let lost = command.receive(REPLY, wanted, PATIENCE).await.unwrap();
        assert_eq!(told(&lost).0.text(), expected);
        drop(lost);
        let arrived = command.receive(REPLY, wanted, PATIENCE).await.unwrap();
        assert_eq!(told(&arrived).0.text(), expected);
        arrived.commit();
    }
    command.send(b"go\n".to_vec(), Stdin::Closes).await.unwrap();
    assert_eq!(finish(&command).await.text(), ("", "", 5));
}

/// The clients' view of both streams: what arrived, in the order in which it was decided.
#[derive(Default)]
struct Arrived {
    ran: Ran,
    ends: Vec<i32>,
    lost: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_arrives_in_order_and_once_whatever_is_lost_late_or_asked_for_twice() {
    for seed in 1..=4_u64 {
        let command = Arc::new(spawn(line("seq 20000 & seq 30000 50000 >&2; wait; exit 7")));
        let arrived: Arc<std::sync::Mutex<Arrived>> = Arc::default();
        let clients: Vec<_> = (0..3_u64)
            .map(|number| {
                let (command, arrived) = (Arc::clone(&command), Arc::clone(&arrived));
                tokio::spawn(careless_client(command, arrived, seed << 8 | number))
            })
            .collect();
        for client in clients {
            timeout(PATIENCE, client).await.unwrap().unwrap();
        }
        let arrived = std::mem::take(&mut *arrived.lock().unwrap());
        let lines = |from: u32, to: u32| (from..=to).map(|line| format!("{line}\n")).collect::<String>();
        assert!(arrived.ran.stdout == lines(1, 20_000).as_bytes(), "standard output, seed {seed}");
        assert!(arrived.ran.stderr == lines(30_000, 50_000).as_bytes(), "standard error, seed {seed}");
        assert_eq!(arrived.ends, [7], "seed {seed}");
        assert!(arrived.lost > 10, "only {} replies were lost, seed {seed}", arrived.lost);
    }
}

/// Receives until the end was told, and loses every third reply; many are decided late.
async fn careless_client(command: Arc<Command>, arrived: Arc<std::sync::Mutex<Arrived>>, seed: u64) {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut below = |bound: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) % bound
    };
    loop {
        let limit = usize::try_from(1 + below(9_000)).unwrap();
        let wait = Duration::from_millis(1 + below(40));
        let delivery = match command.receive(limit, StreamSet::Both, wait).await {
            Ok(delivery) => delivery,
            Err(CommandError::TimedOut) => continue,
            Err(CommandError::AlreadyDone) => return,
            Err(error) => panic!("{error}"),
        };
        if below(4) == 0 {
            sleep(Duration::from_millis(below(4))).await;
        }
        let is_lost = below(3) == 0;
        let mut arrived = arrived.lock().unwrap();
        if is_lost {
            arrived.lost += 1;
            continue;
        }
        arrived.ran.take(&delivery);
        if let CommandState::Done { exit_code } = delivery.state() {
            arrived.ends.push(exit_code);
        }
        delivery.commit();
    }
}

#[tokio::test]
async fn a_command_whose_end_was_told_can_go_at_once() {
    let command = spawn(line("exit 5"));
    assert_eq!(next(&command).await.commit(), Committed::Kept);
    assert_eq!(command.release(), Release::Now);
}

#[tokio::test]
async fn a_command_that_runs_or_has_more_to_tell_cannot_go() {
    let command = spawn(line("printf 0123456789; read go; exit 5"));
    let part = command.receive(4, StreamSet::Both, PATIENCE).await.unwrap();
    assert_eq!(command.release(), Release::NotYet);
    assert_eq!(part.commit(), Committed::Kept);
    command.send(b"go\n".to_vec(), Stdin::Closes).await.unwrap();
    assert_eq!(command.release(), Release::NotYet);
    let end = next(&command).await;
    assert_eq!(end.state(), CommandState::Done { exit_code: 5 });
    assert_eq!(end.commit(), Committed::Kept, "it was asked before there was an end");
}

#[tokio::test]
async fn a_command_that_is_let_go_before_its_end_is_known_to_have_arrived_goes_when_it_has() {
    let command = spawn(line("exit 5"));
    let end = next(&command).await;
    assert_eq!(command.release(), Release::WithDelivery);
    assert_eq!(command.release(), Release::WithDelivery);
    assert_eq!(end.commit(), Committed::Released);
    assert_eq!(command.release(), Release::Now);
}

#[tokio::test]
async fn a_command_whose_end_did_not_arrive_stays_although_it_was_let_go() {
    let command = spawn(line("exit 5"));
    let end = next(&command).await;
    assert_eq!(command.release(), Release::WithDelivery);
    drop(end);
    assert_eq!(command.release(), Release::NotYet);
    assert_eq!(next(&command).await.commit(), Committed::Kept);
}
