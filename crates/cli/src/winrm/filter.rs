//! Filters of an enumeration.

use wording::association::AssociationFilter;
use wsman::AssociationResult;
use wsman::namespace::{DIALECT_ASSOCIATION, DIALECT_SELECTOR, DIALECT_WQL, DIALECT_XPATH};

use crate::error::Error;
use crate::input::{KeyValues, Value};
use crate::locator::{Locator, LocatorError};

/// A filter in one of the supported languages.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Filter {
    /// A WQL query.
    Wql(String),
    /// Required property values (DSP0226 selector filter dialect).
    Selectors(Vec<(String, String)>),
    /// Instances associated with one instance (DSP0227).
    Association(AssociationFilter),
    /// An expression in another language.
    Other {
        /// Language of the expression.
        dialect: Dialect,
        /// Expression.
        text: String,
    },
}

/// URI of a filter or fragment language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialect(String);

impl Dialect {
    /// XPath 1.0, the default for fragments.
    pub const XPATH: &'static str = DIALECT_XPATH;
    /// WQL.
    pub const WQL: &'static str = DIALECT_WQL;
    /// Selector filters.
    pub const SELECTOR: &'static str = DIALECT_SELECTOR;
    /// Association filters.
    pub const ASSOCIATION: &'static str = DIALECT_ASSOCIATION;

    /// Parses an alias (`wql`, `selector` or `association`); any other text is used as a URI.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let alias = [("wql", Self::WQL), ("selector", Self::SELECTOR), ("association", Self::ASSOCIATION)];
        let known = alias
            .into_iter()
            .find(|(name, uri)| name.eq_ignore_ascii_case(text) || uri.eq_ignore_ascii_case(text));
        Self(known.map_or(text, |(_, uri)| uri).to_owned())
    }

    /// Returns the URI.
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.0
    }
}

impl Default for Dialect {
    fn default() -> Self {
        Self(Self::XPATH.to_owned())
    }
}

impl Filter {
    /// Parses the text of `-filter` in its dialect (default: WQL).
    pub(crate) fn parse(
        text: &str,
        dialect: Option<&Dialect>,
        result: AssociationResult,
        resource: &Locator,
    ) -> Result<Self, Error> {
        match dialect.map(Dialect::uri) {
            None | Some(Dialect::WQL) => Ok(Self::Wql(text.to_owned())),
            Some(Dialect::SELECTOR) => selectors(text).map(Self::Selectors),
            Some(Dialect::ASSOCIATION) => {
                Ok(Self::Association(AssociationFilter::parse(text, result, resource.resource_uri())?))
            }
            Some(other) => Ok(Self::Other { dialect: Dialect(other.to_owned()), text: text.to_owned() }),
        }
    }
}

fn selectors(text: &str) -> Result<Vec<(String, String)>, Error> {
    KeyValues::parse(text)?.iter().map(|(key, value)| selector(key, value)).collect()
}

fn selector(key: &str, value: &Value) -> Result<(String, String), Error> {
    match value {
        Value::Text(text) => Ok((key.to_owned(), text.clone())),
        Value::Null => Err(LocatorError::BadSelector { text: format!("{key}=$null") }.into()),
    }
}
