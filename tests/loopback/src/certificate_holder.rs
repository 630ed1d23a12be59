//! Clients with a certificate.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use auth::certificate_mapping::CertificateThumbprint;
use client::ClientCertificate;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair};
use tempfile::TempDir;

/// A client with a self-signed certificate.
pub struct CertificateHolder {
    certificate: ClientCertificate,
    _files: TempDir,
}

impl CertificateHolder {
    /// Creates a certificate.
    pub fn new() -> Self {
        let key = KeyPair::generate().expect("a key can be made");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "holder");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.self_signed(&key).expect("a certificate can be made");
        let files = tempfile::tempdir().expect("a folder can be made");
        let path = files.path().join("holder.pem");
        fs::write(&path, [certificate.pem(), key.serialize_pem()].concat()).expect("the folder takes files");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
        let certificate = ClientCertificate::from_files(&path, &path).expect("they belong together");
        Self { certificate, _files: files }
    }

    /// Returns the certificate that the client presents.
    pub fn certificate(&self) -> &ClientCertificate {
        &self.certificate
    }

    pub(crate) fn thumbprint(&self) -> CertificateThumbprint {
        let shown = self.certificate.thumbprint().to_string();
        CertificateThumbprint::parse(&shown).expect("it is one of SHA-1")
    }
}

impl Default for CertificateHolder {
    fn default() -> Self {
        Self::new()
    }
}
