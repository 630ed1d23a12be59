//! NTLM sign-ins.

use telarch_auth::ntlm::{self, Mic};
use telarch_auth::{
    Acceptor as _, AuthError, Binding, ChannelBinding, Hardening, Initiator as _, MechListMic, Mutual, Step,
};

use super::{
    Leg, binding, client, client_of, hardened, meet, meet_with, refusal, remove_time, service, service_on,
};

#[test]
fn the_right_password_is_accepted_without_mutual_proof() {
    let (accepted, initiated) = meet(client(), service()).unwrap();
    assert_eq!((accepted.account.name.as_str(), initiated.mutual), ("alice", Mutual::Unproven));
    assert!(accepted.context.can_seal() && initiated.context.can_seal());
    let wrong = Some(AuthError::WrongPassword);
    for password in ["Correct horse", "", "b", "correct horse "] {
        assert_eq!(refusal(client_of("", "alice", password), service()), wrong, "{password:?}");
    }
}

/// Returns the account that a client with this name gets.
fn account_of(domain: &str, user: &str) -> Result<String, AuthError> {
    meet(client_of(domain, user, "correct horse"), service()).map(|(accepted, _)| accepted.account.name)
}

#[test]
fn names_are_local_or_foreign() {
    for (domain, user) in [
        ("", "alice"),
        (".", "alice"),
        ("NODE7", "alice"),
        ("node7", "alice"),
        ("Node7.lab.example", "alice"),
        ("", "alice@node7.lab.example"),
        ("", "alice@NODE7"),
        ("WORKGROUP", "alice"),
        ("localhost", "alice"),
    ] {
        assert_eq!(account_of(domain, user).as_deref(), Ok("alice"), "{domain}\\{user}");
    }
    for (domain, user) in [
        ("CORP", "alice"),
        ("lab.example", "alice"),
        ("WORKGROUPS", "alice"),
        ("NODE7\\CORP", "alice"),
        ("", "alice@lab.example"),
        ("", "CORP\\alice"),
        ("", "Alice"),
        ("", "bob"),
        ("", "eve"),
    ] {
        assert_eq!(account_of(domain, user), Err(AuthError::WrongPassword), "{domain}\\{user}");
    }
}

#[test]
fn the_claimed_name_is_reported_in_any_case() {
    for (domain, user, claimed) in
        [("", "alice", "alice"), ("CORP", "alice", r"CORP\alice"), ("", "eve", "eve")]
    {
        let (mut client, mut service) = (client_of(domain, user, "a guess"), service());
        let Ok(Step::Continue(token)) = client.step(None) else { panic!("it begins") };
        let Ok(Step::Continue(token)) = service.step(&token) else { panic!("a challenge") };
        assert_eq!(service.claimed(), None, "no user name before the third message");
        let Ok(Step::Done { token: Some(token), .. }) = client.step(Some(&token)) else { panic!("a proof") };
        assert_eq!(service.step(&token).err(), Some(AuthError::WrongPassword));
        assert_eq!(service.claimed().as_deref(), Some(claimed));
    }
}

#[test]
fn anonymous_sign_in_is_rejected() {
    for domain in ["", "NODE7"] {
        let refused = refusal(client_of(domain, "", "correct horse"), service());
        assert_eq!(refused, Some(AuthError::Downgraded("a user name")));
    }
}

#[test]
fn names_with_control_characters_are_rejected() {
    for (domain, user) in [("", "ali\nce"), ("NODE7\0", "alice"), ("", "\u{85}")] {
        let refused = refusal(client_of(domain, user, "correct horse"), service());
        assert!(matches!(refused, Some(AuthError::Malformed(_))), "{user:?}: {refused:?}");
    }
}

#[test]
fn the_channel_binding_is_verified_per_hardening_level() {
    let wrong = Some(AuthError::ChannelBinding);
    for (level, without, other) in
        [(Hardening::None, None, None), (Hardening::Relaxed, None, wrong), (Hardening::Strict, wrong, wrong)]
    {
        let ask = |client| refusal(client, service_on(hardened(level), [9; 8]));
        assert_eq!(ask(client().channel_binding(binding(7))), None, "{level:?}: matching binding");
        assert_eq!(ask(client()), without, "{level:?}: no binding");
        assert_eq!(ask(client().channel_binding(binding(8))), other, "{level:?}: other binding");
        let empty = ChannelBinding::tls_server_end_point(&[]);
        assert_eq!(ask(client().channel_binding(empty)), other, "{level:?}: empty binding");

        // Without TLS there is no channel binding to compare with.
        let plain = Binding { level, expected: None };
        let refused = refusal(client().channel_binding(binding(8)), service_on(plain, [9; 8]));
        assert_eq!(refused, None, "{level:?}");
    }
}

fn without_tls(level: Hardening) -> Binding {
    Binding { level, expected: None }
}

#[test]
fn foreign_target_names_are_rejected_per_hardening_level() {
    let other = Some(AuthError::OtherService);
    for (name, relaxed, strict) in [
        ("HTTP/node7.lab.example", None, None),
        ("http/NODE7:5985", None, None),
        ("WSMAN/localhost", None, None),
        ("HOST/127.0.0.1", None, None),
        ("", None, None),
        ("HTTP/alias.lab.example", None, other),
        ("HTTP/10.0.0.7", None, other),
        ("host/unspecified", None, other),
        ("cifs/node7", other, other),
        ("ldap/node7.lab.example", other, other),
        ("node7", None, other),
    ] {
        let ask = |binding| refusal(client().target_name(name), service_on(binding, [9; 8]));
        assert_eq!(ask(without_tls(Hardening::None)), relaxed, "{name}, at every level");
        assert_eq!(ask(without_tls(Hardening::Relaxed)), relaxed, "{name}");
        assert_eq!(ask(without_tls(Hardening::Strict)), strict, "{name}");
        assert_eq!(ask(hardened(Hardening::Relaxed)), relaxed, "{name}, without channel binding");
        // A client bound to this connection intended this service, whatever target name it sent.
        for level in [Hardening::Relaxed, Hardening::Strict] {
            let bound = client().target_name(name).channel_binding(binding(7));
            assert_eq!(refusal(bound, service_on(hardened(level), [9; 8])), None, "{name}");
        }
    }
}

fn service_that_requires_mic() -> ntlm::Acceptor {
    service().mic(Mic::Required)
}

#[test]
fn a_missing_mic_is_accepted_unless_required() {
    // A client sends no MIC if the challenge has no timestamp.
    let without_time = |leg, message: &mut Vec<u8>| {
        if leg == Leg::Challenge {
            remove_time(message);
        }
    };
    let (accepted, initiated) = meet_with(client(), service(), without_time).unwrap();
    for context in [&accepted.context, &initiated.context] {
        assert_eq!(context.mech_list_mic(), MechListMic::Optional);
    }
    let strict = service_on(without_tls(Hardening::Strict), [9; 8]);
    for service in [service_that_requires_mic(), strict] {
        let refused = meet_with(client(), service, without_time).err();
        assert_eq!(refused, Some(AuthError::Downgraded("a message integrity code")));
    }

    let (accepted, initiated) = meet(client(), service_that_requires_mic()).unwrap();
    for context in [&accepted.context, &initiated.context] {
        assert_eq!(context.mech_list_mic(), MechListMic::Required);
    }
}

#[test]
fn an_initiator_starts_and_is_single_use() {
    let malformed =
        |answer: Result<Step<_>, AuthError>| matches!(answer.err(), Some(AuthError::Malformed(_)));
    assert!(malformed(client().step(Some(b"NTLMSSP\0"))));
    let mut twice = client();
    assert!(twice.step(None).is_ok());
    assert!(malformed(twice.step(None)));
    assert!(malformed(twice.step(None)), "a context is unusable after an error");
}

#[test]
fn ntlm_tokens_are_recognised() {
    let Ok(Step::Continue(token)) = client().step(None) else { panic!("it begins") };
    assert!(ntlm::is_message(&token));
    assert!(!ntlm::is_message(b"NTLMSSP") && !ntlm::is_message(&[0x60, 0x40]));
}
