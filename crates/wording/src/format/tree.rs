//! Results as nested names and values, the common model of JSON and YAML.

use wsman::namespace::SOURCES;
use xml::Element;

use crate::markup::{XSI, by_name, fields, has_children, is_nil};

/// Value, list, or named values; [`Format::print`](super::Format::print) describes the mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tree {
    /// No value (`xsi:nil`).
    Null,
    /// Text value.
    Text(String),
    /// Several values with the same name.
    List(Vec<Self>),
    /// Named values in order; names are unique.
    Map(Vec<(String, Self)>),
}

impl Tree {
    /// Converts an element; the result has one member, the element's name.
    #[must_use]
    pub fn of(element: Element<'_>) -> Self {
        let mut members = Vec::new();
        values(&mut members, element.name(), &[element]);
        Self::Map(members)
    }
}

impl From<&str> for Tree {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Attributes that become members beside their value: its policy (`Source`) and its origin (`Origin`).
const ANNOTATIONS: [(&str, &str); 2] = [("", "Source"), (SOURCES, "Origin")];

/// Adds the member for elements with the same name, and the members for their annotations.
fn values(members: &mut Vec<(String, Tree)>, name: &str, same_name: &[Element<'_>]) {
    members.push((name.to_owned(), one_or_list(same_name, value)));
    for (namespace, attribute) in ANNOTATIONS {
        let annotation = |element: Element<'_>| match element.attribute(namespace, attribute) {
            Some(value) if !has_children(element) => Tree::Text(value.into()),
            _ => Tree::Null,
        };
        if same_name.iter().any(|element| annotation(*element) != Tree::Null) {
            members.push((format!("{name}@{attribute}"), one_or_list(same_name, annotation)));
        }
    }
}

fn one_or_list(elements: &[Element<'_>], tree: impl Fn(Element<'_>) -> Tree) -> Tree {
    match elements {
        [only] => tree(*only),
        many => Tree::List(many.iter().copied().map(tree).collect()),
    }
}

fn value(element: Element<'_>) -> Tree {
    if has_children(element) || fields(element).next().is_some() {
        map(element)
    } else if is_nil(element) {
        Tree::Null
    } else {
        Tree::Text(element.text().into())
    }
}

fn map(element: Element<'_>) -> Tree {
    let mut members = Vec::new();
    if let Some(class) = distinct_type(element) {
        members.push(("@type".to_owned(), Tree::Text(class)));
    }
    if let Some(source) = element.attribute("", "Source") {
        members.push(("@Source".to_owned(), Tree::Text(source.into())));
    }
    members.extend(fields(element).map(|field| (field.name().to_owned(), Tree::Text(field.value().into()))));
    for same_name in by_name(element) {
        match same_name.first() {
            Some(first) if first.name() == "Selector" => {
                members.push(("Selector".to_owned(), selectors(&same_name)));
            }
            Some(first) => values(&mut members, first.name(), &same_name),
            None => {}
        }
    }
    Tree::Map(members)
}

fn selectors(selectors: &[Element<'_>]) -> Tree {
    let mut named: Vec<(String, Vec<Element<'_>>)> = Vec::new();
    for selector in selectors {
        let name = selector.attribute("", "Name").unwrap_or_default();
        match named.iter_mut().find(|(other, _)| *other == name) {
            Some((_, same_name)) => same_name.push(*selector),
            None => named.push((name.into(), vec![*selector])),
        }
    }
    Tree::Map(named.into_iter().map(|(name, same_name)| (name, one_or_list(&same_name, value))).collect())
}

/// Returns the type name if it differs from the element's name: `Win32_Service` and `Win32_Service_Type` on an
/// element `Win32_Service` are redundant.
fn distinct_type(element: Element<'_>) -> Option<String> {
    let qualified = element.attribute(XSI, "type")?;
    let local = qualified.rsplit(':').next().unwrap_or_default().trim();
    let is_redundant = local.is_empty() || local.strip_suffix("_Type").unwrap_or(local) == element.name();
    (!is_redundant).then(|| local.to_owned())
}
