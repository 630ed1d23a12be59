//! Misbehaving proxies; real proxies are tested in `tests/peers`.

use std::sync::{Arc, Mutex};

use client::{
    Authentication, Credentials, Endpoint, Error, Proxy, ProxyAuthentication, ProxyError, Secret, Session,
};
use telarch_client as client;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Starts a proxy that sends the same response to every request; also returns the data it receives.
async fn proxy_responding(answer: &'static [u8]) -> (Proxy, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::parse(&listener.local_addr().unwrap().to_string()).unwrap();
    let received = Arc::new(Mutex::new(String::new()));
    let hearing = Arc::clone(&received);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let hearing = Arc::clone(&hearing);
            tokio::spawn(async move {
                let mut octets = vec![0; 4_096];
                while let Ok(count @ 1..) = stream.read(&mut octets).await {
                    hearing.lock().unwrap().push_str(&String::from_utf8_lossy(&octets[..count]));
                    if stream.write_all(answer).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    (proxy, received)
}

async fn identify(url: &str, proxy: Proxy) -> Error {
    let session =
        Session::builder(Endpoint::parse(url).unwrap()).authentication(Authentication::None).proxy(proxy);
    session.build().unwrap().identify_anonymous().await.expect_err("no tunnel")
}

fn credentials() -> Credentials {
    Credentials { user: "ann".into(), password: Secret::new("pass word".into()) }
}

#[tokio::test]
async fn a_tunnel_is_requested_by_name_and_hides_the_request() {
    let (proxy, received) =
        proxy_responding(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\nnope").await;
    let error = identify("https://node7:5986/wsman", proxy).await;
    let Error::Proxy { reason: ProxyError::Status { status: 502, body }, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(body.beginning, "nope");
    let received = received.lock().unwrap().clone();
    assert!(received.starts_with("CONNECT node7:5986 HTTP/1.1\r\nHost: node7:5986\r\n"), "{received}");
    assert!(!received.contains("wsman") && !received.contains("Content-Length"), "{received}");
}

#[tokio::test]
async fn data_after_the_tunnel_response_is_rejected() {
    let (proxy, _) = proxy_responding(b"HTTP/1.1 200 Connection established\r\n\r\n\x16\x03").await;
    let error = identify("https://node7/wsman", proxy).await;
    assert!(matches!(error, Error::Proxy { reason: ProxyError::Unreadable(_), .. }), "{error}");
}

#[tokio::test]
async fn a_proxy_that_keeps_sending_challenges_is_abandoned() {
    for challenge in [
        &b"HTTP/1.1 407 No\r\nProxy-Authenticate: Digest realm=\"p\", nonce=\"n\", stale=true\r\nContent-Length: 0\r\n\r\n"[..],
        b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"p\"\r\nContent-Length: 0\r\n\r\n",
    ] {
        for url in ["https://node7/wsman", "http://node7/wsman"] {
            for requested in [ProxyAuthentication::Digest(credentials()), ProxyAuthentication::Basic(credentials())] {
                let (proxy, received) = proxy_responding(challenge).await;
                let error = identify(url, proxy.authentication(requested)).await;
                assert!(matches!(error, Error::Proxy { .. }), "{error}");
                assert!(!error.to_string().contains("pass word"), "{error}");
                assert!(received.lock().unwrap().matches("HTTP/1.1\r\n").count() <= 4);
            }
        }
    }
}

#[tokio::test]
async fn the_proxy_password_is_sent_only_to_the_proxy() {
    let (proxy, received) = proxy_responding(b"HTTP/1.1 200 OK\r\n\r\n").await;
    let proxy = proxy.authentication(ProxyAuthentication::Basic(credentials()));
    // The service in the tunnel does not speak TLS, and receives only a handshake.
    let error = identify("https://node7/wsman", proxy).await;
    assert!(matches!(error, Error::Tls { .. }), "{error}");
    let received = received.lock().unwrap().clone();
    assert_eq!(received.matches("Proxy-Authorization: Basic YW5uOnBhc3Mgd29yZA==").count(), 1, "{received}");
    assert!(!received.contains("\r\nAuthorization"), "{received}");
}
