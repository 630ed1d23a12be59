//! `winrm doctor HOST`: each broken set-up is a real one, and the first line that fails is the one to begin with.

use std::net::{Ipv4Addr, TcpListener};

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair, date_time_ymd};
use telarch_peers::{
    Curl, Diagnosis, Flaw, FullQueue, Holder, OpensslServer, PASSWORD, Password, PyspnegoService, Sink,
    StoredService, Telarchd, USER, WayIn, WebServer, Winrm, Winrs, firewall, in_network,
};

#[test]
fn no_check_fails_on_a_working_service() {
    for way in [WayIn::NegotiateOverHttps, WayIn::BasicOverHttps, WayIn::NegotiateOverHttp] {
        let service = Telarchd::start_for(way);
        let diagnosis = Diagnosis::of(Winrm::against(&service, way));
        diagnosis.is_well();
        for check in [
            "name",
            "port",
            "identify",
            "schemes",
            "sign-in",
            "access",
            "quotas",
            "shell",
            "latency",
            "throughput",
        ] {
            assert_eq!(diagnosis.check(check).verdict, "pass", "{diagnosis:#?}");
        }
        let verdict = diagnosis.check("tls").verdict;
        assert_eq!(verdict, if way.is_tls() { "warn" } else { "skip" }, "{diagnosis:#?}");
    }
}

#[test]
fn a_trusted_certificate_is_no_warning_and_basic_is_checked() {
    let service = Telarchd::start(&[]);
    let ca = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(ca.path(), telarch_peers::served_pem(service.https())).expect("room");
    let winrm = Winrm::to(service.https()).switch(&format!("-ca:{}", ca.path().display()));
    let diagnosis = Diagnosis::of(winrm);
    diagnosis.is_well();
    assert_eq!(diagnosis.check("tls").verdict, "pass", "{diagnosis:#?}");
    assert!(diagnosis.check("tls").seen.contains(service.thumbprint()), "{diagnosis:#?}");
    for by in ["by negotiate", "by basic"] {
        assert_eq!(diagnosis.check(by).verdict, "pass", "{diagnosis:#?}");
    }
}

#[test]
fn an_unresolvable_name() {
    let diagnosis = examined("nobody-is-called-so.invalid");
    diagnosis.begins_with("name", "nobody-is-called-so.invalid", "check the spelling");
    assert_eq!(diagnosis.check("sign-in").seen, "name failed");
}

#[test]
fn a_port_without_a_listener() {
    let free =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr()).expect("a port");
    let diagnosis = examined(&format!("http://{free}"));
    diagnosis.begins_with("port", "no service is listening", "that the service is running");
}

#[test]
fn a_port_whose_packets_are_dropped() {
    let queue = FullQueue::start();
    let diagnosis = Diagnosis::of(Winrm::to(&queue.http()).switch("-timeout:1500"));
    diagnosis.begins_with("port", "timed out", "a firewall may drop the packets");
}

#[test]
fn a_firewall_that_drops() {
    in_network("doctor::a_firewall_that_drops", || {
        let service = Telarchd::start(&[]);
        Diagnosis::of(Winrm::against(&service, WayIn::NegotiateOverHttps)).is_well();
        let port =
            service.https().rsplit_once(':').and_then(|(_, rest)| rest.split('/').next()).expect("a port");
        firewall(&format!(
            "add table inet filter\nadd chain inet filter input {{ type filter hook input priority 0; }}\n\
             add rule inet filter input tcp dport {port} drop\n"
        ));
        let winrm = Winrm::against(&service, WayIn::NegotiateOverHttps).switch("-timeout:1500");
        Diagnosis::of(winrm).begins_with("port", "timed out", "a firewall may drop the packets");
    });
}

#[test]
fn a_port_that_accepts_and_never_answers() {
    let sink = Sink::silent();
    let examined = |url: &str| Diagnosis::of(Winrm::to(url).switch("-timeout:1500"));
    examined(&sink.http()).begins_with("identify", "does not respond", "ss -ltnp");
    examined(&sink.https()).begins_with("tls", "handshake timed out", "ss -ltnp");
}

#[test]
fn a_port_that_hangs_up() {
    let sink = Sink::hanging_up();
    examined(&sink.http()).begins_with("identify", "was closed before the response", "may need HTTPS");
}

#[test]
fn http_at_the_port_of_https() {
    let service = Telarchd::start(&[]);
    let url = service.https().replace("https", "http");
    let port = url.rsplit_once(':').expect("a port").1.trim_end_matches("/wsman").to_owned();
    examined(&url).begins_with(
        "identify",
        "does not speak HTTP",
        &format!("winrm doctor https://127.0.0.1:{port}"),
    );
}

#[test]
fn https_at_the_port_of_http() {
    let service = Telarchd::start(&[]);
    let url = service.http().replace("http", "https");
    examined(&url).begins_with("tls", "does not speak TLS", "may be for HTTP");
}

#[test]
fn a_prefix_without_a_listener() {
    let service = Telarchd::start(&[]);
    examined(&service.http().replace("/wsman", "/elsewhere")).begins_with(
        "identify",
        "404",
        "the prefix to use wsman",
    );
}

#[test]
fn a_web_server_that_has_files_only() {
    let server = WebServer::of_files();
    examined(&server.http()).begins_with("identify", "HTTP 501", "check port and prefix");
}

#[test]
fn a_captive_portal() {
    let server = WebServer::of_a_portal();
    examined(&server.http()).begins_with("identify", "a redirect", "a captive portal");
}

#[test]
fn a_certificate_of_an_unknown_issuer() {
    let service = Telarchd::start(&[]);
    let diagnosis = examined(service.https());
    diagnosis.begins_with("tls", "not signed by a trusted authority", "-ca:FILE");
    assert!(diagnosis.check("tls").seen.contains(service.thumbprint()), "{diagnosis:#?}");
}

#[test]
fn a_certificate_that_has_expired() {
    let server = showing(|certificate| certificate.not_after = date_time_ymd(2020, 2, 3));
    let diagnosis = Diagnosis::of(Winrm::to(&server.https()).switch(&server.trusted()));
    diagnosis.begins_with("tls", "expired on Mon, 03 Feb 2020", "renew it");
}

#[test]
fn a_certificate_that_is_not_valid_yet() {
    let server = showing(|certificate| certificate.not_before = date_time_ymd(4000, 1, 1));
    let diagnosis = Diagnosis::of(Winrm::to(&server.https()).switch(&server.trusted()));
    diagnosis.begins_with("tls", "is not valid before", "compare the clocks");
}

#[test]
fn a_certificate_for_another_name() {
    let key = KeyPair::generate().expect("a key");
    let certificate =
        CertificateParams::new(["other.example".to_owned()]).and_then(|it| it.self_signed(&key));
    let server = OpensslServer::start(&certificate.expect("a certificate").pem(), &key.serialize_pem());
    let diagnosis = Diagnosis::of(Winrm::to(&server.https()).switch(&server.trusted()));
    diagnosis.begins_with(
        "tls",
        "is not valid for 127.0.0.1: for other.example",
        "use a host name that the certificate contains",
    );
}

#[test]
fn a_certificate_that_is_for_clients() {
    let clients = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let server = showing(|certificate| certificate.extended_key_usages = clients);
    let diagnosis = Diagnosis::of(Winrm::to(&server.https()).switch(&server.trusted()));
    diagnosis.begins_with("tls", "is not valid for server authentication", "serverAuth");
}

#[test]
fn a_proxy_that_does_not_listen() {
    let service = Telarchd::start(&[]);
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr());
    let proxy = format!("http://{}", free.expect("a free port"));
    let winrm = Winrm::to(service.http()).switch("-proxyaccess:ie_settings");
    let diagnosis = Diagnosis::of(winrm.variable("http_proxy", &proxy).variable("no_proxy", ""));
    diagnosis.begins_with("identify", "proxy unreachable", "proxy");
    assert_eq!(diagnosis.check("port").verdict, "skip", "{diagnosis:#?}");
}

#[test]
fn a_scheme_that_the_service_has_disabled() {
    let service = Telarchd::start(&[("Service.Auth.Negotiate", "false")]);
    let diagnosis = Diagnosis::of(Winrm::against(&service, WayIn::NegotiateOverHttps));
    diagnosis.begins_with("schemes", "not offer Negotiate", "winrm set winrm/config/service/auth");
    let first = diagnosis.check("schemes");
    assert!(first.fixes.iter().any(|line| line == "try -authentication:basic"), "{diagnosis:#?}");
}

#[test]
fn a_service_without_any_scheme() {
    let off = [
        ("Service.Auth.Basic", "false"),
        ("Service.Auth.Negotiate", "false"),
        ("Service.Auth.Kerberos", "false"),
    ];
    let service = Telarchd::start(&off);
    let diagnosis = Diagnosis::of(Winrm::against(&service, WayIn::NegotiateOverHttps));
    diagnosis.begins_with("schemes", "offers no scheme", "run winrm quickconfig");
}

#[test]
fn basic_over_http_that_the_service_does_not_allow() {
    let service = Telarchd::start(&[]);
    let winrm = Winrm::to(service.http()).switch("-authentication:basic").switch("-unencrypted");
    Diagnosis::of(winrm).begins_with("schemes", "not offer Basic", "only if the service allows unencrypted");
}

#[test]
fn a_password_is_not_sent_unencrypted() {
    let service = Telarchd::start_for(WayIn::BasicOverAllowedHttp);
    let winrm = Winrm::to(service.http()).switch("-authentication:basic");
    Diagnosis::of(winrm).begins_with("sign-in", "refused to send a password", "use https://");
    assert!(!service.log().contains("Sign-in"), "{}", service.log());
}

#[test]
fn a_scheme_that_the_client_has_disabled() {
    let service = Telarchd::start(&[]);
    let winrm = Winrm::against(&service, WayIn::NegotiateOverHttps).setting("Client.Auth.Negotiate = false");
    Diagnosis::of(winrm).begins_with(
        "sign-in",
        "no credentials were sent",
        "winrm set winrm/config/client/auth -set:Negotiate=true",
    );
}

#[test]
fn a_wrong_password_is_sent_once() {
    let service = Telarchd::start(&[]);
    let winrm = Winrm::to(service.https()).switch("-skipCAcheck").switch("-skipCNcheck");
    let diagnosis = Diagnosis::of(winrm.password(Password::Switch("wrong")));
    diagnosis.begins_with("sign-in", &format!("rejected {USER}"), "the user name or the password is wrong");
    assert_eq!(diagnosis.check("by basic").verdict, "skip", "{diagnosis:#?}");
    assert_eq!(service.logged(&["Sign-in failed"]).matches("Sign-in failed").count(), 1);
}

#[test]
fn accounts_that_are_locked_or_disabled() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr());
    let address = free.expect("a free port");
    let stored = StoredService::files(&format!(
        "Service.Auth.Basic = true\n[[Listener]]\nAddress = \"IP:127.0.0.1\"\nTransport = \"HTTPS\"\nPort = {}\n",
        address.port()
    ));
    for user in [USER, "eve"] {
        stored.account(&["add", user, "--password-stdin", "--ntlm"], PASSWORD);
    }
    stored.account(&["disable", "eve"], "");
    let _kept = stored.start();
    let url = format!("https://{address}/wsman");
    let examined = |user: &str| {
        let winrm = Winrm::to(&url).user(Some(user)).switch("-skipCAcheck").switch("-skipCNcheck");
        Diagnosis::of(winrm.switch("-authentication:negotiate"))
    };
    assert_eq!(examined(USER).check("sign-in").verdict, "pass");
    examined("eve").begins_with("sign-in", "rejected eve", "may be locked, disabled");
    for _ in 0..10 {
        assert_eq!(Curl::to(&url).scheme("--basic", &format!("{USER}:wrong")).last_status(), 401);
    }
    examined(USER).begins_with("sign-in", &format!("rejected {USER}"), "may be locked, disabled");
}

#[test]
fn a_client_certificate_without_a_mapping() {
    let service = Telarchd::start(&[("Service.Auth.Certificate", "true")]);
    let holder = Holder::self_signed("nobody@localhost");
    let diagnosis = Diagnosis::of(Winrm::held_by(&holder, &service));
    diagnosis.begins_with("sign-in", "rejected the client certificate", "map the certificate to an account");
}

#[test]
fn a_proxy_that_terminates_tls() {
    let service = PyspnegoService::start(&["Negotiate"], Flaw::OtherCertificate);
    let winrm = Winrm::to(service.https()).switch("-skipCAcheck").switch("-skipCNcheck");
    Diagnosis::of(winrm).begins_with("sign-in", "rejected", "CbtHardeningLevel");
}

#[test]
fn a_user_without_access() {
    let service = Telarchd::start(&[("Service.RootSDDL", "O:NSG:BAD:P(D;;GA;;;WD)")]);
    let diagnosis = Diagnosis::of(Winrm::against(&service, WayIn::NegotiateOverHttps));
    diagnosis.begins_with(
        "shell",
        "entry of plug-in Shell for ",
        "winrm configSDDL http://schemas.microsoft.com/",
    );
    assert_eq!(diagnosis.check("access").verdict, "warn", "{diagnosis:#?}");
    assert_eq!(diagnosis.check("sign-in").verdict, "pass", "{diagnosis:#?}");
}

#[test]
fn disabled_shells() {
    let service = Telarchd::start(&[("Winrs.AllowRemoteShellAccess", "false")]);
    let diagnosis = Diagnosis::of(Winrm::against(&service, WayIn::NegotiateOverHttps));
    diagnosis.begins_with("shell", "remote shells are disabled", "-set:AllowRemoteShellAccess=true");
}

#[test]
fn an_exhausted_quota_of_shells() {
    let service = Telarchd::start(&[("Winrs.MaxShellsPerUser", "1")]);
    let way = WayIn::NegotiateOverHttps;
    let running = Winrs::against(&service, way).start(&["echo open; sleep 60"]);
    running.wait_for("open\n");
    let diagnosis = Diagnosis::of(Winrm::against(&service, way));
    diagnosis.begins_with("shell", "too many shells", "winrm delete shell?ShellId=ID");
    assert_eq!(diagnosis.check("quotas").verdict, "warn", "{diagnosis:#?}");
}

#[test]
fn sign_in_is_skipped_without_a_user_name_and_a_ticket() {
    let service = Telarchd::start(&[]);
    let winrm = Winrm::to(service.http()).user(None).variable("KRB5CCNAME", "FILE:/nonexistent/tickets");
    let diagnosis = Diagnosis::of(winrm);
    diagnosis.is_well();
    let signing_in = diagnosis.check("sign-in");
    assert!(signing_in.verdict == "skip" && signing_in.seen.contains("-username:NAME"), "{diagnosis:#?}");
}

#[test]
fn the_text_report_begins_with_the_endpoint_and_ends_with_the_first_fix() {
    let service = Telarchd::start(&[]);
    let run = Winrm::to(service.https()).run(&["doctor"]);
    let (stdout, stderr, code) = run.text();
    assert_eq!((stderr.lines().count(), code), (0, 1), "{run:?}");
    assert!(
        stdout.starts_with(&format!("{} as {USER}\n  pass  name           ", service.https())),
        "{stdout}"
    );
    assert!(
        stdout.contains("\n  fail  tls            certificate is not signed by a trusted authority"),
        "{stdout}"
    );
    assert!(stdout.contains("\n                       -> trust its issuer"), "{stdout}");
    assert!(stdout.contains("\n  skip  identify … throughput  tls failed\n"), "{stdout}");
    assert!(stdout.ends_with("; fix tls first\n"), "{stdout}");
    assert!(!stdout.contains('\x1b') && !stdout.contains(PASSWORD), "{stdout}");
    let run = Winrm::to(service.https()).switch("-exitcode:detailed").switch("-f:ndjson").run(&["doctor"]);
    let lines: Vec<serde_json::Value> =
        run.text().0.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    assert_eq!(run.code, 3, "{run:?}");
    assert_eq!(lines.last().expect("a summary")["first_failure"], "tls");
    assert_eq!(lines[0]["check"], "name");
}

fn examined(target: &str) -> Diagnosis {
    Diagnosis::of(Winrm::to(target))
}

/// A server with a certificate for this machine that is like others but in one way.
fn showing(change: impl FnOnce(&mut CertificateParams)) -> OpensslServer {
    let key = KeyPair::generate().expect("a key");
    let mut parameters = CertificateParams::new(["127.0.0.1".to_owned()]).expect("a name");
    change(&mut parameters);
    let certificate = parameters.self_signed(&key).expect("a certificate");
    OpensslServer::start(&certificate.pem(), &key.serialize_pem())
}
