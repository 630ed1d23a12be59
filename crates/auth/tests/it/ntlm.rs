//! NTLM handshakes and messages through the public interface.

mod attacks;
mod messages;
mod sign_in;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use telarch_auth::ntlm::{self, HostNames, Login, NtHash, Sealing};
use telarch_auth::{
    Accepted, Acceptor as _, AccountList, AuthError, Binding, ChannelBinding, Hardening, Initiated,
    Initiator as _, Secret, SecurityContext, Step,
};

/// A service with one account.
pub(crate) fn service() -> ntlm::Acceptor {
    service_on(Binding::default(), *b"\x01\x23\x45\x67\x89\xAB\xCD\xEF")
}

pub(crate) fn service_on(binding: Binding, challenge: [u8; 8]) -> ntlm::Acceptor {
    let names = HostNames::of_host("node7.lab.example");
    let accounts = AccountList::parse("alice:correct horse\nbob:b").unwrap().on_host(names.clone());
    let fresh = ntlm::AcceptorFresh { challenge, now: now() };
    ntlm::Acceptor::new(Arc::new(accounts), names, binding, fresh)
}

pub(crate) fn client() -> ntlm::Initiator {
    client_of("NODE7", "alice", "correct horse")
}

pub(crate) fn client_of(domain: &str, user: &str, password: &str) -> ntlm::Initiator {
    let hash = NtHash::of_password(&Secret::new(password.to_owned()));
    let login = Login { domain: domain.to_owned(), user: user.to_owned(), hash };
    // Deterministic, but a different key for each name.
    let session_key = [user.bytes().fold(0x55, u8::wrapping_add); 16].into();
    let fresh = ntlm::InitiatorFresh { challenge: [0xAA; 8], session_key, now: now() };
    ntlm::Initiator::new(login, Sealing::Required, fresh)
}

/// 2025-11-21 10:00:00 UTC.
pub(crate) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_763_719_200)
}

/// Message of the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leg {
    Negotiate,
    Challenge,
    Authenticate,
}

pub(crate) fn meet(
    client: ntlm::Initiator,
    service: ntlm::Acceptor,
) -> Result<(Accepted, Initiated), AuthError> {
    meet_with(client, service, |_, _| {})
}

/// Runs a handshake in which `alter` may change every message.
pub(crate) fn meet_with(
    mut client: ntlm::Initiator,
    mut service: ntlm::Acceptor,
    mut meddle: impl FnMut(Leg, &mut Vec<u8>),
) -> Result<(Accepted, Initiated), AuthError> {
    let mut negotiate = token(client.step(None)?);
    meddle(Leg::Negotiate, &mut negotiate);
    let mut challenge = token(service.step(&negotiate)?);
    meddle(Leg::Challenge, &mut challenge);
    let Step::Done { token: Some(mut authenticate), outcome: initiated } = client.step(Some(&challenge))?
    else {
        panic!("the client has one more message")
    };
    meddle(Leg::Authenticate, &mut authenticate);
    let Step::Done { token: None, outcome } = service.step(&authenticate)? else {
        panic!("the service has nothing to add")
    };
    Ok((outcome, initiated))
}

pub(crate) fn refusal(client: ntlm::Initiator, service: ntlm::Acceptor) -> Option<AuthError> {
    meet(client, service).err()
}

fn token<T>(step: Step<T>) -> Vec<u8> {
    match step {
        Step::Continue(token) => token,
        Step::Done { .. } => panic!("done too early"),
    }
}

/// Returns the client's last message to a service that sends its time, or does not: then there is no integrity code.
pub(crate) fn authenticate(mut client: ntlm::Initiator, service: &mut ntlm::Acceptor, time: Time) -> Vec<u8> {
    let negotiate = token(client.step(None).unwrap());
    let mut challenge = token(service.step(&negotiate).unwrap());
    if time == Time::Untold {
        remove_time(&mut challenge);
    }
    let Step::Done { token, .. } = client.step(Some(&challenge)).unwrap() else { panic!("not done") };
    token.unwrap()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Time {
    Told,
    Untold,
}

/// Replaces the id of the time attribute by an unknown one.
pub(crate) fn remove_time(challenge: &mut [u8]) {
    let at = challenge
        .windows(4)
        .position(|octets| octets == [7, 0, 8, 0])
        .expect("the challenge contains a timestamp");
    challenge[at] = 0x77;
}

/// Returns offset and length of the field whose descriptor is at `place`.
pub(crate) fn field(message: &[u8], place: usize) -> (usize, usize) {
    let length = u16::from_le_bytes(message[place..place + 2].try_into().unwrap());
    let offset = u32::from_le_bytes(message[place + 4..place + 8].try_into().unwrap());
    (usize::try_from(offset).unwrap(), usize::from(length))
}

pub(crate) fn binding(certificate: u8) -> ChannelBinding {
    ChannelBinding::tls_server_end_point(&[certificate; 32])
}

pub(crate) fn hardened(level: Hardening) -> Binding {
    Binding { level, expected: Some(binding(7)) }
}

/// Security contexts of both ends: client, service.
pub(crate) fn contexts() -> (Box<dyn SecurityContext>, Box<dyn SecurityContext>) {
    let (accepted, initiated) = meet(client(), service()).unwrap();
    (initiated.context, accepted.context)
}
