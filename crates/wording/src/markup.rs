//! Writes parsed elements again, tag by tag.

use std::collections::HashMap;

use wsman::namespace::PLUGIN_CONFIGURATION;
use xml::{Attribute, Element, Writer};

/// Namespace of `xsi:nil` and `xsi:type` (XML Schema part 1, 2.6).
pub const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// Namespace of `Location`, which names the origin of an item.
pub const BASE: &str = "http://schemas.dmtf.org/wbem/wsman/1/base";

/// Writes the start tag with the element's prefix and its own namespace declarations.
pub fn open(writer: &mut Writer, element: Element<'_>) {
    writer.start(&qualified(element.prefix(), element.name()));
    for (prefix, uri) in element.declarations() {
        writer.namespace(prefix, uri);
    }
}

/// Writes the start tag with all namespace declarations that the element needs as a document of its own.
pub fn open_alone(writer: &mut Writer, element: Element<'_>) {
    open(writer, element);
    let mut declared: Vec<&str> = element.declarations().map(|(prefix, _)| prefix).collect();
    let mut around = element.parent();
    while let Some(ancestor) = around {
        for (prefix, uri) in ancestor.declarations() {
            if !declared.contains(&prefix) {
                declared.push(prefix);
                if uses(element.source(), prefix) && !uri.is_empty() {
                    writer.namespace(prefix, uri);
                }
            }
        }
        around = ancestor.parent();
    }
}

/// Writes the attributes of the element just opened, except those that `skip` selects by namespace and name.
pub fn attributes(writer: &mut Writer, element: Element<'_>, skip: impl Fn(&str, &str) -> bool) {
    for attribute in element.attributes().filter(|a| !skip(a.namespace(), a.name())) {
        writer.attribute(&qualified(attribute.prefix(), attribute.name()), &attribute.value());
    }
}

/// Copies the element into a document that already declares the namespaces of its ancestors.
pub fn rewrite(writer: &mut Writer, element: Element<'_>) {
    if is_mixed(element) {
        writer.copy(element);
        return;
    }
    open(writer, element);
    attributes(writer, element, |_, _| false);
    if has_children(element) {
        element.children().for_each(|child| rewrite(writer, child));
    } else {
        writer.text(&element.text());
    }
    writer.end();
}

/// Returns whether the element contains both text and elements; such an element can only be copied whole.
#[must_use]
pub fn is_mixed(element: Element<'_>) -> bool {
    has_children(element) && !element.text().trim().is_empty()
}

/// Returns whether the element has `xsi:nil`, so that it has no value.
#[must_use]
pub fn is_nil(element: Element<'_>) -> bool {
    element.attribute(XSI, "nil").is_some_and(|nil| matches!(nil.trim(), "true" | "1"))
}

/// Returns whether the element contains elements.
#[must_use]
pub fn has_children(element: Element<'_>) -> bool {
    element.children().next().is_some()
}

/// Returns the attributes that hold values: the description of a plug-in has its values in attributes (MS-WSMV
/// 2.2.4), and would have no names without them.
pub fn fields(element: Element<'_>) -> impl Iterator<Item = Attribute<'_>> {
    let is_plugin = element.namespace() == PLUGIN_CONFIGURATION;
    element.attributes().filter(move |attribute| is_plugin && attribute.namespace().is_empty())
}

/// Groups the children by name, in the order of the first occurrence of each name.
///
/// `Location` ([`BASE`]) is omitted, because it is not a property.
#[must_use]
pub fn by_name(parent: Element<'_>) -> Vec<Vec<Element<'_>>> {
    let mut groups: Vec<Vec<Element<'_>>> = Vec::new();
    let mut positions: HashMap<&str, usize> = HashMap::new();
    for child in parent.children().filter(|child| !child.is(BASE, "Location")) {
        let position = *positions.entry(child.name()).or_insert(groups.len());
        match groups.get_mut(position) {
            Some(group) => group.push(child),
            None => groups.push(vec![child]),
        }
    }
    groups
}

/// Returns whether the markup may use the prefix, in a name or in a value such as `xsi:type="p:Win32_Service"`.
fn uses(markup: &str, prefix: &str) -> bool {
    // Names in the default namespace have no prefix, so its declaration is always needed.
    prefix.is_empty()
        || markup.match_indices(&format!("{prefix}:")).any(|(at, _)| {
            let before = markup.get(..at).and_then(|before| before.chars().next_back());
            before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '_' | '-' | '.'))
        })
}

fn qualified(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}:{name}") }
}
