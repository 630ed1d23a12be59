//! Tests of the guarantees for plug-ins, and of protection from misbehaving plug-ins.

use std::time::Duration;

use tokio::time::Instant;

use crate::message::Message;
use crate::probe::Event;
use crate::running::Running;
use crate::wire::{Wire, post};

fn event(kind: fn(String) -> Event, text: &str) -> Event {
    kind(text.to_owned())
}

#[tokio::test]
async fn a_call_is_dropped_when_the_connection_is_reset() {
    let running = Running::start(&[]).await;
    for tls in [false, true] {
        let mut wire = match tls {
            false => Wire::connect_abruptly(running.http).await,
            true => Wire::connect_tls_abruptly(running.https).await,
        };
        wire.send(post(Message::probe("slow", "gone")).octets()).await;
        running.probe.expect(&[event(Event::Called, "gone")]).await;
        tokio::time::pause();
        let start = Instant::now();
        drop(wire);
        running.probe.expect(&[event(Event::Abandoned, "gone")]).await;
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
        tokio::time::resume();
    }
    // Pipelined requests are dropped with the connection.
    let mut wire = Wire::connect_abruptly(running.http).await;
    let requests = ["first", "ahead"].map(|text| post(Message::probe("slow", text)).octets());
    wire.send(requests.concat()).await;
    running.probe.expect(&[event(Event::Called, "first")]).await;
    drop(wire);
    running.probe.expect(&[event(Event::Abandoned, "first")]).await;
    running.stop().await;
}

#[tokio::test]
async fn an_oversized_response_is_not_delivered() {
    let running = Running::start(&[("MaxEnvelopeSizekb", "32")]).await;
    let mut wire = running.connect().await;
    let fault = wire.ask(&post(Message::probe("huge", "40000"))).await.fault();
    assert_eq!(fault.code(), wsman::code::MAX_ENVELOPE_SIZE_EXCEEDED);
    running.probe.expect(&[event(Event::Called, "40000"), event(Event::Abandoned, "40000")]).await;
    running.stop().await;
}

#[tokio::test]
async fn a_panic_of_a_plugin_closes_only_its_connection() {
    let running = Running::start(&[("Service.MaxConnections", "2")]).await;
    let mut other = running.connect().await;
    for _ in 0..5 {
        assert_eq!(other.ask(&post(Message::probe("echo", "before"))).await.status, 200);
        let mut wire = running.connect().await;
        wire.send(post(Message::probe("panic", "now")).octets()).await;
        wire.is_over().await;
        // The request no longer counts for MaxConnections, so a third one is accepted.
        assert_eq!(other.ask(&post(Message::probe("echo", "after"))).await.status, 200);
    }
    drop(other);
    running.stop().await;
}

#[tokio::test]
async fn shutdown_finishes_current_requests_and_accepts_no_new_ones() {
    let running = Running::start(&[]).await;
    let mut idle = running.connect().await;
    let mut signed_in = running.connect().await;
    assert_eq!(signed_in.ask(&post(Message::probe("echo", "before"))).await.status, 200);
    let mut busy = running.connect().await;
    busy.send([0, 1].map(|_| post(Message::probe("slow", "busy")).octets()).concat()).await;
    let before = ["before"; 3].iter().zip([Event::Called, Event::Answered, Event::Delivered]);
    running.probe.expect(&before.map(|(text, kind)| event(kind, text)).collect::<Vec<_>>()).await;
    running.probe.expect(&[event(Event::Called, "busy")]).await;

    running.service.begin_shutdown();
    idle.ends().await;
    signed_in.ends().await;
    running.probe.release();
    let answer = busy.answer().await;
    assert_eq!((answer.status, answer.header("Connection")), (200, Some("close")));
    busy.is_over().await;
    assert!(tokio::net::TcpStream::connect(running.http).await.is_err(), "it still listens");
    let calls = running.probe.so_far().into_iter().filter(|event| matches!(event, Event::Called(_)));
    assert_eq!(calls.count(), 2);
    running.stop().await;
}

#[tokio::test]
async fn idle_connections_do_not_delay_the_shutdown() {
    let running = Running::start(&[]).await;
    let _silent = running.connect().await;
    let mut signed_in = running.connect().await;
    assert_eq!(signed_in.ask(&post(Message::probe("echo", "before"))).await.status, 200);
    let mut refused = running.connect().await;
    assert_eq!(refused.ask(&post("").anonymous()).await.status, 401);

    tokio::time::pause();
    let start = Instant::now();
    running.service.begin_shutdown();
    running.service.drained().await;
    assert!(start.elapsed().as_millis() < 500, "{:?}", start.elapsed());
}
