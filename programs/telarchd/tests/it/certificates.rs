//! Certificates of HTTPS listeners.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::SystemTime;

use ports::free_ports;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use service::Certificate;

use crate::http_connection::Connection;
use crate::service_process::{BASIC_OVER_HTTP, Telarchd, listener, loopback, mode};

/// A certificate installed in the service's directory.
struct Given {
    thumbprint: String,
    pem: String,
}

impl Given {
    fn new(telarchd: &Telarchd) -> Self {
        let (certificate, pem) =
            Certificate::self_signed(&["localhost".to_owned()], SystemTime::now()).unwrap();
        let given = Self { thumbprint: certificate.thumbprint().to_string(), pem };
        given.put(telarchd, &given.pem);
        given
    }

    fn put(&self, telarchd: &Telarchd, pem: &str) {
        let file = telarchd.file("certificates").join(format!("{}.pem", self.thumbprint));
        fs::write(&file, pem).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()
    }

    fn setting(&self) -> String {
        format!("CertificateThumbprint = \"{}\"", self.thumbprint)
    }
}

fn https(port: u16, more: &str) -> String {
    listener("IP:127.0.0.1", "HTTPS", port, more)
}

fn served_certificate(port: u16) -> CertificateDer<'static> {
    Connection::open_tls(loopback(port)).certificates()[0].clone()
}

#[test]
fn a_self_signed_certificate_is_created_when_needed_and_reused() {
    let [port] = free_ports();
    let mut telarchd = Telarchd::start(&[BASIC_OVER_HTTP, &https(port, "")].concat());
    let made = served_certificate(port);
    let files: Vec<_> = fs::read_dir(telarchd.state())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "pem"))
        .collect();
    let [file] = files.as_slice() else { panic!("{files:?}") };
    assert_eq!(mode(file), 0o600);
    let stored = Certificate::from_pem(&fs::read_to_string(file).unwrap(), file).unwrap();
    assert_eq!(file.file_stem().unwrap().to_str().unwrap(), stored.thumbprint().to_string());
    telarchd.end();
    telarchd.run();
    assert_eq!(served_certificate(port), made);
}

#[test]
fn a_service_without_https_makes_no_certificate() {
    let [port] = free_ports();
    let telarchd = Telarchd::start(&[BASIC_OVER_HTTP, &listener("IP:127.0.0.1", "HTTP", port, "")].concat());
    let mut files = fs::read_dir(telarchd.state()).unwrap();
    assert!(!files.any(|file| file.unwrap().file_name().to_string_lossy().ends_with(".pem")));
}

#[test]
fn a_listener_s_certificate_has_priority_over_the_service_s() {
    let [own, common, none] = free_ports();
    let mut telarchd = Telarchd::new("");
    let (first, second) = (Given::new(&telarchd), Given::new(&telarchd));
    let of_service = format!("Service.{}\n", first.setting());
    let second_address = listener("IP:127.0.0.2", "HTTPS", common, "");
    telarchd.configure(&[of_service, https(own, &second.setting()), second_address].concat());
    telarchd.run();
    assert_eq!(served_certificate(own), second.der());
    let address = ([127, 0, 0, 2], common).into();
    assert_eq!(Connection::open_tls(address).certificates()[0], first.der());
    telarchd.reconfigure(&https(none, ""));
    assert!(
        ![first.der(), second.der()].contains(&served_certificate(none)),
        "the self-signed certificate is used"
    );
}

#[test]
fn existing_connections_continue_when_the_certificate_changes() {
    let [port] = free_ports();
    let mut telarchd = Telarchd::new("");
    let (first, second) = (Given::new(&telarchd), Given::new(&telarchd));
    telarchd.configure(&[BASIC_OVER_HTTP, &https(port, &first.setting())].concat());
    telarchd.run();
    let mut connection = Connection::open_tls(loopback(port));
    assert_eq!(connection.certificates()[0], first.der());

    telarchd.reconfigure(&[BASIC_OVER_HTTP, &https(port, &second.setting())].concat());
    assert_eq!(served_certificate(port), second.der());
    assert!(connection.finds("/wsman"), "the connection continues");
}

#[test]
fn an_issuer_added_to_the_file_is_sent_after_a_reload() {
    let [port] = free_ports();
    let mut telarchd = Telarchd::new("");
    let (given, issuer) = (Given::new(&telarchd), Given::new(&telarchd));
    telarchd.configure(&https(port, &given.setting()));
    telarchd.run();
    assert_eq!(Connection::open_tls(loopback(port)).certificates().len(), 1);
    let issuer = &issuer.pem[..issuer.pem.find("-----BEGIN PRIVATE").unwrap()];
    given.put(&telarchd, &[given.pem.as_str(), issuer].concat());
    telarchd.reload();
    assert_eq!(Connection::open_tls(loopback(port)).certificates().len(), 2);
    given.put(&telarchd, "nothing");
    telarchd.reload();
    assert_eq!(Connection::open_tls(loopback(port)).certificates().len(), 2, "the invalid file is not used");
    telarchd.wait_for_log(&["Cannot reload a certificate"]);
}

#[test]
fn an_unknown_thumbprint_is_logged_and_the_old_certificate_stays() {
    let [port] = free_ports();
    let mut telarchd = Telarchd::new("");
    let given = Given::new(&telarchd);
    telarchd.configure(&https(port, &given.setting()));
    telarchd.run();
    let unknown = "0123456789ABCDEF0123456789ABCDEF01234567";
    telarchd.reconfigure(&https(port, &format!("CertificateThumbprint = \"{unknown}\"")));
    assert_eq!(served_certificate(port), given.der());
    telarchd.wait_for_log(&[&format!("certificate not found: {unknown}")]);
}

#[test]
fn a_certificate_without_the_listener_s_hostname_causes_a_warning() {
    let [port] = free_ports();
    let mut telarchd = Telarchd::new("");
    let given = Given::new(&telarchd);
    let more = format!("Hostname = \"node7.example.com\"\n{}", given.setting());
    telarchd.configure(&https(port, &more));
    telarchd.run();
    assert_eq!(served_certificate(port), given.der());
    telarchd.wait_for_log(&["WARN", "not valid for node7.example.com, only for localhost"]);
}

#[test]
fn of_two_certificates_for_one_port_only_the_first_is_used() {
    let [port] = free_ports();
    let mut telarchd = Telarchd::new("");
    let (first, second) = (Given::new(&telarchd), Given::new(&telarchd));
    let other = listener("IP:127.0.0.2", "HTTPS", port, &second.setting());
    telarchd.configure(&[https(port, &first.setting()), other].concat());
    telarchd.run();
    assert_eq!(served_certificate(port), first.der());
    assert!(!crate::http_connection::is_open(([127, 0, 0, 2], port)));
    telarchd.wait_for_log(&["with another certificate"]);
}
