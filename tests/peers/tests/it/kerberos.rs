//! Kerberos token by token: our service for other people's clients, and our client for their service.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use auth::{
    Account, AuthError, Binding, ChannelBinding, Hardening, Mutual, SealError, SecurityContext as _, Step,
};
use kerberos::{
    Acceptors, Accounts, Client, Context, Credentials, FoundAccount, Initiator, KerberosError, Library,
    Mismatch, PrincipalRules, Privilege, Spn,
};
use telarch_peers::{End, KerberosPeer, Keys, Messages, REALM, Realm, USER, in_realm};

struct Machine;

impl Accounts for Machine {
    fn find(&self, name: &str) -> Result<Option<FoundAccount>, AuthError> {
        let found =
            FoundAccount { account: Account { name: name.to_owned() }, privilege: Privilege::Ordinary };
        Ok((name == USER).then_some(found))
    }
}

/// Lets a client of others sign in to our service.
fn signed_in(peer: &mut KerberosPeer, binding: Binding) -> Result<Client, KerberosError> {
    let rules = PrincipalRules::new(Arc::new(Machine)).allow_realm(REALM);
    let service = Acceptors::new(Library::load().unwrap(), Arc::new(rules));
    let token = peer.step(b"").unwrap().token;
    let Step::Done { token: Some(answer), outcome } = service.acceptor(binding).accept(&token)? else {
        panic!("one token is enough, and has an answer");
    };
    let end = peer.step(&answer).unwrap();
    assert!(end.is_complete && end.token.is_empty(), "{end:?}");
    Ok(outcome)
}

/// Everything that both ends can do, to and fro.
fn assert_messages_arrive(context: &mut Context, peer: &mut KerberosPeer) {
    for text in [&b"<s:Envelope/>"[..], b"", &b"50 KB "[..].repeat(8_500)] {
        let (header, mut message) = peer.seal(text).unwrap();
        assert_eq!(message.len(), text.len());
        context.unseal(&header, &mut message).unwrap();
        assert_eq!(message, text);

        let mut message = text.to_vec();
        let header = context.seal(&mut message).unwrap();
        assert_eq!(peer.unseal(&header, &message).unwrap(), text);
    }
}

fn assert_signatures_hold(context: &mut Context, peer: &mut KerberosPeer) {
    let signature = peer.sign(b"a list of mechanisms").unwrap();
    context.verify(b"a list of mechanisms", &signature).unwrap();
    let signature = context.sign(b"a list of mechanisms").unwrap();
    peer.verify(b"a list of mechanisms", &signature).unwrap();
    let signature = context.sign(b"a list of mechanisms").unwrap();
    peer.verify(b"another list", &signature).unwrap_err();
}

fn pyspnego_client() -> End {
    End::PyspnegoClient(Messages::InSequence)
}

fn meet_pyspnego_client(_: &Realm) {
    let mut peer = KerberosPeer::start(pyspnego_client(), None);
    let mut client = signed_in(&mut peer, Binding::default()).unwrap();
    assert_eq!(client.account.name, USER);
    assert_messages_arrive(&mut client.context, &mut peer);
    assert_signatures_hold(&mut client.context, &mut peer);
}

fn meet_pyspnego_server(realm: &Realm) {
    realm.kinit(&[]);
    let mut peer = KerberosPeer::start(End::PyspnegoServer, None);
    let spn = Spn::http("localhost").unwrap();
    let mut initiator = Initiator::new(Library::load().unwrap(), Credentials::of_this_user(), spn);
    let Step::Continue(token) = initiator.advance(None).unwrap() else { panic!("a first token") };
    let answer = peer.step(&token).unwrap();
    assert!(answer.is_complete);
    let Step::Done { token: None, outcome } = initiator.advance(Some(&answer.token)).unwrap() else {
        panic!("the answer is enough");
    };
    assert_eq!(outcome.mutual, Mutual::Proven);
    assert_eq!(peer.principal().unwrap(), format!("{USER}@{REALM}"));
    let mut context = outcome.context;
    assert_messages_arrive(&mut context, &mut peer);
    assert_signatures_hold(&mut context, &mut peer);
}

#[test]
fn a_client_of_pyspnego_signs_in_to_our_service_and_seals() {
    run("a_client_of_pyspnego_signs_in_to_our_service_and_seals", Keys::AesSha1, meet_pyspnego_client);
}

#[test]
fn a_client_of_pyspnego_signs_in_to_our_service_and_seals_with_sha_2() {
    let name = "a_client_of_pyspnego_signs_in_to_our_service_and_seals_with_sha_2";
    run(name, Keys::AesSha2, meet_pyspnego_client);
}

#[test]
fn our_client_signs_in_to_a_service_of_pyspnego_and_seals() {
    run("our_client_signs_in_to_a_service_of_pyspnego_and_seals", Keys::AesSha1, meet_pyspnego_server);
}

#[test]
fn our_client_signs_in_to_a_service_of_pyspnego_and_seals_with_sha_2() {
    let name = "our_client_signs_in_to_a_service_of_pyspnego_and_seals_with_sha_2";
    run(name, Keys::AesSha2, meet_pyspnego_server);
}

#[test]
fn a_client_of_pykerberos_signs_in_to_our_service_and_seals() {
    run("a_client_of_pykerberos_signs_in_to_our_service_and_seals", Keys::AesSha1, |realm| {
        realm.kinit(&[]);
        let mut peer = KerberosPeer::start(End::PykerberosClient, None);
        let mut client = signed_in(&mut peer, Binding::default()).unwrap();
        assert_eq!(client.account.name, USER);
        for text in [&b"<s:Envelope/>"[..], &b"50 KB "[..].repeat(8_500)] {
            let (header, mut message) = peer.seal(text).unwrap();
            client.context.unseal(&header, &mut message).unwrap();
            assert_eq!(message, text);
            let mut message = text.to_vec();
            let header = client.context.seal(&mut message).unwrap();
            assert_eq!(peer.unseal(&header, &message).unwrap(), text);
        }
    });
}

#[test]
fn channel_bindings_of_pyspnego_are_verified_by_level() {
    run("channel_bindings_of_pyspnego_are_verified_by_level", Keys::AesSha1, |_| {
        use Hardening::{None as Unchecked, Relaxed, Strict};
        let of = |hash: &[u8]| ChannelBinding::tls_server_end_point(hash);
        let (ours, other) = (of(b"ours"), of(b"other"));
        for (level, binding, expected) in [
            (Unchecked, Some(&other), None),
            (Relaxed, None, None),
            (Relaxed, Some(&ours), None),
            (Relaxed, Some(&other), Some(Mismatch::Different)),
            (Strict, None, Some(Mismatch::Absent)),
            (Strict, Some(&ours), None),
            (Strict, Some(&other), Some(Mismatch::Different)),
        ] {
            let shown = format!("{level:?} {binding:?}");
            let sent = binding.map(ChannelBinding::application_data);
            let mut peer = KerberosPeer::start(pyspnego_client(), sent);
            let outcome = signed_in(&mut peer, Binding { level, expected: Some(ours.clone()) }).err();
            assert_eq!(outcome, expected.map(KerberosError::ChannelBinding), "{shown}");
        }
    });
}

#[test]
fn our_channel_binding_is_the_one_that_a_service_of_pyspnego_expects() {
    run("our_channel_binding_is_the_one_that_a_service_of_pyspnego_expects", Keys::AesSha1, |realm| {
        realm.kinit(&[]);
        for (binding, is_right) in
            [(&b"tls-server-end-point:ours"[..], true), (b"tls-server-end-point:other", false)]
        {
            let mut peer = KerberosPeer::start(End::PyspnegoServer, Some(b"tls-server-end-point:ours"));
            let spn = Spn::http("localhost").unwrap();
            let initiator = Initiator::new(Library::load().unwrap(), Credentials::of_this_user(), spn);
            let mut initiator = initiator.channel_binding(binding.to_vec());
            let Step::Continue(token) = initiator.advance(None).unwrap() else { panic!("a first token") };
            assert_eq!(peer.step(&token).is_ok(), is_right);
        }
    });
}

#[test]
fn messages_are_sequenced_even_if_the_client_does_not_request_it() {
    run("messages_are_sequenced_even_if_the_client_does_not_request_it", Keys::AesSha1, |_| {
        let start = || {
            let mut peer = KerberosPeer::start(End::PyspnegoClient(Messages::InAnyOrder), None);
            let client = signed_in(&mut peer, Binding::default()).unwrap();
            (peer, client.context)
        };
        let (mut peer, mut context) = start();
        let (header, message) = peer.seal(b"transfer one coin").unwrap();
        context.unseal(&header, &mut message.clone()).unwrap();
        assert_eq!(context.unseal(&header, &mut message.clone()), Err(SealError::Forged), "repeated");

        let (mut peer, mut context) = start();
        let (header, mut message) = peer.seal(b"one").unwrap();
        context.unseal(&header, &mut message).unwrap();
        peer.seal(b"two").unwrap();
        let (header, mut message) = peer.seal(b"three").unwrap();
        assert_eq!(context.unseal(&header, &mut message), Err(SealError::Forged), "one is left out");
    });
}

/// Runs `body` in a process of its own in a new realm, if the peers and the KDC are installed.
fn run(name: &str, keys: Keys, body: impl FnOnce(&Realm)) {
    if KerberosPeer::is_installed() {
        in_realm(&format!("kerberos::{name}"), keys, body);
    }
}
