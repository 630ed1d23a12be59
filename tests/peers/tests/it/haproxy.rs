//! haproxy in front of the service: the PROXY protocol of trusted balancers.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};

use ports::free_ports;
use serde_json::json;
use telarch_peers::{
    Curl, Frontend, Haproxy, PASSWORD, Password, Peer as _, Pywinrm, StoredService, USER, WayIn, Winrm,
};

/// A service with a plain and a TLS listener that trust haproxy.
struct Balanced {
    service: StoredService,
    http: u16,
    https: u16,
}

impl Balanced {
    fn start() -> Self {
        let [http, https] = free_ports();
        let listener = |transport: &str, port: u16| {
            format!(
                "[[Listener]]\nAddress = \"IP:127.0.0.1\"\nTransport = \"{transport}\"\nPort = {port}\nTrustedBalancers = \"{}\"\n",
                Haproxy::ADDRESS
            )
        };
        // As root, an account of the file is no administrator.
        let settings = "Service.Auth.Basic = true\nService.AllowUnencrypted = true\nService.RootSDDL = \"O:NSG:BAD:P(A;;GA;;;WD)\"\n";
        let files = StoredService::files(&format!(
            "{settings}{}{}",
            listener("HTTP", http),
            listener("HTTPS", https)
        ));
        files.account(&["add", USER, "--password-stdin", "--admin", "--ntlm"], PASSWORD);
        Self { service: files.start(), http, https }
    }

    /// Frontends with version 1, version 2, version 2 over TLS, and without a header.
    fn haproxy(&self) -> Option<Haproxy> {
        Haproxy::start(&[
            Frontend { server: self.http, options: "send-proxy check inter 100ms" },
            Frontend {
                server: self.http,
                options: "send-proxy-v2 proxy-v2-options crc32c,unique-id check inter 100ms",
            },
            Frontend { server: self.https, options: "send-proxy-v2" },
            Frontend { server: self.http, options: "" },
        ])
    }

    fn audit(&self) -> String {
        std::fs::read_to_string(self.service.state().join("audit.jsonl")).unwrap_or_default()
    }
}

const VERSION_1: usize = 0;
const VERSION_2: usize = 1;
const VERSION_2_TLS: usize = 2;
const NO_HEADER: usize = 3;

/// Sign-in with Basic from an address of the loopback network.
fn sign_in(url: &str, from: &str, user: &str, password: &str) -> u16 {
    Curl::to(url).from_address(from).basic(user, password).last_status()
}

#[test]
fn the_client_behind_a_balancer_is_seen_with_its_own_address() {
    let balanced = Balanced::start();
    let Some(haproxy) = balanced.haproxy() else { return };
    for (frontend, scheme, from) in [
        (VERSION_1, "http", "127.0.0.11"),
        (VERSION_2, "http", "127.0.0.12"),
        (VERSION_2_TLS, "https", "127.0.0.13"),
    ] {
        assert_eq!(sign_in(&haproxy.url(scheme, frontend), from, USER, PASSWORD), 200, "{scheme} {from}");
        assert_eq!(sign_in(&haproxy.url(scheme, frontend), from, USER, "wrong"), 401, "{scheme} {from}");
        let audit = balanced.audit();
        let records = audit.lines().filter(|line| line.contains(&format!("\"{from}\""))).count();
        assert!(records >= 2, "{scheme} {from}: {audit}");
    }
    assert!(!balanced.audit().contains(&Haproxy::ADDRESS.to_string()), "{}", balanced.audit());
}

#[test]
fn pywinrm_and_winrm_work_behind_a_balancer() {
    let balanced = Balanced::start();
    let Some(haproxy) = balanced.haproxy() else { return };
    for frontend in [VERSION_1, VERSION_2] {
        let url = haproxy.url("http", frontend);
        let size = Pywinrm::to(&url, WayIn::NtlmOverHttp).ask("max_envelope_size_kb", json!({}));
        assert_eq!(size, Ok(json!(500)));
        let run = Winrm::to(&url)
            .password(Password::Switch(PASSWORD))
            .switch("-authentication:basic")
            .switch("-unencrypted")
            .run(&["get", "winrm/config"]);
        assert_eq!(run.code, 0, "{run:?}");
    }
    let run = Winrm::to(&haproxy.url("https", VERSION_2_TLS))
        .password(Password::Switch(PASSWORD))
        .switch("-skipCAcheck")
        .switch("-skipCNcheck")
        .run(&["get", "winrm/config"]);
    assert_eq!(run.code, 0, "{run:?}");
}

#[test]
fn two_clients_behind_one_balancer_share_no_limit_per_address() {
    let balanced = Balanced::start();
    let Some(haproxy) = balanced.haproxy() else { return };
    let url = haproxy.url("http", VERSION_2);
    // Many failures at the same time use up the budget of an address, which grows again by 10 a minute. The names differ,
    // so that no account is locked.
    let is_exhausted = || {
        let log = balanced.service.log();
        log.lines().any(|line| {
            line.contains("too many failures from this source") && line.contains("peer=127.0.0.21")
        })
    };
    for round in 0..10 {
        if is_exhausted() {
            break;
        }
        std::thread::scope(|scope| {
            for attempt in 0..20 {
                let (url, user) = (&url, format!("unknown{round}x{attempt}"));
                scope.spawn(move || {
                    let status = sign_in(url, "127.0.0.21", &user, "wrong");
                    assert!(matches!(status, 401 | 503), "{status}");
                });
            }
        });
    }
    assert!(is_exhausted(), "{}", balanced.service.log());
    assert_eq!(sign_in(&url, "127.0.0.22", USER, PASSWORD), 200, "{}", balanced.service.log());
}

#[test]
fn a_direct_connection_is_served_and_cannot_forge_a_header() {
    let balanced = Balanced::start();
    let direct = format!("http://127.0.0.1:{}/wsman", balanced.http);
    assert_eq!(sign_in(&direct, "127.0.0.31", USER, PASSWORD), 200);
    for header in [
        b"PROXY TCP4 198.51.100.7 127.0.0.1 40000 5985\r\n".as_slice(),
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc6\x33\x64\x07\x7f\0\0\x01\x9c\x40\x17\x61",
    ] {
        let answer = exchange(balanced.http, &[header, REQUEST.as_bytes()].concat());
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    let _ = balanced.service.wait_for_log("add its address to TrustedBalancers");
    assert!(!balanced.audit().contains("198.51.100.7"), "{}", balanced.audit());
}

#[test]
fn a_balancer_without_a_header_is_refused_with_the_remedy() {
    let balanced = Balanced::start();
    let Some(haproxy) = balanced.haproxy() else { return };
    // curl sends HTTP, and haproxy forwards it without a header.
    let refused = Curl::to(&haproxy.url("http", NO_HEADER)).basic(USER, PASSWORD).fails();
    assert!(refused, "a connection without a header is closed");
    let log = balanced.service.wait_for_log("Connection from a balancer refused");
    for words in ["send-proxy-v2", "TrustedBalancers", "does not begin with a PROXY protocol header"] {
        assert!(log.contains(words), "{words} is not in {log}");
    }
}

#[test]
fn a_silent_balancer_is_disconnected_with_the_remedy() {
    let balanced = Balanced::start();
    let Some(haproxy) = balanced.haproxy() else { return };
    let port = haproxy.url("http", NO_HEADER);
    let port = port.trim_start_matches("http://127.0.0.1:").trim_end_matches("/wsman");
    let mut silent =
        TcpStream::connect((Ipv4Addr::LOCALHOST, port.parse().expect("a port"))).expect("haproxy");
    let mut rest = Vec::new();
    // Ends without a byte when the service has closed the connection.
    silent.read_to_end(&mut rest).expect("the end of the connection");
    assert_eq!(rest, b"");
    let log = balanced.service.wait_for_log("no PROXY protocol header arrived within 5 seconds");
    assert!(log.contains("send-proxy-v2"), "{log}");
}

/// Identify without authentication.
const REQUEST: &str =
    "POST /wsman HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

fn exchange(port: u16, request: &[u8]) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the service listens");
    stream.write_all(request).expect("the service reads");
    let mut answer = Vec::new();
    // The service may reset the connection because it has not read everything.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}
