//! Which resource an operation is about: `URI?Name=Value+Name2=Value2`, with aliases.

use std::fmt;

/// A resource URI and the selectors that pick one instance of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locator {
    resource_uri: String,
    selectors: Vec<(String, String)>,
}

impl Locator {
    /// Reads `URI[?Name=Value[+Name2=Value2]]` and expands the alias of the first segment.
    ///
    /// A `+` always separates selectors, so a value with one comes in with [`Locator::select`].
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

    /// Adds one selector, written `Name=Value`; everything behind the first `=` is the value.
    ///
    /// # Errors
    /// [`LocatorError::BadSelector`] or [`LocatorError::DuplicateSelector`].
    pub fn select(&mut self, text: &str) -> Result<(), LocatorError> {
        let (name, value) = text
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| LocatorError::BadSelector { text: text.to_owned() })?;
        // Services compare the names of selectors without regard to case.
        if self.selectors.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
            return Err(LocatorError::DuplicateSelector { name: name.to_owned() });
        }
        self.selectors.push((name.to_owned(), value.to_owned()));
        Ok(())
    }

    /// The whole URI, aliases expanded, without selectors.
    #[must_use]
    pub fn resource_uri(&self) -> &str {
        &self.resource_uri
    }

    /// Names and values in the order they were given.
    #[must_use]
    pub fn selectors(&self) -> &[(String, String)] {
        &self.selectors
    }

    /// The last segment of the URI, which names the class or setting: `Win32_Service`.
    #[must_use]
    pub fn last_segment(&self) -> &str {
        self.resource_uri.rsplit('/').next().unwrap_or_default()
    }

    /// The locator with an alias where one fits, as one would type it.
    #[must_use]
    pub fn short(&self) -> String {
        let rest = |alias: &Alias| {
            let rest = self.resource_uri.strip_prefix(alias.uri)?;
            (rest.is_empty() || rest.starts_with('/')).then_some(rest.len())
        };
        let best =
            ALIASES.iter().filter_map(|alias| Some((rest(alias)?, alias.name))).min_by_key(|(rest, _)| *rest);
        let whole = self.to_string();
        match best {
            Some((rest, name)) => {
                format!("{name}{}", whole.get(self.resource_uri.len() - rest..).unwrap_or_default())
            }
            None => whole,
        }
    }

    /// The action URI of a method; a name without a scheme is a method of this resource.
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

/// Why a text is no locator; says what was wrong and where.
///
/// The second half of the answer, what to do instead, is [`LocatorError::way_out`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LocatorError {
    /// Nothing where a resource URI should be.
    #[error("the resource URI is empty")]
    UriEmpty,
    /// A first segment that is no alias, without a scheme before it.
    #[error("{uri:?} is neither a URI nor begins with an alias")]
    UnknownAlias {
        /// As it was typed.
        uri: String,
    },
    /// A selector that is not `Name=Value`.
    #[error("selector {text:?} is not Name=Value")]
    BadSelector {
        /// As it was typed.
        text: String,
    },
    /// Two selectors of one name.
    #[error("selector {name} is given twice")]
    DuplicateSelector {
        /// The name.
        name: String,
    },
}

impl LocatorError {
    /// What to do instead, in one line; none if the message says it already.
    #[must_use]
    pub fn way_out(&self) -> Option<&'static str> {
        match self {
            Self::UriEmpty => Some("write an alias such as winrm/config, or a whole URI"),
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

/// What stands for the beginning of a resource URI.
pub struct Alias {
    /// The first segment, as it is typed.
    pub name: &'static str,
    /// What it expands to.
    pub uri: &'static str,
}

/// Every alias, as help lists them.
pub const ALIASES: &[Alias] = &[
    Alias { name: "wmi", uri: "http://schemas.microsoft.com/wbem/wsman/1/wmi" },
    Alias { name: "wmicimv2", uri: "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2" },
    Alias { name: "cimv2", uri: "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2" },
    Alias { name: "winrm", uri: "http://schemas.microsoft.com/wbem/wsman/1" },
    Alias { name: "wsman", uri: "http://schemas.microsoft.com/wbem/wsman/1" },
    Alias { name: "shell", uri: "http://schemas.microsoft.com/wbem/wsman/1/windows/shell" },
];

/// Replaces an alias in the first segment; a text with a scheme stays as it is.
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
