//! Tests of authentication: a request without credentials is rejected, whatever was sent before it.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use ::accounts::SignIn;
use auth::ntlm::HostNames;
use auth::{Account, AccountList, AuthError, PasswordVerifier, Secret, VerifierCost};
use wsman::namespace::CONFIG;

use crate::TIMEOUT;
use crate::message::{Message, identify};
use crate::running::{Running, accounts};
use crate::wire::{ADA, Answer, BEN, EVE, Post, basic, post};

fn hello() -> Post {
    post(Message::probe("echo", "hello"))
}

/// Checks that a rejection is byte for byte the same for all clients, except for the date.
#[track_caller]
fn assert_challenge(answer: &Answer, schemes: &[&str]) {
    let lines: Vec<&str> = answer.head.lines().filter(|line| !line.starts_with("Date: ")).collect();
    let mut expected = vec!["HTTP/1.1 401 Unauthorized".to_owned()];
    expected.extend(schemes.iter().map(|scheme| format!("WWW-Authenticate: {scheme}")));
    expected.extend([
        "Server: Microsoft-HTTPAPI/2.0".to_owned(),
        "Content-Length: 0".to_owned(),
        String::new(),
    ]);
    assert_eq!(lines, expected);
    assert!(answer.head.contains("\r\nDate: "), "{}", answer.head);
    assert!(answer.body.is_empty());
}

const BASIC: &str = "Basic realm=\"WSMAN\"";

#[tokio::test]
async fn every_request_needs_its_own_credentials() {
    let running = Running::start(&[]).await;
    for tls in [false, true] {
        let connect = async || if tls { running.connect_tls().await } else { running.connect().await };
        let none = hello().anonymous();

        let mut wire = connect().await;
        assert_challenge(&wire.ask(&none).await, &[BASIC]);
        // Basic authenticates one request, not the connection.
        for _ in 0..3 {
            assert_eq!(wire.ask(&hello()).await.status, 200);
            assert_challenge(&wire.ask(&none).await, &[BASIC]);
        }
        assert_challenge(&wire.ask(&hello().signed_in("ada", "wrong")).await, &[BASIC]);
        assert_challenge(&wire.ask(&none).await, &[BASIC]);

        let mut wire = connect().await;
        assert_challenge(&wire.ask(&hello().signed_in("ada", "wrong")).await, &[BASIC]);
        assert_challenge(&wire.ask(&none).await, &[BASIC]);
        assert_challenge(&wire.ask(&post("").anonymous()).await, &[BASIC]);
        assert_eq!(wire.ask(&hello()).await.status, 200);
    }
    assert_eq!(calls(&running), 8);
    running.stop().await;
}

#[tokio::test]
async fn all_wrong_credentials_receive_the_same_response() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    let encoded = |text: &[u8]| {
        use base64::Engine as _;
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text))
    };
    let long = "x".repeat(60_000);
    for value in [
        basic("ada", "wrong"),
        basic("ada", ""),
        basic("ada", &format!("{ADA} ")),
        basic("ada", &ADA[..ADA.len() - 1]),
        basic("ada", &format!("{ADA}\0")),
        basic("ada", &ADA.to_uppercase()),
        basic("ada", BEN),
        basic("Ada", ADA),
        basic(" ada", ADA),
        basic("ada\0", ADA),
        basic("", ADA),
        basic("", ""),
        basic("nobody", ADA),
        basic("eve", EVE),
        basic(&long, ADA),
        basic("ada", &long),
        encoded(b"ada"),
        encoded(b"\xFFda:x"),
        "Basic".to_owned(),
        "Basic ".to_owned(),
        "Basic !".to_owned(),
        format!("Basic {ADA}"),
        basic("ada", ADA).replace("Basic ", "Basic"),
        format!("{} x", basic("ada", ADA)),
        format!("{}, Basic x", basic("ada", ADA)),
        basic("ada", ADA).replace("Basic ", "Basic realm=\"x\" "),
        basic("ada", ADA).replace("Basic", "Digest"),
        basic("ada", ADA).replace("Basic", "Bearer"),
        basic("ada", ADA).replace("Basic", "Negotiate"),
        basic("ada", ADA).replace("Basic", "NTLM"),
        "Negotiate TlRMTVNTUAABAAAA".to_owned(),
        "Kerberos YII=".to_owned(),
        "CredSSP MAA=".to_owned(),
        "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual".to_owned(),
        "ada".to_owned(),
        ":".to_owned(),
        String::new(),
        "Bäsic eDp5".to_owned(),
    ] {
        let answer = wire.ask(&hello().header("Authorization", &value)).await;
        assert_challenge(&answer, &[BASIC]);
    }
    assert_eq!(calls(&running), 0);
    // Scheme names are case-insensitive.
    for scheme in ["basic", "BASIC"] {
        let value = basic("ada", ADA).replace("Basic", scheme);
        assert_eq!(wire.ask(&hello().header("Authorization", &value)).await.status, 200);
    }
    running.stop().await;
}

#[tokio::test]
async fn requests_of_different_users_can_share_a_connection() {
    let running = Running::start(&[("Service.RootSDDL", "O:NSG:BAD:P(A;;GA;;;WD)")]).await;
    let mut wire = running.connect().await;
    for (user, password) in [("ada", ADA), ("ben", BEN), ("ben", BEN), ("ada", ADA)] {
        let response = wire.ask(&hello().signed_in(user, password)).await.response();
        assert_eq!(response.content().unwrap().attribute("", "Account").unwrap(), user);
        // A successful request helps neither another password nor another user.
        assert_challenge(&wire.ask(&hello().signed_in(user, "wrong")).await, &[BASIC]);
        assert_challenge(&wire.ask(&hello().signed_in("eve", password)).await, &[BASIC]);
    }
    running.stop().await;
}

#[tokio::test]
async fn basic_over_http_requires_allow_unencrypted() {
    let running = Running::start(&[("Service.AllowUnencrypted", "false")]).await;
    let mut wire = running.connect().await;
    assert_challenge(&wire.ask(&hello()).await, &[]);
    assert_challenge(&wire.ask(&hello().anonymous()).await, &[]);
    let mut wire = running.connect_tls().await;
    assert_eq!(wire.ask(&hello()).await.status, 200);
    assert_challenge(&wire.ask(&hello().anonymous()).await, &[BASIC]);
    running.stop().await;
}

#[tokio::test]
async fn changed_settings_apply_to_the_next_request_of_open_connections() {
    let running = Running::start(&[]).await;
    let mut plain = running.connect().await;
    let mut sealed = running.connect_tls().await;
    let mut statuses = async || [plain.ask(&hello()).await.status, sealed.ask(&hello()).await.status];
    assert_eq!(statuses().await, [200, 200]);
    running.set("Service.AllowUnencrypted", "false");
    assert_eq!(statuses().await, [401, 200]);
    running.set("Service.Auth.Basic", "false");
    assert_eq!(statuses().await, [401, 401]);
    running.set("Service.AllowUnencrypted", "true");
    assert_eq!(statuses().await, [401, 401]);
    running.set("Service.Auth.Basic", "true");
    assert_eq!(statuses().await, [200, 200]);
    running.set("Service.RootSDDL", "O:NSG:BAD:P(A;;GR;;;BA)");
    assert_eq!(statuses().await, [500, 500]);
    running.set("Service.RootSDDL", "O:NSG:BAD:P(A;;GA;;;BA)");
    assert_eq!(statuses().await, [200, 200]);

    running.set("MaxEnvelopeSizekb", "32");
    let large = post(Message::probe("echo", &"x".repeat(40_000)));
    assert_eq!(plain.ask(&large).await.status, 413);
    running.set("MaxEnvelopeSizekb", "500");
    assert_eq!(sealed.ask(&large).await.status, 200);
    running.stop().await;
}

#[tokio::test]
async fn an_authenticated_empty_request_receives_an_empty_response() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    for request in [post(""), post("").without("Content-Type")] {
        for octets in [request.octets(), request.chunked(1), format!("{}\r\n", request.head()).into_bytes()] {
            wire.send(octets).await;
            let answer = wire.answer().await;
            assert_eq!((answer.status, answer.header("Content-Length")), (200, Some("0")));
            assert_eq!(answer.header("Content-Type"), None);
        }
        assert_challenge(&wire.ask(&request.anonymous()).await, &[BASIC]);
    }
    running.stop().await;
}

#[tokio::test]
async fn anonymous_identify_reveals_nothing_about_the_machine() {
    let running = Running::start(&[("Service.AllowUnencrypted", "false")]).await;
    let by_header = post(identify()).anonymous().header("WSMANIDENTIFY", "unauthenticated");
    let by_path = post(identify()).anonymous().starting("POST /wsman-anon/identify HTTP/1.1");
    for tls in [false, true] {
        let mut wire = if tls { running.connect_tls().await } else { running.connect().await };
        for request in [&by_header, &by_path] {
            let answer = wire.ask(request).await;
            assert!(!answer.text().contains("6.1.0"), "{}", answer.text());
            let response = answer.response();
            let identity = wsman::identify::Identity::parse(response.content().unwrap());
            assert_eq!(identity, wsman::identify::Identity::anonymous("Telarch"));
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn a_configured_vendor_is_reported_with_the_product_name() {
    const CHOSEN: &str = "Microsoft <& others>";
    let running = Running::start(&[]).await;
    let stranger = post(identify()).anonymous().header("WSMANIDENTIFY", "unauthenticated");
    let mut wire = running.connect().await;
    for (setting, vendor, product) in
        [("", "Telarch", None), (CHOSEN, CHOSEN, Some("Telarch")), ("", "Telarch", None)]
    {
        running.set("Identify/ProductVendor", setting);
        for (request, version) in [(&stranger, "OS: 0.0.0 SP"), (&post(identify()), "OS: 6.1.0 SP")] {
            let response = wire.ask(request).await.response();
            let identity = wsman::identify::Identity::parse(response.content().unwrap());
            assert_eq!((identity.product_vendor.as_str(), identity.product.as_deref()), (vendor, product));
            assert!(identity.product_version.starts_with(version), "{identity}");
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn authenticated_identify_reports_more() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    for request in [post(identify()), post(identify()).header("WSMANIDENTIFY", "unauthenticated")] {
        let answer = wire.ask(&request).await;
        assert!(answer.text().contains("<s:Header/>"), "{}", answer.text());
        let response = answer.response();
        let identity = wsman::identify::Identity::parse(response.content().unwrap());
        assert_eq!(identity.product_version, "OS: 6.1.0 SP: 0.0 Stack: 3.0");
        assert_eq!(identity.security_profiles.len(), 2);
    }
    running.stop().await;
}

#[tokio::test]
async fn authenticated_identify_names_the_profiles_of_enabled_schemes() {
    let accounts = Arc::new(accounts());
    let sign_in = SignIn::new(Arc::clone(&accounts) as _).with_ntlm(accounts, HostNames::of_host("node7"));
    let running = Running::with_authenticator(Arc::new(sign_in), &[]).await;
    for (settings, expected) in [
        (&[][..], &["http/basic", "http/spnego-kerberos", "https/basic", "https/spnego-kerberos"][..]),
        (
            &[("Service.AllowUnencrypted", "false")],
            &["http/spnego-kerberos", "https/basic", "https/spnego-kerberos"],
        ),
        (&[("Service.Auth.Negotiate", "false"), ("Service.Auth.Kerberos", "false")], &["https/basic"]),
        // The authenticator has no certificate mappings.
        (&[("Service.Auth.Certificate", "true")], &["https/basic"]),
    ] {
        settings.iter().for_each(|(name, value)| running.set(name, value));
        let response = running.connect_tls().await.ask(&post(identify())).await.response();
        let identity = wsman::identify::Identity::parse(response.content().unwrap());
        let prefix = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/";
        let found: Vec<_> =
            identity.security_profiles.iter().map(|profile| profile.trim_start_matches(prefix)).collect();
        assert_eq!(found, expected, "{settings:?}");
    }
    running.stop().await;
}

#[tokio::test]
async fn anonymous_clients_may_send_identify_only() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    let get = Message::transfer(CONFIG, "Get").text();
    let disguised = get.replace("<s:Body></s:Body>", "<s:Body><x/><i:Identify xmlns:i=\"http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd\"/></s:Body>");
    assert_ne!(disguised, get);
    let padded = |octets: usize| identify() + &" ".repeat(octets - identify().len());
    let bodies = [
        get,
        disguised,
        Message::probe("echo", "hello").text(),
        String::new(),
        "x".to_owned(),
        "<x/>".to_owned(),
        format!("<!DOCTYPE x>{}", identify()),
        identify().repeat(2),
        identify().replace("Identify", "identify"),
        identify().replace("2003/05/soap-envelope", "2003/06/soap-envelope"),
        identify().replace("<i:Identify/>", &format!("<i:Identify>{}</i:Identify>", "<x/>".repeat(200))),
    ];
    let forms = [
        post("").anonymous().header("WSMANIDENTIFY", "unauthenticated"),
        post("").anonymous().starting("POST /wsman-anon/identify HTTP/1.1"),
    ];
    for form in &forms {
        let asking = |body: &str| Post { body: body.as_bytes().to_vec(), ..form.clone() };
        for body in &bodies {
            assert_challenge(&wire.ask(&asking(body)).await, &[BASIC]);
        }
        assert_eq!(wire.ask(&asking(&padded(4_096))).await.status, 200);
        for octets in [asking(&padded(4_097)).octets(), asking(&padded(4_097)).chunked(1_000)] {
            let mut wire = running.connect().await;
            wire.send(octets).await;
            let answer = wire.answer().await;
            assert_eq!((answer.status, answer.body.len()), (413, 0));
            wire.ends().await;
        }
    }
    // Other paths and methods are rejected.
    for start in
        ["POST /wsman-anon HTTP/1.1", "POST /wsman-anon/identify/x HTTP/1.1", "POST /wsman-anon/ HTTP/1.1"]
    {
        assert_eq!(wire.ask(&post(identify()).anonymous().starting(start)).await.status, 404, "{start}");
    }
    let get = post(identify()).anonymous().starting("GET /wsman-anon/identify HTTP/1.1");
    assert_eq!(wire.ask(&get).await.status, 405);
    // Identify does not authenticate the connection.
    assert_challenge(&wire.ask(&hello().anonymous()).await, &[BASIC]);
    assert_eq!(calls(&running), 0);
    running.stop().await;
}

/// A verifier that blocks, like password hashes do, until the test releases it.
struct Slow {
    accounts: AccountList,
    requested: AtomicUsize,
    gate: Mutex<mpsc::Receiver<()>>,
}

impl PasswordVerifier for Slow {
    fn verify(&self, user: &str, password: &Secret, from: IpAddr) -> Result<Account, AuthError> {
        self.requested.fetch_add(1, Ordering::Relaxed);
        self.gate.lock().unwrap().recv_timeout(TIMEOUT).expect("the test lets it go on");
        self.accounts.verify(user, password, from)
    }

    fn cost(&self) -> VerifierCost {
        VerifierCost::Slow
    }
}

#[tokio::test]
async fn a_slow_verifier_checks_each_password_once_per_connection() {
    let (go_on, gate) = mpsc::channel();
    let slow =
        Arc::new(Slow { accounts: accounts(), requested: AtomicUsize::new(0), gate: Mutex::new(gate) });
    let running = Running::with_authenticator(Arc::clone(&slow) as _, &[]).await;
    let requested = || slow.requested.load(Ordering::Relaxed);

    // Meanwhile requests that need no verification are served, all by one thread.
    let mut waiting = running.connect().await;
    waiting.send(hello().octets()).await;
    let mut anyone = running.connect().await;
    let identifying = post(identify()).anonymous().header("WSMANIDENTIFY", "unauthenticated");
    assert_eq!(anyone.ask(&identifying).await.status, 200);
    go_on.send(()).unwrap();
    assert_eq!(waiting.answer().await.status, 200);
    assert_eq!(requested(), 1);

    for _ in 0..5 {
        assert_eq!(waiting.ask(&hello()).await.status, 200);
        assert_challenge(&waiting.ask(&hello().anonymous()).await, &[BASIC]);
    }
    assert_eq!(requested(), 1);
    // A wrong password is verified each time and does not replace the right one.
    for times in 2..4 {
        go_on.send(()).unwrap();
        assert_challenge(&waiting.ask(&hello().signed_in("ada", "wrong")).await, &[BASIC]);
        assert_eq!(requested(), times);
        assert_eq!(waiting.ask(&hello()).await.status, 200);
        assert_eq!(requested(), times);
    }
    // Another connection does not share the cache.
    go_on.send(()).unwrap();
    assert_eq!(anyone.ask(&hello()).await.status, 200);
    assert_eq!(requested(), 4);
    running.stop().await;
}

fn calls(running: &Running) -> usize {
    let called = |event: &_| matches!(event, crate::probe::Event::Called(_));
    running.probe.so_far().into_iter().filter(called).count()
}
