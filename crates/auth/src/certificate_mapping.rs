//! Client certificates: which account the holder of one is (MS-WSMV 3.1.4.1.35).
//!
//! A certificate names somebody, but not an account of this machine: that is what mappings are for.
//! [`CertificateMappings::choose`] finds the one that fits, or says for the log why there is none; the caller has
//! checked the signature of the handshake before, and checks the account after.
//!
//! ```
//! # use telarch_auth::UserName;
//! # use telarch_auth::account_file::{Standing, UnixTime};
//! # use telarch_auth::certificate_mapping::*;
//! let mappings = CertificateMappings::new(vec![Mapping {
//!     issuer: CertificateThumbprint::parse("00112233445566778899AABBCCDDEEFF01020304")?,
//!     subject: SubjectPattern::parse("*@corp.example")?,
//!     uri: UriPattern::parse("*")?,
//!     user: UserName::parse("operator")?,
//!     standing: Standing::Enabled,
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
use crate::account_file::{Standing, UnixTime};

/// The mappings of a service.
#[derive(Clone, Debug, Default)]
pub struct CertificateMappings(
    /// INVARIANT: at most [`MAX_MAPPINGS`], and no two have the same issuer, subject and URI.
    Vec<Mapping>,
);

/// One entry: whose certificates, for which resources, are whose account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// `Issuer`: the certificate that signed those of the clients.
    pub issuer: CertificateThumbprint,
    /// `Subject`.
    pub subject: SubjectPattern,
    /// `URI`.
    pub uri: UriPattern,
    /// `UserName`.
    pub user: UserName,
    /// `Enabled`.
    pub standing: Standing,
}

/// What tells one mapping from another, and what it is found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingKeys {
    /// `Issuer`.
    pub issuer: CertificateThumbprint,
    /// `Subject`.
    pub subject: SubjectPattern,
    /// `URI`.
    pub uri: UriPattern,
}

/// The SHA-1 hash of a certificate, which names it and proves nothing.
///
/// Printed as 40 upper-case hexadecimal digits; read also in lower case and with white space between.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CertificateThumbprint(pub [u8; 20]);

/// What is to be known of a client's certificate, from whoever has read it.
#[derive(Clone, Debug)]
pub struct CertificateFacts {
    /// Whom it names.
    pub names: SubjectNames,
    /// The certificate that signed it: its own thumbprint if it signed itself.
    pub signer: CertificateThumbprint,
    /// What it may be used for.
    pub purpose: Purpose,
    /// From when to when it is valid, both included.
    pub valid: RangeInclusive<UnixTime>,
    /// Whether somebody trusted stands for it.
    pub chain: ChainVerdict,
}

/// Whom a certificate names.
///
/// The first kind that is there counts: the user principal name; the addresses and names of hosts; the common name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubjectNames {
    /// The `otherName` 1.3.6.1.4.1.311.20.2.3 of the subject's alternative names.
    pub user_principal_name: Option<String>,
    /// The `rfc822Name`s of the subject's alternative names.
    pub mail_addresses: Vec<String>,
    /// The `dNSName`s of the subject's alternative names.
    pub dns_names: Vec<String>,
    /// The common name of the subject.
    pub common_name: Option<String>,
}

/// What a certificate may be used for (RFC 5280 4.2.1.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Its extended key usage names the authentication of clients, 1.3.6.1.5.5.7.3.2.
    ClientAuthentication,
    /// Its extended key usage names other purposes only.
    Other,
    /// It has no extended key usage.
    Unsaid,
}

/// Whether somebody trusted stands for a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainVerdict {
    /// Its chain ends in an authority that is trusted, or it is itself one of those that were pinned.
    Trusted,
    /// Neither.
    Untrusted,
    /// Its authority has taken it back.
    Revoked,
}

/// Why a certificate is nobody's. For the log: the peer learns that access is denied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MappingRefusal {
    /// [`ChainVerdict::Untrusted`].
    #[error("the certificate leads to no trusted authority and is not pinned")]
    Untrusted,
    /// [`ChainVerdict::Revoked`].
    #[error("the certificate is revoked")]
    Revoked,
    /// It is too early.
    #[error("the certificate is not valid yet")]
    NotYetValid,
    /// It is too late.
    #[error("the certificate has expired")]
    Expired,
    /// It was not issued for this.
    #[error(
        "the certificate is not meant for client authentication: its extended key usage does not name it"
    )]
    Purpose,
    /// It has no name that could be looked for.
    #[error("the certificate names nobody: it has no user principal name, address, host name or common name")]
    Nameless,
    /// There is no mapping for certificates of its authority.
    #[error("no mapping has the issuer {0}")]
    UnknownIssuer(CertificateThumbprint),
    /// There is one, but for others, or for other resources.
    #[error("no mapping of the issuer {issuer} fits {name:?} and this resource")]
    NoneFits {
        /// Who signed it.
        issuer: CertificateThumbprint,
        /// The first of its names that count, cut short.
        name: String,
    },
    /// There is one, switched off.
    #[error("the mapping that fits the certificate is not enabled")]
    Disabled,
    /// Several fit equally well.
    #[error(
        "several mappings fit the certificate equally well: make the Subject or URI of one of them longer"
    )]
    Ambiguous,
}

/// Why mappings are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MappingError {
    /// Too many of them.
    #[error("there are more than {MAX_MAPPINGS} mappings")]
    TooMany,
    /// The keys of an entry that came before.
    #[error("a mapping with the issuer {issuer}, the subject {subject} and the URI {uri} is there already")]
    Duplicate {
        /// Its issuer.
        issuer: CertificateThumbprint,
        /// Its subject.
        subject: SubjectPattern,
        /// Its URI.
        uri: UriPattern,
    },
}

impl CertificateMappings {
    /// Takes entries of which no two have the same keys.
    ///
    /// # Errors
    /// [`MappingError`].
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

    /// The entries.
    #[must_use]
    pub fn entries(&self) -> &[Mapping] {
        &self.0
    }

    /// The mapping for a certificate and the resource that is asked for: of those that fit, the one with the
    /// longest subject, and of these the one with the longest URI.
    ///
    /// # Errors
    /// [`MappingRefusal`].
    pub fn choose(
        &self,
        certificate: &CertificateFacts,
        resource: &str,
        now: UnixTime,
    ) -> Result<&Mapping, MappingRefusal> {
        let fitting = self.for_holder(certificate, now)?;
        let mut best: Option<(&Mapping, Rivals)> = None;
        let mut disabled = false;
        for mapping in fitting.into_iter().filter(|mapping| mapping.uri.fits(resource)) {
            if mapping.standing == Standing::Disabled {
                disabled = true;
                continue;
            }
            best = match best {
                Some((other, _)) if other.weight() > mapping.weight() => best,
                Some((other, _)) if other.weight() == mapping.weight() => Some((other, Rivals::Some)),
                _ => Some((mapping, Rivals::None)),
            };
        }
        match best {
            Some((mapping, Rivals::None)) => Ok(mapping),
            Some((_, Rivals::Some)) => Err(MappingRefusal::Ambiguous),
            None if disabled => Err(MappingRefusal::Disabled),
            None => Err(certificate.fits_none()),
        }
    }

    /// Whether there is any resource that a certificate leads to, for who does not know yet which is asked for.
    ///
    /// # Errors
    /// [`MappingRefusal`].
    pub fn consider(&self, certificate: &CertificateFacts, now: UnixTime) -> Result<(), MappingRefusal> {
        let fitting = self.for_holder(certificate, now)?;
        match fitting.iter().any(|mapping| mapping.standing == Standing::Enabled) {
            true => Ok(()),
            false => Err(MappingRefusal::Disabled),
        }
    }

    /// Those whose issuer and subject are a certificate's: at least one.
    fn for_holder(
        &self,
        certificate: &CertificateFacts,
        now: UnixTime,
    ) -> Result<Vec<&Mapping>, MappingRefusal> {
        certificate.usable(now)?;
        let names = certificate.names.that_count();
        if names.is_empty() {
            return Err(MappingRefusal::Nameless);
        }
        let of_issuer = || self.0.iter().filter(|mapping| mapping.issuer == certificate.signer);
        if of_issuer().next().is_none() {
            return Err(MappingRefusal::UnknownIssuer(certificate.signer));
        }
        let fitting: Vec<_> =
            of_issuer().filter(|mapping| names.iter().any(|name| mapping.subject.fits(name))).collect();
        if fitting.is_empty() { Err(certificate.fits_none()) } else { Ok(fitting) }
    }
}

/// Whether another mapping fits as well as the best so far.
#[derive(Clone, Copy)]
enum Rivals {
    None,
    Some,
}

impl Mapping {
    /// What it is found by.
    #[must_use]
    pub fn keys(&self) -> MappingKeys {
        MappingKeys { issuer: self.issuer, subject: self.subject.clone(), uri: self.uri.clone() }
    }

    fn has_keys_of(&self, other: &Self) -> bool {
        (self.issuer, &self.subject, &self.uri) == (other.issuer, &other.subject, &other.uri)
    }

    /// The larger one wins.
    fn weight(&self) -> (usize, usize) {
        (self.subject.length(), self.uri.length())
    }
}

impl CertificateFacts {
    fn fits_none(&self) -> MappingRefusal {
        MappingRefusal::NoneFits { issuer: self.signer, name: self.names.claimed().unwrap_or_default() }
    }

    /// What the certificate says of itself comes first: a chain cannot be good that ends in one that has expired.
    fn usable(&self, now: UnixTime) -> Result<(), MappingRefusal> {
        if now < *self.valid.start() {
            return Err(MappingRefusal::NotYetValid);
        }
        if now > *self.valid.end() {
            return Err(MappingRefusal::Expired);
        }
        match self.purpose {
            Purpose::ClientAuthentication => {}
            Purpose::Other | Purpose::Unsaid => return Err(MappingRefusal::Purpose),
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
    /// The first of those that count, cut short: what the holder claims to be, for records.
    #[must_use]
    pub fn claimed(&self) -> Option<String> {
        self.that_count().first().map(|name| name.chars().take(80).collect())
    }

    fn that_count(&self) -> Vec<&str> {
        let there = |name: &&str| !name.is_empty();
        let of_hosts = self.mail_addresses.iter().chain(&self.dns_names).take(MAX_NAMES).map(String::as_str);
        [
            self.user_principal_name.as_deref().filter(there).into_iter().collect(),
            of_hosts.filter(there).collect(),
            self.common_name.as_deref().filter(there).into_iter().collect(),
        ]
        .into_iter()
        .find(|names: &Vec<&str>| !names.is_empty())
        .unwrap_or_default()
    }
}

impl CertificateThumbprint {
    /// Reads 40 hexadecimal digits; white space between them does not count.
    ///
    /// # Errors
    /// [`PatternError::Thumbprint`].
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

/// The most mappings of a service.
pub const MAX_MAPPINGS: usize = 1_000;

/// Further names of one certificate are not looked at.
const MAX_NAMES: usize = 100;
