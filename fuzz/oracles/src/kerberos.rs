//! Kerberos names, and sealed and signed messages.

use auth::SealError;
use kerberos::message_protection::{
    EncryptionType, KeyOwner, MessageToken, PeerSequence, Protection, SessionParameters, Side,
};
use kerberos::{Principal, Spn};
use zeroize::Zeroizing;

/// Checks that parsed principals round-trip.
///
/// # Panics
/// If the property does not hold.
pub fn principal(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let Ok(principal) = Principal::parse(text) else { return };
    let again = Principal::parse(&principal.to_string()).expect("the encoded form is valid");
    assert_eq!(again, principal);
    assert_eq!(principal.single_name().is_some(), principal.components().len() == 1);
}

/// Checks that parsed service principal names round-trip.
///
/// # Panics
/// If the property does not hold.
pub fn service_principal_name(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let Ok(spn) = Spn::parse(text) else { return };
    let again = Spn::parse(&spn.to_string()).expect("the encoded form is valid");
    assert_eq!(again, spn);
}

/// Checks that message headers are parsed without panicking, and only if complete.
///
/// # Panics
/// If the property does not hold.
pub fn message_token(octets: &[u8]) {
    if MessageToken::parse(octets).is_some() {
        assert!(octets.len() >= 16);
    }
}

/// Checks that any input is opened or rejected without panicking, that sealed messages round-trip however they are
/// divided, and that changed messages are rejected.
///
/// The rotation count (RRC) is an exception: it is not protected, and a receiver must accept every value, also those
/// above the length of the token (RFC 4121 4.2.5). So counts that differ by a multiple of that length denote the same
/// message. Any other change of the count is rejected.
///
/// The first byte selects the encryption type, the second one the position at which the rest is divided.
///
/// # Panics
/// If the property does not hold.
pub fn sealed_message(octets: &[u8]) {
    let [kind, cut, rest @ ..] = octets else { return };
    let number = 17 + u32::from(kind % 4);
    let kind = EncryptionType::of_number(number).expect("there are four of them");
    let end = |side| {
        let key = Zeroizing::new((1..).take(kind.key_length()).collect());
        let parameters =
            SessionParameters { side, owner: KeyOwner::Acceptor, encryption_type: kind, key, next_sent: 0 };
        Protection::new(parameters).expect("the key has its length")
    };
    let (mut client, service) = (end(Side::Initiator), end(Side::Acceptor));
    let open = |token: &[u8]| {
        let (header, message) = token.split_at(usize::from(*cut).min(token.len()));
        let mut message = message.to_vec();
        service.open(header, &mut message, &mut PeerSequence::Unknown).map(|()| message)
    };
    if let Ok(message) = open(rest) {
        assert!(message.len() < rest.len(), "a message is shorter than what it is sealed in");
    }
    let _ = service.verify(b"", rest, &mut PeerSequence::Unknown);

    let mut message = rest.to_vec();
    let header = client.seal([*cut; 16], &mut message);
    let sealed = [header, message].concat();
    assert_eq!(open(&sealed).as_deref(), Ok(rest));
    let at = usize::from(*cut).checked_rem(sealed.len()).unwrap_or_default();
    let mut changed = sealed.clone();
    changed.iter_mut().skip(at).take(1).for_each(|octet| *octet ^= 0x10);
    match are_rotated_alike(&sealed, &changed) {
        true => assert_eq!(open(&changed).as_deref(), Ok(rest), "every rotation count is interpreted"),
        false => assert_eq!(open(&changed), Err(SealError::Forged)),
    }
    let signature = client.sign(rest);
    assert_eq!(service.verify(rest, &signature, &mut PeerSequence::Unknown), Ok(()));
}

/// Returns `true` if two tokens differ only in a rotation count that has the same effect.
fn are_rotated_alike(left: &[u8], right: &[u8]) -> bool {
    let (Some((left, left_body)), Some((right, right_body))) =
        (left.split_first_chunk::<16>(), right.split_first_chunk::<16>())
    else {
        return false;
    };
    let parts = |head: [u8; 16]| {
        let [a, b, c, d, e, f, high, low, rest @ ..] = head;
        let rotation = usize::from(u16::from_be_bytes([high, low])).checked_rem(left_body.len());
        ([a, b, c, d, e, f], rest, rotation)
    };
    parts(*left) == parts(*right) && left_body == right_body
}
