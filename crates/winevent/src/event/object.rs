//! JSON objects and the values of events in them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{DataItem, Tree};

/// Writes values of `EventData` as members whose names begin with `prefix`.
pub(super) fn write_items(object: &mut Object<'_>, items: &[DataItem<'_>], prefix: &str) {
    if !has_equal_names(items) {
        for item in items {
            write_group(object, prefix, name_of(item), &[item]);
        }
        return;
    }
    for group in grouped(items, name_of) {
        write_group(object, prefix, group.name, &group.items);
    }
}

/// Returns the name of a value in JSON.
fn name_of<'i>(item: &'i DataItem<'_>) -> &'i str {
    match item {
        DataItem::Data { name, .. } => name.as_deref().filter(|name| !name.is_empty()).unwrap_or("Data"),
        DataItem::Binary(_) => "Binary",
        DataItem::Complex(tree) => tree.name.as_ref(),
    }
}

/// Returns whether two values have the same name, or there are so many that it was not determined.
fn has_equal_names(items: &[DataItem<'_>]) -> bool {
    /// Number of values up to which names are compared.
    const FEW: usize = 64;
    if items.len() > FEW {
        return true;
    }
    // Only names of one mark, of which there are 64, can be equal.
    let mut marks = 0_u64;
    items.iter().enumerate().any(|(index, item)| {
        let name = name_of(item);
        let mark = 1 << mark_of(name);
        let may_be_known = marks & mark != 0;
        marks |= mark;
        may_be_known && items.iter().take(index).any(|earlier| name_of(earlier) == name)
    })
}

/// Returns a number below 64 that depends on the length of a name and two of its bytes.
fn mark_of(name: &str) -> u32 {
    let bytes = name.as_bytes();
    let of = |byte: Option<&u8>| byte.map_or(0, |byte| u32::from(*byte));
    let length = u32::try_from(bytes.len()).unwrap_or_default();
    (length.wrapping_mul(13) + of(bytes.first()) * 5 + of(bytes.get(bytes.len() / 2)) * 29) % 64
}

/// Writes the values of one name.
fn write_group(object: &mut Object<'_>, prefix: &str, name: &str, items: &[&DataItem<'_>]) {
    let out = object.prefixed_key(prefix, name);
    let is_unnamed = items.iter().any(|item| matches!(item, DataItem::Data { name: None, .. }));
    match items {
        [item] if !is_unnamed => write_item(out, item),
        items => array(out, items, |out, item| write_item(out, item)),
    }
}

fn write_item(out: &mut String, item: &DataItem<'_>) {
    match item {
        DataItem::Data { value, .. } => string(out, value),
        DataItem::Binary(digits) => string(out, digits),
        DataItem::Complex(tree) => write_tree(out, tree),
    }
}

/// Writes an element: its text if it has nothing else, or an object of its attributes (`@name`), elements,
/// and text (`#text`).
pub(super) fn write_tree(out: &mut String, tree: &Tree<'_>) {
    if tree.attributes.is_empty() && tree.children.is_empty() {
        return string(out, &tree.text);
    }
    let mut object = Object::open(out);
    for (index, (_, name, value)) in tree.attributes.iter().enumerate() {
        // Names of two namespaces may be equal.
        let mut before = tree.attributes.iter().take(index);
        if before.all(|(_, other, _)| other != name) {
            string(object.prefixed_key("@", name), value);
        }
    }
    for group in grouped(&tree.children, |child| child.name.as_ref()) {
        let out = object.key(group.name);
        match group.items.as_slice() {
            [child] => write_tree(out, child),
            children => array(out, children, |out, child| write_tree(out, child)),
        }
    }
    if !tree.text.is_empty() {
        object.text("#text", &tree.text);
    }
    object.close();
}

struct Group<'i, T> {
    name: &'i str,
    items: Vec<&'i T>,
}

/// Groups items by name, in the order in which each name appears first.
fn grouped<'i, T>(items: &'i [T], name: impl Fn(&'i T) -> &'i str) -> Vec<Group<'i, T>> {
    let mut groups: Vec<Group<'i, T>> = Vec::with_capacity(items.len());
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for item in items {
        let name = name(item);
        let place = *places.entry(name).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.items.push(item),
            None => groups.push(Group { name, items: vec![item] }),
        }
    }
    groups
}

/// A JSON object that is being written.
pub(super) struct Object<'o> {
    out: &'o mut String,
    is_empty: bool,
}

impl<'o> Object<'o> {
    pub(super) fn open(out: &'o mut String) -> Self {
        out.push('{');
        Self { out, is_empty: true }
    }

    /// Continues an object that was opened and has members.
    pub(super) fn resume(out: &'o mut String) -> Self {
        Self { out, is_empty: false }
    }

    /// Writes a name, and returns the buffer for its value.
    pub(super) fn key(&mut self, name: &str) -> &mut String {
        self.prefixed_key("", name)
    }

    pub(super) fn prefixed_key(&mut self, prefix: &str, name: &str) -> &mut String {
        if !self.is_empty {
            self.out.push(',');
        }
        self.is_empty = false;
        self.out.push('"');
        escape(self.out, prefix);
        escape(self.out, name);
        self.out.push_str("\":");
        self.out
    }

    pub(super) fn text(&mut self, name: &str, value: &str) {
        string(self.key(name), value);
    }

    pub(super) fn optional(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    pub(super) fn number(&mut self, name: &str, value: Option<impl std::fmt::Display>) {
        if let Some(value) = value {
            let _ = write!(self.key(name), "{value}");
        }
    }

    /// Writes a string whose content needs no escaping.
    pub(super) fn formatted(&mut self, name: &str, value: std::fmt::Arguments<'_>) {
        let _ = write!(self.key(name), "\"{value}\"");
    }

    pub(super) fn close(self) {
        self.out.push('}');
    }
}

pub(super) fn array<T>(out: &mut String, items: &[T], write: impl Fn(&mut String, &T)) {
    out.push('[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(']');
}

pub(super) fn string(out: &mut String, text: &str) {
    out.push('"');
    escape(out, text);
    out.push('"');
}

/// Escapes text for a JSON string (RFC 8259, section 7).
fn escape(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(is_escaped) {
        out.push_str(rest.get(..at).unwrap_or_default());
        let byte = rest.as_bytes().get(at).copied().unwrap_or_default();
        rest = rest.get(at + 1..).unwrap_or_default();
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            _ => {
                let _ = write!(out, "\\u{byte:04x}");
            }
        }
    }
    out.push_str(rest);
}

/// Whether each byte is escaped in a JSON string.
const IS_ESCAPED: [bool; 256] = {
    let mut table = [false; 256];
    let (mut byte, mut rest) = (0_u8, table.as_mut_slice());
    while let Some((is_escaped, after)) = rest.split_first_mut() {
        *is_escaped = byte < 0x20 || byte == b'"' || byte == b'\\';
        (byte, rest) = (byte.wrapping_add(1), after);
    }
    table
};

fn is_escaped(byte: u8) -> bool {
    IS_ESCAPED.get(usize::from(byte)).is_some_and(|is_escaped| *is_escaped)
}
