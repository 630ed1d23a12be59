//! Sealed messages that an attacker repeats, reorders, truncates, changes or extends.

use auth::Scheme;

use super::client::{self, SignedInClient, account};
use super::{assert_refused, calls, hardened};
use crate::message::Message;
use crate::running::Running;
use crate::wire::{ADA, Post, basic, post};

/// Returns one connection of ada for each scheme.
async fn adas(running: &Running) -> Vec<SignedInClient> {
    let mut adas = Vec::new();
    for (scheme, initiator) in client::every_way("ada", ADA) {
        adas.push(SignedInClient::by(running.connect().await, scheme, initiator).await);
    }
    adas
}

/// Checks that a message is not processed, that the response reveals nothing, and that the connection closes.
async fn assert_fatal(ada: &mut SignedInClient, request: &Post, name: &str) {
    let answer = ada.wire.ask(request).await;
    assert_eq!((answer.status, answer.body.len()), (400, 0), "{name} under {}", ada.scheme);
    ada.wire.ends().await;
}

#[tokio::test]
async fn repeated_omitted_and_swapped_messages_are_not_executed() {
    let running = hardened(&[]).await;
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
async fn changed_and_truncated_messages_are_not_executed() {
    let running = hardened(&[]).await;
    let length = adas(&running).await[0].seal("changed").body.len();
    for part in 0..12 {
        for mut ada in adas(&running).await {
            let mut request = ada.seal("changed");
            // The first bytes represent the line with the protocol name, the others the sealed data.
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

/// Returns whether a byte belongs to a line that is case-insensitive.
fn is_read_alike(body: &[u8], at: usize) -> bool {
    let end = body.windows(12).position(|octets| octets.eq_ignore_ascii_case(b"octet-stream")).unwrap_or(0);
    at < end && body[at].is_ascii_alphabetic()
}

#[tokio::test]
async fn data_beside_a_sealed_message_is_never_read_as_a_message() {
    let running = hardened(&[]).await;
    let smuggled = post(Message::probe("echo", "smuggled")).anonymous();
    for mut ada in adas(&running).await {
        // Within `Content-Length`, after the last boundary.
        let mut request = ada.seal("behind the boundary");
        request.body.extend(smuggled.octets());
        assert_fatal(&mut ada, &request, "behind the boundary").await;
    }
    for mut ada in adas(&running).await {
        // A second multipart body in the same request.
        let (mut request, second) = (ada.seal("one"), ada.seal("two"));
        request.body.extend(second.body);
        assert_fatal(&mut ada, &request, "two bodies").await;
    }
    for mut ada in adas(&running).await {
        // A separate unsealed request in the same segment.
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
        // Two different lengths.
        let request = ada.seal("two lengths").header("Transfer-Encoding", "chunked");
        assert_fatal(&mut ada, &request, "two lengths").await;
    }
    assert_eq!(calls(&running), ["in front", "after"].repeat(3));
    running.stop().await;
}

#[tokio::test]
async fn plain_messages_on_a_sealing_connection_require_allow_unencrypted() {
    let running = hardened(&[]).await;
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
        // Sealed requests still receive sealed responses and faults.
        let request = ada.seal_message(&Message::probe("misbehave", "fault"));
        let answer = ada.wire.ask(&request).await;
        assert_eq!(answer.status, 500);
        assert!(ada.open(&answer).contains("Fault"));
    }
    running.stop().await;
}

#[tokio::test]
async fn messages_sealed_for_another_scheme_or_not_at_all_are_not_executed() {
    let running = hardened(&[]).await;
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
    // Basic provides no key that could unseal the message.
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
async fn a_wrong_length_of_the_sealed_data_is_rejected() {
    let running = hardened(&[]).await;
    for mut ada in adas(&running).await {
        let mut request = ada.seal("short");
        let at = request.body.windows(7).position(|window| window == b"Length=").unwrap() + 7;
        request.body[at] = if request.body[at] == b'9' { b'8' } else { request.body[at] + 1 };
        assert_fatal(&mut ada, &request, "another length").await;
    }
    // No memory is allocated for an announced length.
    for mut ada in adas(&running).await {
        let mut request = ada.seal("long");
        let at = request.body.windows(7).position(|window| window == b"Length=").unwrap() + 7;
        request.body.splice(at..=at, *b"99999999999999999999");
        assert_fatal(&mut ada, &request, "a length beyond all bounds").await;
    }
    assert_eq!(calls(&running), [""; 0]);
    running.stop().await;
}
