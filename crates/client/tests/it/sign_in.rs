//! Selection of the authentication scheme from the settings, before anything is sent.

use std::sync::atomic::{AtomicUsize, Ordering};

use client::{
    Authentication, Credentials, Endpoint, Error, HostTrust, Obstacle, Scheme, Sealing, Secret, Session,
    SessionBuilder, ShellOptions, Unencrypted,
};
use telarch_client as client;

use crate::service::{Service, Step, config, response_with};

const PASSWORD: &str = "pass word";

fn ann() -> Credentials {
    // A local account of the host, which no realm knows.
    Credentials { user: r".\ann".into(), password: Secret::new(PASSWORD.into()) }
}

fn to(url: &str, authentication: Authentication) -> SessionBuilder {
    Session::builder(Endpoint::parse(url).unwrap()).credentials(ann()).authentication(authentication)
}

/// The obstacle of each scheme that was considered.
fn obstacles(builder: SessionBuilder) -> Result<(), Vec<(Scheme, Obstacle)>> {
    match builder.build().unwrap().check_sign_in() {
        Ok(()) => Ok(()),
        Err(Error::NoAllowedScheme { refusal, .. }) => Err(refusal.considered().to_vec()),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn ntlm_and_passwords_need_a_verified_or_trusted_host() {
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
fn a_disallowed_scheme_is_not_used() {
    let https = || to("https://node7:5986", Authentication::Basic);
    assert_eq!(obstacles(https().allowed_schemes([Scheme::Basic])), Ok(()));
    let refused = obstacles(https().allowed_schemes([Scheme::Kerberos]));
    assert_eq!(refused, Err(vec![(Scheme::Basic, Obstacle::Disabled)]));
}

#[test]
fn unencrypted_messages_need_two_settings() {
    let negotiate = || to("http://127.0.0.1:5985", Authentication::Negotiate).sealing(Sealing::Off);
    let refused = negotiate().build().unwrap().check_sign_in();
    assert!(matches!(refused, Err(Error::Refused { what: client::Exposed::Messages, .. })), "{refused:?}");
    assert_eq!(obstacles(negotiate().unencrypted(Unencrypted::Allowed)), Ok(()));
}

#[tokio::test]
async fn a_refused_session_sends_nothing_and_returns_the_reason() {
    let session = to("http://node7:5985", Authentication::Negotiate).build().unwrap();
    let error = session.get(&config()).await.expect_err("refused");
    assert_eq!(error.code(), Some(2_150_858_980));
    assert!(matches!(error, Error::NoAllowedScheme { .. }), "{error}");
}

/// A service that sends one Digest challenge per element of `endings`, each with a different nonce, and then accepts
/// every request.
async fn digest(endings: &'static [&'static str]) -> Service {
    let requested = AtomicUsize::new(0);
    Service::start(move |request| {
        let number = requested.fetch_add(1, Ordering::Relaxed);
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

fn digest_session(service: &Service) -> Session {
    Session::builder(service.endpoint())
        .credentials(Credentials { user: "ann".into(), password: Secret::new(PASSWORD.into()) })
        .authentication(Authentication::Digest)
        .unencrypted(Unencrypted::Allowed)
        .build()
        .unwrap()
}

#[tokio::test]
async fn digest_requests_a_challenge_first_and_counts_requests() {
    let mut service = digest(&[""]).await;
    let session = digest_session(&service);
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
async fn a_stale_nonce_is_replaced_once() {
    let service = digest(&["", ", stale=true"]).await;
    digest_session(&service).get(&config()).await.unwrap();
    let service = digest(&["", ", stale=true", ", stale=true"]).await;
    let error = digest_session(&service).get(&config()).await.expect_err("stale for ever");
    assert!(matches!(error, Error::AuthenticationFailed { tried: Some(Scheme::Digest), .. }), "{error}");
    let service = digest(&["", ""]).await;
    let error = digest_session(&service).get(&config()).await.expect_err("the wrong password");
    let Error::AuthenticationFailed { offered, user, .. } = error else { panic!("{error}") };
    assert_eq!((offered, user.as_deref()), (vec!["Digest".to_owned()], Some("ann")));
}

#[tokio::test]
async fn a_challenge_that_closes_the_connection_is_answered_on_another() {
    let service = digest(&[", opaque=\"close\""]).await;
    digest_session(&service).get(&config()).await.unwrap();
}

#[tokio::test]
async fn an_unsupported_challenge_is_reported() {
    let service = digest(&[", algorithm=\"SHA-3\""]).await;
    let error = digest_session(&service).get(&config()).await.expect_err("unknown");
    assert!(error.to_string().contains("SHA-3"), "{error}");
}

#[test]
fn debug_output_contains_no_secrets() {
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
        let refused = builder.build().unwrap().check_sign_in().err();
        let reported = refused.map(|error| format!("{error} {error:?}")).unwrap_or_default();
        assert!(!shown.contains(PASSWORD) && !reported.contains(PASSWORD), "{shown} {reported}");
    }
}
