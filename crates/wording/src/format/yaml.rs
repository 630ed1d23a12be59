//! YAML 1.2 output that YAML 1.1 readers interpret identically.

use super::{Tree, json};

/// Returns a document, with a final line feed.
pub(super) fn print(tree: &Tree) -> String {
    let mut out = String::new();
    block(&mut out, tree, 0);
    out
}

/// Returns an item of a sequence, with a final line feed.
pub(super) fn item(tree: &Tree) -> String {
    let mut out = String::new();
    list_item(&mut out, tree, 0);
    out
}

/// Writes a value on separate lines, indented by `depth` levels.
fn block(out: &mut String, tree: &Tree, depth: usize) {
    match tree {
        Tree::Map(members) if !members.is_empty() => {
            for (name, value) in members {
                member(out, name, value, depth, Line::Start);
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

/// Position on the output line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    /// At the start; indentation is needed.
    Start,
    /// After a dash.
    Begun,
}

fn member(out: &mut String, name: &str, value: &Tree, depth: usize, line: Line) {
    if line == Line::Start {
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
            // The first member follows the dash on the same line.
            for (at, (name, value)) in members.iter().enumerate() {
                member(out, name, value, depth + 1, if at == 0 { Line::Begun } else { Line::Start });
            }
            if members.is_empty() {
                out.push_str("{}\n");
            }
        }
        Tree::List(items) if !items.is_empty() => {
            // Elements never become nested lists; the one-line form is sufficient.
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

/// Writes text without quotation marks only if every YAML reader interprets it as text.
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

/// Words that YAML 1.1 or 1.2 interprets as Booleans or null.
const WORDS: &[&str] = &["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
