//! Attacks by a man in the middle, and by clients and services that violate the protocol.

use auth::credssp::{TsRequest, Version};
use auth::{Acceptor as _, AuthError, Initiator as _, Step};
use rustls::version::{TLS12, TLS13};
use telarch_credssp::Initiator;

use crate::exchange::raw_client;
use crate::fake_mechanism::{FakeMechanism, talk};
use crate::tls::Tls;
use crate::{CERTIFICATE, KeyedCertificate, acceptor, credentials, initiator};

#[test]
fn a_man_in_the_middle_gets_no_credentials() {
    let own = KeyedCertificate::rsa();
    for version in [&TLS12, &TLS13] {
        let fake = FakeMechanism::like_ntlm();
        let (mut client, mut service) = (initiator(&fake), acceptor(&fake));
        let (mut to_client, mut to_service) = (Tls::server(&own), Tls::client(version));
        to_service.shake_hands(&mut service);
        let mut relayed = 0;
        let mut token: Option<Vec<u8>> = None;
        // Every request is forwarded unchanged.
        let error = loop {
            let Step::Continue(said) = client.step(token.as_deref()).unwrap() else {
                panic!("credentials were sent")
            };
            let request = to_client.receive(&said);
            if request.is_empty() {
                token = Some(to_client.pending());
                continue;
            }
            relayed += 1;
            match service.step(&to_service.send(&request)) {
                Ok(Step::Continue(answer)) => token = Some(to_client.send(&to_service.receive(&answer))),
                Ok(Step::Done { .. }) => panic!("accepted"),
                Err(error) => break error,
            }
        };
        assert_eq!((error, relayed), (AuthError::ChannelBinding, 2));
        assert!(service.take_credentials().is_none());
        // Even if the client receives a success response.
        let lie = TsRequest { version: 6, pub_key_auth: Some(&[0; 48]), ..Default::default() };
        let lie = to_client.send(&lie.encode());
        assert!(client.step(Some(&lie)).is_err());
    }
}

#[test]
fn changed_tokens_are_rejected() {
    let fake = FakeMechanism::like_ntlm();
    let mut lengths = Vec::new();
    let (mut client, mut service) = (initiator(&fake), acceptor(&fake));
    let ends = talk(
        |token| client.step(token),
        |token| service.step(token),
        |_, token| {
            lengths.push(token.len());
            token
        },
    );
    assert!(ends.0.is_done() && ends.1.is_done());
    for (attacked, length) in lengths.iter().enumerate() {
        for part in 0..8 {
            let at = length * part / 8;
            let (mut client, mut service) = (initiator(&fake), acceptor(&fake));
            let ends = talk(
                |token| client.step(token),
                |token| service.step(token),
                |number, mut token| {
                    if number == attacked && at < token.len() {
                        token[at] ^= 0x11;
                    }
                    token
                },
            );
            // The service's messages after the handshake are optional; all others are required.
            assert!(!ends.1.is_done(), "token {attacked}, octet {at}");
            assert!(service.take_credentials().is_none());
        }
    }
}

#[test]
fn endless_exchanges_are_ended() {
    let fake = FakeMechanism { tokens: 99, ..FakeMechanism::like_ntlm() };
    let too_long = AuthError::Malformed("too many tokens, or a token longer than 64 KiB");
    let (mut client, mut service) = (initiator(&fake), acceptor(&fake));
    let ends = talk(|token| client.step(token), |token| service.step(token), |_, token| token);
    assert_eq!([ends.0.error(), ends.1.error()].iter().flatten().next(), Some(&too_long));

    // An endless client, with a mechanism without end.
    let mut service = acceptor(&fake);
    let mut tls = Tls::client(&TLS13);
    tls.shake_hands(&mut service);
    let requests = (1..99).step_by(2).map(|number| {
        let token = fake.token(number);
        TsRequest { version: 6, nego_token: Some(&token), ..TsRequest::default() }.encode()
    });
    let answered = requests.take_while(|request| service.step(&tls.send(request)).is_ok()).count();
    assert_eq!(answered, 8, "ten tokens, including two of TLS");

    // An endless service, with a client that does not stop.
    let mut client = Initiator::new(fake.initiator(), credentials(), Version::default()).unwrap();
    let (mut tls, mut token, mut number) = (Tls::server(&CERTIFICATE), None, 0);
    let error = loop {
        let said = match client.step(token.as_deref()) {
            Ok(Step::Continue(said)) => said,
            Ok(Step::Done { .. }) => panic!("credentials were sent"),
            Err(error) => break error,
        };
        token = Some(if tls.receive(&said).is_empty() {
            tls.pending()
        } else {
            number += 2;
            let answer = fake.token(number);
            tls.send(&TsRequest { version: 6, nego_token: Some(&answer), ..TsRequest::default() }.encode())
        });
    };
    assert_eq!((error, number), (too_long, 16));

    // Nor is a request accepted in pieces.
    let hello = Tls::client(&TLS13).pending();
    let half = acceptor(&fake).step(&hello[..hello.len() / 2]).unwrap_err();
    assert_eq!(half, AuthError::Malformed("incomplete TLS message"));
    assert_eq!(acceptor(&fake).step(&vec![0x16; 65_537]).unwrap_err(), too_long);
}

#[test]
fn invalid_or_empty_tokens_are_rejected() {
    let fake = FakeMechanism::like_ntlm();
    for token in [&b"NTLMSSP\0\x01\0\0\0"[..], b"\x30\x05\xa0\x03\x02\x01\x06", &[0x16, 3, 1, 0, 1, 9]] {
        let mut service = acceptor(&fake);
        assert!(matches!(service.step(token), Err(AuthError::Malformed(_))));
        assert_eq!(service.refusal(), None);
        assert!(
            matches!(service.step(token), Err(AuthError::Malformed(_))),
            "a context is unusable after an error"
        );

        let mut client = initiator(&fake);
        client.step(None).unwrap();
        assert!(matches!(client.step(Some(token)), Err(AuthError::Malformed(_))));
    }
    let mut service = acceptor(&fake);
    let mut client = raw_client(&TLS13, &mut service);
    assert_eq!(service.step(b"").unwrap_err(), AuthError::Malformed("empty token"));
    assert!(service.step(&client.tls.send(b"late")).is_err());

    let mut client = initiator(&fake);
    client.step(None).unwrap();
    assert!(matches!(client.step(Some(b"")), Err(AuthError::Malformed(_))), "incomplete handshake");
}

#[test]
fn a_client_that_closes_the_connection_is_rejected() {
    let mut service = acceptor(&FakeMechanism::like_ntlm());
    let mut client = raw_client(&TLS13, &mut service);
    let requests = client.requests();
    let (last, others) = requests.split_last().unwrap();
    for request in others {
        client.send(&mut service, request);
    }
    let mut token = client.tls.send(last);
    client.tls.0.send_close_notify();
    token.append(&mut client.tls.pending());
    assert!(service.step(&token).is_err());
    assert!(service.take_credentials().is_none());
}

#[test]
fn tokens_after_the_end_are_rejected() {
    let fake = FakeMechanism::like_ntlm();
    let (mut client, mut service) = (initiator(&fake), acceptor(&fake));
    let mut last = Vec::new();
    let ends = talk(
        |token| client.step(token),
        |token| service.step(token),
        |_, token| {
            last.clone_from(&token);
            token
        },
    );
    assert!(ends.0.is_done() && ends.1.is_done());
    for _ in 0..300 {
        assert!(matches!(service.step(&last), Err(AuthError::Malformed(_))));
        assert!(matches!(client.step(Some(&last)), Err(AuthError::Malformed(_))));
    }
}
