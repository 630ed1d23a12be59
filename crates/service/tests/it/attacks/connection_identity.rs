//! Identity of a connection: that of the last successful handshake, and none during another one.

use auth::{Initiator as _, Scheme, Step};

use super::client::{self, SignedInClient, ntlm_of, offer};
use super::{assert_refused, calls, hardened};
use crate::message::Message;
use crate::wire::{ADA, BEN, basic, post};

#[tokio::test]
async fn requests_without_credentials_are_rejected_around_a_failed_handshake() {
    let running = hardened(&[]).await;
    let mut wire = running.connect().await;
    let plain = post(Message::probe("echo", "plain")).anonymous();
    assert_refused(&wire.ask(&plain).await);

    let mut client = ntlm_of("ada", ADA, None);
    let (last, _) = client::last_token(&mut wire, &mut client, |_| {}).await;
    assert_refused(&wire.ask(&plain).await);
    // The request in between has ended the handshake, so the correct next token is rejected.
    assert_refused(&offer(&mut wire, Scheme::Negotiate, &last).await);
    assert_refused(&wire.ask(&plain).await);

    let mut client = ntlm_of("ada", "wrong", None);
    let (last, mut lost) = client::last_token(&mut wire, &mut client, |_| {}).await;
    assert_refused(&offer(&mut wire, Scheme::Negotiate, &last).await);
    assert_refused(&wire.ask(&plain).await);
    let sealed = client::sealed(lost.context.as_mut(), Scheme::Negotiate, plain.body.clone());
    assert_refused(&wire.ask(&sealed).await);
    assert_eq!(calls(&running), [""; 0]);
    running.stop().await;
}

#[tokio::test]
async fn a_handshake_authenticates_only_its_own_connection() {
    let running = hardened(&[]).await;
    for way in 0..3 {
        let (scheme, initiator) = client::every_way("ada", ADA).into_iter().nth(way).unwrap();
        let mut ada = SignedInClient::by(running.connect().await, scheme, initiator).await;
        assert_eq!(ada.ask("mine").await, "ada");
        let request = ada.seal("stolen");
        let mut other = running.connect().await;
        assert_refused(&other.ask(&request).await);
        // The token is also rejected on a connection of another user.
        let mut ben = SignedInClient::by_ntlm(running.connect().await, "ben", BEN).await;
        assert_eq!(ben.wire.ask(&request).await.status, 400);
        ben.wire.ends().await;
        assert_eq!(ada.wire.ask(&request).await.status, 200);
    }
    assert_eq!(calls(&running), ["mine", "stolen"].repeat(3));
    running.stop().await;
}

#[tokio::test]
async fn a_second_handshake_replaces_the_first_from_its_first_token() {
    let running = hardened(&[]).await;
    let mut ada = SignedInClient::by_ntlm(running.connect().await, "ada", ADA).await;
    assert_eq!(ada.ask("first").await, "ada");

    let mut client = ntlm_of("ben", BEN, None);
    let (last, initiated) = client::last_token(&mut ada.wire, &mut client, |_| {}).await;
    let request = ada.seal("while ben signs in");
    assert_refused(&ada.wire.ask(&request).await);
    assert_refused(&offer(&mut ada.wire, Scheme::Negotiate, &last).await);
    drop(initiated);

    let mut ben = SignedInClient::by_ntlm(ada.wire, "ben", BEN).await;
    assert_eq!(ben.ask("second").await, "ben");
    let request = client::sealed(ada.context.as_mut(), Scheme::Negotiate, request.body);
    assert_eq!(ben.wire.ask(&request).await.status, 400);
    ben.wire.ends().await;
    assert_eq!(calls(&running), ["first", "second"]);
    running.stop().await;
}

#[tokio::test]
async fn an_empty_request_asks_for_a_new_handshake_and_keeps_the_session() {
    let running = hardened(&[]).await;
    let empty = post("").anonymous();
    for (scheme, initiator) in client::every_way("ada", ADA) {
        let mut ada = SignedInClient::by(running.connect().await, scheme, initiator).await;
        assert_eq!(ada.ask("first").await, "ada");
        assert_refused(&ada.wire.ask(&empty).await);
        assert_refused(&ada.wire.ask(&empty.clone().without("Content-Type")).await);
        assert_eq!(ada.ask("second").await, "ada", "the session ended before another handshake began");
        assert_refused(&ada.wire.ask(&empty).await);
        // The completing token receives status 200, and the new keys replace the old ones.
        let mut ben = SignedInClient::by_ntlm(ada.wire, "ben", BEN).await;
        assert_eq!(ben.ask("third").await, "ben");
    }
    assert_eq!(calls(&running), ["first", "second", "third"].repeat(3));
    running.stop().await;
}

#[tokio::test]
async fn a_failed_second_handshake_ends_the_first_authentication() {
    let running = hardened(&[]).await;
    let wrong = [
        ("Negotiate", "Negotiate AAAA"),
        ("no Base64", "Negotiate !"),
        ("no token", "Negotiate"),
        ("Kerberos", "Kerberos YIIB"),
        ("another scheme", "Digest username=\"ada\""),
        ("Basic over HTTP", "Basic YWRhOng="),
        ("nothing", ""),
    ];
    for (name, header) in wrong {
        let mut ada = SignedInClient::by_ntlm(running.connect().await, "ada", ADA).await;
        assert_eq!(ada.ask("before").await, "ada");
        let request = ada.seal(name);
        assert_refused(&ada.wire.ask(&request.clone().header("Authorization", header)).await);
        assert_refused(&ada.wire.ask(&request).await);
    }
    let mut ada = SignedInClient::by_ntlm(running.connect().await, "ada", ADA).await;
    let refused = client::sign_in(&mut ada.wire, Scheme::Negotiate, &mut ntlm_of("ben", "wrong", None)).await;
    assert_refused(&refused.unwrap_err().answer);
    let request = ada.seal("after ben failed");
    assert_refused(&ada.wire.ask(&request).await);
    assert_eq!(calls(&running), vec!["before"; wrong.len()]);
    running.stop().await;
}

#[tokio::test]
async fn basic_authenticates_one_request_and_ends_the_connection_identity() {
    let running = hardened(&[]).await;
    let hello = |text: &str| post(Message::probe("echo", text)).anonymous();
    let mut ada = SignedInClient::by_ntlm(running.connect_tls().await, "ada", ADA).await;
    let as_ben = hello("as ben").header("Authorization", &basic("ben", BEN));
    let answer = ada.wire.ask(&as_ben).await;
    assert_eq!(client::account(&answer.text()), "ben");
    assert_eq!(ada.wire.ask(&hello("as whom?")).await.status, 401);

    let mut ada = SignedInClient::by_ntlm(ada.wire, "ada", ADA).await;
    let wrong = hello("wrong").header("Authorization", &basic("ben", "wrong"));
    assert_eq!(ada.wire.ask(&wrong).await.status, 401);
    assert_eq!(ada.wire.ask(&hello("as whom?")).await.status, 401);
    // A cached password applies to exactly the same header only.
    assert_eq!(client::account(&ada.wire.ask(&as_ben).await.text()), "ben");
    assert_eq!(ada.wire.ask(&hello("as whom?")).await.status, 401);
    assert_eq!(calls(&running), ["as ben", "as ben"]);
    running.stop().await;
}

#[tokio::test]
async fn two_authorization_headers_are_rejected() {
    let running = hardened(&[]).await;
    let mut wire = running.connect().await;
    let Step::Continue(first) = ntlm_of("ada", ADA, None).step(None).unwrap() else { panic!("it begins") };
    let begun = client::offering(post(""), Scheme::Negotiate, &first);
    let answer = wire.ask(&begun.also("Authorization", &basic("ben", BEN))).await;
    assert_eq!((answer.status, answer.body.len()), (400, 0));
    wire.ends().await;
    running.stop().await;
}

#[tokio::test]
async fn anonymous_identify_ignores_the_identity_of_the_connection() {
    let running = hardened(&[]).await;
    let mut ada = SignedInClient::by_ntlm(running.connect().await, "ada", ADA).await;
    for request in [
        post(Message::probe("echo", "anonymous")).anonymous().header("WSMANIDENTIFY", "unauthenticated"),
        post(Message::probe("echo", "anonymous")).anonymous().starting("POST /wsman-anon/identify HTTP/1.1"),
    ] {
        assert_refused(&ada.wire.ask(&request).await);
    }
    assert_eq!(ada.ask("after").await, "ada");
    assert_eq!(calls(&running), ["after"]);
    running.stop().await;
}
