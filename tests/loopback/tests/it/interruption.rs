//! Waits that are given up and connections that break: nothing is lost, and nothing comes twice.

use client::{Endpoint, Error, Output, Session, Transport, Unencrypted};
use telarch_loopback::{CuttingProxy, Loopback, PATIENCE, User};
use tokio::time::timeout;

use crate::shell::{open, start};

#[tokio::test]
async fn a_wait_for_output_that_is_given_up_loses_nothing() {
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

/// What the service has wholly given to the network it cannot give again, so the answers are large and are cut
/// before their end has left it.
#[tokio::test]
async fn a_connection_that_breaks_in_an_answer_loses_no_output_and_brings_none_twice() {
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
    // The same answer is cut four times in different places, then it arrives.
    let treatments = (0..CUTS + CUTS / 4).map(|at| (at % 5 < 4).then_some(1 + at * 7_919 % LATEST));
    proxy.treat_answers(LARGE, treatments);

    let (mut next, mut line, mut broken) = (1_u64, Vec::new(), 0);
    while proxy.to_come() > 0 {
        let octets = match timeout(PATIENCE, command.next_output()).await.unwrap() {
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
