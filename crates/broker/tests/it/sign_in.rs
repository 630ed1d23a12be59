//! The way of an honest gateway.

use std::os::unix::net::UnixStream;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use auth::ntlm::{self, Login, NtHash, Sealing};
use auth::{
    Account, AuthError, Authenticator as _, Binding, Handshake, Identity, Initiator as _, LocalUsers, Peer,
    Scheme, Secret, Step,
};
use telarch_broker::{Ask, CertificateWish, Denial, Gateway, LocalConnections, Tell, Unasked, Unchanged};

use crate::{HERE, Served, now};

const PATIENCE: Duration = Duration::from_secs(30);

fn connect() -> (Served, Arc<Gateway>, mpsc::Receiver<Unasked>) {
    let (served, link) = Served::start();
    let (sender, unasked) = mpsc::channel();
    let gateway = Gateway::connect(link, move |one| _ = sender.send(one)).unwrap();
    (served, gateway, unasked)
}

fn by_password(gateway: &Gateway, user: &str, password: &str) -> Result<Identity, AuthError> {
    let login = auth::basic::Login { user: user.to_owned(), password: Secret::new(password.to_owned()) };
    Identity::by_password(&login, gateway, HERE)
}

#[test]
fn a_right_password_leads_to_the_host_of_its_user_and_a_wrong_one_to_nothing() {
    let (served, gateway, _unasked) = connect();
    assert!(gateway.supports(Scheme::Negotiate) && !gateway.supports(Scheme::Kerberos));
    assert_eq!(by_password(&gateway, "alice", "wrong").err(), Some(AuthError::WrongPassword));
    assert_eq!(by_password(&gateway, "nobody", "wrong").err(), Some(AuthError::WrongPassword));
    let identity = by_password(&gateway, "ALICE", "correct horse").unwrap();
    assert_eq!(identity.account().name, "alice", "the name is the store's");
    let session = gateway.session(&identity).unwrap();
    assert!(session.token().user().numeric().to_string().ends_with("-3000"));
    gateway.host(&session).unwrap();
    assert_eq!(served.duties.lines(), ["host of alice"]);
}

#[test]
fn ntlm_is_judged_by_the_broker_and_its_messages_are_sealed_by_the_gateway() {
    let (served, gateway, _unasked) = connect();
    let hash = NtHash::of_password(&Secret::new("correct horse".to_owned()));
    let login = Login { domain: "NODE7".to_owned(), user: "alice".to_owned(), hash };
    let fresh = ntlm::InitiatorFresh { challenge: [0xAA; 8], session_key: [0x55; 16].into(), now: now() };
    let mut client = ntlm::Initiator::new(login, Sealing::Required, fresh);
    let peer = Peer { address: HERE, binding: Binding::default() };
    let mut handshake = Handshake::begin(Scheme::Negotiate, gateway.as_ref(), &peer).unwrap();

    let Step::Continue(negotiate) = client.step(None).unwrap() else { panic!("it begins") };
    let Step::Continue(challenge) = handshake.step(&negotiate).unwrap() else { panic!("a challenge") };
    let Step::Done { token: Some(proof), outcome: mut initiated } = client.step(Some(&challenge)).unwrap()
    else {
        panic!("the proof")
    };
    let Step::Done { outcome: mut established, .. } = handshake.step(&proof).unwrap() else { panic!("done") };
    assert_eq!(established.identity.account().name, "alice");
    let session = gateway.session(&established.identity).unwrap();
    gateway.host(&session).unwrap();
    assert_eq!(served.duties.lines(), ["host of alice"]);

    for text in ["first", "second"] {
        let mut message = text.as_bytes().to_vec();
        let header = initiated.context.seal(&mut message).unwrap();
        established.context.unseal(&header, &mut message).unwrap();
        assert_eq!(message, text.as_bytes());
    }
    let mut answer = b"answer".to_vec();
    let header = established.context.seal(&mut answer).unwrap();
    initiated.context.unseal(&header, &mut answer).unwrap();
    assert_eq!(answer, b"answer");
}

#[test]
fn a_sign_in_takes_as_many_tokens_as_it_needs_and_holds_up_nobody() {
    let (_served, gateway, _unasked) = connect();
    let peer = Peer { address: HERE, binding: Binding::default() };
    let begin = || Handshake::begin(Scheme::CredSsp, gateway.as_ref(), &peer).unwrap();
    let (mut one, mut other) = (begin(), begin());
    for token in [b"1", b"2", b"3"] {
        for handshake in [&mut one, &mut other] {
            let Step::Continue(answer) = handshake.step(token).unwrap() else { panic!("it goes on") };
            assert_eq!(answer, token);
        }
    }
    assert_eq!(one.step(b"4").err(), Some(AuthError::WrongPassword));
    assert!(by_password(&gateway, "alice", "correct horse").is_ok());
}

#[test]
fn a_program_of_this_machine_is_who_the_kernel_says() {
    struct Users;
    impl LocalUsers for Users {
        fn account(&self, uid: u32) -> Result<Account, AuthError> {
            assert_eq!(uid, rustix::process::geteuid().as_raw());
            Ok(Account { name: "bob".to_owned() })
        }
    }
    let (served, gateway, unasked) = connect();
    let locals = LocalConnections::start(None).unwrap();
    let (_caller, accepted) = UnixStream::pair().unwrap();
    let broker = Arc::clone(&served.broker);
    locals.admit(accepted, move |connection| broker.hand_over(connection, &Users).unwrap());
    let Ok(Unasked::Local(local)) = unasked.recv_timeout(PATIENCE) else { panic!("nobody comes") };
    assert_eq!(local.account.name, "bob");
    let identity = Identity::by_peer_credentials(local.uid, &Users).unwrap();
    gateway.host(&gateway.session(&identity).unwrap()).unwrap();
    assert_eq!(served.duties.lines(), ["host of bob"]);
    assert_eq!(locals.count(), 1, "it is open");
    drop(local);
    // The requests of a gateway arrive in their order.
    gateway.tell(&Ask::Ready);
    until(|| served.duties.lines().contains(&"Ready".to_owned()));
    assert_eq!(locals.count(), 0, "the gateway has reported its end");
}

#[test]
fn local_connections_are_counted_until_their_gateway_has_ended() {
    struct Users;
    impl LocalUsers for Users {
        fn account(&self, _: u32) -> Result<Account, AuthError> {
            Ok(Account { name: "bob".to_owned() })
        }
    }
    let (served, gateway, unasked) = connect();
    let locals = LocalConnections::start(None).unwrap();
    let (_caller, accepted) = UnixStream::pair().unwrap();
    let broker = Arc::clone(&served.broker);
    locals.admit(accepted, move |connection| broker.hand_over(connection, &Users).unwrap());
    let Ok(Unasked::Local(local)) = unasked.recv_timeout(PATIENCE) else { panic!("nobody comes") };
    // As if the gateway were killed: it reports nothing.
    std::mem::forget(local);
    assert_eq!(locals.count(), 1);
    served.broker.close();
    served.end().unwrap();
    until(|| locals.count() == 0);
    drop(gateway);
}

/// Waits until something is so.
fn until(is_so: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "it never comes");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn settings_change_for_those_who_may_and_from_what_they_are() {
    let (served, gateway, _unasked) = connect();
    let session = |user: &str, password: &str| {
        gateway.session(&by_password(&gateway, user, password).unwrap()).unwrap()
    };
    let (alice, bob) = (session("alice", "correct horse"), session("bob", "battery"));
    assert_eq!(gateway.change(&alice, "old", "new"), Err(Unchanged::Outdated("now".to_owned())));
    assert_eq!(gateway.change(&alice, "now", "new"), Ok(()));
    let refused = gateway.change(&bob, "now", "other").unwrap_err();
    assert!(matches!(refused, Unchanged::Denied(denied) if denied.kind == Denial::Access));
    assert_eq!(served.duties.lines(), ["settings new"]);
}

#[test]
fn certificates_and_words_for_the_service_manager_come_through() {
    let (served, gateway, unasked) = connect();
    let own = gateway.certificate(CertificateWish::Own(vec!["a".to_owned(), "b".to_owned()])).unwrap();
    assert_eq!(own.expose(), "certificate of a b");
    let missing = gateway.certificate(CertificateWish::Named("FF".to_owned())).unwrap_err();
    assert_eq!(missing.reason, "there is no FF");
    let alice = gateway.sid_of("alice").unwrap();
    assert_eq!(gateway.name_of(alice).as_deref(), Some("alice"));
    assert!(gateway.sid_of("nobody").is_none() && gateway.name_of(sddl::well_known::EVERYONE).is_none());
    gateway.tell(&Ask::Ready);
    gateway.tell(&Ask::Status("busy".to_owned()));
    served.broker.announce(&Tell::Settings("x".to_owned()), &[]);
    assert!(matches!(unasked.recv_timeout(PATIENCE), Ok(Unasked::Settings(text)) if text == "x"));
    served.broker.close();
    assert!(matches!(unasked.recv_timeout(PATIENCE), Ok(Unasked::Stop)), "the end is told");
    assert_eq!(by_password(&gateway, "alice", "correct horse").err(), Some(AuthError::Unavailable));
    let duties = Arc::clone(&served.duties);
    served.end().unwrap();
    // They were said before the link was closed, but perhaps not heard.
    assert!(["Ready", "Status(\"busy\")"].iter().zip(duties.lines()).all(|(told, heard)| *told == heard));
}
