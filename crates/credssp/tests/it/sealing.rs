//! Message sealing with the TLS connection.

use auth::{Acceptor as _, Initiator as _, SealError, SecurityContext, Step};
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};

use crate::exchange::raw_client;
use crate::fake_mechanism::{FakeMechanism, talk};
use crate::tls::Tls;
use crate::{acceptor, initiator};

#[test]
fn a_message_is_one_record_with_a_header_of_trailer_length() {
    // MS-WSMV 2.2.9.1.1.2.2, as implemented by clients.
    for (version, trailer, overhead) in [(&TLS12, 16, 29), (&TLS13, 17, 22)] {
        let (mut tls, mut context) = service_context(version);
        assert!(context.can_seal());
        assert_eq!(context.largest_message(), Some(16_384));
        for length in [1, 100, 16_383, 16_384] {
            let plain = vec![b'x'; length];
            let mut message = plain.clone();
            let header = context.seal(&mut message).unwrap();
            assert_eq!(header.len(), trailer);
            let record = [header, message].concat();
            assert_eq!(record.len(), length + overhead);
            assert_eq!(record[..3], [0x17, 3, 3]);
            assert_eq!(usize::from(record[3]) * 256 + usize::from(record[4]) + 5, record.len());
            assert_eq!(tls.receive(&record), plain);
        }
    }
}

#[test]
fn records_may_be_divided_anywhere() {
    for version in [&TLS12, &TLS13] {
        let (mut tls, mut context) = service_context(version);
        for at in [0, 5, 14, 16, 17, 40] {
            let record = tls.send(b"a message that is long enough");
            let mut message = record[at..].to_vec();
            context.unseal(&record[..at], &mut message).unwrap();
            assert_eq!(message, b"a message that is long enough");
        }
        // Several records, and more than is buffered at once.
        let plain = vec![b'y'; 50_000];
        let mut message = tls.send(&plain);
        context.unseal(&[], &mut message).unwrap();
        assert_eq!(message, plain);
    }
}

#[test]
fn oversized_messages_are_not_sealed() {
    for length in [0, 16_385] {
        let (_, mut context) = service_context(&TLS13);
        assert_eq!(context.seal(&mut vec![b'x'; length]), Err(SealError::Failed));
    }
}

#[test]
fn changed_repeated_missing_or_truncated_records_are_rejected() {
    type Attack = fn(&mut Tls) -> Vec<u8>;
    let attacks: [(&str, Attack); 7] = [
        ("changed", |tls| {
            let mut record = tls.send(b"text");
            record[8] ^= 1;
            record
        }),
        ("left out", |tls| {
            tls.send(b"text");
            tls.send(b"text")
        }),
        ("cut", |tls| {
            let mut record = tls.send(b"text");
            record.pop();
            record
        }),
        ("cut within its header", |tls| tls.send(b"text")[..4].to_vec()),
        ("joined by half of another", |tls| {
            let mut record = tls.send(b"text");
            record.extend(tls.send(b"text")[..7].iter());
            record
        }),
        ("closed", |tls| {
            tls.0.send_close_notify();
            tls.pending()
        }),
        ("in the clear", |_| b"\x17\x03\x03\x00\x04text".to_vec()),
    ];
    for version in [&TLS12, &TLS13] {
        for (name, attack) in &attacks {
            let (mut tls, mut context) = service_context(version);
            let mut message = attack(&mut tls);
            assert_eq!(context.unseal(&[], &mut message), Err(SealError::Forged), "{name}");
            assert_eq!(context.unseal(&[], &mut tls.send(b"x")), Err(SealError::Failed), "{name}");
            assert_eq!(context.seal(&mut b"x".to_vec()), Err(SealError::Failed), "{name}");
        }
        let (mut tls, mut context) = service_context(version);
        let record = tls.send(b"text");
        context.unseal(&[], &mut record.clone()).unwrap();
        assert_eq!(context.unseal(&[], &mut record.clone()), Err(SealError::Forged), "repeated");
    }
}

#[test]
fn signing_without_sealing_is_unavailable() {
    let (_, mut context) = service_context(&TLS13);
    assert_eq!(context.sign(b"text"), Err(SealError::Unavailable));
    assert_eq!(context.verify(b"text", b"signature"), Err(SealError::Unavailable));
}

#[test]
fn key_updates_are_accepted() {
    let (mut tls, mut context) = service_context(&TLS13);
    for _ in 0..3 {
        let rustls::Connection::Client(client) = &mut tls.0 else { panic!("a client") };
        client.refresh_traffic_keys().unwrap();
        let mut message = tls.send(b"with new keys");
        context.unseal(&[], &mut message).unwrap();
        assert_eq!(message, b"with new keys");
        // The service's key update messages precede its next record.
        let header = context.seal(&mut message).unwrap();
        assert_eq!(tls.receive(&[header, message].concat()), b"with new keys");
    }
}

#[test]
fn our_client_and_service_interoperate() {
    let fake = FakeMechanism::like_kerberos();
    let (mut client, mut service) = (initiator(&fake), acceptor(&fake));
    let ends = talk(|token| client.step(token), |token| service.step(token), |_, token| token);
    let mut ends = [ends.0.done().context, ends.1.done().context];
    for length in [1, 1_000, 16_384] {
        let plain = vec![b'z'; length];
        for (sender, receiver) in [(0, 1), (1, 0)] {
            let mut message = plain.clone();
            let header = ends[sender].seal(&mut message).unwrap();
            ends[receiver].unseal(&header, &mut message).unwrap();
            assert_eq!(message, plain);
        }
    }
}

/// Returns the context of a service after authentication, and the client end of its connection.
fn service_context(version: &'static SupportedProtocolVersion) -> (Tls, Box<dyn SecurityContext>) {
    let mut service = acceptor(&FakeMechanism::like_ntlm());
    let mut client = raw_client(version, &mut service);
    let requests = client.requests();
    let (last, others) = requests.split_last().unwrap();
    for request in others {
        client.send(&mut service, request);
    }
    match service.step(&client.tls.send(last)).unwrap() {
        Step::Done { token: None, outcome } => (client.tls, outcome.context),
        _ => panic!("not completed"),
    }
}
