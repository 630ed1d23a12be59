//! Tests of dropped requests and broken connections: no output is lost or repeated.

use client::{Endpoint, Error, Output, Session, Transport, Unencrypted};
use telarch_loopback::{CuttingProxy, Loopback, TIMEOUT, User};
use tokio::time::timeout;

use crate::shell::{open, start};

#[tokio::test]
async fn a_dropped_receive_loses_no_output() {
    let service = Loopback::start().await;
    let session = service.over_http(User::Ada).max_envelope_size(16_384).build().unwrap();
    let shell = open(&session).await;
    let mut command = start(&shell, "seq 1 100000").await;
    let (mut stdout, mut given_up) = (Vec::new(), 0);
    loop {
        let output = tokio::select! {
            biased;
            output = command.next_output() => output.unwrap(),
            () = tokio::task::yield_now() => {
                given_up += 1;
                continue;
            }
        };
        match output {
            Output::Stdout(octets) => stdout.extend(octets),
            Output::Done { exit_code } => break assert_eq!(exit_code, 0),
            other => panic!("{other:?}"),
        }
    }
    assert!(given_up > 10, "only {given_up} waits were given up");
    let expected: String = (1..=100_000).map(|number| format!("{number}\n")).collect();
    assert!(stdout == expected.as_bytes(), "{} octets of {}", stdout.len(), expected.len());
    command.finish().await.unwrap();
    shell.close().await.unwrap();
    service.close().await;
}

/// The service cannot repeat data that the network has acknowledged, so the responses are large and are cut before
/// their end was sent.
#[tokio::test]
async fn broken_connections_neither_lose_nor_repeat_output() {
    const CUTS: usize = 200;
    const LARGE: usize = 240_000;
    const LATEST: usize = LARGE - 100_000;
    let service = Loopback::start().await;
    let proxy = CuttingProxy::start(service.narrow().await).await;
    let port = proxy.address().port();
    let endpoint = Endpoint::new(Transport::Http, "127.0.0.1", port, Endpoint::PATH).unwrap();
    let builder = Session::builder(endpoint).credentials(User::Ada.credentials());
    let session = builder.unencrypted(Unencrypted::Allowed).max_envelope_size(250_000).build().unwrap();
    let shell = open(&session).await;
    let mut command = start(&shell, "seq 1 1000000000").await;
    // The same response is cut at four different positions before it arrives.
    let treatments = (0..CUTS + CUTS / 4).map(|at| (at % 5 < 4).then_some(1 + at * 7_919 % LATEST));
    proxy.cut_responses(LARGE, treatments);

    let (mut next, mut line, mut broken) = (1_u64, Vec::new(), 0);
    while proxy.remaining() > 0 {
        let octets = match timeout(TIMEOUT, command.next_output()).await.unwrap() {
            Ok(Output::Stdout(octets)) => octets,
            Err(Error::Disconnected { .. }) => {
                broken += 1;
                continue;
            }
            other => panic!("{other:?}"),
        };
        for octet in octets {
            if octet == b'\n' {
                assert_eq!(str::from_utf8(&line).unwrap(), next.to_string(), "after {broken} cuts");
                next += 1;
                line.clear();
            } else {
                line.push(octet);
            }
        }
    }
    assert_eq!(broken, CUTS);
    assert!(next > 500_000, "only {next} lines arrived");
    command.finish().await.unwrap();
    shell.close().await.unwrap();
    service.close().await;
}
