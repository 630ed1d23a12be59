//! Exit codes, signals and cleanup of commands.
use telarch_plugin_shell::{CommandError, Signal};

use super::*;

#[tokio::test]
async fn exit_codes_are_reported_unchanged() {
    for code in [0, 1, 7, 255] {
        assert_eq!(run(line(&format!("exit {code}"))).await, Ran { exit_code: code, ..Ran::default() });
    }
}

#[tokio::test]
async fn death_by_a_signal_is_reported_as_128_plus_its_number() {
    assert_eq!(run(line("kill -KILL $$")).await.exit_code, 128 + 9);
    assert_eq!(run(line("kill -SEGV $$")).await.exit_code, 128 + 11);
}

#[tokio::test]
async fn ctrl_c_reaches_the_shell_and_its_children() {
    let command = spawn(line("echo ready; sleep 100; echo not reached"));
    expect(&command, "ready\n").await;
    command.signal(Signal::CtrlC).unwrap();
    assert_eq!(finish(&command).await.text(), ("", "", 128 + 2));
}

#[tokio::test]
async fn ctrl_break_sends_sigquit() {
    let command = spawn(line("trap 'echo dump; exit 3' QUIT; echo ready; sleep 100"));
    expect(&command, "ready\n").await;
    command.signal(Signal::CtrlBreak).unwrap();
    let ran = finish(&command).await;
    assert_eq!((ran.stdout.as_slice(), ran.exit_code), (b"dump\n".as_slice(), 3));
}

#[tokio::test]
async fn terminate_allows_a_command_to_end_itself() {
    let command = spawn(line("trap 'echo bye; exit 4' TERM; echo ready; sleep 100"));
    expect(&command, "ready\n").await;
    // The grace period never ends.
    let _clock = StoppedClock::stop();
    command.signal(Signal::Terminate).unwrap();
    let ran = finish(&command).await;
    assert_eq!((ran.stdout.as_slice(), ran.exit_code), (b"bye\n".as_slice(), 4));
}

#[tokio::test]
async fn terminate_ends_a_stopped_command() {
    let command = spawn(line("echo ready; kill -STOP $$; echo not reached"));
    expect(&command, "ready\n").await;
    eventually("the command stops", || field_of_stat(command.process_id(), STATE).unwrap() == "T").await;
    command.signal(Signal::Terminate).unwrap();
    assert_eq!(finish(&command).await.text(), ("", "", 128 + 15));
}

#[tokio::test]
async fn a_command_that_ignores_terminate_is_killed_after_its_grace() {
    let command = spawn(line("trap '' TERM; echo ready; while :; do sleep 100; done"));
    expect(&command, "ready\n").await;
    let clock = StoppedClock::stop();
    command.signal(Signal::Terminate).unwrap();
    clock.advance(Duration::from_millis(1_999)).await;
    // A second request does not extend the grace.
    command.signal(Signal::Terminate).unwrap();
    assert!(!has_ended(&command), "it was killed early");
    clock.advance(Duration::from_millis(2)).await;
    assert_eq!(finish(&command).await.text(), ("", "", 128 + 9));
}

#[tokio::test]
async fn terminate_kills_background_processes() {
    let command = spawn(line("(trap '' TERM; echo ready; exec sleep 100) & read go; exit 0"));
    expect(&command, "ready\n").await;
    command.send(b"go\n".to_vec(), telarch_plugin_shell::Stdin::Closes).await.unwrap();
    assert_eq!(finish(&command).await.text(), ("", "", 0));
    let group = command.process_id();
    assert_eq!(alive_in(group).len(), 1, "the sleep");
    command.signal(Signal::Terminate).unwrap();
    eventually("the sleep is killed", || alive_in(group).is_empty()).await;
}

#[tokio::test]
async fn signals_to_a_finished_command_succeed() {
    let command = spawn(line("true"));
    finish(&command).await;
    for signal in [Signal::CtrlC, Signal::CtrlBreak, Signal::Terminate] {
        command.signal(signal).unwrap();
    }
    command.close().await;
    command.signal(Signal::Terminate).unwrap();
    command.close().await;
}

#[tokio::test]
async fn a_closed_command_leaves_no_process_of_its_group() {
    let command = spawn(line("trap '' TERM HUP; sleep 100 & (sleep 100 & sleep 100) & echo ready; wait"));
    expect(&command, "ready\n").await;
    let group = command.process_id();
    eventually("all of them run", || alive_in(group).len() >= 4).await;
    // The time for which the close waits never ends.
    let _clock = StoppedClock::stop();
    command.close().await;
    assert_eq!(field_of_stat(group, STATE), None, "the leader is reaped");
    eventually("the group is empty", || alive_in(group).is_empty()).await;
}

#[tokio::test]
async fn a_dropped_command_leaves_no_process_of_its_group() {
    let command = spawn(line("sleep 100 & echo ready; wait"));
    expect(&command, "ready\n").await;
    let group = command.process_id();
    drop(command);
    eventually("the group is empty", || alive_in(group).is_empty()).await;
}

#[tokio::test]
async fn a_command_dropped_after_its_end_leaves_no_zombie() {
    let command = spawn(line("true"));
    finish(&command).await;
    let group = command.process_id();
    assert_eq!(field_of_stat(group, STATE).as_deref(), Some("Z"), "its number stays reserved");
    drop(command);
    eventually("the zombie is reaped", || field_of_stat(group, STATE).is_none()).await;
}

#[test]
fn commands_are_killed_when_the_runtime_shuts_down() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let command = runtime.block_on(async {
        let command = spawn(line("sleep 100 & echo ready; wait"));
        expect(&command, "ready\n").await;
        command
    });
    let group = command.process_id();
    drop(runtime);
    drop(command);
    // Without a runtime, no task reaps the leader.
    let begin = Instant::now();
    while !alive_in(group).is_empty() {
        assert!(begin.elapsed() < PATIENCE);
    }
}

#[tokio::test]
async fn closing_ends_pending_receives_and_sends() {
    let command = Arc::new(spawn(program("sleep", &["100"])));
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let command = Arc::clone(&command);
            tokio::spawn(async move { command.receive(REPLY, StreamSet::Both, PATIENCE).await.err() })
        })
        .collect();
    let sender = Arc::clone(&command);
    let sending = tokio::spawn(async move {
        sender.send(vec![0; 1_000_000], telarch_plugin_shell::Stdin::Closes).await.err()
    });
    tokio::task::yield_now().await;
    command.close().await;
    for waiting in waiting {
        assert!(matches!(waiting.await.unwrap(), Some(CommandError::Closed)));
    }
    // The command may be killed before it is closed; then the rest of its input is discarded.
    assert!(matches!(sending.await.unwrap(), Some(CommandError::Closed) | None));
    let late = command.receive(REPLY, StreamSet::Both, PATIENCE).await.err();
    assert!(matches!(late, Some(CommandError::Closed)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_concurrent_commands_are_independent() {
    let commands: Vec<_> = (0..50)
        .map(|number| {
            tokio::spawn(run(line(&format!(
                "sleep 0.3; seq {number} 20000; echo e{number} >&2; exit {number}"
            ))))
        })
        .collect();
    for (number, command) in commands.into_iter().enumerate() {
        let ran = command.await.unwrap();
        let lines: String = (number..=20_000).map(|line| format!("{line}\n")).collect();
        assert_eq!(ran.text().1, format!("e{number}\n"));
        assert!(ran.stdout == lines.as_bytes(), "output of {number}");
        assert_eq!(usize::try_from(ran.exit_code).unwrap(), number);
    }
}
