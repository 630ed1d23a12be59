//! TLS to servers that the administrator's files name.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

/// Returns whether a host is this machine.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Returns the configuration of TLS with these authorities in PEM, or else those of the system.
///
/// # Errors
/// A message if the PEM text is invalid.
pub fn tls_config(authorities: Option<&str>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    match authorities {
        Some(pem) => {
            let read = tls::certificates(pem.as_bytes());
            let read = read.map_err(|error| format!("CertificateAuthority is invalid: {error}"))?;
            for certificate in read {
                roots
                    .add(certificate)
                    .map_err(|error| format!("CertificateAuthority is invalid: {error}"))?;
            }
        }
        None => {
            let _ = roots.add_parsable_certificates(tls::system_authorities().iter().cloned());
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::clone(tls::provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}
