//! pyspnego's NTLM against ours, each as either end, token by token.

use std::sync::Arc;
use std::time::SystemTime;

use auth::ntlm::{self, HostNames, Login, NtHash, Sealing};
use auth::{
    Accepted, Acceptor as _, AccountList, AuthError, Binding, ChannelBinding, Hardening, Initiated,
    Initiator as _, MechListMic, SealError, Secret, SecurityContext, Step,
};
use telarch_peers::{Layer, Pyspnego, PyspnegoSettings};

const USER: &str = "jürgen";
const PASSWORD: &str = "größer als €5 😀";

#[test]
fn pyspnego_signs_in_and_seals_both_ways() {
    let mut client = Pyspnego::initiator(&settings());
    let accepted = let_in(&mut client, service(Binding::default())).expect("the right password");
    assert_eq!(accepted.account.name, USER);
    assert!(client.is_complete());
    assert_eq!(accepted.context.mech_list_mic(), MechListMic::Required, "it has an integrity code");
    converse(&mut client, accepted.context);
}

#[test]
fn our_client_signs_in_to_pyspnego_and_seals_both_ways() {
    let mut service = Pyspnego::acceptor(&settings());
    let initiated = sign_in(client("", PASSWORD), &mut service).expect("the right password");
    assert!(service.is_complete());
    assert_eq!(service.principal(), Some(USER));
    assert_eq!(initiated.context.mech_list_mic(), MechListMic::Required, "it has an integrity code");
    converse(&mut service, initiated.context);
}

#[test]
fn a_list_of_mechanisms_is_signed_both_ways_before_messages_are_sealed() {
    let mut client = Pyspnego::initiator(&settings());
    let accepted = let_in(&mut client, service(Binding::default())).expect("the right password");
    converse_after_mech_list(&mut client, accepted.context);

    let mut service = Pyspnego::acceptor(&settings());
    let initiated = sign_in(self::client("", PASSWORD), &mut service).expect("the right password");
    converse_after_mech_list(&mut service, initiated.context);
}

#[test]
fn a_domain_is_ours_or_foreign() {
    for (user, is_ours) in [
        ("NODE7\\jürgen", true),
        ("node7.lab.example\\jürgen", true),
        (".\\jürgen", true),
        ("jürgen@node7.lab.example", true),
        ("CORP\\jürgen", false),
        ("jürgen@corp.example", false),
    ] {
        let mut client = Pyspnego::initiator(&PyspnegoSettings { user, ..settings() });
        let name = let_in(&mut client, service(Binding::default())).map(|accepted| accepted.account.name);
        let expected = if is_ours { Ok(USER.to_owned()) } else { Err(AuthError::WrongPassword) };
        assert_eq!(name, expected, "{user}");
    }
    let mut service = Pyspnego::acceptor(&PyspnegoSettings { user: "CORP\\jürgen", ..settings() });
    sign_in(client("CORP", PASSWORD), &mut service).expect("the right domain");
    assert_eq!(service.principal(), Some("CORP\\jürgen"));
}

#[test]
fn a_wrong_password_is_refused_by_either_end() {
    let mut client = Pyspnego::initiator(&PyspnegoSettings { password: "guess", ..settings() });
    let refused = let_in(&mut client, service(Binding::default())).err();
    assert_eq!(refused, Some(AuthError::WrongPassword));

    let mut service = Pyspnego::acceptor(&settings());
    assert_eq!(
        exception(sign_in(self::client("", "guess"), &mut service)).as_deref(),
        Some("InvalidTokenError")
    );
}

#[test]
fn the_channel_binding_of_pyspnego_is_verified_by_level() {
    let wrong = Err(AuthError::ChannelBinding);
    let (ours, other) = (binding(7), binding(8));
    for (level, without, with_other) in [
        (Hardening::None, Ok(()), Ok(())),
        (Hardening::Relaxed, Ok(()), wrong),
        (Hardening::Strict, wrong, wrong),
    ] {
        for (sent, expected) in [(Some(&ours), Ok(())), (None, without), (Some(&other), with_other)] {
            let application_data = sent.map(ChannelBinding::application_data);
            let mut client = Pyspnego::initiator(&PyspnegoSettings { application_data, ..settings() });
            let demanded = Binding { level, expected: Some(binding(7)) };
            let verdict = let_in(&mut client, service(demanded)).map(|_| ());
            assert_eq!(verdict, expected, "{level:?} {sent:?}");
        }
    }
}

#[test]
fn pyspnego_accepts_our_channel_binding_and_no_other() {
    let ours = binding(7);
    for (client, expected) in [
        (client("", PASSWORD).channel_binding(binding(7)), None),
        (client("", PASSWORD).channel_binding(binding(8)), Some("BadBindingsError")),
        (client("", PASSWORD), Some("BadBindingsError")),
    ] {
        let application_data = Some(ours.application_data());
        let mut service = Pyspnego::acceptor(&PyspnegoSettings { application_data, ..settings() });
        assert_eq!(exception(sign_in(client, &mut service)).as_deref(), expected);
    }
}

#[test]
fn without_sealing_a_sign_in_authenticates_one_request() {
    let plain = PyspnegoSettings { seals: false, ..settings() };
    let mut accepted =
        let_in(&mut Pyspnego::initiator(&plain), service(Binding::default())).expect("signed in");
    assert!(!accepted.context.can_seal());
    assert_eq!(accepted.context.seal(&mut b"text".to_vec()), Err(SealError::Unavailable));
}

#[test]
fn pyspnego_is_refused_if_it_responds_with_ntlmv1() {
    for (compatibility, missing) in [(0, "extended session security"), (1, "NTLMv2"), (2, "NTLMv2")] {
        let mut client = Pyspnego::initiator(&PyspnegoSettings { compatibility, ..settings() });
        let refused = let_in(&mut client, service(Binding::default())).err();
        assert_eq!(refused, Some(AuthError::Downgraded(missing)), "LM_COMPAT_LEVEL={compatibility}");
    }
}

#[test]
fn changed_messages_are_detected_by_pyspnego_and_by_us() {
    let mut client = Pyspnego::initiator(&settings());
    let mut context = let_in(&mut client, service(Binding::default())).expect("signed in").context;
    let (header, mut message) = client.wrap(b"text").expect("sealed");
    message[0] ^= 1;
    assert_eq!(context.unseal(&header, &mut message), Err(SealError::Forged));

    let mut service = Pyspnego::acceptor(&settings());
    let mut context = sign_in(self::client("", PASSWORD), &mut service).expect("signed in").context;
    let mut message = b"text".to_vec();
    let header = context.seal(&mut message).expect("sealed");
    message[0] ^= 1;
    assert_eq!(exception(service.unwrap(&header, &message)).as_deref(), Some("BadMICError"));
}

/// What a raw NTLM client and our service say to each other.
fn let_in(client: &mut Pyspnego, mut service: ntlm::Acceptor) -> Result<Accepted, AuthError> {
    let mut token = client.step(None).expect("it speaks first").expect("a message");
    loop {
        match service.step(&token)? {
            Step::Continue(challenge) => {
                token = client.step(Some(&challenge)).expect("it takes ours").expect("a message");
            }
            Step::Done { token, outcome } => {
                assert_eq!(token, None);
                return Ok(outcome);
            }
        }
    }
}

/// What our client and a raw NTLM service say to each other; the error is the service's.
fn sign_in(mut client: ntlm::Initiator, service: &mut Pyspnego) -> Result<Initiated, String> {
    let Step::Continue(negotiate) = client.step(None).expect("it speaks first") else {
        panic!("done too early")
    };
    let challenge = service.step(Some(&negotiate))?.expect("a challenge");
    let Step::Done { token, outcome } = client.step(Some(&challenge)).expect("it takes theirs") else {
        panic!("not done")
    };
    assert_eq!(service.step(Some(&token.expect("a message")))?, None);
    Ok(outcome)
}

fn service(binding: Binding) -> ntlm::Acceptor {
    let names = HostNames::of_host("node7.lab.example");
    let accounts = AccountList::parse(&format!("{USER}:{PASSWORD}")).expect("a list").on_host(names.clone());
    let fresh = ntlm::AcceptorFresh { challenge: *b"8 octets", now: SystemTime::now() };
    ntlm::Acceptor::new(Arc::new(accounts), names, binding, fresh)
}

fn client(domain: &str, password: &str) -> ntlm::Initiator {
    let hash = NtHash::of_password(&Secret::new(password.to_owned()));
    let login = Login { domain: domain.to_owned(), user: USER.to_owned(), hash };
    let (session_key, now) = ((*b"sixteen octets..").into(), SystemTime::now());
    let fresh = ntlm::InitiatorFresh { challenge: *b"8 octets", session_key, now };
    ntlm::Initiator::new(login, Sealing::Required, fresh).target_name("HTTP/node7.lab.example")
}

/// The name of the exception it refuses with.
fn exception<T>(verdict: Result<T, String>) -> Option<String> {
    let refused = verdict.err()?;
    Some(refused.split_once(':').map_or(&*refused, |(name, _)| name).to_owned())
}

fn settings() -> PyspnegoSettings<'static> {
    PyspnegoSettings::new(Layer::Ntlm, USER, PASSWORD)
}

fn binding(certificate: u8) -> ChannelBinding {
    ChannelBinding::tls_server_end_point(&[certificate; 32])
}

/// Messages of several sizes, both ways and not always by turns.
fn converse(peer: &mut Pyspnego, mut ours: Box<dyn SecurityContext>) {
    let large = vec![b'x'; 50_000];
    for text in [b"<s:Envelope/>".as_slice(), b"", &large, b"last"] {
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

fn converse_after_mech_list(peer: &mut Pyspnego, mut ours: Box<dyn SecurityContext>) {
    let list = b"0\x0c\x06\x0a+\x06\x01\x04\x01\x827\x02\x02\x0a";
    let signature = peer.sign(list).expect("signed");
    ours.verify(list, &signature).expect("genuine");
    let signature = ours.sign(list).expect("signed");
    peer.verify(list, &signature).expect("genuine");
    ours.mech_list_mic_exchanged();
    peer.mech_list_mic_exchanged();
    converse(peer, ours);
}
