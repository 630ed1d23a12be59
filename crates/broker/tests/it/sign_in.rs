//! Sign-ins through an honest gateway.

use std::os::unix::net::UnixStream;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use auth::ntlm::{self, Login, NtHash, Sealing};
use auth::{
    Account, AuthError, Authenticator as _, Binding, Handshake, Identity, Initiator as _, LocalUsers, Peer,
    Scheme, Secret, Step,
};
use telarch_broker::{
    BrokerEvent, BrokerMessage, CertificateRequest, DenialKind, Gateway, GatewayRequest, LocalConnections,
    SettingsError,
};

use crate::{HERE, TestBroker, now};

const PATIENCE: Duration = Duration::from_secs(60);

fn connect() -> (TestBroker, Arc<Gateway>, mpsc::Receiver<BrokerEvent>) {
    let (server, link) = TestBroker::start();
    let (sender, events) = mpsc::channel();
    let gateway = Gateway::connect(link, move |one| _ = sender.send(one)).unwrap();
    (server, gateway, events)
}

fn by_password(gateway: &Gateway, user: &str, password: &str) -> Result<Identity, AuthError> {
    let login = auth::basic::Login { user: user.to_owned(), password: Secret::new(password.to_owned()) };
    Identity::by_password(&login, gateway, HERE)
}

#[test]
fn a_right_password_leads_to_the_user_s_host_and_a_wrong_one_is_refused() {
    let (server, gateway, _events) = connect();
    assert!(gateway.supports(Scheme::Negotiate) && !gateway.supports(Scheme::Kerberos));
    assert_eq!(by_password(&gateway, "alice", "wrong").err(), Some(AuthError::WrongPassword));
    assert_eq!(by_password(&gateway, "nobody", "wrong").err(), Some(AuthError::WrongPassword));
    let identity = by_password(&gateway, "ALICE", "correct horse").unwrap();
    assert_eq!(identity.account().name, "alice", "the account store decides the spelling");
    let session = gateway.session(&identity).unwrap();
    assert!(session.token().user().numeric().to_string().ends_with("-3000"));
    gateway.host(&session).unwrap();
    assert_eq!(server.operations.lines(), ["host of alice"]);
}

#[test]
fn the_broker_verifies_ntlm_and_the_gateway_seals_its_messages() {
    let (server, gateway, _events) = connect();
    let hash = NtHash::of_password(&Secret::new("correct horse".to_owned()));
    let login = Login { domain: "NODE7".to_owned(), user: "alice".to_owned(), hash };
    let fresh = ntlm::InitiatorFresh { challenge: [0xAA; 8], session_key: [0x55; 16].into(), now: now() };
    let mut client = ntlm::Initiator::new(login, Sealing::Required, fresh);
    let peer = Peer { address: HERE, binding: Binding::default() };
    let mut handshake = Handshake::begin(Scheme::Negotiate, gateway.as_ref(), &peer).unwrap();

    let Step::Continue(negotiate) = client.step(None).unwrap() else { panic!("no first token") };
    let Step::Continue(challenge) = handshake.step(&negotiate).unwrap() else { panic!("no challenge") };
    let Step::Done { token: Some(proof), outcome: mut initiated } = client.step(Some(&challenge)).unwrap()
    else {
        panic!("no proof")
    };
    let Step::Done { outcome: mut established, .. } = handshake.step(&proof).unwrap() else {
        panic!("not signed in")
    };
    assert_eq!(established.identity.account().name, "alice");
    let session = gateway.session(&established.identity).unwrap();
    gateway.host(&session).unwrap();
    assert_eq!(server.operations.lines(), ["host of alice"]);

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
fn handshakes_of_several_tokens_run_concurrently() {
    let (_server, gateway, _events) = connect();
    let peer = Peer { address: HERE, binding: Binding::default() };
    let [mut one, mut other] =
        [(); 2].map(|()| Handshake::begin(Scheme::CredSsp, gateway.as_ref(), &peer).unwrap());
    for token in [b"1", b"2", b"3"] {
        for handshake in [&mut one, &mut other] {
            let Step::Continue(answer) = handshake.step(token).unwrap() else { panic!("no further token") };
            assert_eq!(answer, token);
        }
    }
    assert_eq!(one.step(b"4").err(), Some(AuthError::WrongPassword));
    assert!(by_password(&gateway, "alice", "correct horse").is_ok());
}

#[test]
fn a_local_program_is_identified_by_the_kernel() {
    struct Users;
    impl LocalUsers for Users {
        fn account(&self, uid: u32) -> Result<Account, AuthError> {
            assert_eq!(uid, rustix::process::geteuid().as_raw());
            Ok(Account { name: "bob".to_owned() })
        }
    }
    let (server, gateway, events) = connect();
    let locals = LocalConnections::start(None).unwrap();
    let (_caller, accepted) = UnixStream::pair().unwrap();
    let broker = Arc::clone(&server.broker);
    locals.admit(accepted, move |connection| broker.hand_over(connection, &Users).unwrap());
    let Ok(BrokerEvent::LocalConnected(local)) = events.recv_timeout(PATIENCE) else {
        panic!("no local connection")
    };
    assert_eq!(local.account.name, "bob");
    let identity = Identity::by_peer_credentials(local.uid, &Users).unwrap();
    gateway.host(&gateway.session(&identity).unwrap()).unwrap();
    assert_eq!(server.operations.lines(), ["host of bob"]);
    assert_eq!(locals.count(), 1, "the connection is open");
    drop(local);
    // The broker handles requests of a gateway in order.
    gateway.notify(&GatewayRequest::ReportReady);
    until(|| server.operations.lines().contains(&"Ready".to_owned()));
    assert_eq!(locals.count(), 0, "the gateway has reported the end");
}

#[test]
fn local_connections_count_until_their_gateway_has_ended() {
    struct Users;
    impl LocalUsers for Users {
        fn account(&self, _: u32) -> Result<Account, AuthError> {
            Ok(Account { name: "bob".to_owned() })
        }
    }
    let (server, gateway, events) = connect();
    let locals = LocalConnections::start(None).unwrap();
    let (_caller, accepted) = UnixStream::pair().unwrap();
    let broker = Arc::clone(&server.broker);
    locals.admit(accepted, move |connection| broker.hand_over(connection, &Users).unwrap());
    let Ok(BrokerEvent::LocalConnected(local)) = events.recv_timeout(PATIENCE) else {
        panic!("no local connection")
    };
    // A gateway that is killed reports nothing.
    std::mem::forget(local);
    assert_eq!(locals.count(), 1);
    server.broker.close();
    server.end().unwrap();
    until(|| locals.count() == 0);
    drop(gateway);
}

/// Waits until a condition holds that no event reports.
fn until(condition: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "timeout");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn only_permitted_users_change_settings_and_only_the_current_text() {
    let (server, gateway, _events) = connect();
    let [alice, bob] = [("alice", "correct horse"), ("bob", "battery")]
        .map(|(user, password)| gateway.session(&by_password(&gateway, user, password).unwrap()).unwrap());
    assert_eq!(gateway.change_settings(&alice, "old", "new"), Err(SettingsError::Outdated("now".to_owned())));
    assert_eq!(gateway.change_settings(&alice, "now", "new"), Ok(()));
    let refused = gateway.change_settings(&bob, "now", "other").unwrap_err();
    assert!(matches!(refused, SettingsError::Denied(denied) if denied.kind == DenialKind::Access));
    assert_eq!(server.operations.lines(), ["settings new"]);
}

#[test]
fn certificates_lookups_and_state_reports_reach_the_broker() {
    let (server, gateway, events) = connect();
    let own =
        gateway.certificate(CertificateRequest::SelfSigned(vec!["a".to_owned(), "b".to_owned()])).unwrap();
    assert_eq!(own.expose(), "certificate of a b");
    let missing = gateway.certificate(CertificateRequest::ByThumbprint("FF".to_owned())).unwrap_err();
    assert_eq!(missing.reason, "unknown certificate FF");
    let alice = gateway.sid_of("alice").unwrap();
    assert_eq!(gateway.name_of(alice).as_deref(), Some("alice"));
    assert_eq!(gateway.endpoints(), ["Microsoft.PowerShell", "Backup"]);
    assert!(gateway.sid_of("nobody").is_none() && gateway.name_of(sddl::well_known::EVERYONE).is_none());
    gateway.notify(&GatewayRequest::ReportReady);
    gateway.notify(&GatewayRequest::ReportStatus("busy".to_owned()));
    server.broker.announce(&BrokerMessage::SettingsChanged("x".to_owned()), &[]);
    assert!(matches!(events.recv_timeout(PATIENCE), Ok(BrokerEvent::SettingsChanged(text)) if text == "x"));
    server.broker.close();
    assert!(matches!(events.recv_timeout(PATIENCE), Ok(BrokerEvent::Stop)), "the end is reported");
    assert_eq!(by_password(&gateway, "alice", "correct horse").err(), Some(AuthError::Unavailable));
    let operations = Arc::clone(&server.operations);
    server.end().unwrap();
    // The reports were sent before the link was closed, but the broker may not have read them.
    assert!(
        ["Ready", "Status(\"busy\")"]
            .iter()
            .zip(operations.lines())
            .all(|(response, received)| *response == received)
    );
}
