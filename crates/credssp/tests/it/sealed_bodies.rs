//! Properties of bodies sealed with TLS: messages arrive unchanged, and manipulated ones are rejected.

use auth::sealed_body::{Protocol, seal, unseal};
use auth::{Acceptor as _, Initiator as _, SecurityContext};

use crate::fake_mechanism::{FakeMechanism, talk};
use crate::generator::Generator;
use crate::{acceptor, initiator};

const SOAP: &str = "application/soap+xml;charset=UTF-8";

fn ends() -> [Box<dyn SecurityContext>; 2] {
    let fake = FakeMechanism::like_kerberos();
    let (mut client, mut service) = (initiator(&fake), acceptor(&fake));
    let ends = talk(|token| client.step(token), |token| service.step(token), |_, token| token);
    [ends.0.done().context, ends.1.done().context]
}

fn text(generator: &mut Generator, length: usize) -> Vec<u8> {
    let mut text = generator.octets(length);
    text.push(b'>');
    text
}

#[test]
fn messages_of_any_number_of_records_round_trip() {
    let mut generator = Generator::new(43);
    for _ in 0..4 {
        let mut ends = ends();
        for length in [0, 1, 16_382, 16_383, 16_384, 32_767, 32_768, 60_000] {
            let from = generator.below(2);
            let length = length + generator.below(2);
            let said = text(&mut generator, length);
            let sealed = seal(ends[from].as_mut(), Protocol::CredSsp, SOAP, said.clone()).unwrap();
            let hearing = ends[1 - from].as_mut();
            let received = unseal(hearing, Protocol::CredSsp, sealed.content_type, sealed.body, said.len());
            assert_eq!(received.unwrap().body, said);
        }
    }
}

#[test]
fn missing_repeated_or_swapped_records_are_rejected() {
    const BEGINNING: &[u8] = b"--Encrypted Boundary\r\n\tContent-Type: application/HTTP-";
    const END: &[u8] = b"--Encrypted Boundary--\r\n";
    let mut generator = Generator::new(47);
    type Attack = fn(&mut Vec<Vec<u8>>);
    let attacks: [(&str, Attack); 4] = [
        ("the first left out", |parts| drop(parts.remove(0))),
        ("one left out", |parts| drop(parts.remove(1))),
        ("one repeated", |parts| parts.insert(1, parts[0].clone())),
        ("two swapped", |parts| parts.swap(0, 2)),
    ];
    for (name, attack) in attacks {
        let mut ends = ends();
        let said = text(&mut generator, 40_000);
        let sealed = seal(ends[0].as_mut(), Protocol::CredSsp, SOAP, said).unwrap();
        let body = sealed.body.strip_suffix(END).unwrap();
        let starts = (0..body.len()).filter(|at| body[*at..].starts_with(BEGINNING)).chain([body.len()]);
        let starts: Vec<usize> = starts.collect();
        let mut parts: Vec<_> = starts.windows(2).map(|pair| body[pair[0]..pair[1]].to_vec()).collect();
        assert_eq!(parts.len(), 3);
        attack(&mut parts);
        let body = [parts.concat(), END.to_vec()].concat();
        let received = unseal(ends[1].as_mut(), Protocol::CredSsp, sealed.content_type, body, 100_000);
        assert!(received.is_err(), "{name}");
    }
}
