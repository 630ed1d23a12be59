//! TLS of the service, of the client, and inside CredSSP: cryptography, protocol versions, signatures of handshakes,
//! certificates and keys in PEM, and the certificate authorities of this system.
//!
//! Not part of this crate: decisions about certificates. The client has a policy for those of services
//! ([`ServerCertificateCheck`]), the service maps those of clients to accounts, and CredSSP accepts any.

mod authorities;
mod host_name;
mod pem;
mod signatures;
pub mod thumbprint;
mod verifier;

use std::sync::{Arc, LazyLock};

use rustls::client::WantsClientCert;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::{ClientConfig, ConfigBuilder, Error, ServerConfig, WantsVerifier};

pub use authorities::system_authorities;
pub use host_name::{HostName, host_names};
pub use pem::{PemError, certificates, private_key};
pub use signatures::HandshakeSignatures;
pub use verifier::{ServerCertificate, ServerCertificateCheck};

/// Returns the cryptography of all TLS connections.
#[must_use]
pub fn provider() -> &'static Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    &PROVIDER
}

/// Returns the accepted algorithms of signatures, in certificates and handshakes.
#[must_use]
pub fn signature_algorithms() -> WebPkiSupportedAlgorithms {
    provider().signature_verification_algorithms
}

/// Returns the configuration of a server, for TLS 1.2 and 1.3.
///
/// # Errors
/// [`Error`] if the cryptography does not support these versions.
pub fn server() -> Result<ConfigBuilder<ServerConfig, WantsVerifier>, Error> {
    ServerConfig::builder_with_provider(Arc::clone(provider())).with_safe_default_protocol_versions()
}

/// Returns the configuration of a client, for TLS 1.2 and 1.3. It accepts the certificates that pass the check, if the
/// server proves possession of the private key.
///
/// # Errors
/// [`Error`] if the cryptography does not support these versions.
pub fn client(
    check: impl ServerCertificateCheck + 'static,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, Error> {
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(provider())).with_safe_default_protocol_versions()?;
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier::Verifier::new(check))))
}
