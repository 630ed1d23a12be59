//! pyspnego's SPNEGO against ours, each as either end, token by token.

use std::sync::Arc;
use std::time::SystemTime;

use auth::ntlm::{self, HostNames, Login, NtHash, Sealing};
use auth::spnego::{Initiator, Mechanism, Offer};
use auth::{
    Accepted, Acceptor, AccountList, AuthError, Binding, Initiated, Oid, Secret, SecurityContext, Step,
    negotiate,
};
use telarch_peers::{Layer, Pyspnego, PyspnegoSettings};

pub(crate) const USER: &str = "jürgen";
pub(crate) const PASSWORD: &str = "größer als €5 😀";

#[test]
fn pyspnego_signs_in_and_seals_both_ways() {
    let mut client = Pyspnego::initiator(&with(PASSWORD));
    let mut service = negotiate::Acceptor::negotiate(vec![Arc::new(Ntlm)]);
    let accepted = let_in(&mut client, &mut service).expect("the right password");
    assert_eq!(accepted.account.name, USER);
    assert_eq!(service.mechanism(), Some(Oid::NTLM));
    assert!(client.is_complete());
    assert_eq!(client.mechanism(), Some("ntlm"));
    converse(&mut client, accepted.context);
}

#[test]
fn our_client_signs_in_to_pyspnego_and_seals_both_ways() {
    let mut service = Pyspnego::acceptor(&with(PASSWORD));
    let mut client = Initiator::new(vec![ntlm_offer(PASSWORD)]);
    let initiated = sign_in(&mut client, &mut service).expect("the right password");
    assert_eq!(client.mechanism(), Some(Oid::NTLM));
    assert!(service.is_complete());
    assert_eq!(service.principal(), Some(USER));
    converse(&mut service, initiated.context);
}

#[test]
fn a_wrong_password_is_refused_by_either_end() {
    let mut client = Pyspnego::initiator(&with("guess"));
    let mut service = negotiate::Acceptor::negotiate(vec![Arc::new(Ntlm)]);
    assert_eq!(let_in(&mut client, &mut service).err(), Some(AuthError::WrongPassword));

    let mut service = Pyspnego::acceptor(&with(PASSWORD));
    let mut client = Initiator::new(vec![ntlm_offer("guess")]);
    let refused = sign_in(&mut client, &mut service).expect_err("refused");
    assert!(refused.contains("Invalid NTLM response"), "{refused}");
}

#[test]
fn pyspnego_is_refused_if_only_kerberos_is_accepted() {
    let mut client = Pyspnego::initiator(&with(PASSWORD));
    let mut service = negotiate::Acceptor::kerberos(vec![Arc::new(Ntlm)]);
    assert_eq!(let_in(&mut client, &mut service).err(), Some(AuthError::NoMechanism));
}

fn with(password: &str) -> PyspnegoSettings<'_> {
    PyspnegoSettings::new(Layer::Negotiate, USER, password)
}

/// NTLM as the service offers it.
pub(crate) struct Ntlm;

impl Mechanism for Ntlm {
    fn oids(&self) -> &[Oid] {
        &[Oid::NTLM]
    }

    fn acceptor(&self) -> Result<Box<dyn Acceptor>, AuthError> {
        let names = HostNames::of_host("node7.lab.example");
        let accounts = AccountList::parse(&format!("{USER}:{PASSWORD}")).expect("a list");
        let accounts = Arc::new(accounts.on_host(names.clone()));
        let fresh = ntlm::AcceptorFresh { challenge: *b"8 octets", now: SystemTime::now() };
        Ok(Box::new(ntlm::Acceptor::new(accounts, names, Binding::default(), fresh)))
    }
}

/// NTLM as the client offers it.
pub(crate) fn ntlm_offer(password: &str) -> Offer {
    let hash = NtHash::of_password(&Secret::new(password.to_owned()));
    let login = Login { domain: String::new(), user: USER.to_owned(), hash };
    let (session_key, now) = ((*b"sixteen octets..").into(), SystemTime::now());
    let fresh = ntlm::InitiatorFresh { challenge: *b"8 octets", session_key, now };
    let initiator =
        ntlm::Initiator::new(login, Sealing::Required, fresh).target_name("HTTP/node7.lab.example");
    Offer { oids: vec![Oid::NTLM], initiator: Box::new(initiator) }
}

/// What pyspnego as the client and our service say to each other.
pub(crate) fn let_in(client: &mut Pyspnego, service: &mut dyn Acceptor) -> Result<Accepted, AuthError> {
    let mut token = client.step(None).expect("it speaks first").expect("a token");
    loop {
        match service.step(&token)? {
            Step::Continue(answer) => {
                token = client.step(Some(&answer)).expect("it takes ours").expect("a token");
            }
            Step::Done { token: last, outcome } => {
                if let Some(last) = last {
                    assert_eq!(client.step(Some(&last)).expect("it takes ours"), None);
                }
                return Ok(outcome);
            }
        }
    }
}

/// What our client and pyspnego as the service say to each other; the error is the service's.
pub(crate) fn sign_in(client: &mut dyn auth::Initiator, service: &mut Pyspnego) -> Result<Initiated, String> {
    let mut token: Option<Vec<u8>> = None;
    loop {
        match client.step(token.as_deref()).map_err(|error| error.to_string())? {
            // Without a token the service is through, and a client in want of one notices.
            Step::Continue(question) => token = Some(service.step(Some(&question))?.unwrap_or_default()),
            Step::Done { token: last, outcome } => {
                if let Some(last) = last {
                    assert_eq!(service.step(Some(&last))?, None);
                }
                return Ok(outcome);
            }
        }
    }
}

/// Messages of several sizes, both ways and not always by turns.
pub(crate) fn converse(peer: &mut Pyspnego, mut ours: Box<dyn SecurityContext>) {
    let large = vec![b'x'; 16_384];
    for text in [b"<s:Envelope/>".as_slice(), &large, b"last"] {
        for _ in 0..2 {
            let (header, mut message) = peer.wrap(text).expect("sealed");
            ours.unseal(&header, &mut message).expect("genuine");
            assert_eq!(message, text);
        }
        let mut message = text.to_vec();
        let header = ours.seal(&mut message).expect("sealed");
        assert_eq!(peer.unwrap(&header, &message).as_deref(), Ok(text));
    }
}
