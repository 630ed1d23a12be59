//! Attacks on NTLM without the password, or by a man in the middle.

use std::time::{Duration, SystemTime};

use telarch_auth::ntlm::{self, Mic};
use telarch_auth::{Acceptor as _, AuthError, Hardening, Initiator as _, MechListMic, Step};

use super::{
    Leg, Timestamp, authenticate, binding, client, client_of, field, hardened, meet_with, refusal,
    remove_time, service, service_on,
};

/// Offsets of the field descriptors in an AUTHENTICATE message.
const NT_RESPONSE: usize = 20;
const USER: usize = 36;
const SESSION_KEY: usize = 52;
const MIC: usize = 72;

#[test]
fn forged_proofs_are_rejected_with_and_without_mic() {
    for time in [Timestamp::Present, Timestamp::Removed] {
        for octet in 0..16 {
            let mut service = service();
            let mut message = authenticate(client(), &mut service, time);
            let (offset, _) = field(&message, NT_RESPONSE);
            message[offset + octet] ^= 0x80;
            assert_eq!(service.step(&message).err(), Some(AuthError::WrongPassword), "{octet} {time:?}");
        }
        let mut service = service();
        let message = authenticate(client_of("NODE7", "alice", "guess"), &mut service, time);
        assert_eq!(service.step(&message).err(), Some(AuthError::WrongPassword), "{time:?}");
    }
}

#[test]
fn without_mic_data_covered_by_the_proof_is_protected() {
    let (offset, length) = {
        let message = authenticate(client(), &mut service(), Timestamp::Removed);
        field(&message, NT_RESPONSE)
    };
    for at in offset..offset + length {
        let mut service = service();
        let mut message = authenticate(client(), &mut service, Timestamp::Removed);
        message[at] ^= 1;
        assert!(service.step(&message).is_err(), "{at}");
    }
}

#[test]
fn an_announced_mic_cannot_be_omitted() {
    let mut zeros = service();
    let mut message = authenticate(client(), &mut zeros, Timestamp::Present);
    message[MIC..MIC + 16].fill(0);
    assert_eq!(zeros.step(&message).err(), Some(AuthError::Unproven));

    // Without the MIC field, all following data is sixteen bytes earlier.
    let mut no_place = service();
    let mut message = authenticate(client(), &mut no_place, Timestamp::Present);
    message.drain(MIC..MIC + 16);
    for descriptor in [12, 20, 28, 36, 44, 52] {
        message[descriptor + 4] -= 16;
    }
    assert!(matches!(no_place.step(&message).err(), Some(AuthError::Malformed(_))));

    // Removing the announcement changes data that the proof covers.
    let mut unannounced = service();
    let mut message = authenticate(client(), &mut unannounced, Timestamp::Present);
    let at = message.windows(5).position(|octets| octets == [6, 0, 4, 0, 2]).expect("it is announced");
    message[at + 4] = 0;
    assert_eq!(unannounced.step(&message).err(), Some(AuthError::WrongPassword));
}

/// A man in the middle can make a client believe that the service is too old for integrity codes. That is detected only
/// if one is required.
#[test]
fn changes_of_any_message_are_detected() {
    let mut undone = Vec::new();
    for leg in [Leg::Negotiate, Leg::Challenge, Leg::Authenticate] {
        let mut length = 0;
        let measure = |at, message: &mut Vec<u8>| length = if at == leg { message.len() } else { length };
        meet_with(client(), service(), measure).unwrap();
        for bit in 0..length * 8 {
            let flip = |at, message: &mut Vec<u8>| {
                if at == leg {
                    message[bit / 8] ^= 1 << (bit % 8);
                }
            };
            let demanding = service().mic(Mic::Required);
            assert!(meet_with(client(), demanding, flip).is_err(), "bit {bit} of {leg:?}");
            if let Ok((accepted, _)) = meet_with(client(), service(), flip) {
                assert_eq!(accepted.context.mech_list_mic(), MechListMic::Optional, "bit {bit} of {leg:?}");
                undone.push((leg, bit));
            }
        }
    }
    // The flag for attributes, the id of the time attribute, and lengths that include it.
    assert!(undone.iter().all(|(leg, _)| *leg == Leg::Challenge) && undone.len() < 20, "{undone:?}");
}

#[test]
fn truncated_messages_are_rejected() {
    for leg in [Leg::Negotiate, Leg::Challenge, Leg::Authenticate] {
        let mut end = 0;
        loop {
            let mut is_whole = false;
            let outcome = meet_with(client(), service(), |at, message| {
                if at == leg {
                    is_whole = end >= message.len();
                    message.truncate(end);
                }
            });
            if is_whole {
                break;
            }
            assert!(outcome.is_err(), "{leg:?} of {end} octets");
            end += 1;
        }
        assert!(end >= 40, "{leg:?}");
    }
}

#[test]
fn ntlmv1_and_lm_are_rejected() {
    for length in [0_u8, 1, 16, 24] {
        let mut service = service();
        let mut message = authenticate(client(), &mut service, Timestamp::Removed);
        message[NT_RESPONSE..NT_RESPONSE + 4].copy_from_slice(&[length, 0, length, 0]);
        assert_eq!(service.step(&message).err(), Some(AuthError::Downgraded("NTLMv2")), "{length}");
    }
}

#[test]
fn weak_options_are_rejected_in_both_client_messages() {
    for (bit, service_wants, client_wants) in [
        (0x1, "a character set", "Unicode"),
        (0x8_0000, "extended session security", "extended session security"),
        (0x2000_0000, "128-bit keys", "128-bit keys"),
    ] {
        let without = |message: &mut [u8], place: usize| {
            let flags = u32::from_le_bytes(message[place..place + 4].try_into().unwrap()) & !bit;
            message[place..place + 4].copy_from_slice(&flags.to_le_bytes());
        };
        for (leg, place, name) in [
            (Leg::Negotiate, 12, service_wants),
            (Leg::Challenge, 20, client_wants),
            (Leg::Authenticate, 60, service_wants),
        ] {
            let outcome = meet_with(client(), service(), |at, message| match at {
                at if at == leg => without(message, place),
                Leg::Challenge => remove_time(message),
                _ => {}
            });
            assert_eq!(outcome.err(), Some(AuthError::Downgraded(name)), "{leg:?}");
        }
    }
}

#[test]
fn a_session_key_of_wrong_length_is_rejected() {
    for length in [0_u8, 15] {
        let mut service = service();
        let mut message = authenticate(client(), &mut service, Timestamp::Removed);
        message[SESSION_KEY..SESSION_KEY + 2].copy_from_slice(&[length, 0]);
        assert!(matches!(service.step(&message).err(), Some(AuthError::Malformed(_))), "{length}");
    }
}

#[test]
fn a_challenge_is_answered_once() {
    let mut requested = service();
    let message = authenticate(client(), &mut requested, Timestamp::Present);
    requested.step(&message).unwrap();
    assert!(matches!(requested.step(&message).err(), Some(AuthError::Malformed(_))));

    let mut failed = service();
    let message = authenticate(client(), &mut failed, Timestamp::Present);
    let mut wrong = message.clone();
    wrong[MIC] ^= 1;
    assert_eq!(failed.step(&wrong).err(), Some(AuthError::Unproven));
    assert!(matches!(failed.step(&message).err(), Some(AuthError::Malformed(_))));

    // The acceptor does not restart with a challenge that is already known.
    let Ok(Step::Continue(negotiate)) = client().step(None) else { panic!("it begins") };
    let mut garbled = service();
    assert!(garbled.step(b"NTLMSSP\0").is_err());
    for mut over in [requested, failed, garbled] {
        assert!(matches!(over.step(&negotiate).err(), Some(AuthError::Malformed(_))));
    }
}

#[test]
fn a_response_to_another_challenge_is_rejected() {
    let overheard = authenticate(client(), &mut service(), Timestamp::Present);
    let mut other = service_on(Default::default(), [2; 8]);
    authenticate(client(), &mut other, Timestamp::Present);
    assert_eq!(other.step(&overheard).err(), Some(AuthError::WrongPassword));
}

#[test]
fn unexpected_messages_are_rejected() {
    let malformed =
        |answer: Result<Step<_>, AuthError>| matches!(answer.err(), Some(AuthError::Malformed(_)));
    let message = authenticate(client(), &mut service(), Timestamp::Present);
    assert!(malformed(service().step(&message)), "AUTHENTICATE as first message");

    let Ok(Step::Continue(negotiate)) = client().step(None) else { panic!("it begins") };
    let mut twice = service();
    let Ok(Step::Continue(challenge)) = twice.step(&negotiate) else { panic!("it goes on") };
    assert!(malformed(twice.step(&negotiate)), "NEGOTIATE twice");
    assert!(malformed(service().step(&challenge)), "the CHALLENGE of the service itself");
    assert!(malformed(service().step(b"")) && malformed(service().step(b"NTLMSSP\0")));
}

#[test]
fn a_captured_response_is_invalid_for_another_name() {
    let mut service = service();
    let mut message = authenticate(client(), &mut service, Timestamp::Removed);
    let (offset, length) = field(&message, USER);
    assert_eq!(length, 10);
    message[offset] = b'A'; // The proof does not tell capitals, the list of accounts does.
    assert_eq!(service.step(&message).err(), Some(AuthError::WrongPassword));
}

#[test]
fn a_relayed_sign_in_is_rejected() {
    // The client sees the attacker's certificate, the attacker sees ours.
    for level in [Hardening::Relaxed, Hardening::Strict] {
        let relayed = refusal(client().channel_binding(binding(66)), service_on(hardened(level), [9; 8]));
        assert_eq!(relayed, Some(AuthError::ChannelBinding), "{level:?}");
    }
}

#[test]
fn excessive_clock_skew_is_rejected() {
    let half_an_hour = Duration::from_secs(30 * 60);
    let second = Duration::from_secs(1);
    assert_eq!(refusal_by_own_clock(super::now() + half_an_hour), None);
    assert_eq!(refusal_by_own_clock(super::now() - half_an_hour), None);
    for far in [super::now() + half_an_hour + second, super::now() - half_an_hour - second] {
        assert_eq!(refusal_by_own_clock(far), Some(AuthError::ClockSkew));
        assert_eq!(
            refusal(client_at(far), service()),
            None,
            "the client repeats the timestamp of the service"
        );
    }
}

/// Returns a client whose clock shows this time.
fn client_at(now: SystemTime) -> ntlm::Initiator {
    let hash = ntlm::NtHash::of_password(&telarch_auth::Secret::new("correct horse".to_owned()));
    let login = ntlm::Login { domain: String::new(), user: "alice".to_owned(), hash };
    let fresh = ntlm::InitiatorFresh { challenge: [1; 8], session_key: [2; 16].into(), now };
    ntlm::Initiator::new(login, ntlm::Sealing::Required, fresh)
}

/// Removes the timestamp from the challenge, so that the client sends its own time; returns the error of the service.
fn refusal_by_own_clock(now: SystemTime) -> Option<AuthError> {
    let change = |leg, message: &mut Vec<u8>| {
        if leg == Leg::Challenge {
            remove_time(message);
        }
    };
    meet_with(client_at(now), service(), change).err()
}

#[test]
fn oversized_tokens_are_rejected() {
    let mut service = service();
    let mut message = authenticate(client(), &mut service, Timestamp::Removed);
    message.resize(16_385, 0);
    assert!(matches!(service.step(&message).err(), Some(AuthError::Malformed(_))));
}
