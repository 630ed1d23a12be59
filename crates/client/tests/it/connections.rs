//! Reuse of connections, and retries.

use std::sync::Arc;

use client::{Endpoint, Error, Progress, Session, Unencrypted};
use telarch_client as client;
use tokio::sync::Notify;
use wsman::Action;

use crate::service::{Request, Service, Step, config, response_with};

#[tokio::test]
async fn consecutive_requests_share_a_connection() {
    let mut service = Service::start(Request::config).await;
    let session = service.session();
    for number in 0..3 {
        session.clone().get(&config()).await.unwrap();
        let request = service.request().await;
        assert_eq!((request.number, request.connection), (number, 0));
    }
}

#[tokio::test]
async fn head_and_body_of_a_request_are_sent_in_one_write() {
    let mut service = Service::start(Request::config).await;
    service.session().get(&config()).await.unwrap();
    assert_eq!(service.request().await.reads, 1);
}

#[tokio::test]
async fn concurrent_requests_use_separate_connections() {
    let release = Arc::new(Notify::new());
    let held = Arc::clone(&release);
    let mut service = Service::start(move |request| {
        let mut steps = vec![Step::WaitFor(Arc::clone(&held))];
        steps.extend(request.config());
        steps
    })
    .await;
    let session = service.session();
    let locator = config();
    let both = async { tokio::join!(session.get(&locator), session.get(&locator)) };
    let observed = async {
        let (first, second) = (service.request().await, service.request().await);
        assert_ne!(first.connection, second.connection);
        release.notify_one();
        release.notify_one();
    };
    let ((first, second), ()) = tokio::join!(both, observed);
    assert!(first.is_ok() && second.is_ok());
}

/// A service that closes every connection after its first response without `Connection: close`.
async fn closing_service() -> (Service, Arc<Notify>) {
    let closed = Arc::new(Notify::new());
    let reported = Arc::clone(&closed);
    let service = Service::start(move |request| {
        let mut steps = request.config();
        steps.extend([Step::Tell(Arc::clone(&reported)), Step::Close]);
        steps
    })
    .await;
    (service, closed)
}

#[tokio::test]
async fn a_connection_closed_while_idle_is_not_reused() {
    let (mut service, closed) = closing_service().await;
    let session = service.session();
    for number in 0..3 {
        // Not safe to retry, so the client must detect the closed connection first.
        session.delete(&config()).await.unwrap();
        closed.notified().await;
        let request = service.request().await;
        assert_eq!((request.number, request.connection), (number, number));
    }
}

#[tokio::test]
async fn a_connection_with_unsolicited_data_is_not_reused() {
    let service = Service::start(|request| {
        let mut steps = request.config();
        let Some(Step::Send(octets)) = steps.first_mut() else { unreachable!() };
        octets.extend(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        steps
    })
    .await;
    let mut service = service;
    let session = service.session();
    for number in 0..2 {
        session.get(&config()).await.unwrap();
        assert_eq!(service.request().await.connection, number);
    }
}

/// A service that closes a connection after receiving its second request, without a response.
async fn service_closing_second_request() -> Service {
    Service::start(|request| match request.number {
        1 => vec![Step::Close],
        _ => request.config(),
    })
    .await
}

#[tokio::test]
async fn a_safe_request_is_retried_if_a_pooled_connection_is_closed() {
    let mut service = service_closing_second_request().await;
    let session = service.session();
    session.get(&config()).await.unwrap();
    session.get(&config()).await.unwrap();
    let connections = [service.request().await, service.request().await, service.request().await];
    assert_eq!(connections.map(|request| request.connection), [0, 0, 1]);
}

#[tokio::test]
async fn an_unsafe_request_is_not_retried() {
    let service = service_closing_second_request().await;
    let session = service.session();
    session.get(&config()).await.unwrap();
    let error = session.invoke(&config(), "Stop", None).await.expect_err("a broken connection");
    assert!(matches!(error, Error::Disconnected { when: Progress::Waiting, .. }), "{error}");
}

#[tokio::test]
async fn a_request_on_a_new_connection_is_not_retried() {
    let mut service = Service::start(|_| vec![Step::Close]).await;
    let error = service.session().get(&config()).await.expect_err("a broken connection");
    assert!(matches!(error, Error::Disconnected { when: Progress::Waiting, .. }), "{error}");
    service.request().await;
    assert!(service.requests.try_recv().is_err(), "the request was repeated");
}

#[tokio::test]
async fn connection_close_is_honoured() {
    let mut service = Service::start(|request| {
        let message = request.message(crate::service::write_config);
        let headers = [("Connection", "close"), ("Content-Type", crate::service::SOAP)];
        vec![Step::Send(response_with(200, &headers, message.as_bytes()))]
    })
    .await;
    let session = service.session();
    for number in 0..2 {
        session.get(&config()).await.unwrap();
        assert_eq!(service.request().await.connection, number);
    }
}

#[tokio::test]
async fn a_cancelled_request_closes_its_connection() {
    let mut service = Service::start(|request| match request.number {
        0 => vec![Step::Hang],
        _ => request.config(),
    })
    .await;
    let session = service.session();
    let locator = config();
    tokio::select! {
        biased;
        _ = session.get(&locator) => panic!("unexpected response"),
        request = service.request() => assert_eq!(request.connection, 0),
    }
    session.get(&config()).await.unwrap();
    assert_eq!(service.request().await.connection, 1);
}

#[tokio::test]
async fn an_early_error_response_is_received() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 100];
        stream.read_exact(&mut head).await.unwrap();
        stream.write_all(&response_with(413, &[("Connection", "close")], b"")).await.unwrap();
        stream.shutdown().await.unwrap();
        // Reading the rest prevents a TCP reset, which would discard the 413 response.
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    });
    let endpoint = client::Endpoint::parse(&format!("http://{address}")).unwrap();
    let session = Session::builder(endpoint).unencrypted(client::Unencrypted::Allowed).build().unwrap();
    let mut large = xml::Writer::new();
    large.start("a").text(&"x".repeat(4 << 20)).end();
    let error = session.put(&config(), &large.into_fragment()).await.expect_err("too large");
    assert_eq!(error.code(), Some(2_150_859_025), "{error}");
}

#[tokio::test]
async fn a_request_contains_all_headers() {
    let mut service = Service::start(Request::config).await;
    let session = service.builder().max_envelope_size(153_600).locale("de-DE").build().unwrap();
    let locator = config().with_selectors(wsman::SelectorSet::new().with("Name", "<x>"));
    session.get(&locator).await.unwrap();
    let request = service.request().await;
    assert_eq!(request.head.path(), "/wsman");
    assert_eq!(request.head.header("Host"), Some(service.address.to_string().as_str()));
    assert_eq!(request.head.header("Content-Type"), Some("application/soap+xml;charset=UTF-8"));
    let parsed = request.parsed();
    let head = parsed.head();
    assert_eq!(head.action, Action::Get);
    assert_eq!(head.to.as_deref(), Some(format!("http://{}/wsman", service.address).as_str()));
    assert_eq!(head.max_envelope_size, Some(153_600));
    assert_eq!(head.operation_timeout, Some(std::time::Duration::from_secs(60)));
    assert_eq!((head.locale.as_deref(), head.data_locale.as_deref()), (Some("de-DE"), Some("de-DE")));
    assert_eq!(head.selectors.text("name"), Some("<x>"));
    assert!(head.session_id.is_some());
    assert!(request.body.contains("s:mustUnderstand=\"true\""));
}

#[tokio::test]
async fn the_zone_of_an_address_selects_the_interface_and_is_not_sent() {
    let Ok(listener) = tokio::net::TcpListener::bind("[::1]:0").await else {
        skips::skip!("this machine has no IPv6");
        return;
    };
    let mut service = Service::listening(listener, Request::config);
    let port = service.address.port();
    for host in ["[::1%lo]", "[::1%25lo]", "[::1%1]"] {
        let endpoint = Endpoint::parse(&format!("http://{host}:{port}/wsman")).unwrap();
        let session = Session::builder(endpoint).unencrypted(Unencrypted::Allowed).build().unwrap();
        session.get(&config()).await.unwrap();
        let request = service.request().await;
        assert_eq!(request.head.header("Host"), Some(format!("[::1]:{port}").as_str()), "{host}");
        let to = request.parsed().head().to.clone();
        assert_eq!(to, Some(format!("http://[::1]:{port}/wsman")), "{host}");
    }
    let endpoint = Endpoint::parse(&format!("http://[::1%nowhere0]:{port}/wsman")).unwrap();
    let session = Session::builder(endpoint).unencrypted(Unencrypted::Allowed).build().unwrap();
    let error = session.get(&config()).await.expect_err("no such interface");
    assert!(matches!(&error, Error::NotResolved { host, .. } if host == "::1%nowhere0"), "{error}");
    assert!(error.to_string().contains("no interface nowhere0"), "{error}");
}

#[tokio::test]
async fn only_the_load_balancer_cookie_is_returned() {
    let mut service = Service::start(|request| {
        let message = request.message(crate::service::write_config);
        let cookie = format!("MS-WSMAN=node{}; path=/wsman; HttpOnly", request.number);
        let headers = [
            ("Set-Cookie", "tracking=1"),
            ("Set-Cookie", cookie.as_str()),
            ("Content-Type", crate::service::SOAP),
        ];
        vec![Step::Send(response_with(200, &headers, message.as_bytes()))]
    })
    .await;
    let session = service.session();
    for expected in [None, Some("MS-WSMAN=node0"), Some("MS-WSMAN=node1")] {
        session.get(&config()).await.unwrap();
        assert_eq!(service.request().await.head.header("Cookie"), expected);
    }
}
