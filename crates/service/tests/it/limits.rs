//! Tests of the size and time limits of requests and responses.

use std::time::Duration;

use tokio::time::Instant;

use crate::TIMEOUT;
use crate::message::Message;
use crate::probe::Event;
use crate::running::Running;
use crate::wire::{Post, Wire, post};

/// Returns a request whose body has exactly this many bytes.
fn of_size(octets: usize) -> Post {
    let message = Message::probe("echo", "sized").text();
    let padding = " ".repeat(octets - message.len());
    post(message + &padding)
}

const LIMIT: usize = 64 * 1_024;

fn small() -> [(&'static str, &'static str); 1] {
    [("MaxEnvelopeSizekb", "64")]
}

#[tokio::test]
async fn bodies_are_limited_to_max_envelope_size() {
    let running = Running::start(&small()).await;
    for octets in [of_size(LIMIT).octets(), of_size(LIMIT).chunked(10_000)] {
        let mut wire = running.connect().await;
        wire.send(octets).await;
        assert_eq!(wire.answer().await.status, 200);
    }
    for octets in [of_size(LIMIT + 1).octets(), of_size(LIMIT + 1).chunked(10_000)] {
        let mut wire = running.connect().await;
        let _ = wire.try_send(octets).await;
        let answer = wire.answer().await;
        assert_eq!((answer.status, answer.header("Connection")), (413, Some("close")));
        wire.ends().await;
    }
    running.stop().await;
}

#[tokio::test]
async fn a_rejection_reaches_a_client_that_is_still_sending() {
    let running = Running::start(&small()).await;
    let large = 4 * 1_024 * 1_024;
    let long_head = format!("{}X: {}\r\n\r\n", post("").head(), "x".repeat(large));
    for (name, status, octets) in [
        ("a body that is too large", 413, of_size(large).octets()),
        ("chunks that are too large", 413, of_size(large).chunked(60_000)),
        ("a body that is too large of nobody", 401, of_size(large).anonymous().octets()),
        ("a body that is too large for nowhere", 404, of_size(large).starting("POST /x HTTP/1.1").octets()),
        ("a head that is too large", 431, long_head.into_bytes()),
        ("no HTTP at all", 400, vec![0x16; large]),
    ] {
        let mut wire = running.connect().await;
        // Closing with unread data would reset the connection, and the response would be lost.
        assert!(wire.try_send(octets).await.is_ok(), "{name}: the connection was torn while sending");
        let answer = wire.answer().await;
        assert_eq!((answer.status, answer.header("Connection")), (status, Some("close")), "{name}");
        assert_eq!(wire.end().await, Ok(()), "{name}");
    }
    running.stop().await;
}

#[tokio::test]
async fn heads_are_limited_to_96_kib_and_100_lines() {
    let running = Running::start(&[]).await;
    let plain = post(Message::probe("echo", "headed"));
    let padded = |octets: usize| {
        let bare = plain.clone().header("X", "").octets().len() - plain.body.len();
        plain.clone().header("X", &"x".repeat(octets - bare))
    };
    let lined = |lines: usize| {
        let there = plain.headers.len() + 1;
        (there..lines).fold(plain.clone(), |request, at| request.also(&format!("X-{at}"), ""))
    };
    for request in [padded(96 * 1_024), lined(100)] {
        assert_eq!(running.connect().await.ask(&request).await.status, 200);
    }
    for request in [padded(96 * 1_024 + 1), lined(101)] {
        let mut wire = running.connect().await;
        let _ = wire.try_send(request.octets()).await;
        let answer = wire.answer().await;
        assert_eq!((answer.status, answer.header("Connection")), (431, Some("close")));
        wire.ends().await;
    }
    running.stop().await;
}

#[tokio::test]
async fn responses_never_exceed_the_limits_and_are_never_truncated() {
    let running = Running::start(&small()).await;
    let mut wire = running.connect().await;
    let asking = |octets: usize| Message::probe("huge", &octets.to_string());
    let small = wire.ask(&post(asking(1))).await.body.len();
    let limited = |octets: usize, limit: usize| {
        post(asking(octets).header(&format!("<w:MaxEnvelopeSize>{limit}</w:MaxEnvelopeSize>")))
    };
    for (request, limit) in [
        (post(asking(LIMIT - small + 1)), LIMIT),
        (limited(LIMIT - small + 1, 1_000_000), LIMIT),
        (limited(8_192 - small + 1, 8_192), 8_192),
    ] {
        assert_eq!(wire.ask(&request).await.body.len(), limit);
    }
    for request in [post(asking(LIMIT)), limited(LIMIT, 1_000_000), limited(8_192 - small + 2, 8_192)] {
        let fault = wire.ask(&request).await.fault();
        assert_eq!(fault.code(), wsman::code::MAX_ENVELOPE_SIZE_EXCEEDED);
    }
    running.stop().await;
}

#[tokio::test]
async fn responses_in_utf_16_do_not_exceed_the_limits() {
    let running = Running::start(&small()).await;
    let mut wire = running.connect().await;
    let asking = |octets: usize| {
        let message = Message::probe("huge", &octets.to_string()).text();
        post(message.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>())
            .header("Content-Type", "application/soap+xml;charset=UTF-16")
    };
    let small = wire.ask(&asking(1)).await.body.len();
    let largest = (LIMIT - small) / 2 + 1;
    assert!((LIMIT - 2..=LIMIT).contains(&wire.ask(&asking(largest)).await.body.len()));
    let fault = wire.ask(&asking(largest + 2)).await.fault();
    assert_eq!(fault.code(), wsman::code::MAX_ENVELOPE_SIZE_EXCEEDED);
    running.stop().await;
}

fn quick() -> [(&'static str, &'static str); 1] {
    [("Service.MaxPacketRetrievalTimeSeconds", "1")]
}

#[tokio::test]
async fn a_slow_head_is_limited_by_the_packet_retrieval_time() {
    let running = Running::start(&quick()).await;
    let mut wire = running.connect().await;
    for begun in ["P", "POST /wsman HTTP/1.1\r\nHost: node7\r\n", "\r\n"] {
        let sent = Instant::now();
        wire.send(begun).await;
        tokio::time::pause();
        let paused = Instant::now();
        wire.is_closed_without_timeout().await;
        assert_about_a_second(sent, paused);
        tokio::time::resume();
        // The limit also applies after a complete request.
        wire = running.connect().await;
        assert_eq!(wire.ask(&post(Message::probe("echo", "quick"))).await.status, 200);
    }
    running.stop().await;
}

#[tokio::test]
async fn a_slow_body_receives_500_after_the_packet_retrieval_time() {
    let running = Running::start(&quick()).await;
    let request = post(Message::probe("echo", "slow"));
    for octets in [request.octets(), request.chunked(50)] {
        let mut wire = running.connect().await;
        let sent = Instant::now();
        wire.send(&octets[..octets.len() - 3]).await;
        tokio::time::pause();
        let paused = Instant::now();
        let answer = wire.answer().await;
        assert_about_a_second(sent, paused);
        tokio::time::resume();
        assert_eq!((answer.status, answer.body.len(), answer.header("Connection")), (500, 0, Some("close")));
        wire.ends().await;
    }
    assert_eq!(running.probe.so_far(), []);
    running.stop().await;
}

/// Steady progress does not extend the limit for the whole request.
#[tokio::test]
async fn a_request_in_single_bytes_is_limited_by_the_packet_retrieval_time() {
    let running = Running::start(&quick()).await;
    let request = post(Message::probe("echo", "dripping")).octets();
    let body = request.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 10;
    for quickly in [0, body] {
        let mut wire = running.connect().await;
        wire.send(&request[..quickly]).await;
        tokio::time::pause();
        let start = Instant::now();
        let mut drops = request[quickly..].iter();
        let mut rhythm = tokio::time::interval(Duration::from_millis(50));
        let dripping = async {
            for drop in drops.by_ref() {
                rhythm.tick().await;
                if wire.try_send([*drop]).await.is_err() {
                    break;
                }
            }
        };
        tokio::time::timeout(TIMEOUT, dripping).await.unwrap();
        // The head alone would take longer than this at the given rate.
        assert!(start.elapsed() < Duration::from_secs(8) && drops.len() > 0, "{:?}", start.elapsed());
        tokio::time::resume();
    }
    assert_eq!(running.probe.so_far(), []);
    running.stop().await;
}

/// Asserts that the service closed a connection about a second after data was sent. Only the time since the clock was
/// paused has an upper bound, because the machine may be busy before.
fn assert_about_a_second(sent: Instant, paused: Instant) {
    let (since_sent, since_paused) = (sent.elapsed(), paused.elapsed());
    assert!(since_sent >= Duration::from_millis(900), "{since_sent:?}");
    assert!(since_paused < Duration::from_secs(10), "{since_paused:?}");
}

#[tokio::test]
async fn idle_connections_close_after_30_seconds_authenticated_ones_after_600() {
    let running = Running::start(&[]).await;
    let mut stranger = running.connect().await;
    let mut rejected = running.connect().await;
    assert_eq!(rejected.ask(&post("").anonymous()).await.status, 401);
    let mut member = running.connect().await;
    assert_eq!(member.ask(&post(Message::probe("echo", "here"))).await.status, 200);

    // From here on, the clock advances whenever all tasks wait.
    tokio::time::pause();
    let start = Instant::now();
    stranger.is_closed_without_timeout().await;
    rejected.is_closed_without_timeout().await;
    let first = start.elapsed().as_secs();
    assert!((29..60).contains(&first), "{first} s");
    member.is_closed_without_timeout().await;
    let second = start.elapsed().as_secs();
    assert!((599..660).contains(&second), "{second} s");
}

#[tokio::test]
async fn an_unread_response_is_lost_and_its_connection_closed() {
    let running = Running::start(&[("MaxEnvelopeSizekb", "32768")]).await;
    let mut lazy = running.connect().await;
    // More than the buffers of both sockets hold.
    let huge = (28 * 1_024 * 1_024).to_string();
    lazy.send(post(Message::probe("huge", &huge)).octets()).await;
    running.probe.expect(&[Event::Called(huge.clone()), Event::Answered(huge.clone())]).await;

    // Other clients are not delayed.
    let mut other = running.connect().await;
    assert_eq!(other.ask(&post(Message::probe("echo", "meanwhile"))).await.status, 200);
    let meanwhile = || "meanwhile".to_owned();
    let others = [Event::Called(meanwhile()), Event::Answered(meanwhile()), Event::Delivered(meanwhile())];
    running.probe.expect(&others).await;

    tokio::time::pause();
    let start = Instant::now();
    assert_eq!(running.probe.next_without_timeout().await, Event::Lost(huge));
    assert!(start.elapsed() < Duration::from_secs(180), "{:?}", start.elapsed());
    tokio::time::resume();
    lazy.is_over().await;
    running.stop().await;
}

/// Data that arrives during a request is buffered, within bounds.
#[tokio::test]
async fn pipelined_requests_are_buffered_up_to_a_limit() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    wire.send(post(Message::probe("slow", "busy")).octets()).await;
    running.probe.expect(&[Event::Called("busy".into())]).await;
    let flood = post(Message::probe("echo", &"x".repeat(100_000))).octets().repeat(1_000);
    // The clock advances when neither end can continue.
    tokio::time::pause();
    let flooding = tokio::time::timeout(Duration::from_secs(1), wire.try_send(&flood)).await;
    assert!(flooding.is_err(), "a hundred megabytes were taken while one request was answered");
    tokio::time::resume();
    assert_eq!(running.probe.so_far().len(), 1);
    running.probe.release();
    assert_eq!(wire.answer().await.status, 200);
}

#[tokio::test]
async fn slow_clients_do_not_delay_others() {
    let running = Running::start(&[]).await;
    let request = post(Message::probe("slow", "waiting"));
    let mut slow: Vec<Wire> = Vec::new();
    for octets in [&b""[..], b"P", b"POST /wsman HTTP/1.1\r\n", &request.octets()[..500], &request.octets()] {
        let mut wire = running.connect().await;
        wire.send(octets).await;
        slow.push(wire);
    }
    running.probe.expect(&[Event::Called("waiting".into())]).await;
    let mut wire = running.connect().await;
    for _ in 0..20 {
        assert_eq!(wire.ask(&post(Message::probe("echo", "quick"))).await.status, 200);
    }
    running.probe.release();
    assert_eq!(slow.last_mut().unwrap().answer().await.status, 200);
}
