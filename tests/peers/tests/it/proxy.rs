//! Our client through Squid: tunnels to HTTPS, requests passed on to HTTP, and who asks the proxy.

use telarch_peers::{Gatekeeper, Keys, PASSWORD, Run, Squid, Telarchd, USER, Winrm, in_realm};

fn winrm(url: &str, squid: &Squid, switches: &[&str]) -> Winrm {
    let winrm = Winrm::to(url).variable("https_proxy", &squid.url()).variable("http_proxy", &squid.url());
    let winrm = winrm.switch("-proxyaccess:ie_settings");
    switches.iter().fold(winrm, |winrm, switch| winrm.switch(switch))
}

fn is_configuration(run: &Run) -> bool {
    run.code == 0 && run.text().0.starts_with("Config\n    MaxEnvelopeSizekb = ")
}

fn login(scheme: &str, password: &str) -> [String; 3] {
    [format!("-proxyauth:{scheme}"), format!("-proxyusername:{USER}"), format!("-proxypassword:{password}")]
}

const UNCHECKED: [&str; 2] = ["-skipCAcheck", "-skipCNcheck"];

#[test]
fn https_is_tunnelled_and_http_is_forwarded() {
    let Some(squid) = Squid::start(Gatekeeper::Nobody) else { return };
    let service = Telarchd::start(&[]);
    let run = winrm(service.https(), &squid, &UNCHECKED).run(&["get", "winrm/config"]);
    assert!(is_configuration(&run), "{run:?}");
    let place = service.https().trim_start_matches("https://").trim_end_matches("/wsman");
    assert_eq!(squid.requests_once_there_are(1), [format!("200 CONNECT {place}")]);

    // NTLM belongs to the connection, so that each request must find it again.
    let run = winrm(service.http(), &squid, &[]).run(&["get", "winrm/config"]);
    assert!(is_configuration(&run), "{run:?}");
    let requests = squid.requests_once_there_are(3);
    let passed_on = requests.iter().filter(|line| **line == format!("200 POST {}", service.http())).count();
    assert!(passed_on >= 1, "{requests:?}");
}

#[test]
fn basic_and_digest_sign_in_to_a_proxy_which_refuses_a_wrong_password() {
    for (gatekeeper, scheme) in [(Gatekeeper::Basic, "basic"), (Gatekeeper::Digest, "digest")] {
        let Some(squid) = Squid::start(gatekeeper) else { return };
        let service = Telarchd::start(&[("Service.AllowUnencrypted", "true")]);
        let right = login(scheme, PASSWORD);
        let right: Vec<&str> = right.iter().map(String::as_str).collect();
        let run =
            winrm(service.https(), &squid, &[&UNCHECKED[..], &right].concat()).run(&["get", "winrm/config"]);
        assert!(is_configuration(&run), "{scheme}: {run:?}");
        let plain = [&["-unencrypted", "-authentication:basic"][..], &right].concat();
        let run = winrm(service.http(), &squid, &plain).run(&["get", "winrm/config"]);
        assert!(is_configuration(&run), "{scheme}: {run:?}");

        let wrong = login(scheme, "not-the-password");
        let wrong: Vec<&str> = wrong.iter().map(String::as_str).collect();
        let run = winrm(service.https(), &squid, &[&UNCHECKED[..], &wrong].concat())
            .switch("-exitcode:detailed")
            .run(&["id"]);
        let (_, errors, code) = run.text();
        assert_eq!(code, 4, "{scheme}: {run:?}");
        assert!(errors.contains("the proxy rejected the credentials"), "{scheme}: {run:?}");
        assert!(!errors.contains("not-the-password"), "{run:?}");
    }
}

#[test]
fn a_proxy_that_requires_credentials_is_reported_with_the_switches() {
    let Some(squid) = Squid::start(Gatekeeper::Digest) else { return };
    let service = Telarchd::start(&[]);
    let run = winrm(service.https(), &squid, &UNCHECKED).run(&["id"]);
    let (_, errors, code) = run.text();
    assert_eq!(code, 1, "{run:?}");
    assert!(errors.contains("the proxy requires authentication (it offers Digest)"), "{run:?}");
    assert!(errors.contains("-proxyusername:NAME"), "{run:?}");
}

#[test]
fn a_kerberos_ticket_signs_in_to_a_proxy() {
    in_realm("proxy::a_kerberos_ticket_signs_in_to_a_proxy", Keys::AesSha1, |realm| {
        let Some(squid) = Squid::start(Gatekeeper::Kerberos(realm)) else { return };
        let service = Telarchd::start(&[("Service.AllowUnencrypted", "true")]);
        realm.kinit(&[]);
        let ticket = [&UNCHECKED[..], &["-proxyauth:negotiate"]].concat();
        let run = winrm(service.https(), &squid, &ticket).run(&["get", "winrm/config"]);
        assert!(is_configuration(&run), "{run:?}");
        let named = service.http().replace("127.0.0.1", "localhost");
        let run = winrm(&named, &squid, &["-proxyauth:negotiate"]).user(None).run(&["get", "winrm/config"]);
        assert!(is_configuration(&run), "{run:?}");
    });
}

#[test]
fn a_proxy_that_cannot_reach_the_service_is_named() {
    let Some(squid) = Squid::start(Gatekeeper::Nobody) else { return };
    for url in ["https://10.255.255.1:5986/wsman", "http://10.255.255.1:5985/wsman"] {
        let run = winrm(url, &squid, &["-auth:none", "-exitcode:detailed"]).user(None).run(&["id"]);
        let (_, errors, code) = run.text();
        assert_eq!(code, 3, "{run:?}");
        assert!(errors.contains("cannot connect through the proxy"), "{run:?}");
        assert!(errors.contains("HTTP 403"), "{run:?}");
    }
    let service = Telarchd::start(&[]);
    let gone = Winrm::to(service.https()).variable("https_proxy", "http://127.0.0.1:9");
    let run = gone.switch("-proxyaccess:auto_detect").run(&["id"]);
    assert!(run.text().1.contains("proxy unreachable"), "{run:?}");
    let direct = winrm(service.https(), &squid, &UNCHECKED).variable("no_proxy", "127.0.0.0/8");
    assert_eq!(direct.run(&["id"]).code, 0);
}
