//! Bodies of Create, Put and Invoke from names and values.

use xml::{Element, Fragment, Name, Writer};

use crate::markup::{self, BASE, XSI};

/// Name of a property and its new value; `None` is `xsi:nil`.
pub type NamedValue<'a> = (&'a str, Option<&'a str>);

/// A value that cannot be written into a resource.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// The name is not a valid element name.
    #[error("'{name}' is not a valid name of a property")]
    BadName {
        /// Name as given.
        name: String,
    },
    /// The resource has no such property, or the property has no single text value.
    #[error("'{name}' {problem}")]
    NotSettable {
        /// Name as given.
        name: String,
        /// Reason, as the rest of a sentence that begins with the name.
        problem: &'static str,
    },
}

/// Returns the body of Create or Invoke: one element per value, in the namespace of the resource.
///
/// `root` is the last segment of the resource URI, or the action with the suffix `_INPUT`.
///
/// # Errors
/// [`ValueError::BadName`] for a root or a name that is not a valid element name.
pub fn new_element(root: &str, namespace: &str, values: &[NamedValue<'_>]) -> Result<Fragment, ValueError> {
    let mut writer = Writer::new();
    writer.start(&prefixed(root)?).namespace("p", namespace);
    if values.iter().any(|(_, value)| value.is_none()) {
        writer.namespace("xsi", XSI);
    }
    for (name, value) in values {
        match value {
            Some(text) => writer.element(&prefixed(name)?, text),
            None => writer.start(&prefixed(name)?).attribute("xsi:nil", "true").end_empty(),
        };
    }
    Ok(writer.into_fragment())
}

/// Returns a valid element name with the prefix `p`.
fn prefixed(name: &str) -> Result<String, ValueError> {
    let parsed = Name::parse(name).map_err(|_| ValueError::BadName { name: name.to_owned() })?;
    Ok(parsed.with_prefix("p"))
}

/// Returns the body of Put: the resource that Get has returned, with the values of some properties replaced.
///
/// # Errors
/// [`ValueError::NotSettable`] for a name that does not match exactly one property with text content, or an attribute
/// that holds a value ([`markup::fields`]).
pub fn with_values(resource: Element<'_>, values: &[NamedValue<'_>]) -> Result<Fragment, ValueError> {
    values.iter().try_for_each(|(name, value)| check(resource, name, *value))?;
    let mut writer = Writer::new();
    markup::open_alone(&mut writer, resource);
    let attributes: Vec<_> = values.iter().filter(|(name, _)| is_field(resource, name)).collect();
    markup::attributes(&mut writer, resource, |namespace, name| {
        namespace.is_empty() && attributes.iter().any(|(other, _)| *other == name)
    });
    for (name, value) in attributes {
        if let Some(text) = value {
            writer.attribute(name, text);
        }
    }
    for property in resource.children() {
        let is_settable = property.namespace() != BASE;
        match values.iter().find(|(name, _)| is_settable && *name == property.name()) {
            Some((_, value)) => replace(&mut writer, property, *value),
            None => markup::rewrite(&mut writer, property),
        }
    }
    Ok(writer.into_fragment())
}

/// Returns whether an attribute of the resource holds the value of a name.
fn is_field(resource: Element<'_>, name: &str) -> bool {
    markup::fields(resource).any(|attribute| attribute.name() == name)
}

/// Requires that a name is one of a single value of the resource, which can be replaced by this one.
fn check(resource: Element<'_>, name: &str, value: Option<&str>) -> Result<(), ValueError> {
    let mut matches =
        resource.children().filter(|property| property.name() == name && property.namespace() != BASE);
    let problem = match (matches.next(), matches.next(), is_field(resource, name)) {
        (None, _, false) => "is not a property of the resource",
        (None, _, true) if value.is_none() => "is an attribute, which cannot be $null",
        (None, _, true) => return Ok(()),
        (Some(_), Some(_), _) | (Some(_), _, true) => "occurs more than once in the resource",
        (Some(property), None, false) if markup::has_children(property) => "contains other properties",
        (Some(_), None, false) => return Ok(()),
    };
    Err(ValueError::NotSettable { name: name.to_owned(), problem })
}

fn replace(writer: &mut Writer, property: Element<'_>, value: Option<&str>) {
    markup::open(writer, property);
    if value.is_none() && property.resolve("xsi") != Some(XSI) {
        writer.namespace("xsi", XSI);
    }
    markup::attributes(writer, property, |namespace, name| namespace == XSI && name == "nil");
    match value {
        Some(text) => writer.text(text).end(),
        None => writer.attribute("xsi:nil", "true").end_empty(),
    };
}
