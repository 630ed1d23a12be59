//! Certificate authorities of this system.

use std::sync::LazyLock;

use rustls::pki_types::CertificateDer;

/// Returns the certificates of the authorities that this system trusts, read once per process. Those that cannot be
/// read are omitted.
#[must_use]
pub fn system_authorities() -> &'static [CertificateDer<'static>] {
    static SYSTEM: LazyLock<Vec<CertificateDer<'static>>> = LazyLock::new(|| {
        let loaded = rustls_native_certs::load_native_certs();
        for error in &loaded.errors {
            tracing::debug!(%error, "Cannot read some of the system's certificate authorities");
        }
        loaded.certs
    });
    &SYSTEM
}
