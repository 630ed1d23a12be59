//! What a service says to somebody who has not signed in.

use std::time::{Duration, UNIX_EPOCH};

use client::{Authentication, Credentials, Error, Secret};
use telarch_client as client;

use crate::service::{Service, Step, response_with};

#[tokio::test]
async fn a_greeting_tells_the_schemes_and_the_time_and_nobody_has_said_who_asks() {
    let mut service = Service::start(|_| {
        let headers = [
            ("WWW-Authenticate", "Negotiate"),
            ("WWW-Authenticate", "Basic realm=\"WSMAN\", Negotiate"),
            ("Date", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("Server", "Microsoft-HTTPAPI/2.0"),
        ];
        vec![Step::Send(response_with(401, &headers, b""))]
    })
    .await;
    let credentials = Credentials { user: "ann".into(), password: Secret::new("secret".into()) };
    let session = service.builder().credentials(credentials).authentication(Authentication::Basic);
    let greeting = session.build().unwrap().greet().await.unwrap();
    assert_eq!((greeting.status, greeting.offered), (401, vec!["Negotiate".to_owned(), "Basic".to_owned()]));
    assert_eq!(greeting.date, Some(UNIX_EPOCH + Duration::from_secs(784_111_777)));
    assert_eq!(greeting.server.as_deref(), Some("Microsoft-HTTPAPI/2.0"));
    let request = service.request().await;
    assert_eq!((request.head.header("Authorization"), request.body.as_str()), (None, ""));
}

#[tokio::test]
async fn whatever_answers_in_http_greets() {
    let service = Service::start(|_| vec![Step::Send(response_with(302, &[], b"<html/>"))]).await;
    let greeting = service.session().greet().await.unwrap();
    assert_eq!((greeting.status, greeting.offered.len(), greeting.date), (302, 0, None));
    let service =
        Service::start(|_| vec![Step::Send(b"\x15\x03\x03\0\x02\x02\x28".to_vec()), Step::Close]).await;
    assert!(matches!(service.session().greet().await, Err(Error::Protocol { .. })));
}
