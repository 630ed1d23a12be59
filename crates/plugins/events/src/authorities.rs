//! Authorities that issue certificates of event sources.

mod verified;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use tls::HostName;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use winevent::subscription::Thumbprint;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use self::verified::{Validity, VerifiedChains};

/// Trusted authorities. Each of them, also an intermediate one, may issue certificates of sources: Windows sends only
/// the certificate of the source, without intermediate ones.
#[derive(Debug, Default)]
pub struct Authorities {
    all: Vec<(Thumbprint, CertificateDer<'static>)>,
    verified: VerifiedChains,
}

/// Reason why authorities cannot be used, or a certificate is rejected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// The file cannot be read.
    #[error("cannot read the certificates in {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the system call.
        source: std::io::Error,
    },
    /// The file does not contain certificates in PEM.
    #[error("cannot use the certificates in {}: {source}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: tls::PemError,
    },
    /// The certificate is malformed.
    #[error("the certificate of the source is malformed")]
    Malformed,
    /// The chain does not lead to an authority, or the certificate is expired or not for clients.
    #[error("the certificate of the source is not accepted: {0}")]
    Rejected(webpki::Error),
}

/// Facts about a verified certificate.
#[derive(Clone, Debug)]
pub(crate) struct VerifiedCertificate {
    /// Authority directly above the certificate.
    pub(crate) issuer: Thumbprint,
    /// DNS names, or the common name without any.
    pub(crate) names: Vec<String>,
}

impl Authorities {
    /// Reads the certificates of authorities in a PEM file.
    ///
    /// # Errors
    /// [`AuthorityError`] if the file cannot be read or contains no certificate.
    pub fn read(path: &Path) -> Result<Self, AuthorityError> {
        let text =
            std::fs::read(path).map_err(|source| AuthorityError::Read { path: path.to_owned(), source })?;
        Self::parse([(path, text.as_slice())])
    }

    /// Returns the certificates of the authorities.
    pub fn certificates(&self) -> impl Iterator<Item = CertificateDer<'static>> {
        self.all.iter().map(|(_, certificate)| certificate.clone())
    }

    /// Parses the contents of PEM files. The paths are for messages.
    ///
    /// # Errors
    /// [`AuthorityError`] for the first file that contains no certificate.
    pub fn parse<'f>(files: impl IntoIterator<Item = (&'f Path, &'f [u8])>) -> Result<Self, AuthorityError> {
        let mut all = Vec::new();
        for (path, text) in files {
            let certificates = tls::certificates(text)
                .map_err(|source| AuthorityError::Pem { path: path.to_owned(), source })?;
            all.extend(certificates.into_iter().map(|der| (thumbprint(&der), der)));
        }
        Ok(Self { all, verified: VerifiedChains::default() })
    }

    /// Reads all files of a folder whose names end with `.pem`. A folder that does not exist has none.
    ///
    /// # Errors
    /// [`AuthorityError`] for the first file that cannot be used.
    pub fn read_folder(folder: &Path) -> Result<Self, AuthorityError> {
        let mut all = Vec::new();
        for entry in std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "pem") {
                all.extend(Self::read(&path)?.all);
            }
        }
        Ok(Self { all, verified: VerifiedChains::default() })
    }

    /// Returns whether there is no authority.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Verifies a certificate with its chain; the handshake has proven that the source has its key. The signatures of a
    /// chain are verified once, and its validity each time.
    pub(crate) fn verify(&self, chain: &Arc<[Vec<u8>]>) -> Result<Arc<VerifiedCertificate>, AuthorityError> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = UnixTime::since_unix_epoch(since);
        if let Some(known) = self.verified.find(chain, now) {
            return Ok(known);
        }
        let (verified, validity) = self.verify_signatures(chain, now)?;
        let verified = Arc::new(verified);
        self.verified.insert(chain, Arc::clone(&verified), validity);
        Ok(verified)
    }

    fn verify_signatures(
        &self,
        chain: &[Vec<u8>],
        now: UnixTime,
    ) -> Result<(VerifiedCertificate, Validity), AuthorityError> {
        let (own, others) = chain.split_first().ok_or(AuthorityError::Malformed)?;
        let own = CertificateDer::from(own.as_slice());
        let others: Vec<_> = others.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        let anchors: Vec<(Thumbprint, TrustAnchor<'_>)> = self
            .all
            .iter()
            .filter_map(|(thumbprint, der)| Some((*thumbprint, anchor_from_trusted_cert(der).ok()?)))
            .collect();
        let roots: Vec<TrustAnchor<'_>> = anchors.iter().map(|(_, anchor)| anchor.clone()).collect();
        let end = EndEntityCert::try_from(&own).map_err(|_| AuthorityError::Malformed)?;
        let algorithms = tls::signature_algorithms().all;
        let path = end
            .verify_for_usage(algorithms, &roots, &others, now, KeyUsage::client_auth(), None, None)
            .map_err(AuthorityError::Rejected)?;
        let above = path.intermediate_certificates().next().map(|certificate| thumbprint(&certificate.der()));
        let issuer = above.or_else(|| {
            let mut found = anchors.iter().filter(|(_, anchor)| anchor == path.anchor());
            found.next().map(|(thumbprint, _)| *thumbprint)
        });
        let (_, read) = X509Certificate::from_der(&own).map_err(|_| AuthorityError::Malformed)?;
        let mut validity = Validity::of(&read);
        for certificate in path.intermediate_certificates() {
            let der = certificate.der();
            let (_, read) = X509Certificate::from_der(&der).map_err(|_| AuthorityError::Malformed)?;
            validity = validity.within(&Validity::of(&read));
        }
        let issuer = issuer.ok_or(AuthorityError::Malformed)?;
        Ok((VerifiedCertificate { issuer, names: names(&read)? }, validity))
    }
}

fn names(certificate: &X509Certificate<'_>) -> Result<Vec<String>, AuthorityError> {
    let hosts = tls::host_names(certificate).map_err(|_| AuthorityError::Malformed)?;
    let mut names: Vec<String> = hosts
        .into_iter()
        .filter_map(|host| match host {
            HostName::Dns(name) => Some(name),
            HostName::Address(_) => None,
        })
        .collect();
    for common in certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok()) {
        if !names.iter().any(|name| name.eq_ignore_ascii_case(common)) {
            names.push(common.to_owned());
        }
    }
    Ok(names)
}

fn thumbprint(der: &[u8]) -> Thumbprint {
    Thumbprint::new(tls::thumbprint::sha1(der))
}
