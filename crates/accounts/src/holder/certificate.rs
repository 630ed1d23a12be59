//! Parsing of the certificate that a client has shown in the TLS handshake, and verification of its chain.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use auth::account_file::UnixTime;
use auth::certificate_mapping::{
    CertificateFacts, CertificateMappings, CertificateThumbprint, ChainVerdict, Purpose, SubjectNames,
};
use auth::{CertificateProof, ClientCertificates};
use rustls::pki_types::{CertificateDer, TrustAnchor};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_parser::der_parser::asn1_rs::{Any, FromDer as _, Oid, Tag, oid};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::X509Certificate;

/// A client certificate with the other certificates that the client has sent.
///
/// The handshake signature has proven that the client has the private key; the content is not yet verified.
#[derive(Clone)]
pub struct ClientCertificate(
    /// INVARIANT: not empty; the first is the client's own certificate.
    Arc<[CertificateDer<'static>]>,
);

impl ClientCertificate {
    /// Takes the certificates shown in a handshake.
    #[must_use]
    pub fn of_proof(proof: &CertificateProof) -> Self {
        Self(proof.certificates().iter().map(|der| CertificateDer::from(der.clone())).collect())
    }

    /// Parses the certificate and verifies its chain against the current authorities.
    ///
    /// # Errors
    /// The reason why it cannot be parsed.
    pub fn facts(&self, known: &ClientCertificates, now: UnixTime) -> Result<CertificateFacts, String> {
        let Some((own, others)) = self.0.split_first() else { return Err("no certificate".to_owned()) };
        let (_, read) = X509Certificate::from_der(own).map_err(|error| error.to_string())?;
        let (signer, chain) = signer(own, others, &read, known, now);
        Ok(CertificateFacts {
            names: names(&read)?,
            signer,
            purpose: purpose(&read)?,
            valid: validity(&read),
            chain,
        })
    }

    /// Returns the thumbprint of the client's own certificate.
    pub(crate) fn thumbprint(&self) -> CertificateThumbprint {
        self.0.first().map_or(CertificateThumbprint([0; 20]), |own| thumbprint(own))
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClientCertificate").field(&self.thumbprint()).finish()
    }
}

/// Returns the issuer of a certificate, and whether the chain leads to a trusted authority.
///
/// A self-signed certificate is trusted if a mapping names it as its issuer, because the administrator chose exactly
/// this certificate. The chain verification cannot accept it: certificates of `openssl req -x509` are marked as
/// authorities, which must not be the end of a chain.
fn signer(
    own: &CertificateDer<'_>,
    others: &[CertificateDer<'_>],
    read: &X509Certificate<'_>,
    known: &ClientCertificates,
    now: UnixTime,
) -> (CertificateThumbprint, ChainVerdict) {
    let itself = thumbprint(own);
    if read.issuer().as_raw() == read.subject().as_raw() && names_issuer(&known.mappings, itself) {
        return (itself, ChainVerdict::Trusted);
    }
    let authorities: Vec<CertificateDer<'_>> =
        known.authorities.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
    let anchors: Vec<(CertificateThumbprint, TrustAnchor<'_>)> = authorities
        .iter()
        .filter_map(|der| Some((thumbprint(der), anchor_from_trusted_cert(der).ok()?)))
        .collect();
    let roots: Vec<TrustAnchor<'_>> = anchors.iter().map(|(_, anchor)| anchor.clone()).collect();
    let algorithms = tls::signature_algorithms().all;
    let now = rustls::pki_types::UnixTime::since_unix_epoch(std::time::Duration::from_secs(now.seconds()));
    let Ok(end) = EndEntityCert::try_from(own) else { return (itself, ChainVerdict::Untrusted) };
    let path = end.verify_for_usage(algorithms, &roots, others, now, KeyUsage::client_auth(), None, None);
    let Ok(path) = path else { return (itself, ChainVerdict::Untrusted) };
    if let Some(intermediate) = path.intermediate_certificates().next() {
        return (thumbprint(&intermediate.der()), ChainVerdict::Trusted);
    }
    // An authority that was renewed with its old key occurs twice.
    let found =
        anchors.iter().filter(|(_, anchor)| anchor == path.anchor()).map(|(thumbprint, _)| *thumbprint);
    let mapped = found.clone().find(|thumbprint| names_issuer(&known.mappings, *thumbprint));
    (mapped.or_else(|| found.clone().next()).unwrap_or(itself), ChainVerdict::Trusted)
}

fn names_issuer(mappings: &CertificateMappings, thumbprint: CertificateThumbprint) -> bool {
    mappings.entries().iter().any(|mapping| mapping.issuer == thumbprint)
}

fn thumbprint(der: &[u8]) -> CertificateThumbprint {
    CertificateThumbprint(tls::thumbprint::sha1(der))
}

fn names(certificate: &X509Certificate<'_>) -> Result<SubjectNames, String> {
    let mut names = SubjectNames::default();
    let alternatives = certificate.subject_alternative_name().map_err(|error| error.to_string())?;
    for name in alternatives.iter().flat_map(|extension| &extension.value.general_names) {
        match name {
            GeneralName::OtherName(kind, value) if *kind == USER_PRINCIPAL_NAME => {
                let name = principal(value).ok_or("the user principal name is not a UTF-8 string")?;
                if names.user_principal_name.replace(name).is_some() {
                    return Err("more than one user principal name".to_owned());
                }
            }
            GeneralName::RFC822Name(name) => names.mail_addresses.push((*name).to_owned()),
            GeneralName::DNSName(name) => names.dns_names.push((*name).to_owned()),
            _ => {}
        }
    }
    // The order is from the root downwards: a directory puts CN=Users before CN=Ada.
    let common = certificate.subject().iter_common_name().last();
    names.common_name = common.and_then(|name| name.as_str().ok()).map(str::to_owned);
    Ok(names)
}

/// Returns the UTF-8 string in the `[0]` of an `otherName` (RFC 5280 4.2.1.6).
fn principal(value: &[u8]) -> Option<String> {
    let (rest, explicit) = Any::from_der(value).ok()?;
    let (more, text) = Any::from_der(explicit.data).ok()?;
    let is_text = explicit.tag() == Tag(0) && text.tag() == Tag::Utf8String;
    let is_all = rest.is_empty() && more.is_empty();
    (is_text && is_all).then(|| std::str::from_utf8(text.data).ok().map(str::to_owned)).flatten()
}

fn purpose(certificate: &X509Certificate<'_>) -> Result<Purpose, String> {
    let usage = certificate.extended_key_usage().map_err(|error| error.to_string())?;
    Ok(match usage {
        Some(usage) if usage.value.client_auth => Purpose::ClientAuthentication,
        Some(_) => Purpose::Other,
        None => Purpose::Unspecified,
    })
}

fn validity(certificate: &X509Certificate<'_>) -> RangeInclusive<UnixTime> {
    let validity = certificate.validity();
    unix_time(validity.not_before.timestamp())..=unix_time(validity.not_after.timestamp())
}

/// Converts seconds since 1970; earlier times become 0.
fn unix_time(seconds: i64) -> UnixTime {
    UnixTime::new(u64::try_from(seconds).unwrap_or_default())
}

/// User principal name (szOID_NT_PRINCIPAL_NAME), as Windows writes it into certificates.
const USER_PRINCIPAL_NAME: Oid<'static> = oid!(1.3.6.1.4.1.311.20.2.3);

#[cfg(test)]
mod tests;
