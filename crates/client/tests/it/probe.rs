//! Unauthenticated probes.

use std::time::{Duration, UNIX_EPOCH};

use client::{Authentication, Credentials, Error, Secret};
use telarch_client as client;

use crate::service::{Service, Step, response_with};

#[tokio::test]
async fn a_probe_returns_schemes_and_time_without_sending_credentials() {
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
    let probe = session.build().unwrap().probe().await.unwrap();
    assert_eq!((probe.status, probe.offered), (401, vec!["Negotiate".to_owned(), "Basic".to_owned()]));
    assert_eq!(probe.date, Some(UNIX_EPOCH + Duration::from_secs(784_111_777)));
    assert_eq!(probe.server.as_deref(), Some("Microsoft-HTTPAPI/2.0"));
    let request = service.request().await;
    assert_eq!((request.head.header("Authorization"), request.body.as_str()), (None, ""));
}

#[tokio::test]
async fn a_probe_accepts_any_http_response() {
    let service = Service::start(|_| vec![Step::Send(response_with(302, &[], b"<html/>"))]).await;
    let probe = service.session().probe().await.unwrap();
    assert_eq!((probe.status, probe.offered.len(), probe.date), (302, 0, None));
    let service =
        Service::start(|_| vec![Step::Send(b"\x15\x03\x03\0\x02\x02\x28".to_vec()), Step::Close]).await;
    assert!(matches!(service.session().probe().await, Err(Error::Protocol { .. })));
}
