//! Time limits, with a paused clock that advances only while the tests wait.

use std::time::Duration;

use client::{Error, Waiting};
use telarch_client as client;
use tokio::time::Instant;

use crate::service::{Request, Service, Step, config};

#[tokio::test]
async fn a_silent_service_times_out_after_timeout_and_network_delay() {
    let mut service = Service::start(|_| vec![Step::Hang]).await;
    let session = service.builder().operation_timeout(Duration::from_secs(20)).build().unwrap();
    let locator = config();
    let begun = async {
        service.request().await;
        tokio::time::pause();
        Instant::now()
    };
    let (answer, begun) = tokio::join!(session.get(&locator), begun);
    let error = answer.expect_err("silence");
    assert!(
        matches!(error, Error::TimedOut { what: Waiting::Silence, after } if after == Duration::from_secs(30)),
        "{error}"
    );
    assert_eq!(error.code(), Some(2_150_859_046));
    assert!(begun.elapsed() <= Duration::from_secs(31), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_slow_response_is_aborted_after_the_total_timeout() {
    let mut service = Service::start(|request| match request.number {
        0 => {
            let drop = || Step::Send(b"H".to_vec());
            vec![drop(), Step::Hang]
        }
        _ => request.config(),
    })
    .await;
    let total = Duration::from_secs(5);
    let session = service.builder().total_timeout(Some(total)).build().unwrap();
    let locator = config();
    let begun = async {
        service.request().await;
        tokio::time::pause();
    };
    let (answer, ()) = tokio::join!(session.get(&locator), begun);
    let error = answer.expect_err("too slow");
    assert!(matches!(error, Error::TimedOut { what: Waiting::Total, after } if after == total), "{error}");
    tokio::time::resume();
    session.get(&locator).await.expect("the next operation has its own time");
}

#[tokio::test]
async fn an_endless_handshake_is_aborted_after_the_connect_timeout() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let endpoint = client::Endpoint::parse(&url).unwrap();
    let session = client::Session::builder(endpoint)
        .tls(client::TlsPolicy::new().skip_ca())
        .connect_timeout(Duration::from_secs(7))
        .build()
        .unwrap();
    let locator = config();
    let accepted = async {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::time::pause();
        stream
    };
    let (answer, _stream) = tokio::join!(session.get(&locator), accepted);
    let error = answer.expect_err("no handshake");
    let expected = Duration::from_secs(7);
    assert!(matches!(error, Error::ConnectTimedOut { after, .. } if after == expected), "{error}");
}

#[tokio::test]
async fn a_long_idle_connection_is_not_reused() {
    let mut service = Service::start(Request::config).await;
    let session = service.session();
    session.get(&config()).await.unwrap();
    service.request().await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(56)).await;
    tokio::time::resume();
    session.get(&config()).await.unwrap();
    assert_eq!(service.request().await.connection, 1);
}
