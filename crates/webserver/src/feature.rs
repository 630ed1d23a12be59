//! Features of a site, with typed values.

mod values;

use std::fmt;
use std::str::FromStr;

use serde::de::DeserializeSeed;
use serde::{Deserialize, Deserializer, Serialize};

use crate::position::Position;
use crate::value::{FilePath, InvalidValue, SiteId, UrlPath};

pub use values::{
    AccessLog, BasicAuthentication, BasicUser, Clients, Compression, CompressionLevel, DefaultDocuments,
    DirectoryBrowsing, ErrorLog, ErrorPage, ErrorPages, IpRestrictions, IpRule, Limits, ListFormat, LogLevel,
    Logging, MimeType, MimeTypes, Redirect, RedirectStatus, ResponseHeader, ResponseHeaders, Ssl, StatusCode,
    TlsVersion,
};

/// A feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Feature {
    /// Documents that are sent for a folder.
    DefaultDocuments,
    /// Listing of folders without a default document.
    DirectoryBrowsing,
    /// Pages for error responses.
    ErrorPages,
    /// Redirection of all requests.
    Redirect,
    /// Headers that are added to responses.
    ResponseHeaders,
    /// Media types of file name extensions.
    MimeTypes,
    /// Compression of responses.
    Compression,
    /// Addresses of clients that are allowed or denied.
    IpRestrictions,
    /// Basic authentication.
    BasicAuthentication,
    /// Certificate and TLS settings.
    Ssl,
    /// Limits and timeouts.
    Limits,
    /// Access log and error log.
    Logging,
}

impl Feature {
    /// All features.
    pub const ALL: [Self; 12] = [
        Self::DefaultDocuments,
        Self::DirectoryBrowsing,
        Self::ErrorPages,
        Self::Redirect,
        Self::ResponseHeaders,
        Self::MimeTypes,
        Self::Compression,
        Self::IpRestrictions,
        Self::BasicAuthentication,
        Self::Ssl,
        Self::Limits,
        Self::Logging,
    ];

    /// Returns the name in the API, such as `default-documents`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DefaultDocuments => "default-documents",
            Self::DirectoryBrowsing => "directory-browsing",
            Self::ErrorPages => "error-pages",
            Self::Redirect => "redirect",
            Self::ResponseHeaders => "response-headers",
            Self::MimeTypes => "mime-types",
            Self::Compression => "compression",
            Self::IpRestrictions => "ip-restrictions",
            Self::BasicAuthentication => "basic-authentication",
            Self::Ssl => "ssl",
            Self::Limits => "limits",
            Self::Logging => "logging",
        }
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Feature {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let found = Self::ALL.into_iter().find(|feature| feature.name() == text);
        found.ok_or_else(|| InvalidValue::new("feature", text, "there is no such feature"))
    }
}

/// Deserializes the members of a value of this feature. The tag of [`FeatureValue`] requires a buffer, behind which a
/// deserializer cannot track the position of an error.
impl<'de> DeserializeSeed<'de> for Feature {
    type Value = FeatureValue;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<FeatureValue, D::Error> {
        Ok(match self {
            Self::DefaultDocuments => FeatureValue::DefaultDocuments(Deserialize::deserialize(from)?),
            Self::DirectoryBrowsing => FeatureValue::DirectoryBrowsing(Deserialize::deserialize(from)?),
            Self::ErrorPages => FeatureValue::ErrorPages(Deserialize::deserialize(from)?),
            Self::Redirect => FeatureValue::Redirect(Deserialize::deserialize(from)?),
            Self::ResponseHeaders => FeatureValue::ResponseHeaders(Deserialize::deserialize(from)?),
            Self::MimeTypes => FeatureValue::MimeTypes(Deserialize::deserialize(from)?),
            Self::Compression => FeatureValue::Compression(Deserialize::deserialize(from)?),
            Self::IpRestrictions => FeatureValue::IpRestrictions(Deserialize::deserialize(from)?),
            Self::BasicAuthentication => FeatureValue::BasicAuthentication(Deserialize::deserialize(from)?),
            Self::Ssl => FeatureValue::Ssl(Deserialize::deserialize(from)?),
            Self::Limits => FeatureValue::Limits(Deserialize::deserialize(from)?),
            Self::Logging => FeatureValue::Logging(Deserialize::deserialize(from)?),
        })
    }
}

/// Part of the configuration to which a feature applies. Lower scopes inherit the values of higher ones.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "scope", rename_all = "kebab-case")]
pub enum Scope {
    /// All sites.
    Server,
    /// One site.
    Site {
        /// The site.
        site: SiteId,
    },
    /// A location of a site, without regular expressions.
    Location {
        /// The site.
        site: SiteId,
        /// Path of the location.
        path: UrlPath,
    },
}

impl Scope {
    /// Returns the site to which the scope belongs.
    #[must_use]
    pub fn site(&self) -> Option<&SiteId> {
        match self {
            Self::Server => None,
            Self::Site { site } | Self::Location { site, .. } => Some(site),
        }
    }
}

/// Value of a feature in a scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FeatureState {
    /// The feature.
    pub feature: Feature,
    /// The scope.
    pub scope: Scope,
    /// Value that applies in the scope.
    pub setting: Setting,
    /// The value is set in this scope itself, so it can be reverted.
    pub is_local: bool,
    /// Positions of the directives that set the value.
    pub origins: Vec<Position>,
}

/// Value of a feature, as far as its type can represent it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "setting", rename_all = "kebab-case")]
pub enum Setting {
    /// No directive sets the feature; the defaults of the web server apply.
    Default,
    /// The value.
    Value {
        /// The value.
        value: FeatureValue,
    },
    /// The directives have a form that [`FeatureValue`] cannot represent. They can be edited as text.
    Unsupported {
        /// The directives.
        text: String,
    },
}

/// Value of a feature. `None` in a field means that the inherited value or the default applies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "feature", rename_all = "kebab-case")]
pub enum FeatureValue {
    /// Documents that are sent for a folder.
    DefaultDocuments(DefaultDocuments),
    /// Listing of folders.
    DirectoryBrowsing(DirectoryBrowsing),
    /// Pages for error responses.
    ErrorPages(ErrorPages),
    /// Redirection of all requests; not in the scope of all sites.
    Redirect(Redirect),
    /// Headers that are added to responses.
    ResponseHeaders(ResponseHeaders),
    /// Media types.
    MimeTypes(MimeTypes),
    /// Compression.
    Compression(Compression),
    /// Addresses of clients.
    IpRestrictions(IpRestrictions),
    /// Basic authentication.
    BasicAuthentication(BasicAuthentication),
    /// Certificate and TLS settings; not in the scope of a location.
    Ssl(Ssl),
    /// Limits and timeouts.
    Limits(Limits),
    /// Logs.
    Logging(Logging),
}

impl FeatureValue {
    /// Returns whether a list in it that every web server needs is empty, or a media type is a pattern.
    pub(crate) fn is_incomplete(&self) -> bool {
        match self {
            Self::DefaultDocuments(value) => value.files.is_empty(),
            Self::ErrorPages(value) => value.pages.iter().any(|page| page.codes.is_empty()),
            Self::MimeTypes(value) => value
                .types
                .iter()
                .flatten()
                .any(|kind| kind.extensions.is_empty() || kind.media_type.as_str() == "*"),
            Self::Ssl(value) => value.protocols.as_ref().is_some_and(Vec::is_empty),
            _ => false,
        }
    }

    /// Returns the feature to which the value belongs.
    #[must_use]
    pub fn feature(&self) -> Feature {
        match self {
            Self::DefaultDocuments(_) => Feature::DefaultDocuments,
            Self::DirectoryBrowsing(_) => Feature::DirectoryBrowsing,
            Self::ErrorPages(_) => Feature::ErrorPages,
            Self::Redirect(_) => Feature::Redirect,
            Self::ResponseHeaders(_) => Feature::ResponseHeaders,
            Self::MimeTypes(_) => Feature::MimeTypes,
            Self::Compression(_) => Feature::Compression,
            Self::IpRestrictions(_) => Feature::IpRestrictions,
            Self::BasicAuthentication(_) => Feature::BasicAuthentication,
            Self::Ssl(_) => Feature::Ssl,
            Self::Limits(_) => Feature::Limits,
            Self::Logging(_) => Feature::Logging,
        }
    }

    /// Returns the files to which the value refers, so that a caller can check the rights of a delegated user.
    #[must_use]
    pub fn file_paths(&self) -> Vec<&FilePath> {
        match self {
            Self::BasicAuthentication(value) => value.user_file.iter().collect(),
            Self::Ssl(value) => value.certificate.iter().chain(&value.key).collect(),
            Self::Logging(value) => {
                let access = value.access.iter().filter_map(|log| log.file.as_ref());
                access.chain(value.error.as_ref().map(|log| &log.file)).collect()
            }
            _ => Vec::new(),
        }
    }
}
