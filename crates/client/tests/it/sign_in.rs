//! How a session signs in, by its settings: decided before anything is sent.

use std::sync::atomic::{AtomicUsize, Ordering};

use client::{
    Authentication, Credentials, Endpoint, Error, HostTrust, Obstacle, Scheme, Sealing, Secret, Session,
    SessionBuilder, ShellOptions, Unencrypted,
};
use telarch_client as client;

use crate::service::{Service, Step, config, response_with};

const PASSWORD: &str = "pass word";

fn ann() -> Credentials {
    // An account of the host itself, which is nobody to a realm.
    Credentials { user: r".\ann".into(), password: Secret::new(PASSWORD.into()) }
}

fn to(url: &str, authentication: Authentication) -> SessionBuilder {
    Session::builder(Endpoint::parse(url).unwrap()).credentials(ann()).authentication(authentication)
}

/// What stands in the way of each scheme that was considered.
fn obstacles(builder: SessionBuilder) -> Result<(), Vec<(Scheme, Obstacle)>> {
    match builder.build().unwrap().may_sign_in() {
        Ok(()) => Ok(()),
        Err(Error::NoWayIn { refusal, .. }) => Err(refusal.considered().to_vec()),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn ntlm_and_passwords_go_to_hosts_that_are_proven_or_trusted_or_this_machine() {
    use Authentication::{Automatic, Basic, CredSsp, Digest, Negotiate};
    let not_trusted = |scheme| Err(vec![(scheme, Obstacle::NotTrusted)]);
    for (authentication, scheme) in [
        (Negotiate, Scheme::Negotiate),
        (CredSsp, Scheme::CredSsp),
        (Basic, Scheme::Basic),
        (Digest, Scheme::Digest),
    ] {
        let http =
            |host: &str| to(&format!("http://{host}:5985"), authentication).unencrypted(Unencrypted::Allowed);
        assert_eq!(obstacles(http("node7")), not_trusted(scheme));
        assert_eq!(obstacles(http("10.0.0.7")), not_trusted(scheme));
        assert_eq!(obstacles(http("node7").host_trust(HostTrust::Listed)), Ok(()));
        assert_eq!(obstacles(http("127.0.0.1")), Ok(()));
        assert_eq!(obstacles(to("https://node7:5986", authentication)), Ok(()));
    }
    let automatic = obstacles(to("http://node7:5985", Automatic)).unwrap_err();
    assert_eq!(automatic.first(), Some(&(Scheme::Negotiate, Obstacle::NotTrusted)));
    assert_eq!(obstacles(to("http://node7:5985", Automatic).host_trust(HostTrust::Listed)), Ok(()));
}

#[test]
fn a_scheme_that_is_not_allowed_is_not_used() {
    let https = || to("https://node7:5986", Authentication::Basic);
    assert_eq!(obstacles(https().allowed_schemes([Scheme::Basic])), Ok(()));
    let refused = obstacles(https().allowed_schemes([Scheme::Kerberos]));
    assert_eq!(refused, Err(vec![(Scheme::Basic, Obstacle::Disabled)]));
}

#[test]
fn unsealed_messages_take_two_words() {
    let negotiate = || to("http://127.0.0.1:5985", Authentication::Negotiate).sealing(Sealing::Off);
    let refused = negotiate().build().unwrap().may_sign_in();
    assert!(matches!(refused, Err(Error::Refused { what: client::Exposed::Messages, .. })), "{refused:?}");
    assert_eq!(obstacles(negotiate().unencrypted(Unencrypted::Allowed)), Ok(()));
}

#[tokio::test]
async fn a_refused_session_sends_nothing_and_says_why() {
    let session = to("http://node7:5985", Authentication::Negotiate).build().unwrap();
    let error = session.get(&config()).await.expect_err("refused");
    assert_eq!(error.code(), Some(2_150_858_980));
    assert!(matches!(error, Error::NoWayIn { .. }), "{error}");
}

/// A service that answers as many requests with a challenge of Digest, each with a nonce of its own, as there are
/// endings for one, and lets in whoever comes after that.
async fn digest(endings: &'static [&'static str]) -> Service {
    let asked = AtomicUsize::new(0);
    Service::start(move |request| {
        let number = asked.fetch_add(1, Ordering::Relaxed);
        let Some(ending) = endings.get(number) else { return request.config() };
        let value = format!("Digest realm=\"r\", qop=\"auth\", nonce=\"n{number}\"{ending}");
        let closes = ending.contains("close");
        let connection = if closes { "close" } else { "keep-alive" };
        let headers = [("WWW-Authenticate", value.as_str()), ("Connection", connection)];
        let mut steps = vec![Step::Send(response_with(401, &headers, b""))];
        steps.extend(closes.then_some(Step::Close));
        steps
    })
    .await
}

fn by_digest(service: &Service) -> Session {
    Session::builder(service.endpoint())
        .credentials(Credentials { user: "ann".into(), password: Secret::new(PASSWORD.into()) })
        .authentication(Authentication::Digest)
        .unencrypted(Unencrypted::Allowed)
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_challenge_is_asked_for_without_the_message_and_every_request_is_counted() {
    let mut service = digest(&[""]).await;
    let session = by_digest(&service);
    for _ in 0..2 {
        session.get(&config()).await.unwrap();
    }
    let first = service.request().await;
    assert_eq!((first.head.header("Authorization"), first.body.len()), (None, 0));
    for count in ["nc=00000001,", "nc=00000002,"] {
        let request = service.request().await;
        let value = request.head.header("Authorization").unwrap().to_owned();
        assert!(value.contains(count) && value.contains("username=\"ann\""), "{value}");
        assert!(!value.contains(PASSWORD) && !request.body.is_empty());
    }
}

#[tokio::test]
async fn a_stale_nonce_is_replaced_once_and_a_second_refusal_is_one() {
    let service = digest(&["", ", stale=true"]).await;
    by_digest(&service).get(&config()).await.unwrap();
    let service = digest(&["", ", stale=true", ", stale=true"]).await;
    let error = by_digest(&service).get(&config()).await.expect_err("stale for ever");
    assert!(matches!(error, Error::AuthenticationFailed { tried: Some(Scheme::Digest), .. }), "{error}");
    let service = digest(&["", ""]).await;
    let error = by_digest(&service).get(&config()).await.expect_err("the wrong password");
    let Error::AuthenticationFailed { offered, user, .. } = error else { panic!("{error}") };
    assert_eq!((offered, user.as_deref()), (vec!["Digest".to_owned()], Some("ann")));
}

#[tokio::test]
async fn a_challenge_that_closes_its_connection_is_answered_over_another() {
    let service = digest(&[", opaque=\"close\""]).await;
    by_digest(&service).get(&config()).await.unwrap();
}

#[tokio::test]
async fn a_challenge_that_cannot_be_answered_is_named() {
    let service = digest(&[", algorithm=\"SHA-3\""]).await;
    let error = by_digest(&service).get(&config()).await.expect_err("unknown");
    assert!(error.to_string().contains("SHA-3"), "{error}");
}

#[test]
fn secrets_are_in_no_debug_text() {
    let options = ShellOptions {
        environment: vec![("TOKEN".to_owned(), "hunter2".to_owned())],
        ..ShellOptions::default()
    };
    let shown = format!("{options:?}");
    assert!(shown.contains("TOKEN") && !shown.contains("hunter2"), "{shown}");
    for authentication in [
        Authentication::Basic,
        Authentication::Digest,
        Authentication::Negotiate,
        Authentication::Kerberos,
        Authentication::CredSsp,
        Authentication::Automatic,
    ] {
        let builder = to("http://node7:5985", authentication);
        let shown = format!("{builder:?} {:?} {:?}", builder.clone().build(), ann());
        let refused = builder.build().unwrap().may_sign_in().err();
        let told = refused.map(|error| format!("{error} {error:?}")).unwrap_or_default();
        assert!(!shown.contains(PASSWORD) && !told.contains(PASSWORD), "{shown} {told}");
    }
}
