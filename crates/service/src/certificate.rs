//! The certificate of HTTPS listeners.

mod fitness;
pub(crate) mod names;
mod store;

pub use fitness::Unfit;
pub use store::{CertificateKeeper, Certificates};

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use auth::{ChannelBinding, certificate_hash};
use aws_lc_rs::digest;
use config::{Hostname, Thumbprint};
use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256,
    RsaKeySize, SanType,
};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;

use self::fitness::Claims;
use crate::client_certificate::Asking;

/// A certificate with its key, ready to serve TLS.
#[derive(Clone)]
pub struct Certificate {
    chain: Vec<CertificateDer<'static>>,
    claims: Arc<Claims>,
    server: Arc<ServerConfig>,
}

/// A certificate equals itself and its copies; one read again is another, since its key may be.
impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.server, &other.server)
    }
}

impl Eq for Certificate {}

/// Why there is no certificate to serve with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// One could not be made.
    #[error("a self-signed certificate cannot be made: {0}")]
    Make(#[from] rcgen::Error),
    /// A file is not PEM.
    #[error("{path} is not a PEM file with a certificate and a key: {reason}")]
    Pem {
        /// Which file.
        path: String,
        /// What the reader says.
        reason: String,
    },
    /// The first certificate of the file is none.
    #[error("the certificate cannot be read: {0}")]
    Certificate(String),
    /// Certificate and key do not work together, or not for TLS.
    #[error("the certificate cannot be used for TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// No file has this thumbprint.
    #[error(
        "there is no certificate {thumbprint}\n  put it with its key into {}/{thumbprint}.pem (mode 0600)",
        directory.display()
    )]
    NotFound {
        /// Which one was looked for.
        thumbprint: Thumbprint,
        /// Where certificates are kept.
        directory: PathBuf,
    },
    /// The system does not let a file be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Disk {
        /// What was to be done.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Everyone may read the key.
    #[error(
        "{path} holds a key and can be read by everyone (mode {mode:04o})\n  run chmod 600 {path}, and use another key if others had access",
        path = path.display()
    )]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The process that keeps the files does not give it.
    #[error("{0}")]
    Kept(String),
    /// The file holds another certificate than its name says.
    #[error("{} holds the certificate {found}\n  name the file {found}.pem and set CertificateThumbprint to that", path.display())]
    Misnamed {
        /// Which file.
        path: PathBuf,
        /// What is in it.
        found: Thumbprint,
    },
}

impl Certificate {
    /// Makes a self-signed certificate for these names, valid for three years from an hour before `now`.
    ///
    /// The PEM text that is returned with it holds the certificate and its key: keep it readable by the
    /// service only.
    ///
    /// # Errors
    /// [`CertificateError::Make`], for instance for a name that is none.
    pub fn self_signed(names: &[String], now: SystemTime) -> Result<(Self, String), CertificateError> {
        const VALID: Duration = Duration::from_secs(3 * 365 * 86_400);
        const CLOCKS_DIFFER: Duration = Duration::from_secs(3_600);
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?;
        let mut params = CertificateParams::default();
        let common_name = names.first().map_or("localhost", String::as_str);
        params.distinguished_name.push(DnType::CommonName, common_name);
        for name in names {
            params.subject_alt_names.push(match name.parse() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(name.as_str().try_into()?),
            });
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.not_before = (now - CLOCKS_DIFFER).into();
        params.not_after = (now + VALID).into();
        let certificate = params.self_signed(&key)?;
        let pem = format!("{}{}", certificate.pem(), key.serialize_pem());
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        Ok((Self::new(vec![certificate.der().clone()], key)?, pem))
    }

    /// Takes the certificates and the key that a PEM text holds; `path` is for error messages.
    ///
    /// # Errors
    /// [`CertificateError`] if a part is missing or the parts do not fit.
    pub fn from_pem(text: &str, path: &Path) -> Result<Self, CertificateError> {
        let wrong = |reason: rustls::pki_types::pem::Error| CertificateError::Pem {
            path: path.display().to_string(),
            reason: reason.to_string(),
        };
        let chain =
            CertificateDer::pem_slice_iter(text.as_bytes()).collect::<Result<Vec<_>, _>>().map_err(wrong)?;
        let key = PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(wrong)?;
        Self::new(chain, key)
    }

    fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, CertificateError> {
        let first = chain.first().ok_or_else(|| CertificateError::Certificate("there is none".to_owned()))?;
        let claims = Arc::new(Claims::read(first).map_err(CertificateError::Certificate)?);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let mut server = builder.with_no_client_auth().with_single_cert(chain.clone(), key)?;
        server.alpn_protocols = protocols();
        Ok(Self { chain, claims, server: Arc::new(server) })
    }

    /// SHA-1 of the certificate as 40 upper-case hexadecimal digits: a name for it, never a reason to trust.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        self.name().to_string()
    }

    /// SHA-256 of the certificate in hexadecimal digits, with colons, as programs show it to those who compare.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let der = self.chain.first().map(AsRef::as_ref).unwrap_or_default();
        let sha256 = digest::digest(&digest::SHA256, der);
        sha256.as_ref().iter().map(|octet| format!("{octet:02X}")).collect::<Vec<_>>().join(":")
    }

    /// Whether nobody but its holder vouches for it.
    #[must_use]
    pub fn is_self_signed(&self) -> bool {
        self.claims.is_self_signed()
    }

    /// Whether it is for a name of this machine, which other machines call it by.
    #[must_use]
    pub fn names_this_machine(&self) -> bool {
        let names = names::of_this_machine([]);
        names.iter().filter(|name| *name != "localhost").any(|name| self.claims.has_name(name))
    }

    /// The thumbprint as settings have it.
    #[must_use]
    pub fn name(&self) -> Thumbprint {
        let der = self.chain.first().map(AsRef::as_ref).unwrap_or_default();
        let sha1 = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, der);
        Thumbprint(sha1.as_ref().try_into().unwrap_or_default())
    }

    /// Whether clients that call this machine by a name can be expected to accept the certificate now; with no
    /// name, or `*`, by any of its names.
    ///
    /// Who issued it is not looked at: only the client knows whom it trusts.
    ///
    /// # Errors
    /// [`Unfit`] says why not.
    pub fn fits(&self, hostname: &Hostname, now: SystemTime) -> Result<(), Unfit> {
        self.claims.fit(hostname.as_str(), now)
    }

    /// The end of its validity, in seconds since 1970.
    fn not_after(&self) -> i64 {
        self.claims.not_after()
    }

    /// What tokens are bound to that come over a connection with this certificate.
    pub(crate) fn channel_binding(&self) -> ChannelBinding {
        let der = self.chain.first().map(AsRef::as_ref).unwrap_or_default();
        ChannelBinding::tls_server_end_point(&certificate_hash(self.claims.signature_algorithm(), der))
    }

    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server)
    }

    /// The same for one connection, asking the client for a certificate of its own.
    ///
    /// No connection goes on with the keys of an earlier one: the client would sign nothing.
    pub(crate) fn asking_server(&self) -> Result<(Arc<ServerConfig>, Arc<Asking>), rustls::Error> {
        let provider = Arc::clone(self.server.crypto_provider());
        let asking = Asking::new(provider.signature_verification_algorithms);
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let mut server = builder
            .with_client_cert_verifier(Arc::clone(&asking) as _)
            .with_cert_resolver(Arc::clone(&self.server.cert_resolver));
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        server.alpn_protocols = protocols();
        Ok((Arc::new(server), asking))
    }
}

/// HTTP/1.1 alone: sign-in belongs to the connection.
fn protocols() -> Vec<Vec<u8>> {
    vec![b"http/1.1".to_vec()]
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate").field("thumbprint", &self.thumbprint()).finish_non_exhaustive()
    }
}
