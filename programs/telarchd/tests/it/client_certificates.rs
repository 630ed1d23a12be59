//! Client certificate mappings: created over the Unix socket, stored, and used over HTTPS.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use accounts::IfMissing;
use auth::Secret;
use auth::account_file::{NewPassword, PasswordHash, UnixTime};
use client::{ClientCertificate, Endpoint, Error, Locator, Session, TlsPolicy, Transport};
use ports::free_ports;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair};
use tokio::runtime::Runtime;
use wsman::{ResourceUri, SelectorSet};
use xml::Writer;

use crate::PATIENCE;
use crate::service_process::{PASSWORD, Telarchd, listener, mode, user, write_private};

const ON: &str = "Service.Auth.Certificate = true\nService.IPv6Filter = \"\"\n";
const MAPPINGS: &str = "http://schemas.microsoft.com/wbem/wsman/1/config/service/certmapping";

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

fn mapping(holder: &ClientCertificate) -> Locator {
    let selectors = SelectorSet::new()
        .with("Issuer", holder.thumbprint().to_string())
        .with("Subject", "holder")
        .with("URI", "*");
    Locator::new(ResourceUri::parse(MAPPINGS).unwrap()).with_selectors(selectors)
}

/// Opens a session as a local program.
fn local_session(telarchd: &Telarchd) -> Session {
    Session::local([telarchd.state().join("local.sock")]).build().unwrap()
}

fn session(port: u16, holder: &ClientCertificate) -> Session {
    let endpoint = Endpoint::new(Transport::Https, "localhost", port, Endpoint::PATH).unwrap();
    let trust = TlsPolicy::new().skip_ca().skip_name();
    Session::builder(endpoint).tls(trust).client_certificate(holder.clone()).build().unwrap()
}

/// Signs in over a new connection and reads the settings.
fn sign_in(runtime: &Runtime, port: u16, holder: &ClientCertificate) -> Result<(), Error> {
    let session = session(port, holder);
    let settings = Locator::new(ResourceUri::parse(wsman::namespace::CONFIG).unwrap());
    runtime.block_on(session.get(&settings)).map(drop)
}

fn body(fields: &[(&str, &str)]) -> xml::Fragment {
    let mut writer = Writer::new();
    writer.start("cfg:CertMapping").namespace("cfg", MAPPINGS);
    for (name, value) in fields {
        writer.element(&format!("cfg:{name}"), value);
    }
    writer.into_fragment()
}

#[test]
fn a_mapping_works_until_the_account_s_password_changes() {
    let [port] = free_ports();
    let mut telarchd = Telarchd::start(&[ON, &listener("IP:127.0.0.1", "HTTPS", port, "")].concat());
    let runtime = Runtime::new().unwrap();
    let holder = holder(telarchd.folder.path());
    assert!(matches!(sign_in(&runtime, port, &holder), Err(Error::AuthenticationFailed { .. })));

    let fields = [("UserName", user()), ("Password", PASSWORD.to_owned())];
    let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
    runtime.block_on(local_session(&telarchd).create(&mapping(&holder), &body(&fields))).unwrap();
    sign_in(&runtime, port, &holder).unwrap();
    let stored = telarchd.file("certmappings");
    assert!(!fs::read_to_string(&stored).unwrap().contains(PASSWORD));
    assert_eq!((mode(&stored), mode(&telarchd.state().join("host-key"))), (0o600, 0o600));

    telarchd.end();
    telarchd.run();
    sign_in(&runtime, port, &holder).unwrap();

    let other = NewPassword::new(Secret::new("another one".to_owned())).unwrap();
    let other = PasswordHash::make(&other, accounts::random().unwrap());
    accounts::update(&telarchd.file("accounts"), IfMissing::Fail, |file| {
        file.set_password(&user(), other, UnixTime::new(1_763_719_755))?;
        Ok::<_, Box<dyn std::error::Error>>(())
    })
    .unwrap();
    telarchd.reload();
    let refused = sign_in(&runtime, port, &holder).unwrap_err();
    assert!(refused.to_string().contains("rejected the client certificate"), "{refused}");
    telarchd.wait_for_log(&["check whether its password has changed"]);

    let fields = [("Password", "another one")];
    runtime.block_on(local_session(&telarchd).put(&mapping(&holder), &body(&fields))).unwrap();
    sign_in(&runtime, port, &holder).unwrap();
    runtime.block_on(local_session(&telarchd).delete(&mapping(&holder))).unwrap();
    sign_in(&runtime, port, &holder).unwrap_err();
    assert!(!telarchd.log().contains(PASSWORD) && !telarchd.log().contains("another one"));

    fn is_sign_in(record: &serde_json::Value) -> bool {
        record["event"] == "sign-in" && record["scheme"] == "Certificate"
    }
    let records =
        telarchd.wait_for_records(|all| all.iter().filter(|record| is_sign_in(record)).count() >= 6);
    let sign_ins: Vec<[String; 2]> = records
        .into_iter()
        .filter(is_sign_in)
        .map(|record| ["outcome", "account"].map(|name| record[name].as_str().unwrap().to_owned()))
        .collect();
    let user = user();
    let [granted, wrong] = ["granted", "denied"].map(|outcome| [outcome.to_owned(), user.clone()]);
    let unmapped = ["denied", "holder"].map(str::to_owned);
    assert_eq!(sign_ins, [&unmapped, &granted, &granted, &wrong, &granted, &unmapped].map(Clone::clone));
}

#[test]
fn mappings_that_other_users_can_read_are_not_used() {
    let [port] = free_ports();
    let telarchd = Telarchd::start(&[ON, &listener("IP:127.0.0.1", "HTTPS", port, "")].concat());
    let runtime = Runtime::new().unwrap();
    let holder = holder(telarchd.folder.path());
    let user = user();
    let fields = [("UserName", user.as_str()), ("Password", PASSWORD)];
    runtime.block_on(local_session(&telarchd).create(&mapping(&holder), &body(&fields))).unwrap();
    sign_in(&runtime, port, &holder).unwrap();
    let stored = telarchd.file("certmappings");
    crate::service_process::set_mode(&stored, 0o644);
    telarchd.reload();
    sign_in(&runtime, port, &holder).unwrap_err();
    telarchd.wait_for_log(&["sign-in with certificates is disabled", "certmappings", "chmod 600"]);
    // Reading the mappings reports the reason as well.
    let refused = runtime.block_on(local_session(&telarchd).get(&mapping(&holder))).unwrap_err();
    assert!(refused.to_string().contains("chmod 600"), "{refused}");
    crate::service_process::set_mode(&stored, 0o600);
    telarchd.reload();
    sign_in(&runtime, port, &holder).unwrap();
}

#[test]
fn a_connection_is_refused_after_its_mapping_was_deleted() {
    let [port] = free_ports();
    let telarchd = Telarchd::start(&[ON, &listener("IP:127.0.0.1", "HTTPS", port, "")].concat());
    let runtime = Runtime::new().unwrap();
    let holder = holder(telarchd.folder.path());
    let user = user();
    let fields = [("UserName", user.as_str()), ("Password", PASSWORD)];
    runtime.block_on(local_session(&telarchd).create(&mapping(&holder), &body(&fields))).unwrap();
    // A session with sequential requests uses a single connection.
    let session = session(port, &holder);
    let settings = Locator::new(ResourceUri::parse(wsman::namespace::CONFIG).unwrap());
    runtime.block_on(session.get(&settings)).unwrap();
    runtime.block_on(local_session(&telarchd).delete(&mapping(&holder))).unwrap();
    let until = Instant::now() + PATIENCE;
    // The service checks the mapping at a request, at most every five seconds.
    while runtime.block_on(session.get(&settings)).is_ok() {
        assert!(Instant::now() < until, "the connection was never refused");
        std::thread::sleep(Duration::from_millis(50));
    }
    let refusals = telarchd.log().matches("Client certificate refused").count();
    assert!(refusals > 0, "{}", telarchd.log());
}
