//! Sealed messages in both directions.

use auth::{SealError, SecurityContext};
use telarch_peers::{Keys, in_realm};

use super::contexts;

fn seal(context: &mut impl SecurityContext, text: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut message = text.to_vec();
    let header = context.seal(&mut message).unwrap();
    (header, message)
}

fn open(context: &mut impl SecurityContext, header: &[u8], message: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut message = message.to_vec();
    context.unseal(header, &mut message).map(|()| message)
}

#[test]
fn messages_are_sealed_with_aes_sha_1() {
    let name = "sealing::messages_are_sealed_with_aes_sha_1";
    in_realm(name, Keys::AesSha1, |_| assert_sealed_both_ways(60, 28));
}

#[test]
fn messages_are_sealed_with_aes_sha_2() {
    in_realm("sealing::messages_are_sealed_with_aes_sha_2", Keys::AesSha2, |_| {
        assert_sealed_both_ways(72, 40);
    });
}

/// Checks messages with a header of this length, and with this rotation count.
fn assert_sealed_both_ways(header_octets: usize, turned: u8) {
    let (mut service, mut client) = contexts();
    for text in [&b""[..], b"x", b"fifteen octets.", &[7; 50_000]] {
        let (header, message) = seal(&mut client, text);
        assert_eq!((header.len(), message.len()), (header_octets, text.len()));
        assert_eq!(header[..8], [5, 4, 6, 0xFF, 0, 0, 0, turned]);
        assert!(text.len() < 15 || message != text);
        assert_eq!(open(&mut service, &header, &message).unwrap(), text);

        let (header, message) = seal(&mut service, text);
        assert_eq!((header.len(), message.len()), (header_octets, text.len()));
        assert_eq!(header[..8], [5, 4, 7, 0xFF, 0, 0, 0, turned]);
        assert_eq!(open(&mut client, &header, &message).unwrap(), text);

        let signature = client.sign(text).unwrap();
        service.verify(text, &signature).unwrap();
        let signature = service.sign(text).unwrap();
        client.verify(text, &signature).unwrap();
    }
}

#[test]
fn changed_repeated_or_missing_messages_are_rejected() {
    in_realm("sealing::changed_repeated_or_missing_messages_are_rejected", Keys::AesSha1, |_| {
        type Change = fn(&mut Vec<u8>, &mut Vec<u8>);
        let changes: [(&str, Change); 9] = [
            ("a byte of the message", |_, message| message[3] ^= 1),
            ("a byte of the header", |header, _| header[40] ^= 1),
            ("the number", |header, _| header[15] ^= 1),
            ("the flag of sealing", |header, _| header[2] ^= 2),
            ("the sender", |header, _| header[2] ^= 1),
            ("the turn", |header, _| header[7] ^= 1),
            ("the length", |_, message| message.truncate(5)),
            ("all of the header", |header, _| header.clear()),
            ("the header's length", |header, _| header.resize(2_000, 0)),
        ];
        for (what, change) in changes {
            let (mut service, mut client) = contexts();
            let (mut header, mut message) = seal(&mut client, b"as it was sent");
            change(&mut header, &mut message);
            assert_eq!(open(&mut service, &header, &message), Err(SealError::Forged), "{what}");
            let (header, message) = seal(&mut client, b"too late");
            assert_eq!(open(&mut service, &header, &message), Err(SealError::Failed), "after {what}");
            assert_eq!(service.sign(b"x"), Err(SealError::Failed), "after {what}");
            assert!(service.remaining().is_err() && service.export().is_err(), "after {what}");
        }

        let (mut service, mut client) = contexts();
        let first = seal(&mut client, b"one");
        let second = seal(&mut client, b"two");
        let third = seal(&mut client, b"three");
        open(&mut service, &first.0, &first.1).unwrap();
        assert_eq!(open(&mut service, &third.0, &third.1), Err(SealError::Forged), "one message omitted");

        let (mut service, mut client) = contexts();
        let first = seal(&mut client, b"one");
        open(&mut service, &first.0, &first.1).unwrap();
        assert_eq!(open(&mut service, &first.0, &first.1), Err(SealError::Forged), "repeated");

        let (mut service, mut client) = contexts();
        let own = seal(&mut service, b"one");
        assert_eq!(open(&mut service, &own.0, &own.1), Err(SealError::Forged), "reflected");
        assert_eq!(open(&mut client, &second.0, &second.1), Err(SealError::Forged), "from another context");

        let (mut service, mut client) = contexts();
        let signature = client.sign(b"one").unwrap();
        assert_eq!(service.verify(b"two", &signature), Err(SealError::Forged));
        let (mut service, mut client) = contexts();
        let signature = client.sign(b"one").unwrap();
        assert_eq!(open(&mut service, &signature, b""), Err(SealError::Forged), "signed but not sealed");
    });
}

#[test]
fn tokens_may_be_divided_anywhere() {
    in_realm("sealing::tokens_may_be_divided_anywhere", Keys::AesSha1, |_| {
        let (mut service, mut client) = contexts();
        let (header, message) = seal(&mut client, b"some words");
        // As created by gss_wrap: the end of our header follows the message.
        let (head, rest) = header.split_at(16);
        let (turned, rest) = rest.split_at(28);
        let mut token = [head, rest, &message, turned].concat();
        token[7] = 0;
        let split = token.len() - message.len();
        assert_eq!(open(&mut service, &token[..split], &token[split..]).unwrap(), b"some words");
    });
}
