//! Forged, weakened, misplaced and oversized tokens.

use std::io::{Read as _, Write as _};

use auth::credssp::TsRequest;
use auth::spnego::{MechTypeList, NegTokenInit, NegTokenResp};
use auth::{Initiator as _, Oid, Scheme, Step};
use rustls::ClientConnection;

use super::client::{SignedInClient, account, last_token, ntlm_of, offer, offering, spnego_of, token_of};
use super::{assert_refused, calls, hardened};
use crate::message::Message;
use crate::wire::{ADA, Wire, post};

/// Offsets of the field descriptors in AUTHENTICATE (MS-NLMP 2.2.1.3).
const LM: usize = 12;
const NT: usize = 20;
const USER: usize = 36;
const FLAGS: usize = 60;
const MIC: usize = 72;

/// Replaces the timestamp attribute, without which clients send no message integrity code.
fn untimed(challenge: &mut [u8]) {
    let at = challenge.windows(4).position(|octets| octets == [7, 0, 8, 0]).expect("the time is told");
    challenge[at] = 0x77;
}

fn timed(_: &mut [u8]) {}

fn set_length(message: &mut [u8], field: usize, length: u16) {
    message[field..field + 2].copy_from_slice(&length.to_le_bytes());
    message[field + 2..field + 4].copy_from_slice(&length.to_le_bytes());
}

fn offset(message: &[u8], field: usize) -> usize {
    usize::try_from(u32::from_le_bytes(message[field + 4..field + 8].try_into().unwrap())).unwrap()
}

#[tokio::test]
async fn changed_ntlm_proofs_are_rejected() {
    let running = hardened(&[]).await;
    let mut wire = running.connect().await;
    for meddle in [timed as fn(&mut [u8]), untimed] {
        for octet in [0, 7, 15] {
            let mut client = ntlm_of("ada", ADA, None);
            let (mut last, _) = last_token(&mut wire, &mut client, meddle).await;
            let proof = offset(&last, NT);
            last[proof + octet] ^= 1;
            assert_refused(&offer(&mut wire, Scheme::Negotiate, &last).await);
            assert_refused(&wire.ask(&post(Message::probe("echo", "forged")).anonymous()).await);
        }
        // The unchanged token is accepted.
        let mut client = ntlm_of("ada", ADA, None);
        let (last, _) = last_token(&mut wire, &mut client, meddle).await;
        assert_eq!(offer(&mut wire, Scheme::Negotiate, &last).await.status, 200);
    }
    assert_eq!(calls(&running), [""; 0]);
    running.stop().await;
}

#[tokio::test]
async fn an_announced_message_integrity_code_must_be_present_and_correct() {
    let running = hardened(&[]).await;
    let mut wire = running.connect().await;
    type Attack = fn(&mut Vec<u8>);
    let attacks: [(&str, Attack); 4] = [
        ("changed", |last| last[MIC] ^= 1),
        ("zeros", |last| last[MIC..MIC + 16].fill(0)),
        ("the version before it changed", |last| last[MIC - 1] ^= 1),
        ("sealing struck from the flags", |last| last[FLAGS] &= !0x20),
    ];
    for (name, attack) in attacks {
        let mut client = ntlm_of("ada", ADA, None);
        let (mut last, _) = last_token(&mut wire, &mut client, timed).await;
        attack(&mut last);
        let answer = offer(&mut wire, Scheme::Negotiate, &last).await;
        assert_eq!(answer.status, 401, "{name}");
        assert_refused(&answer);
    }
    // Changes of the service's own message are detected as well.
    let mut client = ntlm_of("ada", ADA, None);
    let (last, _) = last_token(&mut wire, &mut client, |challenge| challenge[48] ^= 1).await;
    assert_refused(&offer(&mut wire, Scheme::Negotiate, &last).await);
    running.stop().await;
}

#[tokio::test]
async fn ntlmv1_lm_weak_keys_and_anonymous_are_refused() {
    let running = hardened(&[]).await;
    let mut wire = running.connect().await;
    type Attack = fn(&mut Vec<u8>);
    let attacks: [(&str, Attack); 7] = [
        ("NTLMv1", |last| set_length(last, NT, 24)),
        ("LM alone", |last| {
            set_length(last, NT, 0);
            set_length(last, LM, 24);
        }),
        ("anonymous, as Windows sends it", |last| {
            set_length(last, USER, 0);
            set_length(last, NT, 0);
            set_length(last, LM, 1);
        }),
        ("no name, with a proof", |last| set_length(last, USER, 0)),
        ("no extended session security", |last| last[FLAGS + 2] &= !0x08),
        ("no 128-bit keys", |last| last[FLAGS + 3] &= !0x20),
        ("no Unicode", |last| last[FLAGS] &= !0x01),
    ];
    for (name, attack) in attacks {
        let mut client = ntlm_of("ada", ADA, None);
        let (mut last, _) = last_token(&mut wire, &mut client, untimed).await;
        attack(&mut last);
        let answer = offer(&mut wire, Scheme::Negotiate, &last).await;
        assert_eq!(answer.status, 401, "{name}");
        assert_refused(&answer);
        assert_refused(&wire.ask(&post(Message::probe("echo", name)).anonymous()).await);
    }
    // A client that requests less from the beginning receives no challenge.
    for (at, bit) in [(14, 0x08), (15, 0x20), (12, 0x01)] {
        let Step::Continue(mut first) = ntlm_of("ada", ADA, None).step(None).unwrap() else { panic!() };
        first[at] &= !bit;
        assert_refused(&offer(&mut wire, Scheme::Negotiate, &first).await);
    }
    assert_eq!(calls(&running), [""; 0]);
    running.stop().await;
}

#[tokio::test]
async fn a_client_without_sealing_cannot_send_messages_over_http() {
    let running = hardened(&[]).await;
    let hello = post(Message::probe("echo", "unsealed")).anonymous();
    for over_tls in [false, true] {
        let mut wire = if over_tls { running.connect_tls().await } else { running.connect().await };
        // Remove sealing and key exchange from all messages, as old clients do.
        let mut client = ntlm_of("ada", ADA, None);
        let Step::Continue(mut first) = client.step(None).unwrap() else { panic!("it begins") };
        first[12] &= !0x30;
        first[15] &= !0x40;
        let answer = offer(&mut wire, Scheme::Negotiate, &first).await;
        let mut challenge = token_of(&answer).unwrap();
        untimed(&mut challenge);
        let Step::Done { token, .. } = client.step(Some(&challenge)).unwrap() else { panic!("not done") };
        let signed_in = offer(&mut wire, Scheme::Negotiate, &token.unwrap()).await;
        assert_eq!(signed_in.status, 200);
        let answer = wire.ask(&hello).await;
        if over_tls {
            assert_eq!(account(&answer.text()), "ada");
        } else {
            assert_eq!((answer.status, answer.body.len()), (500, 0));
        }
    }
    assert_eq!(calls(&running), ["unsealed"]);
    running.stop().await;
}

#[tokio::test]
async fn a_changed_list_of_mechanisms_is_detected() {
    let running = hardened(&[]).await;
    let mut wire = running.connect().await;
    let lists = [vec![Oid::NTLM, Oid::KERBEROS], vec![Oid::KERBEROS, Oid::NTLM], vec![Oid::NTLM]];
    for list in lists {
        let is_as_sent = list == [Oid::NTLM];
        let mut client = spnego_of("ada", ADA, None);
        let Step::Continue(first) = client.step(None).unwrap() else { panic!("it begins") };
        let first = NegTokenInit::decode(&first).unwrap();
        // If NTLM is not the first choice, its optimistic token is ignored.
        let optimistic = first.mech_token.filter(|_| list[0] == Oid::NTLM);
        let mech_types = MechTypeList::new(list.clone()).unwrap();
        let first = NegTokenInit { mech_types, mech_token: optimistic, ..first }.encode();
        let mut said = token_of(&offer(&mut wire, Scheme::Negotiate, &first).await).unwrap();
        let answer = loop {
            let token = match client.step(Some(&said)).unwrap() {
                Step::Continue(token) => token,
                Step::Done { token, .. } => token.unwrap(),
            };
            let answer = offer(&mut wire, Scheme::Negotiate, &token).await;
            match token_of(&answer) {
                Some(token) if answer.status == 401 => said = token,
                _ => break answer,
            }
        };
        assert_eq!(answer.status == 200, is_as_sent, "{list:?}: {answer:?}");
        if !is_as_sent {
            assert_refused(&answer);
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn the_signature_of_the_mechanism_list_is_required_and_verified() {
    let running = hardened(&[]).await;
    let mut wire = running.connect().await;
    for mic in [None, Some([0; 16])] {
        let mut client = spnego_of("ada", ADA, None);
        let Step::Continue(first) = client.step(None).unwrap() else { panic!("it begins") };
        let said = token_of(&offer(&mut wire, Scheme::Negotiate, &first).await).unwrap();
        let Step::Continue(last) = client.step(Some(&said)).unwrap() else {
            panic!("it waits for the other's")
        };
        let last = NegTokenResp::decode(&last).unwrap();
        assert!(last.mech_list_mic.is_some());
        let last = NegTokenResp { mech_list_mic: mic.as_ref().map(<[u8; 16]>::as_slice), ..last }.encode();
        let answer = offer(&mut wire, Scheme::Negotiate, &last).await;
        assert_refused(&answer);
        assert_refused(&wire.ask(&post("").anonymous()).await);
    }
    running.stop().await;
}

#[tokio::test]
async fn credssp_below_version_5_gets_no_challenge() {
    let running = hardened(&[]).await;
    for version in 1..=6 {
        let mut wire = running.connect().await;
        let mut tls = shake_hands(&mut wire).await;
        let mut client = spnego_of("ada", ADA, None);
        let Step::Continue(first) = client.step(None).unwrap() else { panic!("it begins") };
        let request = TsRequest { version, nego_token: Some(&first), ..TsRequest::default() };
        tls.writer().write_all(&request.encode()).unwrap();
        let answer = offer(&mut wire, Scheme::CredSsp, &pending(&mut tls)).await;
        assert_eq!(answer.status, 401);
        let said = token_of(&answer).map(|token| received(&mut tls, &token));
        let said = said.as_deref().map(|said| TsRequest::decode(said).unwrap());
        if version >= 5 {
            assert!(said.unwrap().nego_token.is_some());
            continue;
        }
        // Clients that can read a reason receive the same one for every failure.
        assert!(said.is_none_or(|said| said.nego_token.is_none() && said.error_code.is_some()), "{version}");
        let after = offer(&mut wire, Scheme::CredSsp, b"\x17\x03\x03\0\x01x").await;
        assert_refused(&after);
    }
    running.stop().await;
}

/// Performs the TLS handshake within CredSSP up to the first TSRequest.
async fn shake_hands(wire: &mut Wire) -> ClientConnection {
    let mut tls = Wire::trusting_client();
    loop {
        let token = pending(&mut tls);
        if token.is_empty() {
            return tls;
        }
        let answer = offer(wire, Scheme::CredSsp, &token).await;
        assert!(received(&mut tls, &token_of(&answer).unwrap()).is_empty());
    }
}

fn pending(tls: &mut ClientConnection) -> Vec<u8> {
    let mut records = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut records).unwrap();
    }
    records
}

fn received(tls: &mut ClientConnection, mut records: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    while !records.is_empty() {
        tls.read_tls(&mut records).unwrap();
        let there = tls.process_new_packets().unwrap().plaintext_bytes_to_read();
        let mut piece = vec![0; there];
        tls.reader().read_exact(&mut piece).unwrap();
        plain.append(&mut piece);
    }
    plain
}

#[tokio::test]
async fn tokens_out_of_order_or_for_another_scheme_are_rejected() {
    let running = hardened(&[]).await;
    let mut wire = running.connect().await;
    let mut client = ntlm_of("ada", ADA, None);
    let Step::Continue(negotiate) = client.step(None).unwrap() else { panic!("it begins") };
    let challenge = token_of(&offer(&mut wire, Scheme::Negotiate, &negotiate).await).unwrap();
    let Step::Done { token, .. } = client.step(Some(&challenge)).unwrap() else { panic!("not done") };
    let authenticate = token.unwrap();
    let spnego = NegTokenResp { response_token: Some(&authenticate), ..NegTokenResp::default() }.encode();

    let (n, c, a, s) = (&negotiate[..], &challenge[..], &authenticate[..], &spnego[..]);
    type Sequence<'a> = (&'a str, &'a [(Scheme, &'a [u8])]);
    let sequences: [Sequence; 8] = [
        ("the last message first", &[(Scheme::Negotiate, a)]),
        ("the service's own message", &[(Scheme::Negotiate, c)]),
        ("the service's own message in the middle", &[(Scheme::Negotiate, n), (Scheme::Negotiate, c)]),
        ("the first message twice", &[(Scheme::Negotiate, n), (Scheme::Negotiate, n)]),
        ("an answer to another challenge", &[(Scheme::Negotiate, n), (Scheme::Negotiate, a)]),
        ("the middle of SPNEGO first", &[(Scheme::Negotiate, s)]),
        ("the middle of SPNEGO after bare NTLM", &[(Scheme::Negotiate, n), (Scheme::Negotiate, s)]),
        ("the scheme changed in the middle", &[(Scheme::Negotiate, n), (Scheme::CredSsp, a)]),
    ];
    for (name, sequence) in sequences {
        let mut wire = running.connect().await;
        let (last, before) = sequence.split_last().unwrap();
        for (scheme, token) in before {
            assert!(token_of(&offer(&mut wire, *scheme, token).await).is_some(), "{name}");
        }
        let answer = offer(&mut wire, last.0, last.1).await;
        assert_eq!(answer.status, 401, "{name}");
        assert_refused(&answer);
        assert_refused(&wire.ask(&post(Message::probe("echo", name)).anonymous()).await);
    }

    // A token that was accepted once is rejected on every connection, including its own.
    let mut ada = SignedInClient::by_ntlm(running.connect().await, "ada", ADA).await;
    assert_refused(&offer(&mut ada.wire, Scheme::Negotiate, &authenticate).await);
    let request = ada.seal("after a replay");
    assert_refused(&ada.wire.ask(&request).await);
    // The open challenge accepts the token that was computed for it, once.
    assert_eq!(offer(&mut wire, Scheme::Negotiate, &authenticate).await.status, 200);
    assert_refused(&offer(&mut wire, Scheme::Negotiate, &authenticate).await);
    assert_eq!(calls(&running), [""; 0]);
    running.stop().await;
}

#[tokio::test]
async fn a_message_with_an_intermediate_token_is_ignored() {
    let running = hardened(&[]).await;
    let mut wire = running.connect().await;
    let mut client = ntlm_of("ada", ADA, None);
    let hello = post(Message::probe("echo", "too early"));
    let Step::Continue(first) = client.step(None).unwrap() else { panic!("it begins") };
    let answer = wire.ask(&offering(hello.clone(), Scheme::Negotiate, &first)).await;
    let challenge = token_of(&answer).unwrap();
    let Step::Done { token, outcome } = client.step(Some(&challenge)).unwrap() else { panic!("not done") };
    // A message with the last token is not processed either, because it is not sealed.
    let answer = wire.ask(&offering(hello, Scheme::Negotiate, &token.unwrap())).await;
    assert_eq!((answer.status, answer.body.len()), (500, 0));
    assert_eq!(calls(&running), [""; 0]);
    let mut ada = SignedInClient { wire, scheme: Scheme::Negotiate, context: outcome.context };
    assert_eq!(ada.ask("sealed").await, "ada");
    running.stop().await;
}

#[tokio::test]
async fn oversized_tokens_are_rejected_without_being_parsed() {
    let running = hardened(&[]).await;
    let mut wire = running.connect().await;
    let Step::Continue(first) = ntlm_of("ada", ADA, None).step(None).unwrap() else { panic!("it begins") };
    for scheme in [Scheme::Negotiate, Scheme::CredSsp] {
        for length in [65_537, 66_000] {
            let mut token = first.clone();
            token.resize(length, 0);
            assert_refused(&offer(&mut wire, scheme, &token).await);
        }
    }
    // The token exceeds the maximum size of a head, which is rejected before its end.
    for over in [74_000, 200_000, 2_000_000] {
        let mut wire = running.connect().await;
        let request = offering(post(""), Scheme::Negotiate, &vec![0x60; over]).octets();
        let _ = wire.try_send(request).await;
        if let Some(answer) = wire.answer_or_end().await {
            assert!(matches!(answer.status, 400 | 431), "{over}: {answer:?}");
            wire.is_over().await;
        }
    }
    running.stop().await;
}
