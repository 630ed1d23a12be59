//! YAML 1.2, of which the readers of 1.1 think the same.

use super::{Tree, json};

/// A document, with a line end behind it.
pub(super) fn print(tree: &Tree) -> String {
    let mut out = String::new();
    block(&mut out, tree, 0);
    out
}

/// An item of a sequence, with a line end behind it.
pub(super) fn item(tree: &Tree) -> String {
    let mut out = String::new();
    list_item(&mut out, tree, 0);
    out
}

/// A value on lines of its own, each `depth` levels in.
fn block(out: &mut String, tree: &Tree, depth: usize) {
    match tree {
        Tree::Map(members) if !members.is_empty() => {
            for (name, value) in members {
                member(out, name, value, depth, Begun::No);
            }
        }
        Tree::List(items) if !items.is_empty() => items.iter().for_each(|item| list_item(out, item, depth)),
        plain => {
            indent(out, depth);
            scalar(out, plain);
            out.push('\n');
        }
    }
}

/// Whether something stands on the line already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begun {
    No,
    Yes,
}

fn member(out: &mut String, name: &str, value: &Tree, depth: usize, line: Begun) {
    if line == Begun::No {
        indent(out, depth);
    }
    text(out, name);
    out.push(':');
    match value {
        Tree::Map(members) if !members.is_empty() => {
            out.push('\n');
            block(out, value, depth + 1);
        }
        Tree::List(items) if !items.is_empty() => {
            out.push('\n');
            block(out, value, depth + 1);
        }
        plain => {
            out.push(' ');
            scalar(out, plain);
            out.push('\n');
        }
    }
}

fn list_item(out: &mut String, tree: &Tree, depth: usize) {
    indent(out, depth);
    out.push_str("- ");
    match tree {
        Tree::Map(members) => {
            // The first member stands behind the dash, the others below it.
            for (at, (name, value)) in members.iter().enumerate() {
                member(out, name, value, depth + 1, if at == 0 { Begun::Yes } else { Begun::No });
            }
            if members.is_empty() {
                out.push_str("{}\n");
            }
        }
        Tree::List(items) if !items.is_empty() => {
            // Lists in lists do not come from elements; on one line they are as good.
            out.push_str(&tree.json_line());
            out.push('\n');
        }
        plain => {
            scalar(out, plain);
            out.push('\n');
        }
    }
}

fn scalar(out: &mut String, tree: &Tree) {
    match tree {
        Tree::Null => out.push_str("null"),
        Tree::Text(value) => text(out, value),
        Tree::List(_) => out.push_str("[]"),
        Tree::Map(_) => out.push_str("{}"),
    }
}

/// Without quotation marks only what no reader takes for anything but text.
fn text(out: &mut String, text: &str) {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '\\' | ' '))
        && !text.ends_with(' ')
        && !WORDS.iter().any(|word| word.eq_ignore_ascii_case(text));
    if is_plain { out.push_str(text) } else { json::string(out, text) }
}

fn indent(out: &mut String, depth: usize) {
    out.extend(std::iter::repeat_n("  ", depth));
}

/// What YAML 1.1 or 1.2 reads as something else than text.
const WORDS: &[&str] = &["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
