//! Tests of authentication between client and service.

use std::time::Duration;

use client::{
    Authentication, Credentials, Endpoint, Error, Exposed, HostTrust, Locator, Obstacle, OtherScheme, Scheme,
    Secret, Session, SessionBuilder, TlsPolicy, Transport, Unencrypted,
};
use telarch_loopback::{Loopback, User};
use tokio::net::TcpListener;
use wsman::{Subcode, code, namespace};

use crate::{refusal, uri};

fn config() -> Locator {
    Locator::new(uri(namespace::CONFIG))
}

fn schemes(outcome: Error) -> (Vec<String>, Option<Scheme>, Option<String>) {
    match outcome {
        Error::AuthenticationFailed { offered, tried, user, .. } => (offered, tried, user),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn wrong_credentials_are_rejected_with_the_offered_schemes() {
    let service = Loopback::start().await;
    let wrong = [("ada", "wrong"), ("nobody", "pä:ss ada"), ("Ada", "pä:ss ada"), ("ada", "")];
    for (user, password) in wrong {
        let credentials = Credentials { user: user.to_owned(), password: Secret::new(password.to_owned()) };
        for builder in [service.over_http(User::Ada), service.over_https(User::Ada)] {
            let session = builder.credentials(credentials.clone()).build().unwrap();
            let refused = session.get(&config()).await.unwrap_err();
            assert_eq!(refused.code(), Some(code::LOGON_FAILURE));
            let expected = (vec!["Basic".to_owned()], Some(Scheme::Basic), Some(user.to_owned()));
            assert_eq!(schemes(refused), expected);
        }
    }
    service.close().await;
}

#[tokio::test]
async fn a_client_without_credentials_learns_the_offered_schemes() {
    let service = Loopback::start().await;
    let builder = Session::builder(service.endpoint(Transport::Http, "127.0.0.1"));
    let session = builder.unencrypted(Unencrypted::Allowed).build().unwrap();
    let refused = session.get(&config()).await.unwrap_err();
    assert_eq!(schemes(refused), (vec!["Basic".to_owned()], None, None));
    service.close().await;
}

#[tokio::test]
async fn a_disabled_scheme_is_neither_offered_nor_accepted() {
    let service = Loopback::start_with(&[("Service.Auth.Basic", "false")]).await;
    let session = service.over_https(User::Ada).build().unwrap();
    let refused = session.get(&config()).await.unwrap_err();
    let (offered, tried, _) = schemes(refused);
    assert!(!offered.iter().any(|scheme| scheme == "Basic"), "{offered:?}");
    assert_eq!(tried, Some(Scheme::Basic));
    service.close().await;
}

#[tokio::test]
async fn the_client_sends_passwords_over_http_only_if_allowed() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let endpoint = Endpoint::new(Transport::Http, "127.0.0.1", port, Endpoint::PATH).unwrap();
    let session = Session::builder(endpoint).credentials(User::Ada.credentials()).build().unwrap();
    let outcomes = [
        session.identify().await.map(drop),
        session.get(&config()).await.map(drop),
        session.shell(client::ShellOptions::default()).await.map(drop),
    ];
    for outcome in outcomes {
        let refused = outcome.unwrap_err();
        assert!(matches!(refused, Error::Refused { what: Exposed::Password, .. }), "{refused}");
        assert_eq!(refused.code(), Some(code::UNENCRYPTED_DISABLED));
    }
    // A connection would already be visible: connecting over loopback completes before the call returns.
    let came = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
    assert!(came.is_err(), "the client has connected");
}

#[tokio::test]
async fn the_service_accepts_passwords_over_http_only_if_allowed() {
    let service = Loopback::start_with(&[("Service.AllowUnencrypted", "false")]).await;
    let refused = service.session(User::Ada).get(&config()).await.unwrap_err();
    assert_eq!(schemes(refused), (Vec::new(), Some(Scheme::Basic), Some("ada".to_owned())));
    let session = service.over_https(User::Ada).build().unwrap();
    session.get(&config()).await.unwrap();
    service.close().await;
}

#[tokio::test]
async fn a_user_without_rights_can_authenticate_and_is_denied_access() {
    let service = Loopback::start().await;
    let session = service.session(User::Eve);
    session.identify().await.unwrap();
    let denied = (Subcode::AccessDenied, code::ACCESS_DENIED);
    assert_eq!(refusal(session.get(&config()).await), denied);
    assert_eq!(refusal(session.shell(client::ShellOptions::default()).await), denied);
    let listeners = Locator::new(uri(config::LISTENER_RESOURCE));
    assert_eq!(refusal(session.enumerate(&listeners, Default::default()).await), denied);
    service.close().await;
}

#[tokio::test]
async fn a_changed_security_descriptor_applies_at_once() {
    let service = Loopback::start().await;
    let session = service.session(User::Eve);
    let denied = (Subcode::AccessDenied, code::ACCESS_DENIED);
    // Everyone has read access.
    service.set("Service.RootSDDL", "O:NSG:BAD:P(A;;GA;;;BA)(A;;GR;;;WD)");
    session.get(&config()).await.unwrap();
    assert_eq!(refusal(session.shell(client::ShellOptions::default()).await), denied);
    // Everyone has execute access.
    service.set("Service.RootSDDL", "O:NSG:BAD:P(A;;GA;;;BA)(A;;GX;;;WD)");
    session.shell(client::ShellOptions::default()).await.unwrap().close().await.unwrap();
    assert_eq!(refusal(session.get(&config()).await), denied);
    service.close().await;
}

/// Returns the scheme that an automatic session ended with, and the schemes before it.
async fn automatic(builder: SessionBuilder) -> Result<(Option<Scheme>, Vec<OtherScheme>), Error> {
    let session = builder.authentication(Authentication::Automatic).build().unwrap();
    session.get(&config()).await?;
    Ok((session.scheme(), session.passed_over_schemes()))
}

#[tokio::test]
async fn an_automatic_sign_in_uses_basic_over_verified_https_if_nothing_else_is_offered() {
    let service = Loopback::start().await;
    let (scheme, before) = automatic(service.over_https(User::Ada)).await.unwrap();
    assert_eq!(scheme, Some(Scheme::Basic));
    let before: Vec<String> = before.iter().map(ToString::to_string).collect();
    assert_eq!(before, ["Negotiate: not offered by the service"]);
    service.close().await;
}

#[tokio::test]
async fn an_automatic_sign_in_sends_no_password_to_an_unverified_host() {
    let service = Loopback::start().await;
    let endpoint = || Session::builder(service.endpoint(Transport::Https, "localhost"));
    let https = |policy: TlsPolicy| endpoint().credentials(User::Ada.credentials()).tls(policy);
    let trusting = || TlsPolicy::new().ca_file(service.certificate_file());
    for policy in [TlsPolicy::new().skip_ca(), trusting().skip_name()] {
        let refused = automatic(https(policy)).await.unwrap_err();
        let shown = refused.to_string();
        let Error::AuthenticationFailed { tried, offered, others, .. } = refused else { panic!("{shown}") };
        assert_eq!((tried, offered), (Some(Scheme::Negotiate), vec!["Basic".to_owned()]));
        let basic = OtherScheme::Omitted { scheme: Scheme::Basic, obstacle: Obstacle::HostUnverified };
        assert!(others.contains(&basic), "{others:?}");
        assert!(shown.contains("\n  Basic was not tried: would send the password"), "{shown}");
    }
    let over_http = automatic(service.over_http(User::Ada).host_trust(HostTrust::Listed)).await.unwrap_err();
    let (offered, tried, _) = schemes(over_http);
    assert_eq!((offered, tried), (vec!["Basic".to_owned()], Some(Scheme::Negotiate)));
    service.close().await;
}

#[tokio::test]
async fn a_scheme_that_the_client_disables_is_not_used_automatically() {
    let service = Loopback::start().await;
    let builder = service.over_https(User::Ada).allowed_schemes([Scheme::Negotiate, Scheme::Kerberos]);
    let refused = automatic(builder).await.unwrap_err();
    assert!(refused.to_string().contains("Basic was not tried: disabled on this client"), "{refused}");
    let requested = service.over_https(User::Ada).authentication(Authentication::Negotiate).build().unwrap();
    let (offered, tried, _) = schemes(requested.get(&config()).await.unwrap_err());
    assert_eq!((offered, tried), (vec!["Basic".to_owned()], Some(Scheme::Negotiate)));
    service.close().await;
}
