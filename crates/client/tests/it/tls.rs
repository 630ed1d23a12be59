//! Verification of server certificates.

use std::sync::Arc;

use client::{Endpoint, Error, Session, Thumbprint, TlsError, TlsPolicy};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use telarch_client as client;
use tokio_rustls::TlsAcceptor;

use crate::service::{Accepted, Request, Service, Stream, config};

struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    fn leaf(&self) -> &CertificateDer<'static> {
        &self.chain[0]
    }

    fn sha256(&self) -> Thumbprint {
        Thumbprint::Sha256(digest(&aws_lc_rs::digest::SHA256, self.leaf()).try_into().unwrap())
    }

    fn sha1(&self) -> Thumbprint {
        let algorithm = &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY;
        Thumbprint::Sha1(digest(algorithm, self.leaf()).try_into().unwrap())
    }
}

fn digest(algorithm: &'static aws_lc_rs::digest::Algorithm, octets: &[u8]) -> Vec<u8> {
    aws_lc_rs::digest::digest(algorithm, octets).as_ref().to_vec()
}

fn parameters(host: &str) -> CertificateParams {
    let mut parameters = CertificateParams::new(vec![host.to_owned()]).unwrap();
    parameters.distinguished_name.push(DnType::CommonName, host);
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    parameters
}

fn self_signed(parameters: &CertificateParams) -> Identity {
    let key = KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    Identity {
        chain: vec![certificate.der().clone()],
        key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
    }
}

/// An authority in a PEM file, and a certificate signed by it.
fn signed(parameters: &CertificateParams) -> (tempfile::NamedTempFile, Identity) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "Authority");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = parameters.signed_by(&key, &authority).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    (file(&authority.pem()), Identity { chain: vec![certificate.der().clone()], key })
}

fn file(pem: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pem).unwrap();
    file
}

async fn start(identity: &Identity) -> Service {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(identity.chain.clone(), identity.key.clone_key())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let accept = move |stream| -> Accepted {
        let acceptor = acceptor.clone();
        Box::pin(async move { Ok(Box::new(acceptor.accept(stream).await?) as Stream) })
    };
    Service::start_with(accept, Request::config).await
}

/// Connects to a service with this certificate under the given host name.
async fn ask(identity: &Identity, host: &str, policy: TlsPolicy) -> Result<(), TlsError> {
    let service = start(identity).await;
    let endpoint = Endpoint::parse(&format!("https://{host}:{}/wsman", service.address.port())).unwrap();
    let session = Session::builder(endpoint).tls(policy).build().unwrap();
    match session.get(&config()).await {
        Ok(_) => Ok(()),
        Err(Error::Tls { reason, .. }) => Err(reason),
        Err(other) => panic!("{other}"),
    }
}

fn policy() -> TlsPolicy {
    TlsPolicy::new()
}

#[tokio::test]
async fn an_untrusted_certificate_is_rejected_with_advice() {
    let identity = self_signed(&parameters("localhost"));
    let error = ask(&identity, "localhost", policy()).await.expect_err("unknown");
    assert!(matches!(error, TlsError::Untrusted), "{error}");
    for way_out in ["-ca", "-skipCAcheck"] {
        assert!(error.to_string().contains(way_out), "{error}");
    }
}

#[tokio::test]
async fn an_authority_from_a_file_is_trusted_and_names_are_verified() {
    let (authority, identity) = signed(&parameters("localhost"));
    let trusting = policy().ca_file(authority.path());
    ask(&identity, "localhost", trusting.clone()).await.unwrap();
    let error = ask(&identity, "127.0.0.1", trusting.clone()).await.expect_err("another name");
    let TlsError::WrongName { presented } = &error else { panic!("{error}") };
    assert!(presented.iter().any(|name| name.contains("localhost")), "{presented:?}");
    assert!(error.to_string().contains("-skipCNcheck"), "{error}");
    ask(&identity, "127.0.0.1", trusting.skip_name()).await.unwrap();
}

#[tokio::test]
async fn an_authority_with_the_same_name_is_not_trusted() {
    let (_, identity) = signed(&parameters("localhost"));
    let (impostor, _) = signed(&parameters("localhost"));
    let error = ask(&identity, "localhost", policy().ca_file(impostor.path())).await.expect_err("unknown");
    assert!(matches!(error, TlsError::Untrusted), "{error}");
}

#[tokio::test]
async fn a_certificate_may_contain_an_address() {
    let (authority, identity) = signed(&parameters("127.0.0.1"));
    ask(&identity, "127.0.0.1", policy().ca_file(authority.path())).await.unwrap();
}

#[tokio::test]
async fn skipping_one_check_keeps_the_others() {
    let identity = self_signed(&parameters("localhost"));
    ask(&identity, "localhost", policy().skip_ca()).await.unwrap();
    let error = ask(&identity, "127.0.0.1", policy().skip_ca()).await.expect_err("another name");
    assert!(matches!(error, TlsError::WrongName { .. }), "{error}");
    let error = ask(&identity, "127.0.0.1", policy().skip_name()).await.expect_err("unknown");
    assert!(matches!(error, TlsError::Untrusted), "{error}");
    ask(&identity, "127.0.0.1", policy().skip_ca().skip_name()).await.unwrap();
}

#[tokio::test]
async fn dates_and_purpose_are_verified_even_without_the_authority() {
    let with = |change: fn(&mut CertificateParams)| {
        let mut parameters = parameters("localhost");
        change(&mut parameters);
        self_signed(&parameters)
    };
    let expired = with(|parameters| parameters.not_after = rcgen::date_time_ymd(2020, 1, 1));
    let future = with(|parameters| parameters.not_before = rcgen::date_time_ymd(4000, 1, 1));
    let client =
        with(|parameters| parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    for skipping in [policy().skip_ca(), policy().skip_ca().skip_name()] {
        let ask = |identity| ask(identity, "localhost", skipping.clone());
        assert!(matches!(ask(&expired).await, Err(TlsError::Expired)));
        assert!(matches!(ask(&future).await, Err(TlsError::NotYetValid)));
        assert!(matches!(ask(&client).await, Err(TlsError::WrongPurpose)));
    }
    let pinned = policy().pin(expired.sha256());
    assert!(matches!(ask(&expired, "localhost", pinned).await, Err(TlsError::Expired)));
}

#[tokio::test]
async fn a_self_signed_certificate_marked_as_authority_can_be_trusted() {
    let mut parameters = parameters("localhost");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let identity = self_signed(&parameters);
    let unknown = ask(&identity, "localhost", policy()).await;
    assert!(matches!(unknown, Err(TlsError::Untrusted)), "{unknown:?}");
    ask(&identity, "localhost", policy().skip_ca()).await.unwrap();
    ask(&identity, "localhost", policy().pin(identity.sha256())).await.unwrap();
    let itself = file(&pem(identity.leaf()));
    ask(&identity, "localhost", policy().ca_file(itself.path())).await.unwrap();
    let error = ask(&identity, "127.0.0.1", policy().ca_file(itself.path())).await;
    assert!(matches!(error, Err(TlsError::WrongName { .. })));
}

fn pem(certificate: &CertificateDer<'_>) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(certificate);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

#[tokio::test]
async fn a_pin_accepts_only_one_certificate() {
    let identity = self_signed(&parameters("localhost"));
    let other = self_signed(&parameters("localhost"));
    ask(&identity, "localhost", policy().pin(identity.sha256())).await.unwrap();
    for skipping in [policy(), policy().skip_ca(), policy().skip_ca().skip_name()] {
        let error = ask(&identity, "localhost", skipping.pin(other.sha256())).await.expect_err("another");
        let TlsError::WrongPin { found } = error else { panic!("{error}") };
        assert_eq!(Thumbprint::parse(&found), Ok(identity.sha256()));
    }
    // A SHA-1 pin only restricts trust; it does not replace the authority.
    let error = ask(&identity, "localhost", policy().pin(identity.sha1())).await.expect_err("unknown");
    assert!(matches!(error, TlsError::Untrusted), "{error}");
    ask(&identity, "localhost", policy().skip_ca().pin(identity.sha1())).await.unwrap();
    let (authority, signed) = signed(&parameters("localhost"));
    ask(&signed, "localhost", policy().ca_file(authority.path()).pin(signed.sha1())).await.unwrap();
}

#[tokio::test]
async fn a_plain_http_port_is_recognised() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
        std::future::pending::<()>().await;
    });
    let session = Session::builder(Endpoint::parse(&url).unwrap()).tls(policy().skip_ca()).build().unwrap();
    let error = session.get(&config()).await.expect_err("no TLS");
    assert!(matches!(error, Error::Tls { reason: TlsError::NotTls, .. }), "{error}");
}

#[tokio::test]
async fn a_file_without_certificates_is_rejected() {
    let identity = self_signed(&parameters("localhost"));
    for path in [file("nothing").path().to_owned(), "/nonexistent/file".into()] {
        let error = ask(&identity, "localhost", policy().ca_file(&path)).await.expect_err("no authorities");
        assert!(error.to_string().starts_with(&path.display().to_string()), "{error}");
    }
}

#[tokio::test]
async fn a_handshake_returns_a_rejected_certificate() {
    let mut expired = parameters("localhost");
    expired.not_after = rcgen::date_time_ymd(2020, 2, 3);
    let identity = self_signed(&expired);
    let service = start(&identity).await;
    let look = async |policy: TlsPolicy| {
        let url = format!("https://localhost:{}/wsman", service.address.port());
        let session = Session::builder(Endpoint::parse(&url).unwrap()).tls(policy).build().unwrap();
        session.handshake().await.unwrap()
    };
    let refused = look(policy()).await;
    assert!(matches!(refused.verdict, Err(TlsError::Untrusted | TlsError::Expired)), "{refused:?}");
    let refused = look(policy().skip_ca()).await;
    assert!(matches!(refused.verdict, Err(TlsError::Expired)), "{refused:?}");
    let shown = refused.certificate.unwrap();
    assert_eq!(shown.names, ["localhost"]);
    assert_eq!(shown.thumbprint, identity.sha1());
    assert_eq!(shown.issuer, "CN=localhost");
    let until = shown.not_after.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(until, 1_580_688_000);
}
