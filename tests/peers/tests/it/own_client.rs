//! Our command lines and our library against a service whose sign-in and sealing are pyspnego's.

use client::{Authentication, Credentials, Endpoint, Secret, Session, ShellOptions, TlsPolicy};
use telarch_peers::{
    Flaw, KerberosPeer, Keys, PASSWORD, PyspnegoService, REALM, Realm, Run, USER, Winrm, Winrs, in_realm,
};

/// One way of signing in, and how the service tells it afterwards.
struct Way {
    /// `-authentication`.
    scheme: &'static str,
    /// None for the holder of the ticket.
    user: Option<String>,
    /// The scheme of HTTP, the mechanism and the name that the service has learned.
    seen: String,
    /// Whether large messages are cut into parts.
    cut: Cut,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    Never,
    At16KiB,
}

fn by_password() -> Vec<Way> {
    let way =
        |scheme, seen: &str, cut| Way { scheme, user: Some(USER.to_owned()), seen: seen.to_owned(), cut };
    vec![
        way("negotiate", &format!("Negotiate ntlm {USER}"), Cut::Never),
        way("credssp", &format!("CredSSP ntlm {USER}"), Cut::At16KiB),
    ]
}

fn in_the_realm() -> Vec<Way> {
    let principal = format!("{USER}@{REALM}");
    let way = |scheme, user, seen: &str, cut| {
        let seen = format!("{seen} kerberos {principal}");
        Way { scheme, user, seen, cut }
    };
    vec![
        way("kerberos", Some(principal.clone()), "Kerberos", Cut::Never),
        way("kerberos", None, "Kerberos", Cut::Never),
        way("negotiate", None, "Negotiate", Cut::Never),
        way("negotiate", Some(principal.clone()), "Negotiate", Cut::Never),
        way("credssp", Some(principal.clone()), "CredSSP", Cut::At16KiB),
    ]
}

#[test]
fn ntlm_and_credssp_sign_in_and_seal_both_ways() {
    assert_all_sign_in_and_seal(&by_password());
}

#[test]
fn kerberos_signs_in_and_seals_both_ways() {
    run("kerberos_signs_in_and_seals_both_ways", |realm| {
        realm.kinit(&[]);
        assert_all_sign_in_and_seal(&in_the_realm());
    });
}

#[test]
fn the_library_signs_in_and_seals_both_ways() {
    run("the_library_signs_in_and_seals_both_ways", |realm| {
        realm.kinit(&[]);
        let service = PyspnegoService::start(&OFFERS, Flaw::None);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let by_ticket = [(Authentication::Kerberos, None), (Authentication::Negotiate, None)];
        let by_password = [(Authentication::Negotiate, Some(USER)), (Authentication::CredSsp, Some(USER))];
        for (authentication, user) in by_ticket.into_iter().chain(by_password) {
            for url in [service.http(), service.https()] {
                let reported = runtime.block_on(sign_in_by_library(url, authentication, user));
                let protection = if url == service.http() { "sealed" } else { "open" };
                assert!(
                    reported.contains(USER) && reported.contains(protection),
                    "{authentication:?} {url}: {reported}"
                );
            }
        }
    });
}

/// What the service says of the sign-in, after a command has run.
async fn sign_in_by_library(url: &str, authentication: Authentication, user: Option<&str>) -> String {
    let at = format!("{authentication:?} {url}");
    let credentials =
        user.map(|user| Credentials { user: user.to_owned(), password: Secret::new(PASSWORD.to_owned()) });
    let endpoint = Endpoint::parse(url).expect("an address");
    let builder = Session::builder(endpoint).tls(TlsPolicy::new().skip_ca().skip_name());
    let builder = builder.authentication(authentication);
    let builder = match credentials {
        Some(credentials) => builder.credentials(credentials),
        None => builder,
    };
    let session = builder.build().expect("settings that fit");
    let shell = session.shell(ShellOptions::default()).await.unwrap_or_else(|error| panic!("{at}: {error}"));
    let finished = shell.run("cat").await.unwrap_or_else(|error| panic!("{at}: {error}"));
    assert_eq!((finished.stdout.as_slice(), finished.exit_code), (&b""[..], 0), "{at}");
    shell.close().await.unwrap_or_else(|error| panic!("{at}: {error}"));
    let identified = session.identify().await.unwrap_or_else(|error| panic!("{at}: {error}"));
    identified.identity.product_vendor
}

#[test]
fn a_service_bound_to_another_certificate_refuses_our_client() {
    let service = PyspnegoService::start(&OFFERS, Flaw::OtherCertificate);
    let refused = winrm(service.https(), "negotiate", Some(USER)).run(&["id"]);
    let (stdout, stderr, code) = refused.text();
    assert_eq!((stdout, code), ("", 1), "{stderr}");
    service.complained("bindings do not match");
}

#[test]
fn an_unsealed_response_is_rejected() {
    let service = PyspnegoService::start(&OFFERS, Flaw::OpenAnswers);
    for scheme in ["negotiate", "credssp"] {
        let refused = winrm(service.http(), scheme, Some(USER)).run(&["id"]);
        let (stdout, stderr, code) = refused.text();
        assert_eq!((stdout, code), ("", 1), "{scheme}: {stderr}");
        assert!(stderr.contains("unencrypted response (HTTP 200) to an encrypted message"), "{stderr}");
    }
}

#[test]
fn no_request_is_sent_without_mutual_authentication() {
    run("no_request_is_sent_without_mutual_authentication", |realm| {
        realm.kinit(&[]);
        let service = PyspnegoService::start(&OFFERS, Flaw::NoProof);
        for scheme in ["kerberos", "negotiate"] {
            let refused = winrm(service.https(), scheme, None).run(&["id"]);
            let (stdout, stderr, code) = refused.text();
            assert_eq!((stdout, code), ("", 1), "{scheme}: {stderr}");
            assert!(stderr.contains("the peer did not prove that it knows the secret"), "{stderr}");
        }
    });
}

fn assert_all_sign_in_and_seal(ways: &[Way]) {
    let service = PyspnegoService::start(&OFFERS, Flaw::None);
    let input = large_input();
    let mut wrong = Vec::new();
    for way in ways {
        let sealed = if way.cut == Cut::At16KiB { "sealed in parts" } else { "sealed in one" };
        for (url, protection) in [(service.http(), sealed), (service.https(), "open")] {
            let cell = format!("{} as {:?} at {url}", way.scheme, way.user);
            let mut check = |what: &str, is_right: bool, run: &Run| {
                if !is_right {
                    wrong.push(format!("{cell}, {what}: {run:?}"));
                }
            };
            let ran = winrs(url, way.scheme, way.user.as_deref()).run(&["cat"], &input);
            check("a shell", ran.code == 0 && ran.stdout == input, &ran);
            let reported = winrm(url, way.scheme, way.user.as_deref()).run(&["id"]);
            let expected = format!("    ProductVendor = {} {protection}\n", way.seen);
            check("identify", reported.code == 0 && reported.text().0.contains(&expected), &reported);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn winrm(url: &str, scheme: &str, user: Option<&str>) -> Winrm {
    let winrm = Winrm::to(url).user(user).switch(&format!("-authentication:{scheme}"));
    let winrm = winrm.setting(TRUSTED).setting(CREDSSP);
    let winrm = if is_principal(user) { winrm.switch(SERVICE_NAME) } else { winrm };
    if url.starts_with("https") { winrm.switch("-skipCAcheck").switch("-skipCNcheck") } else { winrm }
}

fn winrs(url: &str, scheme: &str, user: Option<&str>) -> Winrs {
    let winrs = Winrs::to(url).user(user).switch(&format!("-authentication:{scheme}"));
    let winrs = winrs.setting(TRUSTED).setting(CREDSSP);
    let winrs = if is_principal(user) { winrs.switch(SERVICE_NAME) } else { winrs };
    if url.starts_with("https") { winrs.switch("-skipCAcheck").switch("-skipCNcheck") } else { winrs }
}

fn is_principal(user: Option<&str>) -> bool {
    user.is_some_and(|user| user.contains('@'))
}

/// With a password, a realm is asked only for hosts with a name, and `localhost` is every host.
const SERVICE_NAME: &str = "-spn:HTTP/localhost";
/// NTLM cannot prove who the service is, so it is for trusted hosts only where TLS does not do that.
const TRUSTED: &str = r#"Client.TrustedHosts = "localhost""#;
/// It is off for clients unless somebody says otherwise.
const CREDSSP: &str = "Client.Auth.CredSSP = true";

/// Far more than one record of TLS holds, and than one line of Base64.
fn large_input() -> Vec<u8> {
    (0..=255).cycle().take(100_000).collect()
}

/// Runs `body` in a process of its own in a new realm, if the peers and the KDC are installed.
fn run(name: &str, body: impl FnOnce(&Realm)) {
    if KerberosPeer::is_installed() {
        in_realm(&format!("own_client::{name}"), Keys::AesSha1, body);
    }
}

const OFFERS: [&str; 3] = ["Negotiate", "Kerberos", "CredSSP"];
