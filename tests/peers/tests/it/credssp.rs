//! pyspnego's CredSSP, which is that of pywinrm and pypsrp, against ours, each as either end, token by token.

use std::sync::{Arc, LazyLock};

use auth::credssp::{PasswordCredentials, Version};
use auth::spnego::Initiator as Spnego;
use auth::{Acceptor as _, AuthError, Oid, Secret, negotiate};
use credssp::{Acceptor, Initiator, ServiceCertificate};
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use telarch_peers::{CredSspSettings, Layer, Pyspnego, PyspnegoSettings};

use crate::spnego::{Ntlm, PASSWORD, USER, converse, let_in, ntlm_offer, sign_in};

#[test]
fn pyspnego_delegates_its_password_and_seals_both_ways() {
    for settings in ways() {
        let mut client = client(settings, PASSWORD);
        let mut service = service(Version::default());
        let mut accepted = let_in(&mut client, &mut service).expect("the right password");
        assert_eq!(accepted.account.name, USER, "{settings:?}");
        assert_eq!(service.mechanism(), Some(Oid::NTLM));
        assert!(client.is_complete());
        let handed_over = service.take_credentials().expect("credentials");
        let handed_over = [handed_over.domain(), handed_over.user(), handed_over.password().expose()];
        assert_eq!(handed_over, ["", USER, PASSWORD]);

        let header = accepted.context.seal(&mut b"text".to_vec()).expect("sealed");
        let (theirs, _) = client.wrap(b"text").expect("sealed");
        assert_eq!(header.len(), theirs.len(), "{settings:?}");
    }
}

#[test]
fn messages_of_pyspnego_are_sealed_both_ways() {
    for settings in ways() {
        let mut client = client(settings, PASSWORD);
        let accepted = let_in(&mut client, &mut service(Version::default())).expect("the right password");
        converse(&mut client, accepted.context);

        let mut service = Pyspnego::acceptor(&with(settings, PASSWORD));
        let initiated = sign_in(&mut our_client(settings, PASSWORD), &mut service).expect("signed in");
        converse(&mut service, initiated.context);
    }
}

#[test]
fn our_client_delegates_a_password_to_pyspnego() {
    for settings in ways() {
        let mut service = Pyspnego::acceptor(&with(settings, PASSWORD));
        sign_in(&mut our_client(settings, PASSWORD), &mut service).expect("the right password");
        assert!(service.is_complete(), "{settings:?}");
        assert_eq!(service.principal(), Some(USER));
        assert_eq!(service.credential(), Some(["NODE7", USER, PASSWORD]));
    }
}

#[test]
fn versions_of_pyspnego_are_accepted_down_to_the_minimum() {
    for version in 2..=6 {
        for minimum in [Version::V2, Version::default()] {
            let settings = CredSspSettings { version, ..MODERN };
            let verdict = let_in(&mut client(settings, PASSWORD), &mut service(minimum)).map(|_| ());
            let too_old = AuthError::Downgraded("a recent version of CredSSP");
            let expected = if version >= 5 || minimum == Version::V2 { Ok(()) } else { Err(too_old) };
            assert_eq!(verdict, expected, "{version}");

            let mut service = Pyspnego::acceptor(&with(settings, PASSWORD));
            let mut client = initiator(MODERN, PASSWORD, minimum);
            let verdict = sign_in(&mut client, &mut service).map(|_| ());
            assert_eq!(verdict, expected.map_err(|error| error.to_string()), "{version}");
        }
    }
}

#[test]
fn pyspnego_reads_the_reason_of_a_refusal() {
    for (version, is_told) in [(5, false), (6, true)] {
        let mut client = client(CredSspSettings { version, ..MODERN }, "guess");
        let mut service = service(Version::default());
        let refused = let_in(&mut client, &mut service).err();
        assert_eq!(refused, Some(AuthError::WrongPassword));
        let refusal = service.refusal();
        assert_eq!(refusal.is_some(), is_told, "{version}");
        let Some(refusal) = refusal else { continue };
        let exception = client.step(Some(&refusal)).expect_err("refused");
        assert!(exception.starts_with("InvalidCredentialError"), "{exception}");
    }
}

#[test]
fn our_client_reports_a_refusal_by_pyspnego() {
    let mut service = Pyspnego::acceptor(&with(MODERN, PASSWORD));
    let refused = sign_in(&mut our_client(MODERN, "guess"), &mut service).err();
    assert_eq!(refused, Some(AuthError::WrongPassword.to_string()));
}

#[test]
fn a_delegated_password_of_another_account_is_refused() {
    let settings = CredSspSettings { hands_over: Some("somebody else"), ..MODERN };
    let mut service = service(Version::default());
    let refused = let_in(&mut client(settings, PASSWORD), &mut service).err();
    assert_eq!(refused, Some(AuthError::Malformed("credentials of another account")));
    assert!(service.take_credentials().is_none());
}

const MODERN: CredSspSettings =
    CredSspSettings { tls: "TLSv1_3", inner: "negotiate", version: 6, hands_over: None };

fn ways() -> [CredSspSettings; 4] {
    [("TLSv1_2", "negotiate"), ("TLSv1_2", "ntlm"), ("TLSv1_3", "negotiate"), ("TLSv1_3", "ntlm")]
        .map(|(tls, inner)| CredSspSettings { tls, inner, ..MODERN })
}

fn with(settings: CredSspSettings, password: &str) -> PyspnegoSettings<'_> {
    PyspnegoSettings::new(Layer::CredSsp(settings), USER, password)
}

fn client(settings: CredSspSettings, password: &str) -> Pyspnego {
    Pyspnego::initiator(&with(settings, password))
}

fn service(minimum: Version) -> Acceptor {
    let inner = negotiate::Acceptor::negotiate(vec![Arc::new(Ntlm)]);
    Acceptor::new(&CERTIFICATE, Box::new(inner), minimum).expect("TLS")
}

fn our_client(settings: CredSspSettings, password: &str) -> Initiator {
    initiator(settings, password, Version::default())
}

fn initiator(settings: CredSspSettings, password: &str, minimum: Version) -> Initiator {
    let offer = ntlm_offer(password);
    let inner = match settings.inner {
        "ntlm" => offer.initiator,
        _ => Box::new(Spnego::new(vec![offer])),
    };
    let credentials = PasswordCredentials::new(secret("NODE7"), secret(USER), secret(password));
    Initiator::new(inner, credentials, minimum).expect("TLS")
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

static CERTIFICATE: LazyLock<ServiceCertificate> = LazyLock::new(|| {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key");
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "CREDSSP-node7");
    let certificate = params.self_signed(&key).expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into());
    ServiceCertificate::new(certificate.der().clone(), key).expect("a fitting pair")
});
