//! Clients of every kind, over a connection in memory.

use tokio::io::{AsyncReadExt as _, DuplexStream, duplex};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use super::*;

type Client = WebSocketStream<DuplexStream>;

/// Returns a client, the other end of the shell's socket, and the relay between both.
async fn connected() -> (Client, UnixStream, JoinHandle<End>) {
    let (near, far) = duplex(256 << 10);
    let (shell, held) = UnixStream::pair().unwrap();
    let relay = tokio::spawn(relay(far, shell));
    (WebSocketStream::from_raw_socket(near, Role::Client, None).await, held, relay)
}

/// Returns the code of the close frame, after other messages.
async fn close_code(client: &mut Client) -> u16 {
    loop {
        match client.next().await {
            Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
            Some(Ok(_)) => {}
            other => panic!("no close frame: {other:?}"),
        }
    }
}

#[tokio::test]
async fn input_and_sizes_reach_the_shell_and_its_end_closes_the_socket() {
    let (mut client, mut shell, relay) = connected().await;
    client.send(Message::text("{\"resize\":[120,40]}")).await.unwrap();
    client.send(Message::binary(b"ls\r".to_vec())).await.unwrap();
    let expected = [
        ShellRequest::Resize { columns: 120, rows: 40 }.encode(),
        ShellRequest::Input(b"ls\r".to_vec()).encode(),
    ]
    .concat();
    let mut received = vec![0; expected.len()];
    shell.read_exact(&mut received).await.unwrap();
    assert_eq!(received, expected);
    drop(shell);
    assert_eq!(close_code(&mut client).await, 1_000);
    drop(client);
    assert_eq!(relay.await.unwrap(), SHELL_ENDED);
}

#[tokio::test]
async fn output_waits_for_acknowledgements_and_arrives_in_order() {
    let (mut client, mut shell, _relay) = connected().await;
    let sent: Vec<u8> = (0..1_u32 << 18).flat_map(u32::to_be_bytes).collect();
    let written = sent.clone();
    let writer = tokio::spawn(async move {
        shell.write_all(&written).await.unwrap();
        shell
    });
    let mut received = Vec::new();
    while received.len() < WINDOW {
        if let Message::Binary(bytes) = client.next().await.unwrap().unwrap() {
            received.extend_from_slice(&bytes);
        }
    }
    // The service answers, but sends no further output.
    client.send(Message::Ping(Bytes::from_static(b"here"))).await.unwrap();
    loop {
        match client.next().await.unwrap().unwrap() {
            Message::Pong(_) => break,
            Message::Binary(_) => panic!("output beyond the window"),
            _ => {}
        }
    }
    assert!(received.len() < WINDOW + BUFFER && !writer.is_finished());
    let mut acknowledged = 0;
    while received.len() < sent.len() {
        let bytes = received.len() - acknowledged;
        acknowledged = received.len();
        client.send(Message::text(format!("{{\"acknowledged\":{bytes}}}"))).await.unwrap();
        while received.len() == acknowledged {
            if let Message::Binary(bytes) = client.next().await.unwrap().unwrap() {
                received.extend_from_slice(&bytes);
            }
        }
    }
    assert!(received == sent, "output was changed");
}

#[tokio::test]
async fn a_message_that_is_too_long_ends_the_terminal() {
    for message in [Message::binary(vec![0; MAX_MESSAGE + 1]), Message::text("x".repeat(MAX_MESSAGE + 1))] {
        let (mut client, mut shell, relay) = connected().await;
        client.send(message).await.unwrap();
        assert_eq!(close_code(&mut client).await, 1_009);
        // The end of the shell's socket, without input.
        assert_eq!(shell.read(&mut [0]).await.unwrap(), 0);
        drop(client);
        assert_eq!(relay.await.unwrap(), TOO_LARGE);
    }
}

#[tokio::test]
async fn invalid_commands_end_the_terminal() {
    for text in [
        "",
        "[]",
        "{\"resize\":[80]}",
        "{\"resize\":[0,24]}",
        "{\"resize\":[80,1001]}",
        "{\"resize\":[-1,24]}",
        "{\"acknowledged\":-1}",
        "{\"acknowledged\":\"1\"}",
    ] {
        let (mut client, _shell, _relay) = connected().await;
        client.send(Message::text(text)).await.unwrap();
        assert_eq!(close_code(&mut client).await, 1_008, "{text}");
    }
    // More than was sent is no credit for the future.
    let mut relay =
        Relay { socket: connected().await.0, unacknowledged: 5, input: Vec::new(), budget: Budget::full() };
    relay.receive(&Message::text("{\"acknowledged\":18446744073709551615}")).unwrap();
    assert_eq!(relay.unacknowledged, 0);
}

#[tokio::test]
async fn input_that_no_program_reads_ends_the_terminal() {
    let (client, _shell, relay) = connected().await;
    let (mut sender, mut receiver) = client.split();
    let flood = tokio::spawn(async move {
        let piece = vec![b'x'; MAX_MESSAGE];
        while sender.send(Message::binary(piece.clone())).await.is_ok() {}
    });
    let code = loop {
        match receiver.next().await {
            Some(Ok(Message::Close(Some(frame)))) => break Some(u16::from(frame.code)),
            Some(Ok(_)) => {}
            _ => break None,
        }
    };
    assert_eq!(code, Some(1_008));
    drop(receiver);
    assert_eq!(relay.await.unwrap(), TOO_MUCH_INPUT);
    flood.await.unwrap();
}

#[test]
fn many_messages_are_read_slowly() {
    let now = Instant::now();
    let mut budget = Budget { left: BURST, at: now };
    for _ in 0..1_000 {
        assert_eq!(budget.time_of_next(now), now);
        budget.spend(0, now);
    }
    let next = budget.time_of_next(now);
    assert_eq!(next, now + Duration::from_millis(2));
    // A long message counts as many.
    budget.spend(MAX_MESSAGE - 1, next);
    assert!(budget.time_of_next(next) >= next + Duration::from_millis(30));
    assert_eq!(budget.time_of_next(next + Duration::from_secs(1)), budget.time_of_next(next));
}

#[test]
fn only_a_handshake_of_version_13_is_accepted() {
    let call = |headers: &[(&str, &str)]| {
        let mut call = crate::tests::call("GET", "/terminals/socket", &serde_json::json!({}), &[]);
        call.headers = crate::tests::headers(headers);
        require_handshake(&call).is_ok()
    };
    let valid = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    assert!(call(&valid));
    for (index, other) in ["close", "h2c", "8", "dGhl"].into_iter().enumerate() {
        let mut changed = valid;
        changed[index].1 = other;
        assert!(!call(&changed), "{other}");
    }
}
