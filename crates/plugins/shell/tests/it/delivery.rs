//! Deliveries that are committed late, dropped, or never decided.

use telarch_plugin_shell::{CommandError, CommitResult, Release, Stdin};
use tokio::join;
use tokio::time::{sleep, timeout};

use super::*;

/// Returns the output and the state that a client learns from a delivery.
fn content(delivery: &Delivery) -> (Ran, CommandState) {
    let mut ran = Ran::default();
    ran.take(delivery);
    (ran, delivery.state())
}

#[tokio::test]
async fn a_concurrent_receive_gets_the_same_output_after_a_lost_delivery() {
    let command = spawn(line("echo out; echo err >&2; exit 5"));
    let first = next(&command).await;
    let expected = content(&first);
    assert_eq!(expected.1, CommandState::Done { exit_code: 5 });
    let lose = async {
        // The second Receive waits by now.
        run_pending_tasks().await;
        drop(first);
    };
    let (second, ()) = join!(next(&command), lose);
    assert_eq!(content(&second), expected);
    assert_eq!(second.commit(), CommitResult::Kept);
}

#[tokio::test]
async fn a_concurrent_receive_gets_the_following_output_after_a_commit() {
    let command = spawn(line("printf 0123456789; exit 5"));
    let first = command.receive(4, StreamSet::Both, PATIENCE).await.unwrap();
    assert_eq!(content(&first).0.text().0, "0123");
    let arrive = async {
        // The second Receive waits by now.
        run_pending_tasks().await;
        first.commit();
    };
    let (second, ()) = join!(next(&command), arrive);
    assert_eq!(content(&second).0.text().0, "456789");
}

#[tokio::test]
async fn a_concurrent_receive_fails_after_the_end_was_committed() {
    let command = spawn(line("exit 5"));
    let first = next(&command).await;
    let arrive = async {
        // The second Receive waits by now.
        run_pending_tasks().await;
        first.commit();
    };
    let (second, ()) = join!(command.receive(REPLY, StreamSet::Both, PATIENCE), arrive);
    assert!(matches!(second.err(), Some(CommandError::AlreadyDone)));
}

#[tokio::test]
async fn a_receive_times_out_while_a_delivery_is_pending() {
    let command = spawn(line("echo out; exit 5"));
    let first = next(&command).await;
    let expected = content(&first);
    for _ in 0..3 {
        let error = command.receive(REPLY, StreamSet::Both, Duration::from_millis(20)).await.err();
        assert!(matches!(error, Some(CommandError::TimedOut)));
    }
    drop(first);
    assert_eq!(content(&next(&command).await), expected);
}

#[tokio::test]
async fn closing_a_command_ends_a_receive_that_waits_for_a_delivery() {
    let command = Arc::new(spawn(line("echo out; sleep 100")));
    let undecided = next(&command).await;
    let waiting = {
        let command = Arc::clone(&command);
        tokio::spawn(async move { command.receive(REPLY, StreamSet::Both, PATIENCE).await.err() })
    };
    run_pending_tasks().await;
    command.close().await;
    // The delivery is still pending; a Receive that waited for it would time out.
    assert!(matches!(waiting.await.unwrap(), Some(CommandError::Closed)));
    // A late commit has no effect.
    assert_eq!(undecided.commit(), CommitResult::Kept);
}

#[tokio::test]
async fn streams_received_separately_are_redelivered_separately() {
    let command = spawn(line("echo out; echo err >&2; read go; exit 5"));
    drop(next(&command).await);
    for (wanted, expected) in [(StreamSet::Stderr, ("", "err\n", 0)), (StreamSet::Stdout, ("out\n", "", 0))] {
        let lost = command.receive(REPLY, wanted, PATIENCE).await.unwrap();
        assert_eq!(content(&lost).0.text(), expected);
        drop(lost);
        let arrived = command.receive(REPLY, wanted, PATIENCE).await.unwrap();
        assert_eq!(content(&arrived).0.text(), expected);
        arrived.commit();
    }
    command.send(b"go\n".to_vec(), Stdin::Closes).await.unwrap();
    assert_eq!(finish(&command).await.text(), ("", "", 5));
}

/// Output as the clients see it, in the order of the commits.
#[derive(Default)]
struct Arrived {
    ran: Ran,
    ends: Vec<i32>,
    lost: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn output_arrives_once_and_in_order_despite_lost_replies() {
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
        assert!(arrived.ran.stdout == lines(1..=20_000).as_bytes(), "standard output, seed {seed}");
        assert!(arrived.ran.stderr == lines(30_000..=50_000).as_bytes(), "standard error, seed {seed}");
        assert_eq!(arrived.ends, [7], "seed {seed}");
        assert!(arrived.lost > 10, "only {} replies were lost, seed {seed}", arrived.lost);
    }
}

fn lines(numbers: std::ops::RangeInclusive<u32>) -> String {
    numbers.map(|line| format!("{line}\n")).collect()
}

/// Receives until the end was reported; loses every third reply and commits many late.
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
async fn a_command_whose_end_was_received_can_be_released() {
    let command = spawn(line("exit 5"));
    assert_eq!(next(&command).await.commit(), CommitResult::Kept);
    assert_eq!(command.release(), Release::Now);
}

#[tokio::test]
async fn a_running_command_cannot_be_released_yet() {
    let command = spawn(line("printf 0123456789; read go; exit 5"));
    let part = command.receive(4, StreamSet::Both, PATIENCE).await.unwrap();
    assert_eq!(command.release(), Release::NotYet);
    assert_eq!(part.commit(), CommitResult::Kept);
    command.send(b"go\n".to_vec(), Stdin::Closes).await.unwrap();
    assert_eq!(command.release(), Release::NotYet);
    let end = next(&command).await;
    assert_eq!(end.state(), CommandState::Done { exit_code: 5 });
    assert_eq!(end.commit(), CommitResult::Kept, "the release came before the end");
}

#[tokio::test]
async fn a_command_released_before_its_end_was_committed_goes_with_the_commit() {
    let command = spawn(line("exit 5"));
    let end = next(&command).await;
    assert_eq!(command.release(), Release::WithDelivery);
    assert_eq!(command.release(), Release::WithDelivery);
    assert_eq!(end.commit(), CommitResult::Released);
    assert_eq!(command.release(), Release::Now);
}

#[tokio::test]
async fn a_released_command_stays_if_its_end_did_not_arrive() {
    let command = spawn(line("exit 5"));
    let end = next(&command).await;
    assert_eq!(command.release(), Release::WithDelivery);
    drop(end);
    assert_eq!(command.release(), Release::NotYet);
    assert_eq!(next(&command).await.commit(), CommitResult::Kept);
}
