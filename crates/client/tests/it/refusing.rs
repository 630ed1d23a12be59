//! Requests that the client refuses to send, and requests that services reject.

use client::{Authentication, Credentials, Error, Exposed, Scheme, Secret, Session, Thumbprint, Unencrypted};
use telarch_client as client;

use crate::service::{Request, Service, Step, config, response, response_with};

#[tokio::test]
async fn nothing_is_sent_unencrypted_unless_allowed() {
    let mut service = Service::start(Request::config).await;
    let credentials = Credentials { user: "ann".into(), password: Secret::new("pass word".into()) };
    let builder = Session::builder(service.endpoint());
    let with_password = builder.clone().credentials(credentials).build().unwrap();
    let without = builder.build().unwrap();
    for (session, exposed) in [(with_password, Exposed::Password), (without, Exposed::Messages)] {
        let error = session.get(&config()).await.expect_err("refused");
        assert!(matches!(&error, Error::Refused { what, .. } if *what == exposed), "{error}");
        assert_eq!(error.code(), Some(2_150_858_974));
        for way_out in ["https", "-unencrypted", "AllowUnencrypted"] {
            assert!(error.to_string().contains(way_out), "{error}");
        }
        assert!(!error.to_string().contains("pass word"));
    }
    assert!(service.requests.try_recv().is_err(), "something was sent");
}

#[tokio::test]
async fn anonymous_identify_needs_neither_password_nor_encryption() {
    let mut service = Service::start(|request| {
        request.answer(|body| wsman::identify::Identity::anonymous("Example").write(body))
    })
    .await;
    let credentials = Credentials { user: "ann".into(), password: Secret::new("pass word".into()) };
    let session = Session::builder(service.endpoint()).credentials(credentials).build().unwrap();
    let identified = session.identify_anonymous().await.unwrap();
    assert_eq!(identified.identity.product_vendor, "Example");
    let request = service.request().await;
    assert_eq!(request.head.header("WSMANIDENTIFY"), Some("unauthenticated"));
    assert_eq!(request.head.header("Authorization"), None);
    assert!(matches!(session.identify().await, Err(Error::Refused { .. })));
}

#[tokio::test]
async fn basic_credentials_are_sent_with_every_request() {
    let mut service = Service::start(Request::config).await;
    let session = service.session();
    for _ in 0..2 {
        session.get(&config()).await.unwrap();
        let request = service.request().await;
        assert_eq!(request.head.header("Authorization"), Some("Basic YW5uOnBhc3Mgd29yZA=="));
    }
}

#[tokio::test]
async fn a_401_error_names_the_tried_and_the_offered_schemes() {
    let service = Service::start(|_| {
        let offered = [
            ("WWW-Authenticate", "Negotiate"),
            ("WWW-Authenticate", "Kerberos, Digest realm=\"a, b\", nonce=\"x\""),
            ("WWW-Authenticate", "negotiate"),
            ("WWW-Authenticate", "Basic realm=\"WSMAN\""),
            ("WWW-Authenticate", "\u{1F600}"),
        ];
        vec![Step::Send(response_with(401, &offered, b""))]
    })
    .await;
    let error = service.session().get(&config()).await.expect_err("a 401");
    assert_eq!(error.code(), Some(1_326));
    let Error::AuthenticationFailed { offered, tried, user, .. } = error else { panic!("{error}") };
    assert_eq!(offered, ["Negotiate", "Kerberos", "Digest", "Basic"]);
    assert_eq!((tried, user.as_deref()), (Some(Scheme::Basic), Some("ann")));

    let anonymous = Session::builder(service.endpoint()).unencrypted(Unencrypted::Allowed).build().unwrap();
    let error = anonymous.get(&config()).await.expect_err("a 401");
    assert!(matches!(error, Error::AuthenticationFailed { tried: None, user: None, .. }));
}

#[tokio::test]
async fn a_fault_is_recognised_with_any_status() {
    for status in [200, 400, 401, 403, 404, 500, 503] {
        let service = Service::start(move |request| {
            vec![Step::Send(response(status, &request.fault_message(2_150_858_843)))]
        })
        .await;
        let error = service.session().get(&config()).await.expect_err("a fault");
        if status == 401 {
            assert!(matches!(error, Error::AuthenticationFailed { .. }), "{error}");
            continue;
        }
        assert!(matches!(&error, Error::Fault(fault) if fault.reason().contains("2150858843")), "{error}");
        assert_eq!(error.code(), Some(2_150_858_843));
        assert!(error.is_gone());
    }
}

#[tokio::test]
async fn a_status_without_a_message_maps_to_the_windows_error_number() {
    for (status, body, code) in [
        (400, "", 2_150_859_121),
        (403, "", 5),
        (404, "<html>not found</html>", 2_150_859_027),
        (413, "", 2_150_859_025),
        (500, "", 2_150_859_121),
        (503, "<html><body>", 2_150_859_026),
        (307, "", 2_150_859_161),
    ] {
        let service = Service::start(move |_| {
            let headers = [("Content-Type", "text/html"), ("Location", "http://elsewhere/")];
            vec![Step::Send(response_with(status, &headers, body.as_bytes()))]
        })
        .await;
        let error = service.session().get(&config()).await.expect_err("a failure");
        match &error {
            Error::Http { status: found } => assert!(*found == status && body.is_empty(), "{error}"),
            Error::NoMessage { status: found, body: seen } => {
                assert_eq!(
                    (*found, seen.media_type.as_str(), seen.octets),
                    (status, "text/html", body.len())
                );
                assert_eq!(seen.beginning, body);
            }
            _ => panic!("{error}"),
        }
        assert_eq!(error.code(), Some(code), "{status}");
    }
}

#[tokio::test]
async fn an_unexpected_body_is_shown_without_control_characters() {
    let page = format!("<html>\r\n  <title>\x1b[2J{}</title>", "Ü".repeat(2_000));
    let length = page.len();
    let service = Service::start(move |_| vec![Step::Send(response_with(500, &[], page.as_bytes()))]).await;
    let error = service.session().get(&config()).await.expect_err("a failure");
    let Error::NoMessage { status: 500, body: seen } = &error else { panic!("{error}") };
    assert_eq!((seen.media_type.as_str(), seen.octets), ("", length));
    assert!(seen.beginning.starts_with("<html> <title> [2JÜÜ"), "{seen}");
    assert_eq!(seen.beginning.chars().count(), 80);
    assert!(error.to_string().contains("AllowUnencrypted"), "{error}");
}

#[tokio::test]
async fn connection_refused_and_unknown_name_have_different_numbers() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    for (url, code) in
        [(format!("https://{address}/wsman"), 2_150_858_770), ("https://a.invalid".to_owned(), 2_150_859_193)]
    {
        let session = Session::builder(client::Endpoint::parse(&url).unwrap()).build().unwrap();
        let error = session.get(&config()).await.expect_err("no connection");
        assert_eq!(error.code(), Some(code), "{error}");
    }
}

#[test]
fn invalid_settings_are_rejected() {
    let builder = || Session::builder(client::Endpoint::parse("https://node7").unwrap());
    let seconds = std::time::Duration::from_secs;
    let login = |user: &str| Credentials { user: user.to_owned(), password: Secret::new(String::new()) };
    for (builder, setting) in [
        (builder().max_envelope_size(8_191), "max_envelope_size"),
        (builder().operation_timeout(seconds(0)), "operation_timeout"),
        (builder().operation_timeout(seconds(5)).idle_timeout(seconds(5)), "idle_timeout"),
        (builder().authentication(Authentication::Basic), "credentials"),
        (builder().credentials(login("a:b")), "credentials"),
        (builder().credentials(login("")), "credentials"),
    ] {
        let error = builder.build().expect_err(setting);
        assert!(error.to_string().starts_with(setting), "{error}");
    }
    assert!(builder().operation_timeout(std::time::Duration::MAX).build().is_ok());
    assert!(Thumbprint::parse("").is_err());
}

#[test]
fn debug_output_contains_no_password() {
    let credentials = Credentials { user: "ann".into(), password: Secret::new("pass word".into()) };
    let builder =
        Session::builder(client::Endpoint::parse("https://node7").unwrap()).credentials(credentials);
    assert!(!format!("{builder:?}").contains("pass word"));
    assert!(!format!("{:?}", builder.build().unwrap()).contains("pass word"));
}
