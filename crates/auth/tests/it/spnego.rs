//! Both ends of SPNEGO agree for any mechanism and any number of tokens.

use std::sync::Arc;

use telarch_auth::spnego::{Acceptor, Initiator, Mechanism, NegState, NegTokenInit, NegTokenResp, Offer};
use telarch_auth::{Accepted, Acceptor as _, AuthError, Initiated, Initiator as _, MechListMic, Oid, Step};

use crate::fake_mechanism::{FakeMechanism, Outcome, converse, talk};

#[test]
fn ends_with_the_same_first_choice_agree_on_it() {
    for fake in [FakeMechanism::like_ntlm(), FakeMechanism::like_kerberos()] {
        let (client, service, tokens) = recorded(vec![fake.offer()], &[&fake]);
        assert_eq!(tokens.len(), if fake.tokens == 3 { 4 } else { 2 });
        let first = NegTokenResp::decode(&tokens[1]).unwrap();
        assert_eq!(first.supported_mech, Some(fake.oids[0].clone()));
        let last = NegTokenResp::decode(tokens.last().unwrap()).unwrap();
        assert_eq!(last.neg_state, Some(NegState::AcceptCompleted));
        assert_eq!(last.mech_list_mic.is_some(), fake.mic == MechListMic::Required);
        assert_eq!(service.account.name, "alice");
        talk_on(client, service);
    }
}

#[test]
fn a_second_choice_requires_two_more_tokens_and_mics() {
    let (preferred, other) = (FakeMechanism::like_kerberos(), FakeMechanism::like_ntlm());
    let absent = FakeMechanism { available: false, ..FakeMechanism::like_kerberos() };
    for offered in [vec![&other], vec![&absent, &other]] {
        let (client, service, tokens) = recorded(vec![preferred.offer(), other.offer()], &offered);
        assert_eq!(tokens.len(), 6);
        let first = NegTokenResp::decode(&tokens[1]).unwrap();
        let expected = NegTokenResp {
            neg_state: Some(NegState::RequestMic),
            supported_mech: Some(Oid::NTLM),
            ..NegTokenResp::default()
        };
        assert_eq!(first, expected);
        assert!(NegTokenResp::decode(&tokens[4]).unwrap().mech_list_mic.is_some());
        assert!(NegTokenResp::decode(&tokens[5]).unwrap().mech_list_mic.is_some());
        talk_on(client, service);
    }
}

#[test]
fn a_mechanism_that_fails_to_start_is_not_offered() {
    let (absent, other) =
        (FakeMechanism { available: false, ..FakeMechanism::like_kerberos() }, FakeMechanism::like_ntlm());
    let (_, _, tokens) =
        recorded(vec![absent.offer(), other.offer()], &[&FakeMechanism::like_kerberos(), &other]);
    assert_eq!(NegTokenInit::decode(&tokens[0]).unwrap().mech_types.oids(), [Oid::NTLM]);
    let error = Initiator::new(vec![absent.offer()]).step(None).unwrap_err();
    assert_eq!(error, AuthError::Unavailable);
    assert_eq!(Initiator::new(Vec::new()).step(None).unwrap_err(), AuthError::NoMechanism);
}

#[test]
fn mechanisms_with_any_number_of_tokens_work() {
    for tokens in 2..=7 {
        for mic in [MechListMic::Required, MechListMic::Optional] {
            for first in [true, false] {
                let fake = FakeMechanism { tokens, mic, ..FakeMechanism::like_ntlm() };
                let mut offers = vec![fake.offer()];
                if !first {
                    offers.insert(0, FakeMechanism::like_kerberos().offer());
                }
                let (client, service) = meet(offers, &[&fake], |_, token| token);
                assert!(client.is_done(), "{tokens} {mic:?} {first}: {client:?}");
                assert!(service.is_done(), "{tokens} {mic:?} {first}: {service:?}");
                talk_on(client.done(), service.done());
            }
        }
    }
}

#[test]
fn endless_exchanges_are_ended_by_both_ends() {
    let fake = FakeMechanism { tokens: 99, ..FakeMechanism::like_ntlm() };
    let too_many = AuthError::Malformed("too many tokens");
    let token = |number| {
        let token = fake.token(number);
        NegTokenResp { response_token: Some(&token), ..NegTokenResp::default() }.encode()
    };
    let (mut client, mut service) = (Initiator::new(vec![fake.offer()]), acceptor(&[&fake]));
    let Step::Continue(first) = client.step(None).unwrap() else { panic!("completed too early") };
    service.step(&first).unwrap();
    for number in 1..10 {
        service.step(&token(2 * number + 1)).unwrap();
        client.step(Some(&token(2 * number))).unwrap();
    }
    assert_eq!(service.step(&token(21)).unwrap_err(), too_many);
    assert_eq!(client.step(Some(&token(20))).unwrap_err(), too_many);
}

#[test]
fn supported_mech_repeats_the_oid_of_the_client() {
    let fake = FakeMechanism::like_kerberos();
    let windows = [Oid::MICROSOFT_KERBEROS, Oid::KERBEROS, Oid::NEGOEX, Oid::NTLM];
    let offer = Offer { oids: windows.to_vec(), initiator: fake.initiator() };
    let (client, service, tokens) = recorded(vec![offer], &[&FakeMechanism::like_ntlm(), &fake]);
    let reply = NegTokenResp::decode(&tokens[1]).unwrap();
    assert_eq!(reply.supported_mech, Some(Oid::MICROSOFT_KERBEROS));
    talk_on(client, service);
}

#[test]
fn negoex_is_skipped() {
    let (fake, negoex) = (
        FakeMechanism::like_ntlm(),
        FakeMechanism { oids: vec![Oid::NEGOEX], ..FakeMechanism::like_kerberos() },
    );
    let (client, service) = meet(vec![negoex.offer(), fake.offer()], &[&fake], |_, token| token);
    talk_on(client.done(), service.done());
}

#[test]
fn a_client_may_omit_its_first_token() {
    let fake = FakeMechanism::like_kerberos();
    let mut acceptor = acceptor(&[&fake]);
    let (_, _, tokens) = recorded(vec![fake.offer()], &[&fake]);
    let token = NegTokenInit { mech_token: None, ..NegTokenInit::decode(&tokens[0]).unwrap() };
    let Step::Continue(reply) = acceptor.step(&token.encode()).unwrap() else {
        panic!("completed too early")
    };
    let reply = NegTokenResp::decode(&reply).unwrap();
    assert_eq!(reply.neg_state, Some(NegState::AcceptIncomplete));
    assert_eq!((reply.supported_mech, reply.response_token), (Some(Oid::KERBEROS), None));
    let mech_token = fake.token(1);
    let token = NegTokenResp { response_token: Some(&mech_token), ..NegTokenResp::default() };
    let Step::Done { token: Some(reply), .. } = acceptor.step(&token.encode()).unwrap() else {
        panic!("not completed")
    };
    assert_eq!(NegTokenResp::decode(&reply).unwrap().supported_mech, None, "supportedMech was sent before");
}

#[test]
fn the_client_resends_its_token_for_the_other_oid_of_kerberos() {
    let fake = FakeMechanism::like_kerberos();
    let offer = Offer { oids: vec![Oid::MICROSOFT_KERBEROS, Oid::KERBEROS], initiator: fake.initiator() };
    let only = FakeMechanism { oids: vec![Oid::KERBEROS], ..fake };
    let (client, service) = meet(vec![offer], &[&only], |_, token| token);
    talk_on(client.done(), service.done());
}

#[test]
fn a_requested_mic_is_sent_even_for_the_first_choice() {
    // The service requests a MIC together with its answer to the token, as pyspnego does.
    let fake = FakeMechanism { mic: MechListMic::Optional, ..FakeMechanism::like_ntlm() };
    let (client, service) = meet(vec![fake.offer()], &[&fake], |number, token| {
        if number != 1 {
            return token;
        }
        let reply = NegTokenResp::decode(&token).unwrap();
        NegTokenResp { neg_state: Some(NegState::RequestMic), ..reply }.encode()
    });
    talk_on(client.done(), service.done());
}

#[test]
fn without_a_common_mechanism_negotiation_fails() {
    let (client, service) =
        meet(vec![FakeMechanism::like_kerberos().offer()], &[&FakeMechanism::like_ntlm()], |_, token| token);
    assert_eq!(service.error(), Some(AuthError::NoMechanism));
    assert!(!client.is_done());
    let (_, service) = meet(vec![FakeMechanism::like_ntlm().offer()], &[], |_, token| token);
    assert_eq!(service.error(), Some(AuthError::NoMechanism));
}

#[test]
fn a_wrong_password_is_reported() {
    let wrong = FakeMechanism { password: "guess", ..FakeMechanism::like_ntlm() };
    let (_, service) = meet(vec![wrong.offer()], &[&FakeMechanism::like_ntlm()], |_, token| token);
    assert_eq!(service.error(), Some(AuthError::WrongPassword));
}

#[test]
fn the_client_may_seal_before_the_services_mic_arrives() {
    let fake = FakeMechanism::like_ntlm();
    let (mut client, mut service) = (Initiator::new(vec![fake.offer()]), acceptor(&[&fake]));
    let mut token = None;
    let mut early = Vec::new();
    let (mut initiated, mut accepted) = loop {
        let step = client.step(token.as_deref()).unwrap();
        let Step::Continue(to_service) = step else { panic!("completed too early") };
        if let Some(context) = client.established() {
            early = b"early".to_vec();
            let header = context.seal(&mut early).unwrap();
            early.splice(0..0, header);
        }
        match service.step(&to_service).unwrap() {
            Step::Continue(to_client) => token = Some(to_client),
            Step::Done { token, outcome } => {
                let Step::Done { outcome: initiated, .. } = client.step(token.as_deref()).unwrap() else {
                    panic!("not completed")
                };
                break (initiated, outcome);
            }
        }
    };
    let mut message = early.split_off(16);
    accepted.context.unseal(&early, &mut message).unwrap();
    assert_eq!(message, b"early");
    converse(initiated.context.as_mut(), accepted.context.as_mut());
}

pub(crate) fn acceptor(mechanisms: &[&FakeMechanism]) -> Acceptor {
    Acceptor::new(mechanisms.iter().map(|fake| Arc::new((*fake).clone()) as Arc<dyn Mechanism>).collect())
}

pub(crate) fn meet(
    offers: Vec<Offer>,
    mechanisms: &[&FakeMechanism],
    alter: impl FnMut(usize, Vec<u8>) -> Vec<u8>,
) -> (Outcome<Initiated>, Outcome<Accepted>) {
    let (mut client, mut service) = (Initiator::new(offers), acceptor(mechanisms));
    let ends = talk(|token| client.step(token), |token| service.step(token), alter);
    if ends.0.is_done() && ends.1.is_done() {
        assert_eq!(client.mechanism(), service.mechanism(), "the ends use different mechanisms");
    }
    ends
}

/// Runs a successful exchange and records its tokens.
fn recorded(offers: Vec<Offer>, mechanisms: &[&FakeMechanism]) -> (Initiated, Accepted, Vec<Vec<u8>>) {
    let mut tokens = Vec::new();
    let (client, service) = meet(offers, mechanisms, |_, token| {
        tokens.push(token.clone());
        token
    });
    (client.done(), service.done(), tokens)
}

fn talk_on(mut client: Initiated, mut service: Accepted) {
    converse(client.context.as_mut(), service.context.as_mut());
}
