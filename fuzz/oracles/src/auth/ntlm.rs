//! NTLM messages, handshakes and contexts.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use auth::ntlm::message::{Authenticate, Challenge, MAX_LENGTH, Negotiate};
use auth::ntlm::{
    Acceptor, AcceptorFresh, Context, HostNames, Initiator, InitiatorFresh, Login, NtHash, Sealing,
};
use auth::{
    Acceptor as _, AccountList, AuthError, Binding, Initiator as _, SealError, Secret, SecurityContext as _,
    Step,
};
use zeroize::Zeroizing;

pub(super) fn message(octets: &[u8]) {
    if let Ok(first) = Negotiate::decode(octets) {
        let written = first.encode().expect("it has no payload");
        assert_eq!(Negotiate::decode(&written), Ok(first));
    }
    if let Ok(first) = Challenge::decode(octets)
        && let Some(written) = readable(first.encode())
    {
        assert_eq!(Challenge::decode(&written), Ok(first));
    }
    if let Ok(first) = Authenticate::decode(octets)
        && let Some(written) = readable(first.encode())
    {
        assert_eq!(Authenticate::decode(&written), Ok(first));
    }
}

/// Drops encoded messages that exceed the limit for parsing. They can, because fields of the input may overlap and the
/// client adds attributes.
fn readable(written: Result<Vec<u8>, AuthError>) -> Option<Vec<u8>> {
    written.ok().filter(|octets| octets.len() <= MAX_LENGTH)
}

pub(super) fn acceptor(octets: &[u8]) {
    let mut at_once = service();
    if let Ok(Step::Continue(challenge)) = at_once.step(octets) {
        Challenge::decode(&challenge).expect("the encoded form is valid");
    }
    let mut after_challenge = service();
    let (mut client, negotiate) = client();
    let Ok(Step::Continue(challenge)) = after_challenge.step(&negotiate) else { return };
    match after_challenge.step(octets) {
        Ok(Step::Done { outcome, .. }) => assert_eq!(outcome.account.name, "alice"),
        Ok(Step::Continue(_)) => panic!("NTLM continued after its third message"),
        Err(_) => {}
    }
    let Ok(Step::Done { token: Some(right), .. }) = client.step(Some(&challenge)) else { return };
    assert!(after_challenge.step(&right).is_err(), "a challenge is answered once");
}

pub(super) fn initiator(octets: &[u8]) {
    let (mut client, _) = client();
    if let Ok(Step::Done { token, .. }) = client.step(Some(octets))
        && let Some(token) = readable(Ok(token.expect("the last message")))
    {
        Authenticate::decode(&token).expect("the encoded form is valid");
    }
}

pub(super) fn context(octets: &[u8]) {
    let import = || Context::import(octets).ok().map(Box::new);
    let (Some(first), Some(mut second)) = (import(), import()) else { return };
    let exported = first.export().expect("it was not used");
    assert_eq!(exported.expose(), octets);
    // Sealing fails if the last sequence number has been used.
    let sealed = second.seal(&mut b"text".to_vec());
    assert_eq!(second.can_seal(), sealed != Err(SealError::Unavailable));
    assert!(second.verify(b"text", &[0; 16]).is_err(), "a zero signature was accepted");
}

/// Returns the service for which the corpus contains a correct response.
fn service() -> Acceptor {
    let names = HostNames::of_host("node7.lab.example");
    let accounts = AccountList::parse("alice:correct horse").expect("a list").on_host(names.clone());
    let fresh = AcceptorFresh { challenge: *b"\x01\x23\x45\x67\x89\xAB\xCD\xEF", now: now() };
    Acceptor::new(Arc::new(accounts), names, Binding::default(), fresh)
}

fn client() -> (Initiator, Vec<u8>) {
    let hash = NtHash::of_password(&Secret::new("correct horse".to_owned()));
    let login = Login { domain: "NODE7".to_owned(), user: "alice".to_owned(), hash };
    let fresh = InitiatorFresh { challenge: [0xAA; 8], session_key: Zeroizing::new([0x55; 16]), now: now() };
    let mut client = Initiator::new(login, Sealing::IfAgreed, fresh).target_name("HTTP/node7.lab.example");
    let Ok(Step::Continue(negotiate)) = client.step(None) else { unreachable!("it begins") };
    (client, negotiate)
}

/// 2025-11-21 10:00:00 UTC.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_763_719_200)
}
