//! Tests of sessions with a client certificate.

use client::{Authentication, Error, Locator, Scheme, Session, TlsPolicy, Transport, Unencrypted};
use telarch_loopback::{CertificateHolder, Loopback, User};
use wsman::namespace;

use crate::uri;

const ON: (&str, &str) = ("Service.Auth.Certificate", "true");

fn config() -> Locator {
    Locator::new(uri(namespace::CONFIG))
}

#[tokio::test]
async fn all_operations_work_on_all_connections_of_a_session() {
    let service = Loopback::start_with(&[ON]).await;
    let holder = CertificateHolder::new();
    service.map(&holder, "*", User::Ada);
    let session = service.over_https_with(&holder).build().unwrap();
    session.get(&config()).await.unwrap();
    // Concurrent requests need several connections, some of which could resume an earlier TLS session.
    let at_once = (0..8).map(|_| {
        let session = session.clone();
        tokio::spawn(async move { session.get(&config()).await })
    });
    for requested in at_once.collect::<Vec<_>>() {
        requested.await.unwrap().unwrap();
    }
    let shell = session.shell(Default::default()).await.unwrap();
    let run = shell.run("echo out; exit 3").await.unwrap();
    assert_eq!((run.exit_code, run.stdout.as_slice()), (3, b"out\n".as_slice()));
    service.close().await;
}

#[tokio::test]
async fn a_mapping_applies_to_its_resources_only() {
    let service = Loopback::start_with(&[ON]).await;
    let holder = CertificateHolder::new();
    service.map(&holder, &format!("{}*", namespace::CONFIG), User::Ada);
    let session = service.over_https_with(&holder).build().unwrap();
    session.get(&config()).await.unwrap();
    let refused = session.shell(Default::default()).await.map(drop).unwrap_err();
    assert!(matches!(refused, Error::AuthenticationFailed { .. }), "{refused}");
    session.get(&config()).await.unwrap();
    service.close().await;
}

#[tokio::test]
async fn a_rejected_certificate_is_reported() {
    for settings in [&[ON][..], &[]] {
        let service = Loopback::start_with(settings).await;
        let session = service.over_https_with(&CertificateHolder::new()).build().unwrap();
        let refused = session.get(&config()).await.unwrap_err();
        assert_eq!(refused.to_string(), "the service rejected the client certificate");
        let Error::AuthenticationFailed { tried, user, .. } = refused else { panic!("{refused}") };
        assert_eq!((tried, user), (Some(Scheme::Certificate), None));
        service.close().await;
    }
}

#[tokio::test]
async fn a_presented_certificate_does_not_affect_other_schemes() {
    let service = Loopback::start_with(&[ON]).await;
    let builder = service.over_https_with(&CertificateHolder::new()).credentials(User::Ada.credentials());
    let session = builder.authentication(Authentication::Basic).build().unwrap();
    session.get(&config()).await.unwrap();
    service.close().await;
}

#[tokio::test]
async fn impossible_settings_are_rejected_before_connecting() {
    let service = Loopback::start_with(&[ON]).await;
    let holder = CertificateHolder::new();
    let http = Session::builder(service.endpoint(Transport::Http, "localhost"));
    let secured = || Session::builder(service.endpoint(Transport::Https, "localhost")).tls(TlsPolicy::new());
    let by_certificate =
        |builder: client::SessionBuilder| builder.client_certificate(holder.certificate().clone());
    for (builder, words) in [
        (by_certificate(http.unencrypted(Unencrypted::Allowed)), "requires HTTPS"),
        (secured().authentication(Authentication::Certificate), "no certificate is set"),
        (
            by_certificate(secured()).credentials(User::Ada.credentials()),
            "does not use a user name and a password",
        ),
    ] {
        let refused = builder.build().map(drop).unwrap_err();
        assert!(matches!(refused, Error::Setting { .. }) && refused.to_string().contains(words), "{refused}");
    }
    service.close().await;
}
