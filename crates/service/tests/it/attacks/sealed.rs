//! Sealed messages that somebody on the way repeats, reorders, cuts, changes, or puts something beside.

use auth::Scheme;

use super::visitor::{self, Visitor, account};
use super::{assert_refused, calls, fortress};
use crate::message::Message;
use crate::running::Running;
use crate::wire::{ADA, Post, basic, post};

/// Ada, signed in by each scheme, each time on a connection of her own.
async fn adas(running: &Running) -> Vec<Visitor> {
    let mut adas = Vec::new();
    for (scheme, initiator) in visitor::every_way("ada", ADA) {
        adas.push(Visitor::by(running.connect().await, scheme, initiator).await);
    }
    adas
}

/// The message is not executed, nothing is told about it, and the connection ends.
async fn assert_fatal(ada: &mut Visitor, request: &Post, name: &str) {
    let answer = ada.wire.ask(request).await;
    assert_eq!((answer.status, answer.body.len()), (400, 0), "{name} under {}", ada.scheme);
    ada.wire.ends().await;
}

#[tokio::test]
async fn a_message_that_is_repeated_left_out_or_swapped_is_not_executed() {
    let running = fortress(&[]).await;
    for mut ada in adas(&running).await {
        let request = ada.seal("once");
        assert_eq!(ada.wire.ask(&request).await.status, 200);
        assert_fatal(&mut ada, &request, "repeated").await;
    }
    for mut ada in adas(&running).await {
        let _left_out = ada.seal("left out");
        let request = ada.seal("second");
        assert_fatal(&mut ada, &request, "after one that was left out").await;
    }
    for mut ada in adas(&running).await {
        let (first, second) = (ada.seal("first"), ada.seal("second"));
        assert_fatal(&mut ada, &second, "swapped").await;
        let mut other = running.connect().await;
        assert_refused(&other.ask(&first).await);
    }
    assert_eq!(calls(&running), ["once"; 3]);
    running.stop().await;
}

#[tokio::test]
async fn a_message_that_is_changed_or_cut_anywhere_is_not_executed() {
    let running = fortress(&[]).await;
    let length = adas(&running).await[0].seal("changed").body.len();
    for part in 0..12 {
        for mut ada in adas(&running).await {
            let mut request = ada.seal("changed");
            // The first octets stand for the line that names the protocol, the rest for what is sealed.
            let at = request.body.len() * part / 12;
            request.body[at] ^= 0x20;
            if is_read_alike(&request.body, at) {
                continue;
            }
            assert_fatal(&mut ada, &request, &format!("octet {at} of {length} changed")).await;
        }
        for mut ada in adas(&running).await {
            let mut request = ada.seal("cut");
            request.body.truncate(request.body.len() * part / 12);
            if request.body.is_empty() {
                continue;
            }
            assert_fatal(&mut ada, &request, &format!("cut at part {part}")).await;
        }
    }
    assert_eq!(calls(&running), [""; 0]);
    running.stop().await;
}

/// Whether the octet belongs to a line in which the case of letters makes no difference.
fn is_read_alike(body: &[u8], at: usize) -> bool {
    let end = body.windows(12).position(|octets| octets.eq_ignore_ascii_case(b"octet-stream")).unwrap_or(0);
    at < end && body[at].is_ascii_alphabetic()
}

#[tokio::test]
async fn what_stands_beside_a_sealed_message_is_never_read_as_another() {
    let running = fortress(&[]).await;
    let smuggled = post(Message::probe("echo", "smuggled")).anonymous();
    for mut ada in adas(&running).await {
        // Inside the length of the body, behind the last boundary.
        let mut request = ada.seal("behind the boundary");
        request.body.extend(smuggled.octets());
        assert_fatal(&mut ada, &request, "behind the boundary").await;
    }
    for mut ada in adas(&running).await {
        // A second body of several parts in the same body.
        let (mut request, second) = (ada.seal("one"), ada.seal("two"));
        request.body.extend(second.body);
        assert_fatal(&mut ada, &request, "two bodies").await;
    }
    for mut ada in adas(&running).await {
        // In the same segment, as a request of its own: it is one, and it is not sealed.
        let request = ada.seal("in front");
        let octets = [request.octets(), smuggled.octets(), smuggled.octets()].concat();
        ada.wire.send(octets).await;
        let answer = ada.wire.answer().await;
        assert_eq!(account(&ada.open(&answer)), "ada");
        for _ in 0..2 {
            let answer = ada.wire.answer().await;
            assert_eq!((answer.status, answer.body.len()), (500, 0));
        }
        assert_eq!(ada.ask("after").await, "ada");
    }
    for mut ada in adas(&running).await {
        // Two ways of saying how long it is.
        let request = ada.seal("two lengths").header("Transfer-Encoding", "chunked");
        assert_fatal(&mut ada, &request, "two lengths").await;
    }
    assert_eq!(calls(&running), ["in front", "after"].repeat(3));
    running.stop().await;
}

#[tokio::test]
async fn a_message_in_the_clear_on_a_connection_that_seals_is_executed_only_where_that_is_allowed() {
    let running = fortress(&[]).await;
    let hello = post(Message::probe("echo", "in the clear")).anonymous();
    for mut ada in adas(&running).await {
        let answer = ada.wire.ask(&hello).await;
        assert_eq!((answer.status, answer.body.len()), (500, 0));
        assert_eq!(answer.header("WWW-Authenticate"), None);
    }
    assert_eq!(calls(&running), [""; 0]);
    running.set("Service.AllowUnencrypted", "true");
    for mut ada in adas(&running).await {
        assert_eq!(account(&ada.wire.ask(&hello).await.text()), "ada");
        // What is sealed is still answered sealed, be it a fault or not.
        let request = ada.seal_message(&Message::probe("misbehave", "fault"));
        let answer = ada.wire.ask(&request).await;
        assert_eq!(answer.status, 500);
        assert!(ada.open(&answer).contains("Fault"));
    }
    running.stop().await;
}

#[tokio::test]
async fn what_only_claims_to_be_sealed_or_is_so_for_another_scheme_is_not_executed() {
    let running = fortress(&[]).await;
    let plain = post(Message::probe("echo", "claimed")).anonymous();
    for mut ada in adas(&running).await {
        let sealed = ada.seal("claimed");
        let content_type = sealed.headers.iter().find(|(name, _)| name == "Content-Type").unwrap().1.clone();
        assert_fatal(&mut ada, &plain.clone().header("Content-Type", &content_type), "in the clear").await;
    }
    for mut ada in adas(&running).await {
        let other = match ada.scheme {
            Scheme::Negotiate => ("HTTP-SPNEGO-", "HTTP-Kerberos-"),
            _ => ("HTTP-CredSSP-", "HTTP-SPNEGO-"),
        };
        let mut request = ada.seal("claimed");
        request.body = replaced(&request.body, other.0.as_bytes(), other.1.as_bytes());
        for (_, value) in &mut request.headers {
            *value = value.replace(other.0, other.1);
        }
        assert_fatal(&mut ada, &request, "for another scheme").await;
    }
    // A password in the clear brings nothing that could open it.
    for mut ada in adas(&running).await {
        let request = ada.seal("claimed").header("Authorization", &basic("ada", ADA));
        let mut wire = running.connect_tls().await;
        assert_eq!(wire.ask(&request).await.status, 400);
        wire.ends().await;
        assert_refused(&ada.wire.ask(&request).await);
    }
    assert_eq!(calls(&running), [""; 0]);
    running.stop().await;
}

fn replaced(octets: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = octets.windows(from.len()).position(|window| window == from).expect("the protocol is named");
    [&octets[..at], to, &octets[at + from.len()..]].concat()
}

#[tokio::test]
async fn a_length_that_is_not_that_of_what_is_sealed_is_refused() {
    let running = fortress(&[]).await;
    for mut ada in adas(&running).await {
        let mut request = ada.seal("short");
        let at = request.body.windows(7).position(|window| window == b"Length=").unwrap() + 7;
        request.body[at] = if request.body[at] == b'9' { b'8' } else { request.body[at] + 1 };
        assert_fatal(&mut ada, &request, "another length").await;
    }
    // Nor is memory set aside for a length that nobody will send.
    for mut ada in adas(&running).await {
        let mut request = ada.seal("long");
        let at = request.body.windows(7).position(|window| window == b"Length=").unwrap() + 7;
        request.body.splice(at..=at, *b"99999999999999999999");
        assert_fatal(&mut ada, &request, "a length beyond all bounds").await;
    }
    assert_eq!(calls(&running), [""; 0]);
    running.stop().await;
}
