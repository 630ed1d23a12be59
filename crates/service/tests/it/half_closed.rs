//! Tests with clients that close their direction of the connection, and may or may not still read.

use tokio::time::Instant;
use wsman::{Subcode, code};

use crate::message::Message;
use crate::probe::Event;
use crate::running::Running;
use crate::wire::post;

fn event(kind: fn(String) -> Event, text: &str) -> Event {
    kind(text.to_owned())
}

#[tokio::test]
async fn a_half_closed_client_receives_its_response() {
    let running = Running::start(&[]).await;
    for tls in [false, true] {
        for octets in
            [post(Message::probe("echo", "last")).octets(), post(Message::probe("echo", "last")).chunked(9)]
        {
            let mut wire = if tls { running.connect_tls().await } else { running.connect().await };
            wire.send(octets).await;
            wire.finish_sending().await;
            let answer = wire.answer().await;
            assert_eq!(answer.response().content().unwrap().text(), "last");
            wire.ends().await;
            let events = [Event::Called, Event::Answered, Event::Delivered].map(|kind| event(kind, "last"));
            running.probe.expect(&events).await;
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn a_half_closed_client_receives_a_response_that_takes_a_moment() {
    let running = Running::start(&[]).await;
    for tls in [false, true] {
        let mut wire = if tls { running.connect_tls().await } else { running.connect().await };
        wire.send(post(Message::probe("slow", "moment")).octets()).await;
        wire.finish_sending().await;
        running.probe.expect(&[event(Event::Called, "moment")]).await;
        running.probe.release();
        assert_eq!(wire.answer().await.response().content().unwrap().text(), "moment");
        wire.ends().await;
        running.probe.expect(&[Event::Answered, Event::Delivered].map(|kind| event(kind, "moment"))).await;
    }
    running.stop().await;
}

#[tokio::test]
async fn pipelined_requests_are_all_answered_after_a_half_close() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    let texts = ["first", "second", "third"];
    wire.send(texts.map(|text| post(Message::probe("echo", text)).octets()).concat()).await;
    wire.finish_sending().await;
    for text in texts {
        assert_eq!(wire.answer().await.response().content().unwrap().text(), text);
    }
    wire.ends().await;
    running.stop().await;
}

#[tokio::test]
async fn an_operation_times_out_soon_after_a_half_close() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    wire.send(post(Message::probe("slow", "never")).octets()).await;
    wire.finish_sending().await;
    running.probe.expect(&[event(Event::Called, "never")]).await;
    tokio::time::pause();
    let start = Instant::now();
    let fault = wire.answer().await.fault();
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
    tokio::time::resume();
    assert_eq!((fault.subcode(), fault.code()), (&Subcode::TimedOut, code::TIMED_OUT));
    assert!(fault.reason().contains("OperationTimeout"), "{}", fault.reason());
    running.probe.expect(&[event(Event::Abandoned, "never")]).await;
    wire.ends().await;
    running.stop().await;
}

#[tokio::test]
async fn an_operation_ends_soon_after_its_client_closes() {
    let running = Running::start(&[("Service.MaxConnections", "1")]).await;
    let mut wire = running.connect().await;
    wire.send(post(Message::probe("slow", "gone")).octets()).await;
    running.probe.expect(&[event(Event::Called, "gone")]).await;
    tokio::time::pause();
    let start = Instant::now();
    drop(wire);
    running.probe.expect(&[event(Event::Abandoned, "gone")]).await;
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
    tokio::time::resume();
    assert_eq!(running.connect().await.ask(&post(Message::probe("echo", "next"))).await.status, 200);
    running.stop().await;
}
