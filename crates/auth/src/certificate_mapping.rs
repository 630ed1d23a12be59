//! Mapping of client certificates to accounts (MS-WSMV 3.1.4.1.35).
//!
//! A certificate names a subject, but not an account of this machine; mappings connect the two.
//! [`CertificateMappings::choose`] selects the mapping for a certificate and a resource, or returns the reason for the
//! log. The caller verifies the signature of the handshake before, and the account afterwards.
//! ```
//! # use telarch_auth::UserName;
//! # use telarch_auth::account_file::{EnabledState, UnixTime};
//! # use telarch_auth::certificate_mapping::*;
//! let mappings = CertificateMappings::new(vec![Mapping {
//!     issuer: CertificateThumbprint::parse("00112233445566778899AABBCCDDEEFF01020304")?,
//!     subject: SubjectPattern::parse("*@corp.example")?,
//!     uri: UriPattern::parse("*")?,
//!     user: UserName::parse("operator")?,
//!     state: EnabledState::Enabled,
//! }])?;
//! let facts = CertificateFacts {
//!     names: SubjectNames { user_principal_name: Some("ann@corp.example".to_owned()), ..SubjectNames::default() },
//!     signer: CertificateThumbprint::parse("00112233445566778899AABBCCDDEEFF01020304")?,
//!     purpose: Purpose::ClientAuthentication,
//!     valid: UnixTime::new(1_700_000_000)..=UnixTime::new(1_800_000_000),
//!     chain: ChainVerdict::Trusted,
//! };
//! let uri = "http://schemas.microsoft.com/wbem/wsman/1/config";
//! let chosen = mappings.choose(&facts, uri, UnixTime::new(1_763_719_754))?;
//! assert_eq!(chosen.user.user(), "operator");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod change;
mod pattern;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::RangeInclusive;

pub use self::change::{MappingChange, MappingChangeError, MappingFields};
pub use self::pattern::{PatternError, SubjectPattern, UriPattern};
use crate::UserName;
use crate::account_file::{EnabledState, UnixTime};

/// Certificate mappings of a service.
#[derive(Clone, Debug, Default)]
pub struct CertificateMappings(
    /// INVARIANT: at most [`MAX_MAPPINGS`]; issuer, subject and URI together are unique.
    Vec<Mapping>,
);

/// A mapping: certificates of an issuer with matching subjects get an account for matching resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// `Issuer`: thumbprint of the certificate that issued the client certificates.
    pub issuer: CertificateThumbprint,
    /// `Subject`: pattern for the subject name.
    pub subject: SubjectPattern,
    /// `URI`: pattern for the resource URI.
    pub uri: UriPattern,
    /// `UserName`: account of the mapping.
    pub user: UserName,
    /// `Enabled`: whether the mapping is in use.
    pub state: EnabledState,
}

/// Keys that identify a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingKeys {
    /// `Issuer`: thumbprint of the issuing certificate.
    pub issuer: CertificateThumbprint,
    /// `Subject`: pattern for the subject name.
    pub subject: SubjectPattern,
    /// `URI`: pattern for the resource URI.
    pub uri: UriPattern,
}

/// SHA-1 hash of a certificate. It identifies a certificate and is not a security decision.
///
/// Printed as 40 upper-case hexadecimal digits; lower case and white space are accepted when parsing.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CertificateThumbprint(pub [u8; 20]);

/// Facts about a parsed and verified client certificate.
#[derive(Clone, Debug)]
pub struct CertificateFacts {
    /// Names of the subject.
    pub names: SubjectNames,
    /// Thumbprint of the issuing certificate; the certificate's own if it is self-signed.
    pub signer: CertificateThumbprint,
    /// Permitted use.
    pub purpose: Purpose,
    /// Validity period, both ends included.
    pub valid: RangeInclusive<UnixTime>,
    /// Result of the chain verification.
    pub chain: ChainVerdict,
}

/// Names of a certificate's subject.
///
/// Only the first kind present is used: the user principal name; mail addresses and DNS names; the common name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubjectNames {
    /// `otherName` 1.3.6.1.4.1.311.20.2.3 in the subject alternative name.
    pub user_principal_name: Option<String>,
    /// `rfc822Name` entries of the subject alternative name.
    pub mail_addresses: Vec<String>,
    /// `dNSName` entries of the subject alternative name.
    pub dns_names: Vec<String>,
    /// Common name of the subject.
    pub common_name: Option<String>,
}

/// Permitted use of a certificate (RFC 5280 4.2.1.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The extended key usage includes client authentication, 1.3.6.1.5.5.7.3.2.
    ClientAuthentication,
    /// The extended key usage lists other purposes only.
    Other,
    /// There is no extended key usage.
    Unspecified,
}

/// Result of verifying a certificate chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainVerdict {
    /// The chain ends in a trusted authority, or the certificate itself is pinned.
    Trusted,
    /// No trusted authority and not pinned.
    Untrusted,
    /// The issuer has revoked the certificate.
    Revoked,
}

/// Reason why a certificate leads to no account. For the log; the peer learns only that access is denied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MappingRefusal {
    /// [`ChainVerdict::Untrusted`].
    #[error("certificate is not signed by a trusted authority and not pinned")]
    Untrusted,
    /// [`ChainVerdict::Revoked`].
    #[error("certificate is revoked")]
    Revoked,
    /// The validity period begins later.
    #[error("certificate is not valid yet")]
    NotYetValid,
    /// The validity period is over.
    #[error("certificate has expired")]
    Expired,
    /// Client authentication is not among the permitted uses.
    #[error("certificate is not valid for client authentication: missing extended key usage")]
    Purpose,
    /// The certificate has no name of a supported kind.
    #[error("certificate has no user principal name, mail address, DNS name or common name")]
    Nameless,
    /// No mapping has the certificate's issuer.
    #[error("no mapping with issuer {0}")]
    UnknownIssuer(CertificateThumbprint),
    /// Mappings of the issuer exist, but none matches the name and the resource.
    #[error("no mapping with issuer {issuer} matches \"{name}\" and this resource")]
    NoMatch {
        /// Thumbprint of the issuing certificate.
        issuer: CertificateThumbprint,
        /// First name of the certificate, cut to 80 characters.
        name: String,
    },
    /// The matching mapping is disabled.
    #[error("the matching mapping is disabled")]
    Disabled,
    /// Several mappings match equally well.
    #[error(
        "several mappings match the certificate equally well; make the Subject or URI of one of them longer"
    )]
    Ambiguous,
}

/// Reason why a set of mappings is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MappingError {
    /// There are more than [`MAX_MAPPINGS`].
    #[error("more than {MAX_MAPPINGS} certificate mappings")]
    TooMany,
    /// Two mappings have the same keys.
    #[error("duplicate mapping with issuer {issuer}, subject {subject} and URI {uri}")]
    Duplicate {
        /// Issuer of both mappings.
        issuer: CertificateThumbprint,
        /// Subject pattern of both mappings.
        subject: SubjectPattern,
        /// URI pattern of both mappings.
        uri: UriPattern,
    },
}

impl CertificateMappings {
    /// Creates a set of mappings, whose keys must be unique.
    ///
    /// # Errors
    /// [`MappingError`] if there are too many mappings or duplicate keys.
    pub fn new(mappings: Vec<Mapping>) -> Result<Self, MappingError> {
        if mappings.len() > MAX_MAPPINGS {
            return Err(MappingError::TooMany);
        }
        let mut rest = mappings.as_slice();
        while let [first, others @ ..] = rest {
            if others.iter().any(|other| other.has_keys_of(first)) {
                let Mapping { issuer, subject, uri, .. } = first.clone();
                return Err(MappingError::Duplicate { issuer, subject, uri });
            }
            rest = others;
        }
        Ok(Self(mappings))
    }

    /// All mappings.
    #[must_use]
    pub fn entries(&self) -> &[Mapping] {
        &self.0
    }

    /// Selects the mapping for a certificate and a resource: among those that match, the one with the longest subject
    /// pattern, and among these the one with the longest URI pattern.
    ///
    /// # Errors
    /// [`MappingRefusal`] if the certificate is unusable, or not exactly one mapping remains.
    pub fn choose(
        &self,
        certificate: &CertificateFacts,
        resource: &str,
        now: UnixTime,
    ) -> Result<&Mapping, MappingRefusal> {
        let matching = self.for_holder(certificate, now)?;
        let mut best: Option<(&Mapping, Ties)> = None;
        let mut disabled = false;
        for mapping in matching.into_iter().filter(|mapping| mapping.uri.matches(resource)) {
            if mapping.state == EnabledState::Disabled {
                disabled = true;
                continue;
            }
            best = match best {
                Some((other, _)) if other.weight() > mapping.weight() => best,
                Some((other, _)) if other.weight() == mapping.weight() => Some((other, Ties::Some)),
                _ => Some((mapping, Ties::None)),
            };
        }
        match best {
            Some((mapping, Ties::None)) => Ok(mapping),
            Some((_, Ties::Some)) => Err(MappingRefusal::Ambiguous),
            None if disabled => Err(MappingRefusal::Disabled),
            None => Err(certificate.no_match()),
        }
    }

    /// Checks that a certificate is mapped for at least one resource, before the resource is known.
    ///
    /// # Errors
    /// [`MappingRefusal`] if the certificate is unusable or no enabled mapping matches.
    pub fn check_mapped(&self, certificate: &CertificateFacts, now: UnixTime) -> Result<(), MappingRefusal> {
        let matching = self.for_holder(certificate, now)?;
        match matching.iter().any(|mapping| mapping.state == EnabledState::Enabled) {
            true => Ok(()),
            false => Err(MappingRefusal::Disabled),
        }
    }

    /// Returns the mappings whose issuer and subject match a certificate: at least one.
    fn for_holder(
        &self,
        certificate: &CertificateFacts,
        now: UnixTime,
    ) -> Result<Vec<&Mapping>, MappingRefusal> {
        certificate.require_usable(now)?;
        let names = certificate.names.preferred();
        if names.is_empty() {
            return Err(MappingRefusal::Nameless);
        }
        let mut matching: Vec<&Mapping> =
            self.0.iter().filter(|mapping| mapping.issuer == certificate.signer).collect();
        if matching.is_empty() {
            return Err(MappingRefusal::UnknownIssuer(certificate.signer));
        }
        matching.retain(|mapping| names.iter().any(|name| mapping.subject.matches(name)));
        if matching.is_empty() { Err(certificate.no_match()) } else { Ok(matching) }
    }
}

/// Whether another mapping matches as well as the best one so far.
#[derive(Clone, Copy)]
enum Ties {
    None,
    Some,
}

impl Mapping {
    /// Keys of the mapping.
    #[must_use]
    pub fn keys(&self) -> MappingKeys {
        MappingKeys { issuer: self.issuer, subject: self.subject.clone(), uri: self.uri.clone() }
    }

    fn has_keys_of(&self, other: &Self) -> bool {
        (self.issuer, &self.subject, &self.uri) == (other.issuer, &other.subject, &other.uri)
    }

    /// Precedence of the mapping; the larger one wins.
    fn weight(&self) -> (usize, usize) {
        (self.subject.length(), self.uri.length())
    }
}

impl CertificateFacts {
    fn no_match(&self) -> MappingRefusal {
        MappingRefusal::NoMatch { issuer: self.signer, name: self.names.claimed().unwrap_or_default() }
    }

    /// Checks validity and purpose first: a chain with an expired certificate cannot be trusted.
    fn require_usable(&self, now: UnixTime) -> Result<(), MappingRefusal> {
        if now < *self.valid.start() {
            return Err(MappingRefusal::NotYetValid);
        }
        if now > *self.valid.end() {
            return Err(MappingRefusal::Expired);
        }
        match self.purpose {
            Purpose::ClientAuthentication => {}
            Purpose::Other | Purpose::Unspecified => return Err(MappingRefusal::Purpose),
        }
        match self.chain {
            ChainVerdict::Trusted => Ok(()),
            ChainVerdict::Untrusted => Err(MappingRefusal::Untrusted),
            ChainVerdict::Revoked => Err(MappingRefusal::Revoked),
        }
    }
}

impl fmt::Display for MappingKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Issuer={}+Subject={}+URI={}", self.issuer, self.subject, self.uri)
    }
}

impl SubjectNames {
    /// Returns the first name, cut to 80 characters; for audit records.
    #[must_use]
    pub fn claimed(&self) -> Option<String> {
        self.preferred().first().map(|name| name.chars().take(80).collect())
    }

    fn preferred(&self) -> Vec<&str> {
        let of_hosts = self.mail_addresses.iter().chain(&self.dns_names).take(MAX_NAMES).map(String::as_str);
        [
            self.user_principal_name.as_deref().filter(is_present).into_iter().collect(),
            of_hosts.filter(is_present).collect(),
            self.common_name.as_deref().filter(is_present).into_iter().collect(),
        ]
        .into_iter()
        .find(|names: &Vec<&str>| !names.is_empty())
        .unwrap_or_default()
    }
}

fn is_present(name: &&str) -> bool {
    !name.is_empty()
}

impl CertificateThumbprint {
    /// Parses 40 hexadecimal digits; white space is ignored.
    ///
    /// # Errors
    /// [`PatternError::Thumbprint`] for anything else.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let mut digits = text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16));
        let mut octets = [0; 20];
        for octet in &mut octets {
            let (Some(Some(high)), Some(Some(low))) = (digits.next(), digits.next()) else {
                return Err(PatternError::Thumbprint);
            };
            *octet = u8::try_from(high * 16 + low).map_err(|_| PatternError::Thumbprint)?;
        }
        if digits.next().is_some() { Err(PatternError::Thumbprint) } else { Ok(Self(octets)) }
    }
}

impl fmt::Display for CertificateThumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02X}"))
    }
}

impl fmt::Debug for CertificateThumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Maximum number of mappings of a service.
pub const MAX_MAPPINGS: usize = 1_000;

/// Maximum number of mail addresses and DNS names considered per certificate.
const MAX_NAMES: usize = 100;
