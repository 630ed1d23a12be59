//! Detection of the client's mechanism under `Negotiate` and `Kerberos`.

use std::sync::Arc;

use telarch_auth::negotiate::Acceptor;
use telarch_auth::spnego::{Initiator, Mechanism};
use telarch_auth::{Acceptor as _, AuthError, Initiator as _, Oid};

use crate::fake_mechanism::{FakeMechanism, converse, talk};

#[test]
fn the_first_token_selects_ntlm_kerberos_or_spnego() {
    for fake in [FakeMechanism::like_ntlm(), FakeMechanism::like_kerberos()] {
        for wrapped in [true, false] {
            let mut service = Acceptor::negotiate(mechanisms());
            assert_eq!(service.mechanism(), None);
            let mut client =
                if wrapped { Box::new(Initiator::new(vec![fake.offer()])) } else { fake.initiator() };
            let (client, accepted) =
                talk(|token| client.step(token), |token| service.step(token), |_, token| token);
            converse(client.done().context.as_mut(), accepted.done().context.as_mut());
            assert_eq!(service.mechanism().as_ref(), fake.oids.first());
        }
    }
}

#[test]
fn both_oids_of_kerberos_are_recognised() {
    let twin = FakeMechanism { oids: vec![Oid::MICROSOFT_KERBEROS], ..FakeMechanism::like_kerberos() };
    let mut service = Acceptor::negotiate(mechanisms());
    service.step(&twin.token(1)).unwrap();
    assert_eq!(service.mechanism(), Some(Oid::MICROSOFT_KERBEROS));
}

/// Returns the first SPNEGO token of a client that offers these mechanisms.
fn wrapped(toys: &[&FakeMechanism]) -> Vec<u8> {
    let mut client = Initiator::new(toys.iter().map(|fake| fake.offer()).collect());
    match client.step(None).unwrap() {
        telarch_auth::Step::Continue(token) => token,
        telarch_auth::Step::Done { .. } => panic!("completed too early"),
    }
}

#[test]
fn the_scheme_kerberos_rejects_ntlm() {
    let (ntlm, kerberos) = (FakeMechanism::like_ntlm(), FakeMechanism::like_kerberos());
    for token in [ntlm.token(1), wrapped(&[&ntlm])] {
        let mut service = Acceptor::kerberos(mechanisms());
        assert_eq!(service.step(&token).unwrap_err(), AuthError::NoMechanism);
    }
    for token in [kerberos.token(1), wrapped(&[&kerberos]), wrapped(&[&kerberos, &ntlm])] {
        let mut service = Acceptor::kerberos(mechanisms());
        service.step(&token).unwrap();
        assert_eq!(service.mechanism(), Some(Oid::KERBEROS));
    }
}

#[test]
fn unknown_first_tokens_are_rejected() {
    let unknown = FakeMechanism { oids: vec![Oid::NEGOEX], ..FakeMechanism::like_kerberos() };
    let long = vec![0x60; 65_537];
    for (token, error) in [
        (&b""[..], None),
        (b"NTLMSS", None),
        (b"\x60\x02\x06\x00", None),
        (b"\xa1\x07\x30\x05\xa0\x03\x0a\x01\x01", None),
        (&unknown.token(1), Some(AuthError::NoMechanism)),
        (&long, Some(AuthError::Malformed("longer than 64 KiB"))),
    ] {
        let refused = Acceptor::negotiate(mechanisms()).step(token).unwrap_err();
        match error {
            Some(error) => assert_eq!(refused, error),
            None => assert!(matches!(refused, AuthError::Malformed(_)), "{refused}"),
        }
    }
}

#[test]
fn a_disabled_mechanism_is_unavailable() {
    let kerberos: Arc<dyn Mechanism> = Arc::new(FakeMechanism::like_kerberos());
    let refused = Acceptor::negotiate(vec![kerberos]).step(&FakeMechanism::like_ntlm().token(1)).unwrap_err();
    assert_eq!(refused, AuthError::NoMechanism);
    let absent: Arc<dyn Mechanism> =
        Arc::new(FakeMechanism { available: false, ..FakeMechanism::like_ntlm() });
    let refused = Acceptor::negotiate(vec![absent]).step(&FakeMechanism::like_ntlm().token(1)).unwrap_err();
    assert_eq!(refused, AuthError::Unavailable);
}

#[test]
fn tokens_after_a_failure_are_rejected() {
    let mut service = Acceptor::negotiate(mechanisms());
    assert!(service.step(b"nonsense").is_err());
    for fake in [FakeMechanism::like_ntlm(), FakeMechanism::like_kerberos()] {
        assert!(service.step(&fake.token(1)).is_err());
    }
}

fn mechanisms() -> Vec<Arc<dyn Mechanism>> {
    vec![Arc::new(FakeMechanism::like_kerberos()), Arc::new(FakeMechanism::like_ntlm())]
}
