//! Who has signed in and may not any more.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use auth::basic::Login;
use auth::{AuthError, Authenticator as _, Identity, Secret};
use telarch_broker::{Ask, Gateway, Tell};

use crate::lies::{asked, is_refused, sign_in};
use crate::{Accounts, HERE, Served};

#[test]
fn a_session_ends_with_the_account_whoever_asks_and_others_go_on() {
    let accounts = Arc::<Accounts>::default();
    let (served, link) = Served::judged_by(Arc::clone(&accounts) as _);
    let [one, two] = [(); 2].map(|()| sign_in(&link, "alice", "correct horse").session);
    let bob = sign_in(&link, "bob", "battery").session;
    assert!(matches!(asked(&link, &Ask::Host(one)), Tell::Host));
    let Tell::SignedIn(renewed) = asked(&link, &Ask::Renew(one)) else { panic!("it is renewed") };
    assert!(renewed.session != one && renewed.account == "alice");

    accounts.is_alice_disabled.store(true, Ordering::Relaxed);
    let refused = asked(&link, &Ask::Renew(one));
    assert!(matches!(refused, Tell::Refused { error: AuthError::NotAllowed, .. }), "{refused:?}");
    // A gateway that does not ask gets nothing for it either.
    for ask in [
        Ask::Host(two),
        Ask::Change { session: renewed.session, before: "now".to_owned(), after: "new".to_owned() },
    ] {
        assert!(is_refused(&asked(&link, &ask)));
    }
    assert!(matches!(asked(&link, &Ask::Host(bob)), Tell::Host));
    // What has ended does not come back with the account.
    accounts.is_alice_disabled.store(false, Ordering::Relaxed);
    for session in [one, two, renewed.session] {
        assert!(is_refused(&asked(&link, &Ask::Host(session))));
    }
    assert_eq!(served.duties.lines(), ["host of alice", "host of bob"]);
}

#[test]
fn the_gateway_goes_on_with_a_new_session_for_every_connection_of_a_user() {
    let accounts = Arc::<Accounts>::default();
    let (served, link) = Served::judged_by(Arc::clone(&accounts) as _);
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
    // The session that a connection began with is still one.
    gateway.host(&two.1).unwrap();
    accounts.is_alice_disabled.store(true, Ordering::Relaxed);
    assert_eq!(gateway.admits(&one.0, HERE), Err(AuthError::NotAllowed));
    assert_eq!(served.duties.lines().len(), 4);
}
