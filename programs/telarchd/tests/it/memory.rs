//! Repeated sign-ins do not leak memory in the broker, for every authentication scheme.
//!
//! Each test signs in some hundred times, or 10 000 times with `TELARCH_LONG=1`, each time on a new connection. After
//! the second half, the broker may hardly use more memory than after the first.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use accounts::{HostKey, IfMissing};
use auth::Secret;
use auth::ntlm::NtHash;
use client::{Authentication, ClientCertificate, Credentials, Endpoint, Locator, Session, TlsPolicy};
use ports::free_ports;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair};
use telarch_peers::{Keys, REALM, Realm, USER, in_realm};
use tokio::runtime::Runtime;
use wsman::{ResourceUri, SelectorSet};

use crate::http_connection::Connection;
use crate::message;
use crate::service_process::{
    BASIC_OVER_HTTP, PASSWORD, Telarchd, is_root, listener, loopback, memory, user, write_private,
};
use crate::test_user::TestUser;

/// Number of concurrent clients.
const CLIENTS: usize = 4;
/// Maximum growth of memory in the second half in KiB: less than 2 KiB per sign-in of the long run.
const MAX_GROWTH: u64 = 8 << 10;

/// Returns whether the service has a broker.
fn is_separate() -> bool {
    if !is_root() {
        eprintln!("SKIPPED: only the service of root has a broker");
    }
    is_root()
}

/// Signs in `count` times, or 10,000 times in a long run, and compares the memory of the broker after each half.
fn stays_flat(telarchd: &Telarchd, count: usize, sign_in: impl Fn() + Sync) {
    let count = if std::env::var_os("TELARCH_LONG").is_some() { 10_000 } else { count };
    let broker = telarchd.pid().as_raw_nonzero().get();
    // A reload releases free memory.
    telarchd.reload();
    let start = memory(broker);
    let halves = [(); 2].map(|()| {
        let left = AtomicUsize::new(count / 2);
        std::thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| {
                    let take = |left: usize| left.checked_sub(1);
                    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
                        sign_in();
                    }
                });
            }
        });
        telarchd.reload();
        memory(broker)
    });
    let shown = format!("{start} KiB, then {halves:?} KiB, after {count} sign-ins in two halves");
    eprintln!("{shown}");
    assert!(halves[1] < halves[0] + MAX_GROWTH, "{shown}");
    assert!(halves[1] < start + 3 * MAX_GROWTH, "{shown}");
}

fn set_nt_hash(telarchd: &Telarchd, name: &str) {
    let key = HostKey::load_or_create(&telarchd.state()).unwrap();
    let hash = NtHash::of_password(&Secret::new(PASSWORD.to_owned()));
    accounts::update(&telarchd.file("accounts"), IfMissing::Fail, |file| {
        let record = file.find(name).ok_or("no account")?.clone();
        let sealed = key.seal_nt_hash(&hash, &record.name, record.rid).map_err(|error| error.to_string())?;
        file.set_nt_hash(name, Some(sealed)).map_err(|error| error.to_string())?;
        Ok::<_, Box<dyn std::error::Error>>(())
    })
    .unwrap();
}

fn settings() -> Locator {
    Locator::new(ResourceUri::parse(wsman::namespace::CONFIG).unwrap())
}

/// Signs in over a new connection and reads the settings; a denial of access does not matter here.
fn read_settings(session: &Session) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match runtime.block_on(session.get(&settings())) {
        Ok(_) | Err(client::Error::Fault(_)) => {}
        Err(error) => panic!("{error}"),
    }
}

fn session(url: &str, authentication: Authentication) -> Session {
    let credentials = Credentials { user: user(), password: client::Secret::new(PASSWORD.to_owned()) };
    Session::builder(Endpoint::parse(url).unwrap())
        .credentials(credentials)
        .authentication(authentication)
        .tls(TlsPolicy::new().skip_ca().skip_name())
        .build()
        .unwrap()
}

#[test]
fn sign_ins_with_passwords_of_the_account_file_leak_no_memory() {
    if !is_separate() {
        return;
    }
    let [port] = free_ports();
    let http = listener("IP:127.0.0.1", "HTTP", port, "");
    let telarchd = Telarchd::start(&[BASIC_OVER_HTTP, &http].concat());
    // Password hashing is slow on purpose.
    stays_flat(&telarchd, 400, || {
        assert_eq!(Connection::open(loopback(port)).ask("/wsman", &message::settings()).status, 200);
    });
}

#[test]
fn sign_ins_with_passwords_verified_by_pam_leak_no_memory() {
    let Some(ann) = TestUser::create() else { return };
    let [port] = free_ports();
    let http = listener("IP:127.0.0.1", "HTTP", port, "");
    let telarchd = Telarchd::start(&[BASIC_OVER_HTTP, &http].concat());
    // PAM is slow, and few attempts of one source are verified in parallel.
    stays_flat(&telarchd, 200, || {
        let answer = Connection::open(loopback(port)).ask_as(&ann.name, "/wsman", &message::settings());
        assert_ne!(answer.status, 401, "{answer:?}");
    });
}

#[test]
fn sign_ins_by_ntlm_leak_no_memory() {
    if !is_separate() {
        return;
    }
    let [port] = free_ports();
    let http = listener("IP:127.0.0.1", "HTTP", port, "");
    let telarchd = Telarchd::start(&["Service.IPv6Filter = \"\"\n", &http].concat());
    set_nt_hash(&telarchd, &user());
    telarchd.reload();
    let url = format!("http://127.0.0.1:{port}/wsman");
    stays_flat(&telarchd, 600, || read_settings(&session(&url, Authentication::Negotiate)));
}

#[test]
fn sign_ins_by_credssp_leak_no_memory() {
    if !is_separate() {
        return;
    }
    let [port] = free_ports();
    let https = listener("IP:127.0.0.1", "HTTPS", port, "");
    let telarchd =
        Telarchd::start(&["Service.Auth.CredSSP = true\nService.IPv6Filter = \"\"\n", &https].concat());
    set_nt_hash(&telarchd, &user());
    telarchd.reload();
    let url = format!("https://127.0.0.1:{port}/wsman");
    stays_flat(&telarchd, 300, || read_settings(&session(&url, Authentication::CredSsp)));
}

/// Creates a self-signed client certificate.
fn holder(folder: &Path) -> ClientCertificate {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "holder");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.self_signed(&key).unwrap();
    let path = folder.join("holder.pem");
    write_private(&path, &[certificate.pem(), key.serialize_pem()].concat());
    ClientCertificate::from_files(&path, &path).unwrap()
}

#[test]
fn sign_ins_by_certificate_leak_no_memory() {
    const MAPPINGS: &str = "http://schemas.microsoft.com/wbem/wsman/1/config/service/certmapping";
    if !is_separate() {
        return;
    }
    let [port] = free_ports();
    let https = listener("IP:127.0.0.1", "HTTPS", port, "");
    let config = ["Service.Auth.Certificate = true\nService.IPv6Filter = \"\"\n", &https].concat();
    let telarchd = Telarchd::start(&config);
    let holder = holder(telarchd.folder.path());
    let selectors = SelectorSet::new()
        .with("Issuer", holder.thumbprint().to_string())
        .with("Subject", "holder")
        .with("URI", "*");
    let mapping = Locator::new(ResourceUri::parse(MAPPINGS).unwrap()).with_selectors(selectors);
    let mut body = xml::Writer::new();
    body.start("cfg:CertMapping").namespace("cfg", MAPPINGS);
    body.element("cfg:UserName", &user()).element("cfg:Password", PASSWORD);
    let own = Session::local([telarchd.state().join("local.sock")]).build().unwrap();
    Runtime::new().unwrap().block_on(own.create(&mapping, &body.into_fragment())).unwrap();
    stays_flat(&telarchd, 300, || {
        let endpoint = Endpoint::parse(&format!("https://localhost:{port}/wsman")).unwrap();
        let session = Session::builder(endpoint).tls(TlsPolicy::new().skip_ca().skip_name());
        read_settings(&session.client_certificate(holder.clone()).build().unwrap());
    });
}

#[test]
fn sign_ins_by_kerberos_leak_no_memory() {
    if !is_separate() {
        return;
    }
    let name = "memory::sign_ins_by_kerberos_leak_no_memory";
    in_realm(name, Keys::AesSha1, |realm: &Realm| {
        realm.kinit(&[]);
        let [port] = free_ports();
        let mut telarchd = Telarchd::new(&listener("IP:127.0.0.1", "HTTP", port, ""));
        telarchd.add_account(USER, auth::account_file::Role::Administrator);
        std::fs::write(telarchd.file("principals"), format!("{USER}@{REALM} {USER}\n")).unwrap();
        telarchd.run();
        let url = format!("http://localhost:{port}/wsman");
        stays_flat(&telarchd, 300, || {
            let session = Session::builder(Endpoint::parse(&url).unwrap());
            read_settings(&session.authentication(Authentication::Kerberos).build().unwrap());
        });
    });
}
