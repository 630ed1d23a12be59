//! Message protection after a sign-in.

use std::cmp::Ordering;

use telarch_auth::ntlm::Context;
use telarch_auth::{SealError, SecurityContext};

use super::contexts;
use crate::generator::Generator;

type End = Box<dyn SecurityContext>;

fn sealed(from: &mut End, text: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut message = text.to_vec();
    let header = from.seal(&mut message).unwrap();
    (header, message)
}

fn opened(by: &mut End, header: &[u8], message: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut message = message.to_vec();
    let verdict = by.unseal(header, &mut message);
    assert!(verdict != Err(SealError::Forged) || message.is_empty(), "what is forged is not shown");
    verdict.map(|()| message)
}

#[test]
fn a_flipped_bit_in_a_sealed_message_is_rejected() {
    let text = b"<s:Envelope>text</s:Envelope>";
    let bits = (16 + text.len()) * 8;
    for bit in 0..bits {
        let (mut client, mut service) = contexts();
        let (header, message) = sealed(&mut client, text);
        let mut both = [header, message].concat();
        both[bit / 8] ^= 1 << (bit % 8);
        let (header, message) = both.split_at(16);
        assert_eq!(opened(&mut service, header, message), Err(SealError::Forged), "bit {bit}");
    }
}

#[test]
fn truncated_or_extended_messages_are_rejected() {
    for end in 0..4 {
        let (mut client, mut service) = contexts();
        let (header, message) = sealed(&mut client, b"text");
        assert_eq!(opened(&mut service, &header, &message[..end]), Err(SealError::Forged), "{end}");
    }
    let (mut client, mut service) = contexts();
    let (header, message) = sealed(&mut client, b"text");
    assert_eq!(opened(&mut service, &header, &[&message[..], &[0]].concat()), Err(SealError::Forged));
    for length in (0..16).chain([17, 32]) {
        let (mut client, mut service) = contexts();
        let (mut header, message) = sealed(&mut client, b"text");
        header.resize(length, 0);
        assert_eq!(opened(&mut service, &header, &message), Err(SealError::Forged), "{length}");
    }
}

#[test]
fn repeated_missing_or_swapped_messages_are_rejected() {
    let texts = [b"first", b"third", b"other"];
    // The messages that arrive, and the first one that is out of sequence.
    for (order, wrong) in [(&[0, 0][..], 1), (&[1], 0), (&[0, 2], 1), (&[1, 0], 0), (&[0, 1, 0], 2)] {
        let (mut client, mut service) = contexts();
        let messages = texts.map(|text| sealed(&mut client, text));
        for (at, which) in order.iter().enumerate() {
            let (header, message) = &messages[*which];
            let expected = match at.cmp(&wrong) {
                Ordering::Less => Ok(texts[*which].to_vec()),
                Ordering::Equal => Err(SealError::Forged),
                Ordering::Greater => Err(SealError::Failed),
            };
            assert_eq!(opened(&mut service, header, message), expected, "{order:?} at {at}");
        }
    }
}

#[test]
fn reflected_messages_are_rejected() {
    let (mut client, _) = contexts();
    let (header, message) = sealed(&mut client, b"text");
    assert_eq!(opened(&mut client, &header, &message), Err(SealError::Forged));
    let (mut client, _) = contexts();
    let signature = client.sign(b"text").unwrap();
    assert_eq!(client.verify(b"text", &signature), Err(SealError::Forged));
}

#[test]
fn messages_of_another_session_are_rejected() {
    let (mut client, _) = contexts();
    let (header, message) = sealed(&mut client, b"text");
    let other = super::meet(super::client_of("", "bob", "b"), super::service_on(Default::default(), [1; 8]));
    let mut service = other.unwrap().0.context;
    assert_eq!(opened(&mut service, &header, &message), Err(SealError::Forged));
}

#[test]
fn a_forged_message_invalidates_the_context() {
    let (mut client, mut service) = contexts();
    let (header, message) = sealed(&mut client, b"text");
    assert_eq!(opened(&mut service, &[0; 16], &message), Err(SealError::Forged));
    assert_eq!(opened(&mut service, &header, &message), Err(SealError::Failed));
    assert_eq!(service.seal(&mut b"text".to_vec()), Err(SealError::Failed));
    assert_eq!(service.sign(b"text"), Err(SealError::Failed));
    assert!(service.export().is_none());
}

#[test]
fn ciphertexts_reveal_neither_text_nor_repetition() {
    let (mut client, _) = contexts();
    let (first, second) = (sealed(&mut client, &[b'a'; 64]), sealed(&mut client, &[b'a'; 64]));
    assert_ne!(first.1, second.1);
    assert!(!first.1.windows(4).any(|octets| octets == b"aaaa"));
}

#[test]
fn a_signature_is_valid_for_one_text() {
    let (mut client, mut service) = contexts();
    let signature = client.sign(b"text").unwrap();
    assert_eq!(service.verify(b"next", &signature), Err(SealError::Forged));
}

#[test]
fn mech_list_mic_resets_ciphers_but_not_counters() {
    let (mut client, mut service) = contexts();
    let mic = client.sign(b"list").unwrap();
    service.verify(b"list", &mic).unwrap();
    service.mech_list_mic_exchanged();
    client.mech_list_mic_exchanged();
    let (header, message) = sealed(&mut client, b"text");
    assert_eq!(header[12..], [1, 0, 0, 0]);
    assert_eq!(opened(&mut service, &header, &message).unwrap(), b"text");

    let (mut client, mut service) = contexts();
    let mic = client.sign(b"list").unwrap();
    service.verify(b"list", &mic).unwrap();
    client.mech_list_mic_exchanged();
    let (header, message) = sealed(&mut client, b"text");
    assert_eq!(opened(&mut service, &header, &message), Err(SealError::Forged), "one end only");
}

/// Sends random messages in random order, while either end may be moved to another process.
#[test]
fn conversations_survive_moving_the_context() {
    let mut generator = Generator::new(4178);
    for _ in 0..40 {
        let (client, service) = contexts();
        let mut ends = [Some(client), Some(service)];
        for _ in 0..40 {
            let from = generator.below(2);
            let (mut speaker, mut listener) = (ends[from].take().unwrap(), ends[1 - from].take().unwrap());
            let text = {
                let length = generator.below(2_000);
                generator.octets(length)
            };
            match generator.below(4) {
                0 => {
                    let signature = speaker.sign(&text).unwrap();
                    listener.verify(&text, &signature).unwrap();
                }
                1 => speaker = moved(speaker),
                _ => {
                    let (header, message) = sealed(&mut speaker, &text);
                    assert_eq!(opened(&mut listener, &header, &message).unwrap(), text);
                }
            }
            ends[from] = Some(speaker);
            ends[1 - from] = Some(listener);
        }
    }
}

#[test]
fn malformed_exports_are_rejected() {
    let (client, _) = contexts();
    let exported = client.export().unwrap().expose().to_vec();
    assert!(Context::import(&exported).is_ok());
    for end in 0..exported.len() {
        assert!(Context::import(&exported[..end]).is_err(), "{end}");
    }
    assert!(Context::import(&[exported.as_slice(), &[0]].concat()).is_err());
    for at in 0..6 {
        let mut other = exported.clone();
        other[at] ^= 0x80;
        assert!(Context::import(&other).is_err(), "mechanism, version and options: {at}");
    }
}

fn moved(context: End) -> End {
    let before = (context.can_seal(), context.mech_list_mic());
    let exported = context.export().unwrap();
    let context: End = Box::new(Context::import(exported.expose()).unwrap());
    assert_eq!((context.can_seal(), context.mech_list_mic()), before);
    context
}
