//! Origins of a new certificate, and the texts of its files.

use std::time::{Duration, SystemTime};

use rcgen::{
    CertificateParams, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384,
    PKCS_RSA_SHA256, RsaKeySize,
};
use serde::Deserialize;
use webserver::CertificateName;
use zeroize::Zeroizing;

use super::SiteCertificateError;
use crate::server_certificate::{CLOCK_SKEW, server_parameters};

/// Origin of a new certificate.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum NewCertificate {
    /// A certificate that is signed by its own key.
    SelfSigned {
        /// Name in the store.
        name: CertificateName,
        /// Host names and addresses.
        names: Vec<String>,
        /// Days of validity.
        days: u16,
        /// Kind of the key.
        #[serde(default)]
        key_type: KeyType,
    },
    /// A key, and a request to an authority.
    Request {
        /// Name in the store.
        name: CertificateName,
        /// Host names and addresses.
        names: Vec<String>,
        /// Kind of the key.
        #[serde(default)]
        key_type: KeyType,
    },
    /// A certificate chain in PEM.
    Pem {
        /// Name in the store.
        name: CertificateName,
        /// The chain: the certificate of the site first.
        certificate: String,
        /// The private key in PEM; `None` for the key that is stored for a request.
        key: Option<Zeroizing<String>>,
    },
    /// A PKCS#12 file.
    Pfx {
        /// Name in the store.
        name: CertificateName,
        /// The file in Base64.
        data: Zeroizing<String>,
        /// Password of the file.
        password: Zeroizing<String>,
    },
}

/// Kind of a new key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyType {
    /// ECDSA with the curve P-256.
    #[default]
    EcdsaP256,
    /// ECDSA with the curve P-384.
    EcdsaP384,
    /// RSA with 2048 bits, for old clients.
    #[serde(rename = "rsa-2048")]
    Rsa2048,
    /// RSA with 4096 bits.
    #[serde(rename = "rsa-4096")]
    Rsa4096,
}

impl KeyType {
    /// All kinds with their names.
    pub const ALL: [(&'static str, Self); 4] = [
        ("ecdsa-p256", Self::EcdsaP256),
        ("ecdsa-p384", Self::EcdsaP384),
        ("rsa-2048", Self::Rsa2048),
        ("rsa-4096", Self::Rsa4096),
    ];

    fn generate(self) -> Result<KeyPair, rcgen::Error> {
        match self {
            Self::EcdsaP256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
            Self::EcdsaP384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384),
            Self::Rsa2048 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048),
            Self::Rsa4096 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_4096),
        }
    }

    fn is_rsa(self) -> bool {
        matches!(self, Self::Rsa2048 | Self::Rsa4096)
    }
}

impl std::fmt::Debug for NewCertificate {
    /// Writes no key and no password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewCertificate").field("name", self.name()).finish_non_exhaustive()
    }
}

impl NewCertificate {
    /// Returns the name of the certificate.
    #[must_use]
    pub fn name(&self) -> &CertificateName {
        match self {
            Self::SelfSigned { name, .. }
            | Self::Request { name, .. }
            | Self::Pem { name, .. }
            | Self::Pfx { name, .. } => name,
        }
    }

    /// Returns the origin in words, for the audit log.
    #[must_use]
    pub fn origin(&self) -> &'static str {
        match self {
            Self::SelfSigned { .. } => "created",
            Self::Request { .. } => "requested",
            Self::Pem { .. } | Self::Pfx { .. } => "imported",
        }
    }
}

/// Certificate chain and private key in PEM.
pub struct CertificatePair {
    /// The chain: the certificate itself first.
    pub chain: String,
    /// The private key.
    pub key: Zeroizing<String>,
}

impl std::fmt::Debug for CertificatePair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CertificatePair").field("chain", &self.chain).finish_non_exhaustive()
    }
}

/// Request to an authority, and the key, in PEM.
pub(super) struct SignedRequest {
    pub(super) request: String,
    pub(super) key: Zeroizing<String>,
}

/// Returns a certificate that is signed by its own key.
pub(super) fn self_signed(
    names: &[String],
    days: u16,
    key_type: KeyType,
    now: SystemTime,
) -> Result<CertificatePair, SiteCertificateError> {
    if !(1..=MAX_DAYS).contains(&days) {
        return Err(SiteCertificateError::Days);
    }
    let mut parameters = parameters(names, key_type)?;
    parameters.not_before = (now - CLOCK_SKEW).into();
    parameters.not_after = (now + Duration::from_secs(u64::from(days) * 86_400)).into();
    let key = key_type.generate()?;
    let chain = parameters.self_signed(&key)?.pem();
    Ok(CertificatePair { chain, key: Zeroizing::new(key.serialize_pem()) })
}

/// Returns a new key with a request to an authority.
pub(super) fn request(names: &[String], key_type: KeyType) -> Result<SignedRequest, SiteCertificateError> {
    let parameters = parameters(names, key_type)?;
    let key = key_type.generate()?;
    let request = parameters.serialize_request(&key)?.pem()?;
    Ok(SignedRequest { request, key: Zeroizing::new(key.serialize_pem()) })
}

fn parameters(names: &[String], key_type: KeyType) -> Result<CertificateParams, SiteCertificateError> {
    let (Some(first), true) = (names.first(), names.len() <= MAX_NAMES) else {
        return Err(SiteCertificateError::Names);
    };
    let mut parameters = server_parameters(first, names)?;
    if key_type.is_rsa() {
        // Clients of TLS 1.2 without elliptic curves encrypt the shared secret with the key.
        parameters.key_usages.push(KeyUsagePurpose::KeyEncipherment);
    }
    Ok(parameters)
}

pub(super) const MAX_NAMES: usize = 100;
/// Maximum validity of a self-signed certificate: ten years.
pub(super) const MAX_DAYS: u16 = 3_650;
