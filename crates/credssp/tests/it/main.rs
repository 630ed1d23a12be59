//! Public behaviour of the crate: both ends authenticate, and attackers gain nothing.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

extern crate auth as telarch_auth;

mod attacks;
mod exchange;
#[allow(dead_code)] // It serves the tests of `auth`, too.
#[path = "../../../auth/tests/it/fake_mechanism.rs"]
mod fake_mechanism;
#[allow(dead_code)] // It serves the tests of `auth`, too.
#[path = "../../../auth/tests/it/generator.rs"]
mod generator;
mod sealed_bodies;
mod sealing;
mod tls;

use std::sync::{Arc, LazyLock};

use auth::credssp::{PasswordCredentials, Version};
use auth::{Secret, negotiate, spnego};
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use telarch_credssp::{Acceptor, Initiator, ServiceCertificate};

use crate::fake_mechanism::FakeMechanism;

/// A self-signed certificate and its key.
struct KeyedCertificate {
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl KeyedCertificate {
    fn make(key: &KeyPair) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "CREDSSP-host");
        let certificate = params.self_signed(key).unwrap();
        Self { certificate: certificate.der().clone(), key: key.serialize_der() }
    }

    fn rsa() -> Self {
        Self::make(&KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap())
    }

    fn ecdsa() -> Self {
        Self::make(&KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap())
    }

    fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(self.key.clone().into())
    }
}

/// Certificate of the service, shared because key generation takes long.
static CERTIFICATE: LazyLock<KeyedCertificate> = LazyLock::new(KeyedCertificate::rsa);

static SERVICE: LazyLock<ServiceCertificate> = LazyLock::new(|| {
    ServiceCertificate::new(CERTIFICATE.certificate.clone(), CERTIFICATE.private_key()).unwrap()
});

fn acceptor(fake_mechanism: &FakeMechanism) -> Acceptor {
    let inner = negotiate::Acceptor::negotiate(vec![Arc::new(fake_mechanism.clone())]);
    Acceptor::new(&SERVICE, Box::new(inner), Version::default()).unwrap()
}

fn initiator(fake_mechanism: &FakeMechanism) -> Initiator {
    let inner = spnego::Initiator::new(vec![fake_mechanism.offer()]);
    Initiator::new(Box::new(inner), credentials(), Version::default()).unwrap()
}

fn credentials() -> PasswordCredentials {
    let [domain, user, password] = ["LAB", "alice", "s3cret"].map(|text| Secret::new(text.to_owned()));
    PasswordCredentials::new(domain, user, password)
}
