//! Standard output and standard error of commands.
use telarch_plugin_shell::{CommandError, Signal, Stdin};
use tokio::join;
use tokio::time::Instant;

use super::*;

#[tokio::test]
async fn output_streams_are_separate() {
    assert_eq!(run(line("echo out; echo err 1>&2; exit 7")).await.text(), ("out\n", "err\n", 7));
}

#[tokio::test]
async fn five_megabytes_on_both_streams_arrive_complete() {
    let ran = run(line("seq 1000001 1655360 & seq 2000001 2655360 >&2; wait; exit 9")).await;
    fn lines(from: u32) -> String {
        (from..from + 655_360).map(|line| format!("{line}\n")).collect()
    }
    assert_eq!((ran.stdout.len(), ran.stderr.len(), ran.exit_code), (5_242_880, 5_242_880, 9));
    assert!(ran.stdout == lines(1_000_001).as_bytes() && ran.stderr == lines(2_000_001).as_bytes());
}

#[tokio::test]
async fn a_million_lines_arrive_in_order_for_any_reply_size() {
    let lines: String = (1..=1_000_000).map(|line| format!("{line}\n")).collect();
    for limit in [10_007, 110_000, 3_000_000] {
        let command = spawn(program("seq", &["1000000"]));
        let mut stdout = Vec::new();
        loop {
            let delivery = command.receive(limit, StreamSet::Both, PATIENCE).await.unwrap();
            let chunk: Vec<&[u8]> = delivery.chunks().map(|(_, bytes)| bytes).collect();
            assert!(chunk.concat().len() <= limit);
            stdout.extend_from_slice(&chunk.concat());
            let state = delivery.state();
            delivery.commit();
            if state != CommandState::Running {
                break;
            }
        }
        assert!(stdout == lines.as_bytes(), "with replies of {limit}");
    }
}

#[tokio::test]
async fn a_command_with_endless_output_blocks_until_it_is_read() {
    let command = spawn(program("yes", &["line"]));
    let yes = command.process_id();
    fn written(process: u32) -> String {
        std::fs::read_to_string(format!("/proc/{process}/io")).unwrap()
    }
    let mut delivered = 0;
    for _ in 0..3 {
        eventually("the buffer is full and yes is blocked", || {
            command.buffered() > 448 * 1024 && field_of_stat(yes, STATE).is_some_and(|state| state == "S")
        })
        .await;
        let before = written(yes);
        run_pending_tasks().await;
        assert_eq!(written(yes), before, "it writes although the buffer is full");
        assert!(command.buffered() <= 512 * 1024, "{}", command.buffered());

        let delivery = command.receive(100_000, StreamSet::Both, PATIENCE).await.unwrap();
        for (_, bytes) in delivery.chunks() {
            for byte in bytes {
                assert_eq!(*byte, b"line\n"[delivered % 5]);
                delivered += 1;
            }
        }
        delivery.commit();
    }
    assert_eq!(delivered, 300_000);
}

#[tokio::test]
async fn output_of_a_streaming_command_is_not_delayed() {
    let command = spawn(program("yes", &[]));
    for _ in 0..200 {
        eventually("there is enough for a reply", || command.buffered() >= 100_000).await;
        let delivery = receive_at_once(&command, 100_000).await;
        assert_eq!(delivery.chunks().map(|(_, bytes)| bytes.len()).sum::<usize>(), 100_000);
        delivery.commit();
    }
}

/// Receives without a delay of the reply, which would advance the paused clock.
async fn receive_at_once(command: &Command, limit: usize) -> Delivery {
    tokio::time::pause();
    let begin = Instant::now();
    let delivery = command.receive(limit, StreamSet::Both, PATIENCE).await.unwrap();
    assert_eq!(begin.elapsed(), Duration::ZERO, "the reply was delayed");
    tokio::time::resume();
    delivery
}

#[tokio::test]
async fn a_reply_larger_than_the_buffer_is_sent_when_the_buffer_is_full() {
    let command = spawn(program("yes", &[]));
    for _ in 0..50 {
        eventually("the buffer is full", || command.buffered() > 448 * 1024).await;
        receive_at_once(&command, 50_000_000).await.commit();
    }
}

#[tokio::test]
async fn a_short_command_is_answered_by_one_reply() {
    let clock = StoppedClock::stop();
    let command = spawn(line("printf a; read go; printf b >&2; read go; printf c; exit 3"));
    let writing = async {
        for written in 1..=2 {
            eventually("it has written", || command.buffered() == written).await;
            // Less than the time for which output is held back.
            clock.advance(Duration::from_millis(90)).await;
            command.send(b"go\n".to_vec(), Stdin::StaysOpen).await.unwrap();
        }
    };
    let (delivery, ()) = join!(next(&command), writing);
    let chunks: Vec<_> = delivery.chunks().collect();
    assert_eq!(chunks, [(Stream::Stdout, b"ac".as_slice()), (Stream::Stderr, b"b".as_slice())]);
    assert_eq!(delivery.state(), CommandState::Done { exit_code: 3 });
}

#[tokio::test]
async fn a_prompt_is_delayed_only_briefly() {
    let command = spawn(line("printf 'name? '; read name; echo \"hello $name\""));
    eventually("it has written", || command.buffered() > 0).await;
    tokio::time::pause();
    let begin = Instant::now();
    expect(&command, "name? ").await;
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    tokio::time::resume();
    command.send(b"world\n".to_vec(), Stdin::Closes).await.unwrap();
    assert_eq!(finish(&command).await.text(), ("hello world\n", "", 0));
}

#[tokio::test]
async fn output_that_already_waited_is_not_delayed_again() {
    let command = spawn(line("echo early; sleep 100"));
    eventually("it has written", || command.buffered() > 0).await;
    let clock = StoppedClock::stop();
    clock.advance(Duration::from_millis(250)).await;
    // Fails unless there is output now.
    let delivery = command.receive(REPLY, StreamSet::Both, Duration::ZERO).await.unwrap();
    assert_eq!(delivery.chunks().collect::<Vec<_>>(), [(Stream::Stdout, b"early\n".as_slice())]);
}

#[tokio::test]
async fn a_receive_without_output_times_out() {
    let command = spawn(line("read go; echo went; sleep 100"));
    let wait = Duration::from_millis(50);
    for _ in 0..2 {
        let error = command.receive(REPLY, StreamSet::Both, wait).await.err();
        assert!(matches!(error, Some(CommandError::TimedOut)));
    }
    command.send(b"go\n".to_vec(), Stdin::StaysOpen).await.unwrap();
    eventually("it has written", || command.buffered() > 0).await;
    let delivery = command.receive(REPLY, StreamSet::Both, Duration::ZERO).await.unwrap();
    assert_eq!(delivery.chunks().collect::<Vec<_>>(), [(Stream::Stdout, b"went\n".as_slice())]);
}

#[tokio::test]
async fn a_lost_delivery_is_repeated() {
    let command = spawn(line("echo out; echo err >&2; exit 5"));
    async fn receive(command: &Command) -> (Ran, CommandState, Delivery) {
        let mut ran = Ran::default();
        let delivery = next(command).await;
        ran.take(&delivery);
        (ran, delivery.state(), delivery)
    }
    let (first, state, lost) = receive(&command).await;
    assert_eq!(first.text(), ("out\n", "err\n", 0));
    drop(lost);
    let (second, again, delivery) = receive(&command).await;
    assert_eq!((second, again), (first, state));
    delivery.commit();
    let error = command.receive(REPLY, StreamSet::Both, PATIENCE).await.err();
    assert!(matches!(error, Some(CommandError::AlreadyDone)));
}

#[tokio::test]
async fn a_lost_delivery_precedes_later_output_in_smaller_replies() {
    let command = spawn(line("printf 0123456789; printf abcdef >&2; read go; printf XYZ; exit 1"));
    let lost = next(&command).await;
    assert_eq!(lost.chunks().count(), 2);
    drop(lost);
    command.send(b"go\n".to_vec(), Stdin::Closes).await.unwrap();
    let mut ran = Ran::default();
    let exit_code = loop {
        let delivery = command.receive(4, StreamSet::Both, PATIENCE).await.unwrap();
        let size: usize = delivery.chunks().map(|(_, bytes)| bytes.len()).sum();
        assert!((1..=4).contains(&size), "{size}");
        ran.take(&delivery);
        let state = delivery.state();
        delivery.commit();
        if let CommandState::Done { exit_code } = state {
            break exit_code;
        }
    };
    assert_eq!((ran.text().0, ran.text().1, exit_code), ("0123456789XYZ", "abcdef", 1));
}

#[tokio::test]
async fn a_cancelled_receive_loses_no_output() {
    let command = spawn(program("seq", &["100000"]));
    let lines: String = (1..=100_000).map(|line| format!("{line}\n")).collect();
    let mut ran = Ran::default();
    for attempt in 0_u64.. {
        let receive = command.receive(5_000, StreamSet::Both, PATIENCE);
        let patience = Duration::from_micros(attempt % 7 * 20);
        let Ok(delivery) = tokio::time::timeout(patience, receive).await else { continue };
        let delivery = delivery.unwrap();
        if attempt % 3 == 0 {
            continue;
        }
        ran.take(&delivery);
        let state = delivery.state();
        delivery.commit();
        if state != CommandState::Running {
            break;
        }
    }
    assert!(ran.stdout == lines.as_bytes());
}

#[tokio::test]
async fn a_second_receive_waits_for_the_first_delivery() {
    let command = spawn(line("echo one; read go; echo two; sleep 100"));
    let first = next(&command).await;
    let second = async {
        let delivery = next(&command).await;
        let text = delivery.chunks().map(|(_, bytes)| bytes.to_vec()).collect::<Vec<_>>();
        delivery.commit();
        text
    };
    let commit = async {
        // The second Receive waits by now.
        run_pending_tasks().await;
        first.commit();
        command.send(b"go\n".to_vec(), Stdin::StaysOpen).await.unwrap();
    };
    let (second, ()) = join!(second, commit);
    assert_eq!(second, [b"two\n"]);
    let held = command.receive(REPLY, StreamSet::Both, Duration::from_millis(10)).await.err();
    assert!(matches!(held, Some(CommandError::TimedOut)));
}

#[tokio::test]
async fn a_background_process_delays_the_end_briefly_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("gate");
    let clock = StoppedClock::stop();
    let line = line(&format!(
        "mkfifo {0}; sleep 100 & echo out; (read go < {0}; echo late) & exit 5",
        gate.display()
    ));
    let command = spawn(line);
    eventually("the command ends", || has_ended(&command) && command.buffered() == 4).await;
    clock.advance(Duration::from_millis(499)).await;
    let open = tokio::task::spawn_blocking(move || std::fs::write(gate, "go\n"));
    open.await.unwrap().unwrap();
    eventually("the background process has written", || command.buffered() == 9).await;
    clock.advance(Duration::from_millis(499)).await;
    let delivery = command.receive(REPLY, StreamSet::Both, Duration::ZERO).await.unwrap();
    assert_eq!(delivery.chunks().collect::<Vec<_>>(), [(Stream::Stdout, b"out\nlate\n".as_slice())]);
    assert_eq!(delivery.state(), CommandState::Running, "the streams are still open");
    delivery.commit();
    clock.advance(Duration::from_millis(2)).await;
    assert_eq!(finish(&command).await.text(), ("", "", 5));
}

#[tokio::test]
async fn output_of_a_background_process_is_kept_for_a_slow_reader() {
    let command = spawn(line("(seq 300000; sleep 100) & exit 5"));
    let clock = StoppedClock::stop();
    let is_full = || command.buffered() > 448 * 1024;
    eventually("the buffer is full and the command has ended", || is_full() && has_ended(&command)).await;
    // Longer than the grace period. The streams count as active while their buffer is full.
    clock.advance(Duration::from_millis(700)).await;
    let lines: String = (1..=300_000).map(|line| format!("{line}\n")).collect();
    let mut ran = Ran::default();
    while ran.stdout.len() < lines.len() {
        eventually("there is more output", || command.buffered() > 0).await;
        let delivery = command.receive(REPLY, StreamSet::Both, Duration::ZERO).await.unwrap();
        ran.take(&delivery);
        assert_eq!(delivery.state(), CommandState::Running);
        delivery.commit();
    }
    assert!(ran.stdout == lines.as_bytes(), "{} of {}", ran.stdout.len(), lines.len());
    clock.advance(Duration::from_millis(700)).await;
    assert_eq!(finish(&command).await.text(), ("", "", 5));
}

#[tokio::test]
async fn a_command_that_closes_its_streams_ends_with_its_process() {
    let command = spawn(line("echo out; exec >&- 2>&-; read go; exit 6"));
    expect(&command, "out\n").await;
    let is_open = |stream: u8| PathBuf::from(format!("/proc/{}/fd/{stream}", command.process_id())).exists();
    eventually("both streams are closed", || !is_open(1) && !is_open(2)).await;
    let clock = StoppedClock::stop();
    // Longer than the grace period, which begins with the end of the process.
    clock.advance(Duration::from_millis(700)).await;
    let error = command.receive(REPLY, StreamSet::Both, Duration::ZERO).await.err();
    assert!(matches!(error, Some(CommandError::TimedOut)));
    command.send(b"go\n".to_vec(), Stdin::Closes).await.unwrap();
    assert_eq!(finish(&command).await.text(), ("", "", 6));
}

#[tokio::test]
async fn one_stream_can_be_requested_alone() {
    let command = spawn(line("echo out; echo err >&2; exit 2"));
    let delivery = command.receive(REPLY, StreamSet::Stderr, PATIENCE).await.unwrap();
    assert_eq!(delivery.chunks().collect::<Vec<_>>(), [(Stream::Stderr, b"err\n".as_slice())]);
    drop(delivery);
    let delivery = command.receive(REPLY, StreamSet::Stdout, PATIENCE).await.unwrap();
    assert_eq!(delivery.chunks().collect::<Vec<_>>(), [(Stream::Stdout, b"out\n".as_slice())]);
    assert_eq!(delivery.state(), CommandState::Done { exit_code: 2 });
}

#[tokio::test]
async fn heavy_output_on_one_stream_does_not_starve_the_other() {
    let command = spawn(line("yes out & yes err >&2 & wait"));
    let mut ran = Ran::default();
    while ran.stdout.is_empty() || ran.stderr.is_empty() {
        let delivery = command.receive(50_000, StreamSet::Both, PATIENCE).await.unwrap();
        ran.take(&delivery);
        delivery.commit();
    }
    eventually("both buffers are full", || command.buffered() > 900_000).await;
    let mut shares = [0, 0];
    for _ in 0..8 {
        let delivery = command.receive(50_000, StreamSet::Both, PATIENCE).await.unwrap();
        for (stream, bytes) in delivery.chunks() {
            shares[usize::from(stream == Stream::Stderr)] += bytes.len();
        }
        delivery.commit();
    }
    assert_eq!(shares, [200_000, 200_000]);
}

#[tokio::test]
async fn output_is_converted_to_the_code_page_of_the_shell() {
    let mut spec =
        line("printf 'Gr\\303\\274\\303\\237e \\342\\202'; sleep 0.01; printf '\\254'; printf '\\303' >&2");
    spec.code_page = CodePage::from_number(1252).unwrap();
    let ran = run(spec).await;
    assert_eq!(
        (ran.stdout.as_slice(), ran.stderr.as_slice()),
        (b"Gr\xFC\xDFe \x80".as_slice(), b"?".as_slice())
    );
}

#[tokio::test]
async fn an_incomplete_character_is_delivered_at_the_end_of_its_stream() {
    let mut spec = line("printf '\\342'; read go; exec >&-; read go");
    spec.code_page = CodePage::from_number(1252).unwrap();
    let command = spawn(spec);
    let begin = std::time::Instant::now();
    let wait = Duration::from_millis(400);
    let silent = command.receive(REPLY, StreamSet::Both, wait).await.err();
    assert!(matches!(silent, Some(CommandError::TimedOut)));
    assert!(begin.elapsed() >= wait, "{:?}", begin.elapsed());
    command.send(b"go\n".to_vec(), Stdin::StaysOpen).await.unwrap();
    expect(&command, "?").await;
    command.send(b"go\n".to_vec(), Stdin::StaysOpen).await.unwrap();
    assert_eq!(finish(&command).await, Ran::default());
}

#[tokio::test]
async fn the_default_code_page_of_pywinrm_leaves_bytes_unchanged() {
    let mut spec = line("printf '\\303\\274\\377\\000x'");
    spec.code_page = CodePage::from_number(437).unwrap();
    assert_eq!(run(spec).await.stdout, b"\xC3\xBC\xFF\0x");
}

#[tokio::test]
async fn output_written_before_a_signal_is_delivered() {
    let command = spawn(line("seq 200000; kill -STOP $$"));
    let lines: String = (1..=200_000).map(|line| format!("{line}\n")).collect();
    eventually("the buffer is full", || command.buffered() > 448 * 1024).await;
    let mut ran = Ran::default();
    while ran.stdout.len() < lines.len() {
        let delivery = next(&command).await;
        ran.take(&delivery);
        delivery.commit();
    }
    assert!(ran.stdout == lines.as_bytes());
    command.signal(Signal::Terminate).unwrap();
    assert_eq!(finish(&command).await.exit_code, 128 + 15);
}
