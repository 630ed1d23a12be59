//! Certificates of HTTPS listeners.

mod claims;
pub(crate) mod names;
mod store;

pub use claims::CertificateProblem;
pub use names::is_host_name;
pub use store::{CertificateKeeper, Certificates};

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use auth::{ChannelBinding, certificate_hash};
use config::{Hostname, Thumbprint};
use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256,
    RsaKeySize, SanType,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use tls::PemError;

use self::claims::Claims;
use crate::client_certificate::{ClientCertificateVerifier, ClientCertificates};

/// A certificate chain with its private key, ready for TLS.
#[derive(Clone)]
pub struct Certificate {
    chain: Vec<CertificateDer<'static>>,
    claims: Arc<Claims>,
    server: Arc<ServerConfig>,
}

/// Compares identities: copies are equal, but a certificate that was read again is not, since its key may differ.
impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.server, &other.server)
    }
}

impl Eq for Certificate {}

/// Failure to load or create a certificate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// A certificate could not be created.
    #[error("cannot create a self-signed certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// A file is not PEM.
    #[error("{path} is not a PEM file with a certificate and a key: {reason}")]
    Pem {
        /// Path of the file.
        path: String,
        /// The missing or malformed part.
        reason: PemError,
    },
    /// The first certificate of the file is malformed.
    #[error("cannot parse the certificate: {0}")]
    Certificate(String),
    /// Certificate and key do not match, or are not usable for TLS.
    #[error("the certificate cannot be used for TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// No file has this thumbprint.
    #[error(
        "certificate not found: {thumbprint}\n  put it with its key into {}/{thumbprint}.pem (mode 0600)",
        directory.display()
    )]
    NotFound {
        /// The requested thumbprint.
        thumbprint: Thumbprint,
        /// Directory of the administrator's certificates.
        directory: PathBuf,
    },
    /// A file could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Disk {
        /// The failed operation: `read` or `write`.
        action: &'static str,
        /// Path of the file.
        path: PathBuf,
        /// The error of the system call.
        source: std::io::Error,
    },
    /// The private key is readable by everyone.
    #[error(
        "{path} contains a private key and can be read by everyone (mode {mode:04o})\n  run chmod 600 {path}, and replace the key if other users had access",
        path = path.display()
    )]
    Exposed {
        /// Path of the file.
        path: PathBuf,
        /// Permissions of the file.
        mode: u32,
    },
    /// The [`CertificateKeeper`] reported this error.
    #[error("{0}")]
    Keeper(String),
    /// The file contains another certificate than its name says.
    #[error("{} contains the certificate {found}\n  rename the file to {found}.pem and set CertificateThumbprint to {found}", path.display())]
    Misnamed {
        /// Path of the file.
        path: PathBuf,
        /// Thumbprint of the certificate in the file.
        found: Thumbprint,
    },
}

impl Certificate {
    /// Creates a self-signed certificate for these names, valid for three years from an hour before `now`.
    ///
    /// The PEM text that is returned with it contains the certificate and its private key: it must be readable by the
    /// service only.
    ///
    /// # Errors
    /// [`CertificateError::Make`], for example for an invalid name.
    pub fn self_signed(names: &[String], now: SystemTime) -> Result<(Self, String), CertificateError> {
        const VALID: Duration = Duration::from_secs(3 * 365 * 86_400);
        const CLOCK_SKEW: Duration = Duration::from_secs(3_600);
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
        params.not_before = (now - CLOCK_SKEW).into();
        params.not_after = (now + VALID).into();
        let certificate = params.self_signed(&key)?;
        let pem = format!("{}{}", certificate.pem(), key.serialize_pem());
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        Ok((Self::new(vec![certificate.der().clone()], key)?, pem))
    }

    /// Parses a PEM text with the certificates and the key. `path` is for error messages.
    ///
    /// # Errors
    /// [`CertificateError`] if a part is missing or the parts do not match.
    pub fn from_pem(text: &str, path: &Path) -> Result<Self, CertificateError> {
        let parts = tls::certificates(text.as_bytes())
            .and_then(|chain| Ok((chain, tls::private_key(text.as_bytes())?)));
        let (chain, key) =
            parts.map_err(|reason| CertificateError::Pem { path: path.display().to_string(), reason })?;
        Self::new(chain, key)
    }

    fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, CertificateError> {
        let first = chain
            .first()
            .ok_or_else(|| CertificateError::Certificate("the file contains no certificate".to_owned()))?;
        let claims = Arc::new(Claims::parse(first).map_err(CertificateError::Certificate)?);
        let mut server = tls::server()?.with_no_client_auth().with_single_cert(chain.clone(), key)?;
        server.alpn_protocols = protocols();
        Ok(Self { chain, claims, server: Arc::new(server) })
    }

    /// Returns the SHA-256 hash of the certificate as hexadecimal digits with colons, for users who compare
    /// fingerprints.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let sha256 = tls::thumbprint::sha256(self.own());
        sha256.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
    }

    /// Returns whether the certificate is self-signed.
    #[must_use]
    pub fn is_self_signed(&self) -> bool {
        self.claims.is_self_signed()
    }

    /// Returns whether the certificate covers a name of this machine other than `localhost`.
    #[must_use]
    pub fn names_this_machine(&self) -> bool {
        let names = names::of_this_machine([]);
        names.iter().filter(|name| *name != "localhost").any(|name| self.claims.has_name(name))
    }

    /// Returns the SHA-1 hash of the certificate. It identifies the certificate but proves nothing.
    #[must_use]
    pub fn thumbprint(&self) -> Thumbprint {
        Thumbprint(tls::thumbprint::sha1(self.own()))
    }

    fn own(&self) -> &[u8] {
        self.chain.first().map(AsRef::as_ref).unwrap_or_default()
    }

    /// Checks that clients which connect to `hostname` can be expected to accept the certificate now. An empty name or
    /// `*` matches any name of the certificate.
    ///
    /// The issuer is not checked: only the client knows which issuers it trusts.
    ///
    /// # Errors
    /// The first [`CertificateProblem`] found.
    pub fn check(&self, hostname: &Hostname, now: SystemTime) -> Result<(), CertificateProblem> {
        self.claims.check(hostname.as_str(), now)
    }

    /// Returns the end of the validity period, in seconds since 1970.
    fn not_after(&self) -> i64 {
        self.claims.not_after()
    }

    /// Returns the channel binding of connections that use this certificate (RFC 5929 4, `tls-server-end-point`).
    pub(crate) fn channel_binding(&self) -> ChannelBinding {
        let hash = certificate_hash(self.claims.signature_algorithm(), self.own());
        ChannelBinding::tls_server_end_point(&hash)
    }

    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server)
    }

    /// Returns a configuration for one connection that requests a certificate from the client.
    ///
    /// Sessions are not resumed, because the client signs nothing in a resumed handshake.
    pub(crate) fn server_requesting_client_certificate(
        &self,
        request: ClientCertificates,
    ) -> Result<(Arc<ServerConfig>, Arc<ClientCertificateVerifier>), rustls::Error> {
        let verifier = ClientCertificateVerifier::new(request);
        let mut server = tls::server()?
            .with_client_cert_verifier(Arc::clone(&verifier) as _)
            .with_cert_resolver(Arc::clone(&self.server.cert_resolver));
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        server.alpn_protocols = protocols();
        Ok((Arc::new(server), verifier))
    }
}

/// Returns the ALPN protocols: HTTP/1.1 only, because authentication belongs to the connection.
fn protocols() -> Vec<Vec<u8>> {
    vec![b"http/1.1".to_vec()]
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate").field("thumbprint", &self.thumbprint()).finish_non_exhaustive()
    }
}
