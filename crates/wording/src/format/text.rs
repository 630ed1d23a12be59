//! Tree of `Name = value` lines.

use wsman::namespace::SOURCES;
use xml::Element;

use crate::markup::{by_name, fields, has_children, is_nil};
use crate::terminal::harmless;

pub(super) fn print(element: Element<'_>) -> String {
    let mut out = String::new();
    write(&mut out, &[element], 0);
    out.push('\n');
    out
}

/// Writes adjacent elements with the same name: the plain values on one line, then every element that has children.
fn write(out: &mut String, same_name: &[Element<'_>], depth: usize) {
    let (trees, leaves): (Vec<Element<'_>>, Vec<Element<'_>>) =
        same_name.iter().partition(|element| has_children(**element) || fields(**element).next().is_some());
    if !leaves.is_empty() {
        values(out, &leaves, depth);
    }
    for tree in trees {
        indent(out, depth);
        out.push_str(&harmless(tree.name()));
        out.push_str(&source(tree));
        out.push('\n');
        children(out, tree, depth + 1);
    }
}

fn children(out: &mut String, parent: Element<'_>, depth: usize) {
    for field in fields(parent) {
        indent(out, depth);
        out.push_str(&format!("{} = {}\n", harmless(field.name()), harmless(&field.value())));
    }
    for same_name in by_name(parent) {
        if same_name.first().is_some_and(|first| first.name() == "Selector") {
            selectors(out, &same_name, depth);
        } else {
            write(out, &same_name, depth);
        }
    }
}

fn values(out: &mut String, leaves: &[Element<'_>], depth: usize) {
    indent(out, depth);
    let mut before = " = ";
    for (at, leaf) in leaves.iter().enumerate() {
        if at == 0 {
            out.push_str(&harmless(leaf.name()));
        }
        let text = if is_nil(*leaf) { "null".to_owned() } else { harmless(&leaf.text()) };
        if leaves.len() > 1 || !text.is_empty() {
            out.push_str(before);
            out.push_str(&text);
        }
        out.push_str(&source(*leaf));
        if let Some(origin) = leaf.attribute(SOURCES, "Origin") {
            out.push_str(&format!(" [{}]", harmless(&origin)));
        }
        before = ", ";
    }
    out.push('\n');
}

fn selectors(out: &mut String, selectors: &[Element<'_>], depth: usize) {
    let pairs: Vec<String> = selectors
        .iter()
        .map(|selector| {
            let name = selector.attribute("", "Name").unwrap_or_default();
            format!("{} = {}", harmless(&name), harmless(&selector.text()))
        })
        .collect();
    indent(out, depth);
    out.push_str("Selector: ");
    out.push_str(&pairs.join(", "));
    out.push('\n');
}

fn source(element: Element<'_>) -> String {
    let source = element.attribute("", "Source");
    source.map(|source| format!(" [Source=\"{}\"]", harmless(&source))).unwrap_or_default()
}

fn indent(out: &mut String, depth: usize) {
    out.extend(std::iter::repeat_n("    ", depth));
}
