//! Sessions that prove by a certificate who asks.

use client::{Authentication, Error, Locator, Scheme, Session, TlsPolicy, Transport, Unencrypted};
use telarch_loopback::{Holder, Loopback, User};
use wsman::namespace;

use crate::uri;

const ON: (&str, &str) = ("Service.Auth.Certificate", "true");

fn config() -> Locator {
    Locator::new(uri(namespace::CONFIG))
}

#[tokio::test]
async fn everything_goes_as_with_a_password_on_all_connections_of_a_session() {
    let service = Loopback::start_with(&[ON]).await;
    let holder = Holder::new();
    service.map(&holder, "*", User::Ada);
    let session = service.over_https_with(&holder).build().unwrap();
    session.get(&config()).await.unwrap();
    // Each needs a connection of its own, and some of them go on with what an earlier handshake has agreed upon.
    let at_once = (0..8).map(|_| {
        let session = session.clone();
        tokio::spawn(async move { session.get(&config()).await })
    });
    for asked in at_once.collect::<Vec<_>>() {
        asked.await.unwrap().unwrap();
    }
    let shell = session.shell(Default::default()).await.unwrap();
    let run = shell.run("echo out; exit 3").await.unwrap();
    assert_eq!((run.exit_code, run.stdout.as_slice()), (3, b"out\n".as_slice()));
    service.close().await;
}

#[tokio::test]
async fn a_mapping_counts_for_its_resources_only() {
    let service = Loopback::start_with(&[ON]).await;
    let holder = Holder::new();
    service.map(&holder, &format!("{}*", namespace::CONFIG), User::Ada);
    let session = service.over_https_with(&holder).build().unwrap();
    session.get(&config()).await.unwrap();
    let refused = session.shell(Default::default()).await.map(drop).unwrap_err();
    assert!(matches!(refused, Error::AuthenticationFailed { .. }), "{refused}");
    session.get(&config()).await.unwrap();
    service.close().await;
}

#[tokio::test]
async fn a_certificate_that_is_not_accepted_is_said_to_be_so() {
    for settings in [&[ON][..], &[]] {
        let service = Loopback::start_with(settings).await;
        let session = service.over_https_with(&Holder::new()).build().unwrap();
        let refused = session.get(&config()).await.unwrap_err();
        assert_eq!(refused.to_string(), "the service rejected the client certificate");
        let Error::AuthenticationFailed { tried, user, .. } = refused else { panic!("{refused}") };
        assert_eq!((tried, user), (Some(Scheme::Certificate), None));
        service.close().await;
    }
}

#[tokio::test]
async fn a_certificate_that_is_merely_shown_does_no_harm() {
    let service = Loopback::start_with(&[ON]).await;
    let builder = service.over_https_with(&Holder::new()).credentials(User::Ada.credentials());
    let session = builder.authentication(Authentication::Basic).build().unwrap();
    session.get(&config()).await.unwrap();
    service.close().await;
}

#[tokio::test]
async fn what_cannot_work_is_refused_before_anything_is_sent() {
    let service = Loopback::start_with(&[ON]).await;
    let holder = Holder::new();
    let http = Session::builder(service.endpoint(Transport::Http, "localhost"));
    let secured = || Session::builder(service.endpoint(Transport::Https, "localhost")).tls(TlsPolicy::new());
    let by_certificate =
        |builder: client::SessionBuilder| builder.client_certificate(holder.certificate().clone());
    for (builder, words) in [
        (by_certificate(http.unencrypted(Unencrypted::Allowed)), "over HTTPS only"),
        (secured().authentication(Authentication::Certificate), "there is none"),
        (by_certificate(secured()).credentials(User::Ada.credentials()), "without name and password"),
    ] {
        let refused = builder.build().map(drop).unwrap_err();
        assert!(matches!(refused, Error::Setting { .. }) && refused.to_string().contains(words), "{refused}");
    }
    service.close().await;
}
