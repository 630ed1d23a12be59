//! Certificate of the service. No authority needs to sign it: CredSSP proves that both ends see the same one.

use std::sync::Arc;

use auth::credssp::PublicKey;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tls::{PemError, ServerCertificate, ServerCertificateCheck};
use x509_parser::oid_registry::OID_PKCS1_RSAENCRYPTION;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::CredSspError;

/// Certificate and key of a CredSSP service.
#[derive(Clone)]
pub struct ServiceCertificate {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) key: PublicKey,
}

impl ServiceCertificate {
    /// Takes a certificate and its private key, which must be RSA, because clients support no other.
    ///
    /// A self-signed certificate with the name `CN=CREDSSP-host` is usual.
    ///
    /// # Errors
    /// [`CredSspError`] if the certificate is not X.509 with an RSA key, or does not match the private key.
    pub fn new(
        certificate: CertificateDer<'static>,
        private_key: PrivateKeyDer<'static>,
    ) -> Result<Self, CredSspError> {
        let key = public_key(&certificate)?;
        if !is_rsa(&certificate) {
            return Err(CredSspError::Certificate("the key is not RSA"));
        }
        // Session resumption stays enabled: the session ticket is the only message of a TLS 1.3 service after the
        // client's last handshake message, and without it that token would be empty.
        let config = tls::server()?.with_no_client_auth().with_single_cert(vec![certificate], private_key)?;
        Ok(Self { config: Arc::new(config), key })
    }

    /// Parses a PEM text with the certificate and its private key.
    ///
    /// # Errors
    /// [`CredSspError`] if a part is missing, and as for [`Self::new`].
    pub fn from_pem(text: &[u8]) -> Result<Self, CredSspError> {
        let certificate = tls::certificates(text)?.into_iter().next().ok_or(PemError::NoCertificate)?;
        Self::new(certificate, tls::private_key(text)?)
    }
}

/// Accepts any certificate.
#[derive(Debug)]
pub(crate) struct AnyCertificate;

impl ServerCertificateCheck for AnyCertificate {
    fn check(&self, _presented: &ServerCertificate<'_>) -> Result<(), rustls::Error> {
        Ok(())
    }
}

/// Returns the content of the certificate's `subjectPublicKey` (RFC 5280 4.1.2.7).
pub(crate) fn public_key(certificate: &[u8]) -> Result<PublicKey, CredSspError> {
    let (_, certificate) = X509Certificate::from_der(certificate).map_err(|_| UNREADABLE)?;
    let octets = certificate.public_key().subject_public_key.data.to_vec();
    PublicKey::new(octets).map_err(|_| UNREADABLE)
}

fn is_rsa(certificate: &[u8]) -> bool {
    X509Certificate::from_der(certificate)
        .is_ok_and(|(_, certificate)| certificate.public_key().algorithm.algorithm == OID_PKCS1_RSAENCRYPTION)
}

const UNREADABLE: CredSspError = CredSspError::Certificate("not an X.509 certificate");
