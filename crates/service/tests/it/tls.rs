//! Tests of HTTPS listeners, and of clients that use another protocol with them.

use crate::message::Message;
use crate::running::Running;
use crate::wire::{Wire, post};

#[tokio::test]
async fn clients_with_and_without_alpn_use_http_1_1() {
    let running = Running::start(&[]).await;
    for alpn in [&[][..], &["http/1.1"], &["h2", "http/1.1"]] {
        let mut wire = Wire::connect_tls(running.https, alpn).await.unwrap();
        for _ in 0..2 {
            assert_eq!(wire.ask(&post(Message::probe("echo", "sealed"))).await.status, 200, "{alpn:?}");
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn a_client_that_speaks_only_http_2_is_refused_in_the_handshake() {
    let running = Running::start(&[]).await;
    assert!(Wire::connect_tls(running.https, &["h2"]).await.is_err());
    running.stop().await;
}

#[tokio::test]
async fn large_requests_and_responses_are_transferred_over_tls() {
    let running = Running::start(&[("MaxEnvelopeSizekb", "8192")]).await;
    let mut wire = running.connect_tls().await;
    let text = "x".repeat(5 * 1_024 * 1_024);
    let answer = wire.ask(&post(Message::probe("echo", &text))).await;
    assert_eq!(answer.response().content().unwrap().text(), text);
    running.stop().await;
}

#[tokio::test]
async fn plain_http_to_an_https_listener_is_rejected() {
    let running = Running::start(&[]).await;
    let request = post(Message::probe("echo", "plain")).octets();
    let nonsense = [0; 1_000];
    for octets in [&request[..], &nonsense, b"\x16\x03\x01\xFF\xFF", b"SSH-2.0-x\r\n"] {
        let mut wire = Wire::connect(running.https).await;
        let _ = wire.try_send(octets).await;
        wire.finish_sending().await;
        wire.is_over().await;
    }
    assert_eq!(running.probe.so_far(), []);
    running.stop().await;
}

#[tokio::test]
async fn an_unfinished_tls_handshake_times_out_and_delays_no_other() {
    let running = Running::start(&[]).await;
    let mut silent = Wire::connect(running.https).await;
    let mut half = Wire::connect(running.https).await;
    half.send(b"\x16\x03\x01\x02\x00\x01").await;
    assert_eq!(running.connect_tls().await.ask(&post(Message::probe("echo", "through"))).await.status, 200);
    tokio::time::pause();
    let start = tokio::time::Instant::now();
    silent.is_closed_without_timeout().await;
    half.is_closed_without_timeout().await;
    let seconds = start.elapsed().as_secs();
    assert!((10..60).contains(&seconds), "{seconds} s");
}

#[tokio::test]
async fn tls_to_an_http_listener_receives_400() {
    let running = Running::start(&[]).await;
    assert!(Wire::connect_tls(running.http, &["http/1.1"]).await.is_err());
    let mut wire = running.connect().await;
    wire.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03").await;
    assert_eq!(wire.answer().await.status, 400);
    wire.ends().await;
    running.stop().await;
}
