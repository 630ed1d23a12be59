//! Standard input of commands.
use telarch_plugin_shell::{CommandError, Stdin};
use tokio::join;

use super::*;

#[tokio::test]
async fn input_reaches_the_command_and_ends_on_request() {
    let command = spawn(line("tr a-z A-Z; echo end"));
    command.send(b"one ".to_vec(), Stdin::StaysOpen).await.unwrap();
    command.send(b"two\n".to_vec(), Stdin::StaysOpen).await.unwrap();
    command.send(Vec::new(), Stdin::Closes).await.unwrap();
    assert_eq!(finish(&command).await.text(), ("ONE TWO\nend\n", "", 0));
}

#[tokio::test]
async fn a_megabyte_passes_through_a_filter_while_it_is_sent() {
    let input: Vec<u8> = (0..1_000_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    let command = spawn(program("cat", &[]));
    let send = async {
        for piece in input.chunks(250_000) {
            command.send(piece.to_vec(), Stdin::StaysOpen).await.unwrap();
        }
        command.send(Vec::new(), Stdin::Closes).await.unwrap();
    };
    let ((), ran) = join!(send, finish(&command));
    assert_eq!((ran.stdout == input, ran.exit_code), (true, 0));
}

#[tokio::test]
async fn half_a_megabyte_can_be_sent_before_output_is_requested() {
    let input = vec![b'x'; 500_000];
    let command = spawn(program("cat", &[]));
    command.send(input.clone(), Stdin::Closes).await.unwrap();
    assert_eq!(finish(&command).await.stdout.len(), input.len());
}

#[tokio::test]
async fn input_for_a_command_that_ends_without_reading_is_discarded() {
    let command = spawn(program("sleep", &["0.2"]));
    command.send(vec![0; 1_000_000], Stdin::StaysOpen).await.unwrap();
    command.send(b"more".to_vec(), Stdin::Closes).await.unwrap();
    assert_eq!(finish(&command).await, Ran::default());
    command.send(b"late".to_vec(), Stdin::Closes).await.unwrap();
}

#[tokio::test]
async fn input_for_a_command_that_closed_its_stdin_is_discarded() {
    let command = spawn(line("exec 0<&-; echo closed; sleep 100"));
    expect(&command, "closed\n").await;
    command.send(vec![0; 1_000_000], Stdin::StaysOpen).await.unwrap();
}

#[tokio::test]
async fn input_after_the_end_of_input_is_discarded() {
    let command = spawn(program("cat", &[]));
    command.send(b"a".to_vec(), Stdin::Closes).await.unwrap();
    command.send(b"b".to_vec(), Stdin::Closes).await.unwrap();
    assert_eq!(finish(&command).await.text(), ("a", "", 0));
}

#[tokio::test]
async fn a_concurrent_send_fails_with_busy() {
    let command = spawn(line("read go; cat | wc -c"));
    let first = command.send(vec![b'\n'; 1_000_000], Stdin::StaysOpen);
    let second = async { command.send(b"x".to_vec(), Stdin::StaysOpen).await };
    // The order is fixed: the first one is pending when the second one starts.
    let (first, second) = join!(biased; first, second);
    first.unwrap();
    assert!(matches!(second, Err(CommandError::Busy)));
    command.send(Vec::new(), Stdin::Closes).await.unwrap();
    assert_eq!(finish(&command).await.text(), ("999999\n", "", 0));
}

#[tokio::test]
async fn data_of_a_cancelled_send_is_still_written() {
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("gate");
    let command = spawn(line(&format!("mkfifo {0}; echo ready; read go < {0}; wc -c", gate.display())));
    expect(&command, "ready\n").await;
    {
        let send = command.send(vec![b'x'; 1_000_000], Stdin::Closes);
        assert!(tokio::time::timeout(Duration::from_millis(50), send).await.is_err());
    }
    assert!(matches!(command.send(Vec::new(), Stdin::StaysOpen).await, Err(CommandError::Busy)));
    let open = tokio::task::spawn_blocking(move || std::fs::write(gate, "go\n"));
    open.await.unwrap().unwrap();
    assert_eq!(finish(&command).await.text(), ("1000000\n", "", 0));
}

#[tokio::test]
async fn input_in_a_code_page_reaches_the_command_as_utf_8() {
    let mut spec = program("od", &["-An", "-tx1"]);
    spec.code_page = CodePage::from_number(1252).unwrap();
    let command = spawn(spec);
    command.send(b"\xFC\x80".to_vec(), Stdin::Closes).await.unwrap();
    assert_eq!(finish(&command).await.text(), (" c3 bc e2 82 ac\n", "", 0));
}
