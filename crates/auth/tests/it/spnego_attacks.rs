//! Attacks on SPNEGO by a man in the middle.

use telarch_auth::spnego::{Initiator, MechTypeList, NegState, NegTokenInit, NegTokenResp};
use telarch_auth::{Acceptor as _, AuthError, Initiator as _, MechListMic, Oid, Step};

use crate::fake_mechanism::FakeMechanism;
use crate::spnego::{acceptor, meet};

const NO_MIC: AuthError = AuthError::Downgraded("mechListMIC, the signature over the mechanism list");

/// Removes all mechanisms but NTLM from a client's first token.
fn with_ntlm_only(token: &[u8]) -> Vec<u8> {
    let token = NegTokenInit::decode(token).unwrap();
    let mech_types = MechTypeList::new(vec![Oid::NTLM]).unwrap();
    NegTokenInit { mech_types, mech_token: None, ..token }.encode()
}

#[test]
fn removing_the_stronger_mechanism_is_detected() {
    for tokens in 2..=5 {
        for mic in [MechListMic::Required, MechListMic::Optional] {
            let (better, worse) =
                (FakeMechanism::like_kerberos(), FakeMechanism { tokens, mic, ..FakeMechanism::like_ntlm() });
            let offers = || vec![better.offer(), worse.offer()];
            let (client, service) = meet(offers(), &[&better, &worse], |number, token| match number {
                0 => with_ntlm_only(&token),
                _ => token,
            });
            assert!(!client.is_done(), "{tokens} {mic:?}: the client selected the weaker mechanism");
            // If the service is not required to send a MIC, the client must notice.
            let noticed = [Some(AuthError::Unproven), Some(NO_MIC)];
            assert!(
                noticed.contains(&client.error()) || noticed.contains(&service.error()),
                "{tokens} {mic:?}"
            );
        }
    }
}

#[test]
fn reordering_the_list_is_detected() {
    let (better, worse) = (FakeMechanism::like_kerberos(), FakeMechanism::like_ntlm());
    let (client, service) =
        meet(vec![better.offer(), worse.offer()], &[&better, &worse], |number, token| match number {
            0 => {
                let mech_types = MechTypeList::new(vec![Oid::NTLM, Oid::KERBEROS]).unwrap();
                let token = NegTokenInit::decode(&token).unwrap();
                NegTokenInit { mech_types, mech_token: None, ..token }.encode()
            }
            _ => token,
        });
    assert_eq!(service.error(), Some(AuthError::Unproven));
    assert!(!client.is_done());
}

#[test]
fn a_missing_mic_is_rejected() {
    let fake = FakeMechanism::like_ntlm();
    let strip =
        |token: &[u8]| NegTokenResp { mech_list_mic: None, ..NegTokenResp::decode(token).unwrap() }.encode();
    for attacked in [2, 3] {
        let (client, service) =
            meet(
                vec![fake.offer()],
                &[&fake],
                |number, token| {
                    if number == attacked { strip(&token) } else { token }
                },
            );
        let victim = if attacked == 2 { service.error() } else { client.error() };
        assert_eq!(victim, Some(NO_MIC));
        assert!(!client.is_done());
    }
}

#[test]
fn a_missing_mic_in_the_services_last_token_is_rejected() {
    // The service signs first when it sends the mechanism's last token.
    let fake = FakeMechanism { mic: MechListMic::Required, ..FakeMechanism::like_kerberos() };
    for (attacked, completed) in [(1, true), (1, false), (2, false)] {
        let (client, service) = meet(vec![fake.offer()], &[&fake], |number, token| {
            if number != attacked {
                return token;
            }
            let token = NegTokenResp::decode(&token).unwrap();
            let neg_state = if completed { Some(NegState::AcceptCompleted) } else { token.neg_state };
            NegTokenResp { mech_list_mic: None, neg_state, ..token }.encode()
        });
        match (attacked, completed) {
            (1, true) => assert_eq!(client.error(), Some(NO_MIC)),
            // The client signs as well, and waits for an answer that does not come.
            (1, false) => assert!(!client.is_done(), "{client:?}"),
            _ => assert_eq!(service.error(), Some(NO_MIC)),
        }
    }
}

#[test]
fn a_wrong_mic_is_rejected() {
    let fake = FakeMechanism::like_ntlm();
    for attacked in [2, 3] {
        let (client, service) = meet(vec![fake.offer()], &[&fake], |number, token| {
            if number != attacked {
                return token;
            }
            let token = NegTokenResp::decode(&token).unwrap();
            let mut mic = token.mech_list_mic.unwrap().to_vec();
            mic[5] ^= 1;
            NegTokenResp { mech_list_mic: Some(&mic), ..token }.encode()
        });
        let victim = if attacked == 2 { service.error() } else { client.error() };
        assert_eq!(victim, Some(AuthError::Unproven));
        assert!(!client.is_done());
    }
}

#[test]
fn no_changed_byte_leads_to_a_weaker_mechanism() {
    let (better, worse) = (FakeMechanism::like_kerberos(), FakeMechanism::like_ntlm());
    for mechanisms in [&[&better, &worse][..], &[&worse]] {
        let offers = || vec![better.offer(), worse.offer()];
        let mut lengths = Vec::new();
        let (client, service) = meet(offers(), mechanisms, |_, token| {
            lengths.push(token.len());
            token
        });
        assert!(service.is_done());
        let expected = mechanism(&mut client.done());
        for (attacked, length) in lengths.iter().enumerate() {
            for at in 0..*length {
                for change in [0x01, 0x02, 0x80, 0xff] {
                    let (client, service) = meet(offers(), mechanisms, |number, mut token| {
                        if number == attacked {
                            token[at] ^= change;
                        }
                        token
                    });
                    if client.is_done() && service.is_done() {
                        assert_eq!(mechanism(&mut client.done()), expected, "token {attacked}, octet {at}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_reject_ends_the_negotiation() {
    let fake = FakeMechanism::like_ntlm();
    for (attacked, expected) in
        [(1, AuthError::NoMechanism), (2, AuthError::NoMechanism), (3, AuthError::WrongPassword)]
    {
        let (client, service) = meet(vec![fake.offer()], &[&fake], |number, token| {
            let reject = NegTokenResp { neg_state: Some(NegState::Reject), ..NegTokenResp::default() };
            if number == attacked { reject.encode() } else { token }
        });
        let victim = if attacked == 2 { service.error() } else { client.error() };
        assert_eq!(victim, Some(expected), "token {attacked}");
    }
}

#[test]
fn a_negotiation_starts_once_and_ends_once() {
    let fake = FakeMechanism::like_ntlm();
    let mut tokens = Vec::new();
    let (_, _) = meet(vec![fake.offer()], &[&fake], |_, token| {
        tokens.push(token.clone());
        token
    });
    let mut service = acceptor(&[&fake]);
    service.step(&tokens[0]).unwrap();
    assert!(matches!(service.step(&tokens[0]), Err(AuthError::Malformed(_))), "a second first token");
    assert!(
        matches!(service.step(&tokens[2]), Err(AuthError::Malformed(_))),
        "a context is unusable after an error"
    );

    let mut service = acceptor(&[&fake]);
    service.step(&tokens[0]).unwrap();
    assert!(matches!(service.step(&tokens[2]), Ok(Step::Done { .. })));
    for token in [&tokens[0], &tokens[2]] {
        assert!(matches!(service.step(token), Err(AuthError::Malformed(_))), "a token after completion");
    }
    let mut service = acceptor(&[&fake]);
    assert!(matches!(service.step(&tokens[2]), Err(AuthError::Malformed(_))), "a response as first token");

    let mut client = Initiator::new(vec![fake.offer()]);
    assert!(
        matches!(client.step(Some(&tokens[1])), Err(AuthError::Malformed(_))),
        "a response before the first token"
    );
    let mut client = Initiator::new(vec![fake.offer()]);
    client.step(None).unwrap();
    assert!(matches!(client.step(None), Err(AuthError::Malformed(_))), "a second first token");
    assert!(
        matches!(client.step(Some(&tokens[1])), Err(AuthError::Malformed(_))),
        "a context is unusable after an error"
    );
}

#[test]
fn selecting_an_unoffered_or_second_mechanism_is_rejected() {
    let fake = FakeMechanism::like_ntlm();
    for (attacked, oid) in [(1, Oid::KERBEROS), (3, Oid::KERBEROS)] {
        let (client, _) = meet(vec![fake.offer()], &[&fake], |number, token| {
            if number != attacked {
                return token;
            }
            let token = NegTokenResp::decode(&token).unwrap();
            NegTokenResp { supported_mech: Some(oid.clone()), ..token }.encode()
        });
        assert!(matches!(client.error(), Some(AuthError::Malformed(_))), "{client:?}");
    }
    // The service must not answer a token of a mechanism that has not started.
    let (client, _) =
        meet(vec![FakeMechanism::like_kerberos().offer(), fake.offer()], &[&fake], |number, token| {
            if number != 1 {
                return token;
            }
            let token = NegTokenResp::decode(&token).unwrap();
            NegTokenResp { response_token: Some(b"challenge"), ..token }.encode()
        });
    assert!(matches!(client.error(), Some(AuthError::Malformed(_))), "{client:?}");
}

#[test]
fn completion_before_the_mechanism_is_rejected() {
    let fake = FakeMechanism { tokens: 5, ..FakeMechanism::like_ntlm() };
    type Change = fn(NegTokenResp<'static>) -> NegTokenResp<'static>;
    let completed: Change = |token| NegTokenResp { neg_state: Some(NegState::AcceptCompleted), ..token };
    let signed: Change = |token| NegTokenResp { mech_list_mic: Some(&[0; 16]), ..token };
    for (attacked, change, at_client) in
        [(1, completed, true), (3, completed, true), (1, signed, true), (2, signed, false)]
    {
        let (client, service) = meet(vec![fake.offer()], &[&fake], |number, token| {
            if number != attacked {
                return token;
            }
            change(NegTokenResp::decode(token.leak()).unwrap()).encode()
        });
        let victim = if at_client { client.error() } else { service.error() };
        assert!(matches!(victim, Some(AuthError::Malformed(_))), "token {attacked}: {victim:?}");
    }
}

#[test]
fn oversized_tokens_are_rejected() {
    let fake = FakeMechanism::like_ntlm();
    let mech_types = MechTypeList::new(vec![Oid::NTLM]).unwrap();
    let long = vec![0; 65_536];
    let token =
        NegTokenInit { mech_types, mech_token: Some(&long), neg_hints: None, mech_list_mic: None }.encode();
    let error = acceptor(&[&fake]).step(&token).unwrap_err();
    assert_eq!(error, AuthError::Malformed("longer than 64 KiB"));
}

/// Returns which of the test mechanisms protects messages: their headers differ in length.
fn mechanism(client: &mut telarch_auth::Initiated) -> usize {
    client.context.seal(&mut Vec::new()).unwrap().len()
}
