//! Which instances an enumeration lists.

use crate::error::Error;
use crate::input::{KeyValues, Value};
use crate::locator::{Locator, LocatorError};

/// A filter in one of the languages services know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Filter {
    /// A WQL query.
    Wql(String),
    /// Values that properties must have.
    Selectors(Vec<(String, String)>),
    /// What is related to one instance.
    Association(AssociationFilter),
    /// A text in another language.
    Other {
        /// Which.
        dialect: Dialect,
        /// The text.
        text: String,
    },
}

/// The URI of a filter or fragment language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialect(String);

/// What is related to one instance (DSP0227).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssociationFilter {
    /// The instance; its URI is a class name or a whole locator.
    pub object: Locator,
    /// What comes back.
    pub result: AssociationResult,
    /// Only associations of this class.
    pub association_class: Option<String>,
    /// Only instances of this class.
    pub result_class: Option<String>,
    /// Only associations in which the object has this role.
    pub role: Option<String>,
    /// Only instances that have this role.
    pub result_role: Option<String>,
}

/// What an association filter returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssociationResult {
    /// The instances at the other end.
    Instances,
    /// The associations themselves (`-associations`).
    Associations,
}

impl Dialect {
    /// XPath 1.0, in which fragments are written unless something else is said.
    pub const XPATH: &'static str = "http://www.w3.org/TR/1999/REC-xpath-19991116";
    /// WQL.
    pub const WQL: &'static str = "http://schemas.microsoft.com/wbem/wsman/1/WQL";
    /// Selector filters.
    pub const SELECTOR: &'static str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/SelectorFilter";
    /// Association filters.
    pub const ASSOCIATION: &'static str = "http://schemas.dmtf.org/wbem/wsman/1/cimbinding/associationFilter";

    /// Reads an alias (`wql`, `selector`, `association`) or takes the text for a URI.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let alias = [("wql", Self::WQL), ("selector", Self::SELECTOR), ("association", Self::ASSOCIATION)];
        let known = alias
            .into_iter()
            .find(|(name, uri)| name.eq_ignore_ascii_case(text) || uri.eq_ignore_ascii_case(text));
        Self(known.map_or(text, |(_, uri)| uri).to_owned())
    }

    /// The URI.
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
    /// Reads the text of `-filter` as its dialect says; without a dialect it is WQL.
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
                AssociationFilter::parse(text, result, resource).map(Self::Association)
            }
            Some(other) => Ok(Self::Other { dialect: Dialect(other.to_owned()), text: text.to_owned() }),
        }
    }
}

fn selectors(text: &str) -> Result<Vec<(String, String)>, Error> {
    let pairs = KeyValues::parse(text)?;
    let text_of = |(key, value): (&str, &Value)| match value {
        Value::Text(text) => Ok((key.to_owned(), text.clone())),
        Value::Null => Err(LocatorError::BadSelector { text: format!("{key}=$null") }.into()),
    };
    pairs.iter().map(text_of).collect()
}

impl AssociationFilter {
    /// Reads `{Object=CLASS?Key=Value;ResultClassName=NAME;...}`; values stand without quotes.
    fn parse(text: &str, result: AssociationResult, resource: &Locator) -> Result<Self, Error> {
        let wrong = |problem| Error::AssociationFilter { problem };
        let inner = text.trim().strip_prefix('{').and_then(|text| text.strip_suffix('}'));
        let mut object = None;
        let (mut association_class, mut result_class, mut role, mut result_role) = (None, None, None, None);
        for part in inner.ok_or_else(|| wrong("it is not in braces"))?.split(';') {
            let (key, value) = part.split_once('=').ok_or_else(|| wrong("a part is not Key=Value"))?;
            let slot = match key.trim().to_ascii_lowercase().as_str() {
                "object" => &mut object,
                "associationclassname" => &mut association_class,
                "resultclassname" => &mut result_class,
                "role" => &mut role,
                "resultrole" => &mut result_role,
                _ => {
                    return Err(wrong(
                        "it has a key other than Object, AssociationClassName, \
                     ResultClassName, Role and ResultRole",
                    ));
                }
            };
            if slot.replace(value.trim().to_owned()).is_some() {
                return Err(wrong("a key is given twice"));
            }
        }
        let object = object.ok_or_else(|| wrong("it has no Object"))?;
        let object = beside(resource, &object)?;
        Ok(Self { object, result, association_class, result_class, role, result_role })
    }
}

/// A bare class name stands in the namespace of the resource that is enumerated.
fn beside(resource: &Locator, object: &str) -> Result<Locator, LocatorError> {
    let class = object.split('?').next().unwrap_or_default();
    if class.contains(['/', ':']) {
        return Locator::parse(object);
    }
    let uri = resource.resource_uri();
    let namespace = uri.rsplit_once('/').map_or(uri, |(namespace, _)| namespace);
    Locator::parse(&format!("{namespace}/{object}"))
}
