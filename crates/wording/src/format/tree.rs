//! Results as nested names and values, which JSON and YAML have in common.

use wsman::namespace::SOURCES;
use xml::Element;

use super::json;
use crate::markup::{XSI, by_name, has_children, is_nil};

/// A value, a list, or values under names; described at [`Format::print`](super::Format::print).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tree {
    /// No value (`xsi:nil`).
    Null,
    /// A value.
    Text(String),
    /// Values of one name.
    List(Vec<Self>),
    /// Values under names, in order; no name comes twice.
    Map(Vec<(String, Self)>),
}

impl Tree {
    /// The element under its name.
    #[must_use]
    pub fn of(element: Element<'_>) -> Self {
        let mut members = Vec::new();
        values(&mut members, element.name(), &[element]);
        Self::Map(members)
    }

    /// It as JSON on one line, without a line end.
    #[must_use]
    pub fn json_line(&self) -> String {
        json::print(self, json::Layout::OneLine)
    }
}

impl From<&str> for Tree {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// The attributes of values that stand beside them: who decided, and what gives the value.
const TOLD: [(&str, &str); 2] = [("", "Source"), (SOURCES, "Origin")];

/// The member or members for the elements of one name.
fn values(members: &mut Vec<(String, Tree)>, name: &str, same_name: &[Element<'_>]) {
    members.push((name.to_owned(), one_or_list(same_name, value)));
    for (namespace, attribute) in TOLD {
        let told = |element: Element<'_>| match element.attribute(namespace, attribute) {
            Some(value) if !has_children(element) => Tree::Text(value.into()),
            _ => Tree::Null,
        };
        if same_name.iter().any(|element| told(*element) != Tree::Null) {
            members.push((format!("{name}@{attribute}"), one_or_list(same_name, told)));
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
    if has_children(element) {
        map(element)
    } else if is_nil(element) {
        Tree::Null
    } else {
        Tree::Text(element.text().into())
    }
}

fn map(element: Element<'_>) -> Tree {
    let mut members = Vec::new();
    if let Some(class) = telling_type(element) {
        members.push(("@type".to_owned(), Tree::Text(class)));
    }
    if let Some(source) = element.attribute("", "Source") {
        members.push(("@Source".to_owned(), Tree::Text(source.into())));
    }
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

/// The name of the type where it is not just the element's own: `Win32_Service` and `Win32_Service_Type`
/// on an element `Win32_Service` say nothing new.
fn telling_type(element: Element<'_>) -> Option<String> {
    let qualified = element.attribute(XSI, "type")?;
    let local = qualified.rsplit(':').next().unwrap_or_default().trim();
    let told = local.is_empty() || local.strip_suffix("_Type").unwrap_or(local) == element.name();
    (!told).then(|| local.to_owned())
}
