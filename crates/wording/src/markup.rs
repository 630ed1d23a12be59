//! Writes elements that were read again, tag by tag.

use std::collections::HashMap;

use xml::{Element, Writer};

/// The namespace of `xsi:nil` and `xsi:type` (XML Schema part 1, 2.6).
pub const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// The namespace of `Location`, which says where an item came from.
pub const BASE: &str = "http://schemas.dmtf.org/wbem/wsman/1/base";

/// Opens the element with its prefix and the declarations of its own tag.
pub fn open(writer: &mut Writer, element: Element<'_>) {
    writer.start(&qualified(element.prefix(), element.name()));
    for (prefix, uri) in element.declarations() {
        writer.namespace(prefix, uri);
    }
}

/// Opens the element so that it can stand alone: with the declarations of its surroundings that it uses.
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

/// Writes the attributes of the element just opened, but for those `skip` names by namespace and name.
pub fn attributes(writer: &mut Writer, element: Element<'_>, skip: impl Fn(&str, &str) -> bool) {
    for attribute in element.attributes().filter(|a| !skip(a.namespace(), a.name())) {
        writer.attribute(&qualified(attribute.prefix(), attribute.name()), &attribute.value());
    }
}

/// Writes the element as it was, for a place where its surroundings are declared already.
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

/// Whether text stands beside elements: where it stands cannot be told, so it is only copied whole.
#[must_use]
pub fn is_mixed(element: Element<'_>) -> bool {
    has_children(element) && !element.text().trim().is_empty()
}

/// Whether the element says `xsi:nil`: it has no value at all.
#[must_use]
pub fn is_nil(element: Element<'_>) -> bool {
    element.attribute(XSI, "nil").is_some_and(|nil| matches!(nil.trim(), "true" | "1"))
}

/// Whether other elements stand in it.
#[must_use]
pub fn has_children(element: Element<'_>) -> bool {
    element.children().next().is_some()
}

/// The children in groups of one name, in the order in which the names come first.
///
/// Where an item was found ([`BASE`]) is left out: it is no property.
#[must_use]
pub fn by_name(parent: Element<'_>) -> Vec<Vec<Element<'_>>> {
    let mut groups: Vec<Vec<Element<'_>>> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for child in parent.children().filter(|child| !child.is(BASE, "Location")) {
        let place = *places.entry(child.name()).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.push(child),
            None => groups.push(vec![child]),
        }
    }
    groups
}

/// Whether markup may need a prefix: in a name, or in a value such as `xsi:type="p:Win32_Service"`.
fn uses(markup: &str, prefix: &str) -> bool {
    // The default namespace leaves no trace in names, so it always comes along.
    prefix.is_empty()
        || markup.match_indices(&format!("{prefix}:")).any(|(at, _)| {
            let before = markup.get(..at).and_then(|before| before.chars().next_back());
            before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '_' | '-' | '.'))
        })
}

fn qualified(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}:{name}") }
}
