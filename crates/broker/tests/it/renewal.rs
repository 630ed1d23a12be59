//! Sessions of accounts that are disabled later.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use auth::basic::Login;
use auth::{AuthError, Authenticator as _, Identity, Secret};
use telarch_broker::{BrokerMessage, Gateway, GatewayRequest};

use crate::compromised_gateway::{is_access_denied, send_request, sign_in};
use crate::{Accounts, HERE, TestBroker};

#[test]
fn the_sessions_of_a_disabled_account_end_and_others_continue() {
    let accounts = Arc::<Accounts>::default();
    let (server, link) = TestBroker::with_authenticator(Arc::clone(&accounts) as _);
    let [one, two] = [(); 2].map(|()| sign_in(&link, "alice", "correct horse").session);
    let bob = sign_in(&link, "bob", "battery").session;
    assert!(matches!(send_request(&link, &GatewayRequest::ConnectHost(one)), BrokerMessage::HostConnected));
    let BrokerMessage::SignedIn(renewed) = send_request(&link, &GatewayRequest::RenewSession(one)) else {
        panic!("renewal refused")
    };
    assert!(renewed.session != one && renewed.account == "alice");

    accounts.is_alice_disabled.store(true, Ordering::Relaxed);
    let refused = send_request(&link, &GatewayRequest::RenewSession(one));
    assert!(
        matches!(refused, BrokerMessage::SignInRefused { error: AuthError::NotAllowed, .. }),
        "{refused:?}"
    );
    // A gateway that does not renew the session is refused, too.
    for request in [
        GatewayRequest::ConnectHost(two),
        GatewayRequest::ChangeSettings {
            session: renewed.session,
            before: "now".to_owned(),
            after: "new".to_owned(),
        },
    ] {
        assert!(is_access_denied(&send_request(&link, &request)));
    }
    assert!(matches!(send_request(&link, &GatewayRequest::ConnectHost(bob)), BrokerMessage::HostConnected));
    // Ended sessions stay ended when the account is enabled again.
    accounts.is_alice_disabled.store(false, Ordering::Relaxed);
    for session in [one, two, renewed.session] {
        assert!(is_access_denied(&send_request(&link, &GatewayRequest::ConnectHost(session))));
    }
    assert_eq!(server.operations.lines(), ["host of alice", "host of bob"]);
}

#[test]
fn every_connection_of_a_user_continues_with_the_renewed_session() {
    let accounts = Arc::<Accounts>::default();
    let (server, link) = TestBroker::with_authenticator(Arc::clone(&accounts) as _);
    let gateway = Gateway::connect(link, |_| {}).unwrap();
    let login = Login { user: "alice".to_owned(), password: Secret::new("correct horse".to_owned()) };
    let [one, two] = [(); 2].map(|()| {
        let identity = Identity::by_password(&login, gateway.as_ref(), HERE).unwrap();
        let session = gateway.session(&identity).unwrap();
        (identity, session)
    });
    for (identity, session) in [&one, &two, &one] {
        gateway.admits(identity, HERE).unwrap();
        let renewed = gateway.session(identity).unwrap();
        assert!(!Arc::ptr_eq(&renewed, session));
        gateway.host(&renewed).unwrap();
    }
    // The first session of the connection is still valid.
    gateway.host(&two.1).unwrap();
    accounts.is_alice_disabled.store(true, Ordering::Relaxed);
    assert_eq!(gateway.admits(&one.0, HERE), Err(AuthError::NotAllowed));
    assert_eq!(server.operations.lines().len(), 4);
}
