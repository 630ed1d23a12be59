//! Handshakes that are started and never finished.

use std::time::Duration;

use auth::{Initiator, Scheme, Step};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::task::JoinSet;

use super::client::{SignedInClient, credssp_of, ntlm_of, offer, offering, spnego_of, token_of};
use super::{calls, hardened};
use crate::connections::resident_memory;
use crate::wire::{ADA, Wire, post};

fn first_token(mut initiator: impl Initiator) -> Vec<u8> {
    let Step::Continue(token) = initiator.step(None).unwrap() else { panic!("it begins") };
    token
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_unfinished_handshakes_use_bounded_memory() {
    let running = hardened(&[]).await;
    let limit = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: limit, maximum: limit }).unwrap();
    let count = 2_000.min(usize::try_from(limit.unwrap_or(u64::MAX).saturating_sub(1_000) / 2).unwrap());
    let tokens = [
        (Scheme::Negotiate, first_token(ntlm_of("ada", ADA, None))),
        (Scheme::Negotiate, first_token(spnego_of("ada", ADA, None))),
        (Scheme::CredSsp, first_token(credssp_of("ada", ADA))),
    ];
    // The certificate of CredSSP is created on first use and must not be measured here.
    let _ = offer(&mut running.connect().await, Scheme::CredSsp, &tokens[2].1).await;

    let before = resident_memory();
    let mut opening = JoinSet::new();
    for at in 0..count {
        let address = running.http;
        let (scheme, token) = &tokens[at % tokens.len()];
        let request = offering(post(""), *scheme, token).octets();
        opening.spawn(async move {
            let mut wire = Wire::connect(address).await;
            // The service may have closed the connection in favour of a newer one.
            let _ = wire.try_send(request).await;
            wire
        });
    }
    let group = opening.join_all().await;
    let mut ada = SignedInClient::by_ntlm(running.connect().await, "ada", ADA).await;
    assert_eq!(ada.ask("through the crowd").await, "ada");
    let grown = resident_memory().saturating_sub(before);
    assert!(grown < count * 64 * 1_024 + OTHER_TESTS, "{grown} octets for {count} sign-ins");
    drop(group);
    assert_eq!(ada.ask("after the crowd").await, "ada");
    assert_eq!(calls(&running), ["through the crowd", "after the crowd"]);
}

/// Memory that other tests in this process may allocate meanwhile, in bytes.
const OTHER_TESTS: usize = 96 * 1_024 * 1_024;

#[tokio::test]
async fn a_repeated_handshake_discards_the_previous_one() {
    let running = hardened(&[]).await;
    let mut wire = running.connect().await;
    for round in 0..300 {
        let token = match round % 3 {
            0 => first_token(ntlm_of("ada", ADA, None)),
            1 => first_token(spnego_of("ada", ADA, None)),
            _ => first_token(credssp_of("ada", ADA)),
        };
        let scheme = if round % 3 == 2 { Scheme::CredSsp } else { Scheme::Negotiate };
        // A token of another scheme discards the handshake; one of the same scheme is a wrong second token.
        let answer = offer(&mut wire, scheme, &token).await;
        assert_eq!(answer.status, 401);
        let has_begun = token_of(&answer).is_some();
        assert_eq!(has_begun, round % 3 != 1, "{round}: {answer:?}");
    }
    let mut ada = SignedInClient::by_ntlm(running.connect().await, "ada", ADA).await;
    assert_eq!(ada.ask("beside it").await, "ada");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_unfinished_handshake_closes_the_connection() {
    let running = hardened(&[]).await;
    let mut wire = running.connect().await;
    let token = first_token(ntlm_of("ada", ADA, None));
    assert!(token_of(&offer(&mut wire, Scheme::Negotiate, &token).await).is_some());
    let begin = tokio::time::Instant::now();
    wire.is_closed_without_timeout().await;
    assert!(begin.elapsed() <= Duration::from_secs(31), "{:?}", begin.elapsed());
}
