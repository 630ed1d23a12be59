//! Changes of listeners in a service with configured listeners.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod certificate_mapping;
mod quick_config;
mod running;

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};

use config::Section;
use ports::free_port;
use rustix::process::geteuid;

use crate::running::{Running, fields, of, with};

fn is_open(ip: [u8; 4], port: u16) -> bool {
    TcpStream::connect(SocketAddr::from((ip, port))).is_ok()
}

const HERE: [u8; 4] = [127, 0, 0, 1];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_is_sent_after_the_change_is_in_force() {
    let service = Running::start("").await;
    let session = service.session();
    let there = of("IP:127.0.0.1", "HTTP");
    let [first, second] = [free_port(), free_port()];
    session.create(&there, &with(&[("Port", &first.to_string())])).await.unwrap();
    assert!(is_open(HERE, first), "created");
    assert_eq!(fields(&session, &there, "ListeningOn").await, ["127.0.0.1"]);

    let changed = session.put(&there, &with(&[("Port", &second.to_string())])).await.unwrap();
    assert_eq!((is_open(HERE, first), is_open(HERE, second)), (false, true), "port changed");
    assert!(changed.content().unwrap().source().contains("<cfg:ListeningOn>127.0.0.1<"), "{changed:?}");

    session.put(&there, &with(&[("Enabled", "false")])).await.unwrap();
    assert!(!is_open(HERE, second), "disabled");
    assert!(fields(&session, &there, "ListeningOn").await.is_empty());
    session.put(&there, &with(&[("Enabled", "true")])).await.unwrap();
    assert!(is_open(HERE, second), "enabled");
    session.delete(&there).await.unwrap();
    assert!(!is_open(HERE, second), "deleted");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_https_listener_serves_with_the_certificate_it_names() {
    let service = Running::start("").await;
    let session = service.session();
    let given = service.give_certificate("localhost");
    let port = free_port().to_string();
    let body =
        with(&[("Port", &port), ("Hostname", "localhost"), ("CertificateThumbprint", &given.thumbprint)]);
    session.create(&of("IP:127.0.0.1", "HTTPS"), &body).await.unwrap();
    // The client trusts only this certificate.
    let secured = service.secured(port.parse().unwrap(), &given.pem);
    assert_eq!(fields(&secured, &of("IP:127.0.0.1", "HTTPS"), "Hostname").await, ["localhost"]);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_self_signed_certificate_must_match_the_listeners_hostname() {
    let service = Running::start("").await;
    let session = service.session();
    let there = of("IP:127.0.0.1", "HTTPS");
    // There is none yet, so the service creates one with this name.
    let body = with(&[("Port", &free_port().to_string()), ("Hostname", "node7.example")]);
    session.create(&there, &body).await.unwrap();
    service.listens(1).await;
    let refused = session.put(&there, &with(&[("Hostname", "node8.example")])).await.unwrap_err();
    assert_eq!(refused.code(), Some(2_150_858_985), "{refused}");
    assert!(refused.to_string().contains("out of the state directory"), "{refused}");
    // It can be configured like any other certificate.
    let own = service.own_certificate();
    session.put(&there, &with(&[("CertificateThumbprint", &own)])).await.unwrap();
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compatibility_listener_shows_its_own_addresses() {
    /// Address of the loopback network that no other test uses.
    const OWN: [u8; 4] = [127, 0, 80, 81];
    let filters = "Service.IPv4Filter = \"127.0.80.81\"\nService.IPv6Filter = \"\"\n";
    let service = Running::start(filters).await;
    let session = service.session();
    let switch = |value: &str| {
        running::fragment(|writer| {
            writer.start("cfg:Service").namespace("cfg", Section::Service.resource());
            writer.element("cfg:EnableCompatibilityHttpListener", value);
        })
    };
    let section = running::section(Section::Service);
    if let Err(error) = TcpListener::bind(SocketAddr::from((OWN, 80))) {
        skips::skip_part!("port 80 cannot be had here: {error}");
        let refused = session.put(&section, &switch("true")).await.unwrap_err();
        let expected = if geteuid().is_root() { 2_150_858_984 } else { 2_150_858_972 };
        assert_eq!(refused.code(), Some(expected), "{refused}");
        assert!(!service.config().service.enable_compatibility_http_listener);
        return service.stop().await;
    }
    session.put(&section, &switch("true")).await.unwrap();
    assert!(is_open(OWN, 80));
    assert_eq!(fields(&session, &of("*", "HTTP"), "ListeningOn").await, ["127.0.80.81"]);
    assert_eq!(fields(&session, &of("*", "HTTP"), "Port").await, ["80"]);

    // A listener with the same key has its own addresses.
    session.create(&of("*", "HTTP"), &with(&[("Enabled", "false")])).await.unwrap();
    assert!(fields(&session, &of("*", "HTTP"), "ListeningOn").await.is_empty());
    session.put(&section, &switch("false")).await.unwrap();
    assert!(!is_open(OWN, 80));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compatibility_listener_cannot_use_the_port_of_another() {
    let service = Running::start(
        "Service.IPv4Filter = \"127.0.80.82\"\nService.IPv6Filter = \"\"\n\
         [[Listener]]\nAddress = \"IP:127.0.80.82\"\nTransport = \"HTTPS\"\nPort = 80\n",
    )
    .await;
    let session = service.session();
    let switch = running::fragment(|writer| {
        writer.start("cfg:Service").namespace("cfg", Section::Service.resource());
        writer.element("cfg:EnableCompatibilityHttpListener", "true");
    });
    let refused = session.put(&running::section(Section::Service), &switch).await.unwrap_err();
    assert_eq!(refused.code(), Some(2_150_858_984), "{refused}");
    assert!(refused.to_string().contains("Address=IP:127.0.80.82+Transport=HTTPS"), "{refused}");
    assert!(!service.config().service.enable_compatibility_http_listener);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_inherited_socket_waits_for_its_listener() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let service = Running::start_with("", vec![socket]).await;
    let session = service.session();
    let there = of("IP:127.0.0.1", "HTTP");
    session.create(&there, &with(&[("Port", &port.to_string())])).await.unwrap();
    assert_eq!(fields(&session, &there, "ListeningOn").await, [IpAddr::from(HERE).to_string()]);
    let over = service.session_at(port);
    assert_eq!(fields(&over, &there, "Port").await, [port.to_string()]);
    service.stop().await;
}
