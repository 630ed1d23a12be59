//! Attacks on authentication. Each test tries to break one security promise.
//!
//! Tokens come from the initiators of `auth` and `credssp`, and are changed byte by byte on their way.

mod binding;
mod client;
mod connection_identity;
mod guessing;
mod renewal;
mod sealed;
mod tokens;
mod unfinished;

use std::sync::Arc;
use std::time::SystemTime;

use accounts::{Attempts, LockoutPolicy, SignIn};
use auth::Authenticator;
use auth::ntlm::HostNames;
use credssp::ServiceCertificate;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use telarch_service::Certificate;

use crate::probe::Event;
use crate::running::{Running, accounts as listed};
use crate::wire::Answer;

/// Host name of the service.
const HOST: &str = "node7.lab.example";

/// Starts a service that offers every password scheme and requires sealing over HTTP.
async fn hardened(settings: &[(&str, &str)]) -> Running {
    let accounts = Arc::new(listed().on_host(names()));
    let sign_in = SignIn::new(Arc::clone(&accounts) as _).with_ntlm(accounts, names());
    guarded_by(sign_in, settings).await
}

/// Starts the same service with another authenticator.
async fn guarded_by(sign_in: SignIn, settings: &[(&str, &str)]) -> Running {
    let attempts = Arc::new(Attempts::new(LockoutPolicy::default()));
    with_authenticator(Arc::new(sign_in.counted(attempts).with_credssp(certificate_of_credssp)), settings)
        .await
}

async fn with_authenticator(authenticator: Arc<dyn Authenticator>, settings: &[(&str, &str)]) -> Running {
    let usual = [
        ("Service.AllowUnencrypted", "false"),
        ("Service.Auth.CredSSP", "true"),
        ("Service.RootSDDL", "O:NSG:BAD:P(A;;GA;;;WD)"),
    ];
    let settings: Vec<_> = usual.iter().chain(settings).copied().collect();
    Running::with_authenticator(authenticator, &settings).await
}

fn names() -> HostNames {
    HostNames::of_host(HOST)
}

fn certificate_of_credssp() -> Result<ServiceCertificate, String> {
    use std::sync::LazyLock;
    static CERTIFICATE: LazyLock<ServiceCertificate> = LazyLock::new(|| {
        let (_, pem) = Certificate::self_signed(&["CREDSSP".to_owned()], SystemTime::now()).unwrap();
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        ServiceCertificate::new(certificate, PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap()
    });
    Ok(CERTIFICATE.clone())
}

/// Checks that a response is the rejection, which is the same for every reason.
#[track_caller]
fn assert_refused(answer: &Answer) {
    assert_eq!(refusal(answer), EXPECTED_OVER_HTTP.join("\r\n"));
}

/// Returns a rejection without its date.
fn refusal(answer: &Answer) -> String {
    assert!(answer.body.is_empty(), "{answer:?}");
    let lines = answer.head.lines().filter(|line| !line.starts_with("Date: "));
    lines.collect::<Vec<_>>().join("\r\n")
}

const EXPECTED_OVER_HTTP: [&str; 6] = [
    "HTTP/1.1 401 Unauthorized",
    "WWW-Authenticate: Negotiate",
    "WWW-Authenticate: CredSSP",
    "Server: Microsoft-HTTPAPI/2.0",
    "Content-Length: 0",
    "",
];

/// Returns the texts of all calls of the plug-in so far.
fn calls(running: &Running) -> Vec<String> {
    let called = |event| match event {
        Event::Called(text) => Some(text),
        _ => None,
    };
    running.probe.so_far().into_iter().filter_map(called).collect()
}
