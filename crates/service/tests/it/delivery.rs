//! Tests of delivery reports: a plug-in learns that a response arrived only if the client can have read all of it.

use std::path::PathBuf;

use tokio::time::Instant;
use wsman::Response;
use wsman::shell::{CommandState, Received};
use xml::Bounds;

use crate::faults::shell;
use crate::message::Message;
use crate::probe::Event;
use crate::running::Running;
use crate::wire::{Post, Wire, post};

/// More bytes than a socket buffers for a program that does not read, and fewer than it buffers for a slow one.
const LARGE: &str = "450000";

fn event(kind: fn(String) -> Event, text: &str) -> Event {
    kind(text.to_owned())
}

/// Returns a request for a response with this many bytes.
fn asking(octets: &str) -> Post {
    post(Message::probe("huge", octets))
}

#[tokio::test]
async fn a_response_that_was_read_is_delivered_whatever_follows() {
    let running = Running::start(&[]).await;
    let mut next = running.connect().await;
    for octets in ["1", "100000", LARGE] {
        let arrived = [Event::Called, Event::Answered, Event::Delivered].map(|kind| event(kind, octets));
        // The client sends another request, waits, closes, or has announced the close before.
        assert_eq!(next.ask(&asking(octets)).await.status, 200);
        running.probe.expect(&arrived).await;
        for tls in [false, true] {
            let connect = async || if tls { running.connect_tls().await } else { running.connect().await };
            let mut waits = connect().await;
            assert_eq!(waits.ask(&asking(octets)).await.status, 200);
            running.probe.expect(&arrived).await;
            let mut closes = connect().await;
            assert_eq!(closes.ask(&asking(octets)).await.status, 200);
            drop(closes);
            running.probe.expect(&arrived).await;
            let mut last = connect().await;
            assert_eq!(last.ask(&asking(octets).header("Connection", "close")).await.status, 200);
            running.probe.expect(&arrived).await;
            last.is_over().await;
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn a_response_is_lost_if_the_connection_is_reset_before_it_is_read() {
    let running = Running::start(&[]).await;
    let lost = [Event::Called, Event::Answered, Event::Lost].map(|kind| event(kind, LARGE));
    for request in [asking(LARGE), asking(LARGE).header("Connection", "close")] {
        for tls in [false, true] {
            let mut wire = match tls {
                false => Wire::connect_abruptly(running.http).await,
                true => Wire::connect_tls_abruptly(running.https).await,
            };
            wire.send(request.octets()).await;
            wire.beginning().await;
            drop(wire);
            running.probe.expect(&lost).await;
        }
        // Closing with unread data also resets the connection.
        let mut wire = running.connect().await;
        wire.send(request.octets()).await;
        wire.beginning().await;
        drop(wire);
        running.probe.expect(&lost).await;
    }
    running.stop().await;
}

#[tokio::test]
async fn a_response_to_a_closed_client_is_lost() {
    let running = Running::start(&[]).await;
    for tls in [false, true] {
        let mut wire = if tls { running.connect_tls().await } else { running.connect().await };
        wire.send(post(Message::probe("slow", "late")).octets()).await;
        running.probe.expect(&[event(Event::Called, "late")]).await;
        drop(wire);
        running.probe.release();
        running.probe.expect(&[event(Event::Answered, "late"), event(Event::Lost, "late")]).await;
    }
    running.stop().await;
}

#[tokio::test]
async fn over_a_unix_socket_a_response_is_delivered_when_it_is_read() {
    let running = Running::start(&[]).await;
    let path = running.local();
    // The whole response fits into the socket buffer.
    let octets = "50000";
    for is_read in [true, false] {
        let mut wire = Wire::connect_local(&path).await;
        wire.send(asking(octets).anonymous().octets()).await;
        let length = wire.beginning().await;
        running.probe.expect(&[event(Event::Called, octets), event(Event::Answered, octets)]).await;
        if is_read {
            wire.rest(length).await;
            running.probe.expect(&[event(Event::Delivered, octets)]).await;
        } else {
            drop(wire);
            running.probe.expect(&[event(Event::Lost, octets)]).await;
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn a_partially_written_response_is_lost() {
    let running = Running::start(&[("MaxEnvelopeSizekb", "32768")]).await;
    let mut wire = running.connect().await;
    let huge = (28 * 1_024 * 1_024).to_string();
    wire.send(post(Message::probe("huge", &huge)).octets()).await;
    running.probe.expect(&[event(Event::Called, &huge), event(Event::Answered, &huge)]).await;
    drop(wire);
    running.probe.expect(&[event(Event::Lost, &huge)]).await;
    running.stop().await;
}

#[tokio::test]
async fn an_unacknowledged_response_is_lost_after_a_timeout() {
    let running = Running::start(&[]).await;
    let mut lazy = running.connect().await;
    lazy.send(asking(LARGE).octets()).await;
    let length = lazy.beginning().await;
    running.probe.expect(&[event(Event::Called, LARGE), event(Event::Answered, LARGE)]).await;
    tokio::time::pause();
    let start = Instant::now();
    assert_eq!(running.probe.next_without_timeout().await, event(Event::Lost, LARGE));
    assert!((100..180).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    tokio::time::resume();
    let read = lazy.read_to_end().await;
    assert!(read < length, "the whole answer arrived after it was taken back");
    running.stop().await;
}

/// Transport of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Http,
    Https,
    Local,
}

/// A client of one command that loses every response twice.
struct LosingClient {
    running: Running,
    way: Transport,
    socket: PathBuf,
}

impl LosingClient {
    async fn connect(&self) -> Wire {
        match self.way {
            Transport::Http => self.running.connect().await,
            Transport::Https => self.running.connect_tls().await,
            Transport::Local => Wire::connect_local(&self.socket).await,
        }
    }

    fn receive(&self) -> Post {
        // Too much to be in flight without being read, and little enough to be written at once.
        let size = if self.way == Transport::Local { 90_000 } else { 500_000 };
        let message = shell::receive("SHELL", "COMMAND");
        post(message.header(&format!("<w:MaxEnvelopeSize>{size}</w:MaxEnvelopeSize>")))
    }

    /// Returns whether a response is large enough to be lost when its connection is reset.
    fn is_large(&self, length: usize) -> bool {
        length > if self.way == Transport::Local { 50_000 } else { 300_000 }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn command_output_arrives_exactly_once_despite_broken_connections() {
    const LINES: u32 = 300_000;
    for way in [Transport::Http, Transport::Https, Transport::Local] {
        let running = Running::start(&[]).await;
        let mut wire = running.connect().await;
        assert_eq!(wire.ask(&post(shell::create("SHELL"))).await.status, 200);
        let line = format!("seq 1 {LINES}");
        assert_eq!(wire.ask(&post(shell::command("SHELL", "COMMAND", &line))).await.status, 200);
        let socket = running.local();
        let client = LosingClient { running, way, socket };
        let (mut output, mut lost, mut in_a_row) = (Vec::new(), 0, 0);
        loop {
            let mut wire = client.connect().await;
            wire.send(client.receive().octets()).await;
            let length = wire.beginning().await;
            if client.is_large(length) && in_a_row < 2 {
                // Closing with so much unread data resets the connection.
                lost += 1;
                in_a_row += 1;
                continue;
            }
            in_a_row = 0;
            let text = String::from_utf8(wire.rest(length).await).unwrap();
            let response = Response::parse(text, &Bounds::default()).unwrap();
            let received = Received::parse(response.content().unwrap()).unwrap();
            output.extend(received.streams.into_iter().flat_map(|stream| stream.octets));
            if matches!(received.state, Some(CommandState::Done { .. })) {
                break;
            }
        }
        let expected: String = (1..=LINES).map(|line| format!("{line}\n")).collect();
        assert!(output == expected.as_bytes(), "{way:?}: {} octets of {}", output.len(), expected.len());
        assert!(lost >= 8, "{way:?}: only {lost} answers were lost");
        client.running.stop().await;
    }
}

#[tokio::test]
async fn a_receive_does_not_wait_for_requests_on_the_previous_connection() {
    let running = Running::start(&[]).await;
    let mut wires = [running.connect().await, running.connect().await];
    assert_eq!(wires[0].ask(&post(shell::create("SHELL"))).await.status, 200);
    let line = "for i in 1 2 3 4 5 6 7 8; do echo $i; read go; done";
    assert_eq!(wires[0].ask(&post(shell::command("SHELL", "COMMAND", line))).await.status, 200);
    for number in 1..=8 {
        // The connection of the last output stays open, and sends nothing until this Receive has its response.
        let answer = wires[number % 2].ask(&post(shell::receive("SHELL", "COMMAND"))).await;
        let response = answer.response();
        let received = Received::parse(response.content().unwrap()).unwrap();
        let output: Vec<u8> = received.streams.into_iter().flat_map(|stream| stream.octets).collect();
        assert_eq!(output, format!("{number}\n").as_bytes());
        let go = post(shell::send("SHELL", "COMMAND", "stdin", "Z28K"));
        assert_eq!(wires[(number + 1) % 2].ask(&go).await.status, 200);
    }
    running.stop().await;
}
