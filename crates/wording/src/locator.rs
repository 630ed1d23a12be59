//! Resource of an operation: `URI?Name=Value+Name2=Value2`, with aliases.

use std::fmt;

/// Resource URI with the selectors that identify one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locator {
    resource_uri: String,
    selectors: Vec<(String, String)>,
}

impl Locator {
    /// Parses `URI[?Name=Value[+Name2=Value2]]` and expands an alias in the first segment.
    ///
    /// A `+` always separates selectors; add a value that contains one with [`Locator::select`].
    ///
    /// # Errors
    /// [`LocatorError::UriEmpty`], [`LocatorError::UnknownAlias`], [`LocatorError::BadSelector`] or
    /// [`LocatorError::DuplicateSelector`].
    pub fn parse(text: &str) -> Result<Self, LocatorError> {
        let (uri, query) = match text.split_once('?') {
            Some((uri, query)) => (uri, Some(query)),
            None => (text, None),
        };
        let mut locator = Self { resource_uri: expand(uri)?, selectors: Vec::new() };
        for part in query.into_iter().filter(|query| !query.is_empty()).flat_map(|query| query.split('+')) {
            locator.select(part)?;
        }
        Ok(locator)
    }

    /// Adds one selector, written `Name=Value`; the value is everything after the first `=`.
    ///
    /// # Errors
    /// [`LocatorError::BadSelector`] without a name or `=`, [`LocatorError::DuplicateSelector`] for a repeated name.
    pub fn select(&mut self, text: &str) -> Result<(), LocatorError> {
        let (name, value) = text
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| LocatorError::BadSelector { text: text.to_owned() })?;
        // Services compare selector names without regard to case.
        if self.selectors.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
            return Err(LocatorError::DuplicateSelector { name: name.to_owned() });
        }
        self.selectors.push((name.to_owned(), value.to_owned()));
        Ok(())
    }

    /// Complete resource URI without selectors; aliases are expanded.
    #[must_use]
    pub fn resource_uri(&self) -> &str {
        &self.resource_uri
    }

    /// Selector names and values in the order they were added.
    #[must_use]
    pub fn selectors(&self) -> &[(String, String)] {
        &self.selectors
    }

    /// Last segment of the URI, the name of the class or setting: `Win32_Service`.
    #[must_use]
    pub fn last_segment(&self) -> &str {
        self.resource_uri.rsplit('/').next().unwrap_or_default()
    }

    /// Returns the locator with the alias that makes it shortest, as users type it.
    #[must_use]
    pub fn short(&self) -> String {
        let matching =
            ALIASES.iter().filter_map(|alias| Some((alias.remainder(&self.resource_uri)?, alias.name)));
        let best = matching.min_by_key(|(rest, _)| *rest);
        let whole = self.to_string();
        match best {
            Some((rest, name)) => {
                format!("{name}{}", whole.get(self.resource_uri.len() - rest..).unwrap_or_default())
            }
            None => whole,
        }
    }

    /// Returns the action URI of a method; a method without a scheme belongs to this resource.
    #[must_use]
    pub fn action_uri(&self, method: &str) -> String {
        if method.contains("://") { method.to_owned() } else { format!("{}/{method}", self.resource_uri) }
    }
}

impl fmt::Display for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.resource_uri)?;
        for (at, (name, value)) in self.selectors.iter().enumerate() {
            write!(f, "{}{name}={value}", if at == 0 { '?' } else { '+' })?;
        }
        Ok(())
    }
}

/// Error of [`Locator::parse`] and [`Locator::select`].
///
/// [`LocatorError::way_out`] returns the advice.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LocatorError {
    /// Empty resource URI.
    #[error("the resource URI is empty")]
    UriEmpty,
    /// The first segment is neither an alias nor a URI scheme.
    #[error("unknown alias in \"{uri}\"")]
    UnknownAlias {
        /// The URI as typed.
        uri: String,
    },
    /// A selector that is not `Name=Value`.
    #[error("invalid selector \"{text}\": it is not Name=Value")]
    BadSelector {
        /// The selector as typed.
        text: String,
    },
    /// Two selectors with the same name.
    #[error("selector {name} is specified twice")]
    DuplicateSelector {
        /// Name of the selector.
        name: String,
    },
}

impl LocatorError {
    /// Returns advice in one line, unless the message is sufficient.
    #[must_use]
    pub fn way_out(&self) -> Option<&'static str> {
        match self {
            Self::UriEmpty => Some("write an alias such as winrm/config, or a complete URI"),
            Self::UnknownAlias { .. } => {
                Some("the aliases are winrm, wsman, wmi, wmicimv2, cimv2 and shell (winrm help alias)")
            }
            Self::BadSelector { .. } => {
                Some("write URI?Name=Value+Name2=Value2, or -selector:Name=Value if the value has a '+'")
            }
            Self::DuplicateSelector { .. } => None,
        }
    }
}

/// Abbreviation of the beginning of a resource URI.
pub struct Alias {
    /// First segment, as typed.
    pub name: &'static str,
    /// Beginning of the URI that it represents.
    pub uri: &'static str,
}

impl Alias {
    /// Returns how many bytes of the URI follow the alias, if the URI begins with it.
    fn remainder(&self, uri: &str) -> Option<usize> {
        let rest = uri.strip_prefix(self.uri)?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest.len())
    }
}

/// All aliases, in the order of the help text.
pub const ALIASES: &[Alias] = &[
    Alias { name: "wmi", uri: "http://schemas.microsoft.com/wbem/wsman/1/wmi" },
    Alias { name: "wmicimv2", uri: "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2" },
    Alias { name: "cimv2", uri: "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2" },
    Alias { name: "winrm", uri: "http://schemas.microsoft.com/wbem/wsman/1" },
    Alias { name: "wsman", uri: "http://schemas.microsoft.com/wbem/wsman/1" },
    Alias { name: "shell", uri: "http://schemas.microsoft.com/wbem/wsman/1/windows/shell" },
];

/// Expands an alias in the first segment; a URI with a scheme is unchanged.
fn expand(uri: &str) -> Result<String, LocatorError> {
    let uri = uri.trim_end_matches('/');
    if uri.is_empty() {
        return Err(LocatorError::UriEmpty);
    }
    let (first, rest) = uri.split_at(uri.find('/').unwrap_or(uri.len()));
    match ALIASES.iter().find(|alias| alias.name.eq_ignore_ascii_case(first)) {
        Some(alias) => Ok(format!("{}{rest}", alias.uri)),
        None if first.contains(':') => Ok(uri.to_owned()),
        None => Err(LocatorError::UnknownAlias { uri: uri.to_owned() }),
    }
}
