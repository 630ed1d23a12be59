//! Claims of a certificate: validity period, purpose and names (RFC 5280, RFC 6125).

use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;
use tls::HostName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// The claims of a certificate.
#[derive(Debug)]
pub(super) struct Claims {
    not_before: i64,
    not_after: i64,
    is_for_servers: bool,
    /// DNS names in lower case. The common name is used only if there are no subject alternative names.
    names: Vec<String>,
    addresses: Vec<IpAddr>,
    /// Object identifier of the issuer's signature algorithm, as DER content.
    signature_algorithm: Vec<u8>,
    is_self_signed: bool,
}

/// Reason why clients will reject a certificate (WSMan code 2150858985 for names).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateProblem {
    /// The certificate has expired.
    #[error("expired on {}", date(*at))]
    Expired {
        /// End of the validity period, in seconds since 1970.
        at: i64,
    },
    /// The certificate is not valid yet, or the clock of this machine is wrong.
    #[error("not valid before {}; check the clock of this machine", date(*at))]
    NotYetValid {
        /// Start of the validity period, in seconds since 1970.
        at: i64,
    },
    /// The extended key usage does not include server authentication.
    #[error("the extended key usage does not include server authentication (serverAuth)")]
    NotForServers,
    /// The certificate does not cover the host name.
    #[error("not valid for {hostname}, only for {}", names.join(", "))]
    NameMismatch {
        /// Host name of the listener.
        hostname: String,
        /// Names and addresses of the certificate.
        names: Vec<String>,
    },
}

impl Claims {
    /// Parses a certificate.
    ///
    /// # Errors
    /// A text that describes the syntax error.
    pub(super) fn parse(der: &CertificateDer<'_>) -> Result<Self, String> {
        let (_, certificate) = X509Certificate::from_der(der).map_err(|error| error.to_string())?;
        let usage = certificate.extended_key_usage().map_err(|error| error.to_string())?;
        let is_for_servers = usage.is_none_or(|usage| usage.value.any || usage.value.server_auth);
        let (mut names, mut addresses) = (Vec::new(), Vec::new());
        for name in tls::host_names(&certificate).map_err(|error| error.to_string())? {
            match name {
                HostName::Dns(name) => names.push(name.to_ascii_lowercase()),
                HostName::Address(address) => addresses.push(address),
            }
        }
        let validity = certificate.validity();
        Ok(Self {
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
            is_for_servers,
            names,
            addresses,
            signature_algorithm: certificate.signature_algorithm.algorithm.as_bytes().to_vec(),
            is_self_signed: certificate.subject().as_raw() == certificate.issuer().as_raw(),
        })
    }

    pub(super) fn not_after(&self) -> i64 {
        self.not_after
    }

    /// Returns the object identifier of the issuer's signature algorithm, as DER content.
    pub(super) fn signature_algorithm(&self) -> &[u8] {
        &self.signature_algorithm
    }

    pub(super) fn check(&self, hostname: &str, now: SystemTime) -> Result<(), CertificateProblem> {
        let now = now.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        if now > self.not_after {
            return Err(CertificateProblem::Expired { at: self.not_after });
        }
        if now < self.not_before {
            return Err(CertificateProblem::NotYetValid { at: self.not_before });
        }
        if !self.is_for_servers {
            return Err(CertificateProblem::NotForServers);
        }
        if !matches!(hostname, "" | "*") && !self.has_name(hostname) {
            let addresses = self.addresses.iter().map(ToString::to_string);
            let names = self.names.iter().cloned().chain(addresses).collect();
            return Err(CertificateProblem::NameMismatch { hostname: hostname.to_owned(), names });
        }
        Ok(())
    }

    pub(super) fn is_self_signed(&self) -> bool {
        self.is_self_signed
    }

    pub(super) fn has_name(&self, hostname: &str) -> bool {
        let bare = hostname.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(hostname);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return self.addresses.contains(&address);
        }
        let hostname = hostname.trim_end_matches('.').to_ascii_lowercase();
        self.names.iter().any(|name| name == &hostname || matches_wildcard(name, &hostname))
    }
}

/// Returns whether a wildcard name covers a host name: `*.example.com` covers one additional label (RFC 6125 6.4.3).
fn matches_wildcard(name: &str, hostname: &str) -> bool {
    let parent = name.strip_prefix("*.").filter(|parent| parent.contains('.'));
    let above = hostname.split_once('.').filter(|(label, _)| !label.is_empty()).map(|(_, parent)| parent);
    parent.is_some() && parent == above
}

fn date(at: i64) -> String {
    http::Date::from_unix(u64::try_from(at).unwrap_or_default()).as_str().to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, SanType};

    use super::*;

    fn claims(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Claims {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "common.example.com");
        params.not_before = UNIX_EPOCH.into();
        params.not_after = (UNIX_EPOCH + Duration::from_secs(1_000)).into();
        for name in names {
            params.subject_alt_names.push(match name.parse() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName((*name).try_into().unwrap()),
            });
        }
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Claims::parse(params.self_signed(&key).unwrap().der()).unwrap()
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn the_validity_period_includes_both_ends() {
        let claims = claims(&["a.example.com"], |_| {});
        assert_eq!(claims.check("", at(0)), Ok(()));
        assert_eq!(claims.check("*", at(1_000)), Ok(()));
        assert_eq!(claims.check("", at(1_001)), Err(CertificateProblem::Expired { at: 1_000 }));
        let mut later = claims;
        later.not_before = 60;
        let error = later.check("", at(0)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "not valid before Thu, 01 Jan 1970 00:01:00 GMT; check the clock of this machine"
        );
    }

    #[test]
    fn listed_names_and_wildcards_are_covered() {
        let claims = claims(&["Node.example.com", "*.lab.example.com", "192.0.2.7", "2001:db8::7"], |_| {});
        for name in
            ["node.example.com", "NODE.example.com", "a.lab.example.com", "192.0.2.7", "[2001:db8::7]"]
        {
            assert_eq!(claims.check(name, at(1)), Ok(()), "{name}");
        }
        for name in ["common.example.com", "lab.example.com", "a.b.lab.example.com", "node", "192.0.2.8"] {
            assert!(
                matches!(claims.check(name, at(1)), Err(CertificateProblem::NameMismatch { .. })),
                "{name}"
            );
        }
    }

    #[test]
    fn the_common_name_counts_only_without_other_names() {
        assert_eq!(claims(&[], |_| {}).check("common.example.com", at(1)), Ok(()));
    }

    #[test]
    fn the_extended_key_usage_must_include_servers() {
        let clients = claims(&[], |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        });
        assert_eq!(clients.check("", at(1)), Err(CertificateProblem::NotForServers));
    }
}
