#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;

/// Both ends; the client has sent this number of messages already.
fn ends(kind: EncryptionType, sent: u64) -> (Protection, Protection) {
    (end(kind, Side::Initiator, sent), end(kind, Side::Acceptor, 0))
}

fn end(kind: EncryptionType, side: Side, next_sent: u64) -> Protection {
    let key = Zeroizing::new((1..).take(kind.key_length()).collect());
    let owner = KeyOwner::Acceptor;
    Protection::new(SessionParameters { side, owner, encryption_type: kind, key, next_sent }).unwrap()
}

fn message(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

/// Lengths around block boundaries and around the chunks in which long messages are processed.
fn lengths() -> impl Iterator<Item = usize> {
    (0..=66).chain([4_079, 4_080, 4_081, 4_095, 4_096, 4_097, 8_192, 8_193, 50_000])
}

#[test]
fn sealed_messages_round_trip() {
    for kind in EncryptionType::ALL {
        let (mut client, mut service) = ends(kind, u64::MAX - 5);
        let (mut of_client, mut of_service) = (PeerSequence::Unknown, PeerSequence::Next(0));
        for length in lengths() {
            let text = message(length);
            let mut sealed = text.clone();
            let header = client.seal([7; 16], &mut sealed);
            assert_eq!((header.len(), sealed.len()), (48 + kind.mac_length(), length));
            assert!(length < 8 || sealed != text);
            service.open(&header, &mut sealed, &mut of_client).unwrap();
            assert!(sealed == text, "{kind:?} {length}");

            let header = service.seal([9; 16], &mut sealed);
            client.open(&header, &mut sealed, &mut of_service).unwrap();
            assert!(sealed == text, "{kind:?} {length}");

            let signature = client.sign(&text);
            assert_eq!(signature.len(), 16 + kind.mac_length());
            service.verify(&text, &signature, &mut of_client).unwrap();
        }
    }
}

#[test]
fn any_division_rotation_and_filler_is_accepted() {
    for kind in EncryptionType::ALL {
        for length in [0, 1, 15, 16, 17, 100] {
            let text = message(length);
            for rotation in [0, 1, 12, 28, 40, 44, 500, 65_535] {
                let (mut client, service) = ends(kind, 0);
                let mut sealed = text.clone();
                let header = client.seal([7; 16], &mut sealed);
                let mut token = [header, sealed].concat();
                token[16..].rotate_left(16 + kind.mac_length());
                let octets = token.len() - 16;
                token[16..].rotate_right(rotation % octets);
                token[6..8].copy_from_slice(&(rotation as u16).to_be_bytes());
                for cut in [0, 8, 16, 40, 48 + kind.mac_length(), token.len()] {
                    let (header, rest) = token.split_at(cut.min(token.len()));
                    let mut opened = rest.to_vec();
                    service.open(header, &mut opened, &mut PeerSequence::Unknown).unwrap();
                    assert!(opened == text, "{kind:?} {length} {rotation} {cut}");
                }
            }
            // A message with filler bytes: the filler and its length (EC) are sealed, too.
            let (client, service) = ends(kind, 0);
            let filler = 16 - length % 16;
            let mut head = wrap_head(SEALED | ACCEPTOR_SUBKEY, 0, 0);
            head[5] = filler as u8;
            let (mut first, mut last) = ([7; 16], head);
            let mut middle = [text.clone(), vec![0xFF; filler]].concat();
            let mut mac = kind.mac_over().start_mac(&client.sent.integrity);
            let pieces = Pieces { first: &mut first, middle: &mut middle, last: &mut last };
            client.sent.sealer.seal(pieces, kind.mac_over(), &mut mac);
            let mac = mac.tag();
            let token = [&head[..], &first, &middle, &last, &mac[..kind.mac_length()]].concat();
            let mut opened = token[16..].to_vec();
            service.open(&token[..16], &mut opened, &mut PeerSequence::Unknown).unwrap();
            assert!(opened == text, "{kind:?} {length}");
            let mut token = token;
            token[5] -= 1;
            assert_eq!(
                service.open(&[], &mut token, &mut PeerSequence::Unknown),
                Err(SealError::Forged),
                "EC"
            );
        }
    }
}

#[test]
fn changed_or_missing_bytes_are_rejected() {
    for kind in EncryptionType::ALL {
        let (mut client, service) = ends(kind, 3);
        let mut sealed = message(37);
        let header = client.seal([7; 16], &mut sealed);
        let token = [&header[..], &sealed].concat();
        let open = |token: &[u8]| {
            let (header, rest) = token.split_at(header.len().min(token.len()));
            let mut opened = rest.to_vec();
            let outcome = service.open(header, &mut opened, &mut PeerSequence::Unknown);
            assert!(
                outcome.is_ok() || !opened.starts_with(&message(8)),
                "the plain text of a rejected message is visible"
            );
            outcome
        };
        assert_eq!(open(&token), Ok(()));
        for at in 0..token.len() {
            for bit in 0..8 {
                let mut changed = token.clone();
                changed[at] ^= 1 << bit;
                // Unknown flag bits are part of the header copy, so their change is detected too.
                assert_eq!(open(&changed), Err(SealError::Forged), "{kind:?} {at} {bit}");
            }
            assert_eq!(open(&token[..at]), Err(SealError::Forged), "{kind:?} {at}");
        }
        assert_eq!(open(&[&token[..], &[0]].concat()), Err(SealError::Forged), "{kind:?}");

        let text = message(37);
        let signature = client.sign(&text);
        let verify =
            |signature: &[u8], text: &[u8]| service.verify(text, signature, &mut PeerSequence::Unknown);
        assert_eq!(verify(&signature, &text), Ok(()));
        for at in 0..signature.len() {
            let mut changed = signature.clone();
            changed[at] ^= 1;
            assert_eq!(verify(&changed, &text), Err(SealError::Forged), "{kind:?} {at}");
            assert_eq!(verify(&signature[..at], &text), Err(SealError::Forged), "{kind:?} {at}");
        }
        assert_eq!(verify(&signature, &text[1..]), Err(SealError::Forged));
        assert_eq!(verify(&[&signature[..], &[0]].concat(), &text), Err(SealError::Forged));
    }
}

#[test]
fn repeated_reordered_or_reflected_messages_are_rejected() {
    for kind in EncryptionType::ALL {
        let (mut client, service) = ends(kind, 5);
        let mut sealed: Vec<_> = (0..3)
            .map(|_| {
                let mut text = message(20);
                (client.seal([7; 16], &mut text), text)
            })
            .collect();
        let mut order = PeerSequence::Next(5);
        let mut open =
            |(header, text): &(Vec<u8>, Vec<u8>)| service.open(header, &mut text.clone(), &mut order);
        assert_eq!(open(&sealed[1]), Err(SealError::Forged), "too early");
        assert_eq!(open(&sealed[0]), Ok(()));
        assert_eq!(open(&sealed[0]), Err(SealError::Forged), "repeated");
        assert_eq!(open(&sealed[2]), Err(SealError::Forged), "one omitted");
        assert_eq!(open(&sealed[1]), Ok(()));
        let (header, text) = &mut sealed[2];
        let reflected = client.open(header, text, &mut PeerSequence::Unknown);
        assert_eq!(reflected, Err(SealError::Forged), "reflected");
        header[2] ^= SENT_BY_ACCEPTOR;
        let reflected = client.open(header, text, &mut PeerSequence::Unknown);
        assert_eq!(reflected, Err(SealError::Forged), "reflected and changed");
    }
}

#[test]
fn each_encryption_type_requires_its_key_length() {
    for kind in EncryptionType::ALL {
        assert_eq!(EncryptionType::of_number(kind.number().into()), Some(kind));
        for length in [0, 16, 24, 32] {
            let key = Zeroizing::new(vec![1; length]);
            let (side, owner) = (Side::Initiator, KeyOwner::Initiator);
            let parameters = SessionParameters { side, owner, encryption_type: kind, key, next_sent: 0 };
            assert_eq!(
                Protection::new(parameters).is_some(),
                length == kind.key_length(),
                "{kind:?} {length}"
            );
        }
    }
    assert_eq!(EncryptionType::of_number(23), None, "RC4 is handled by the library");
    assert_eq!(EncryptionType::of_number(25), None, "Camellia is handled by the library");
}
