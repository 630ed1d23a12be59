//! JSON (RFC 8259).

use super::Tree;
use crate::terminal::steers;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    Indented,
    OneLine,
}

/// Without a line end behind it.
pub(super) fn print(tree: &Tree, layout: Layout) -> String {
    let mut out = String::new();
    write(&mut out, tree, layout, 0);
    out
}

fn write(out: &mut String, tree: &Tree, layout: Layout, depth: usize) {
    match tree {
        Tree::Null => out.push_str("null"),
        Tree::Text(text) => string(out, text),
        Tree::List(items) => {
            let item = |out: &mut String, item: &Tree| write(out, item, layout, depth + 1);
            bracketed(out, ['[', ']'], layout, depth, items, item);
        }
        Tree::Map(members) => {
            let member = |out: &mut String, (name, value): &(String, Tree)| {
                string(out, name);
                out.push_str(if layout == Layout::Indented { ": " } else { ":" });
                write(out, value, layout, depth + 1);
            };
            bracketed(out, ['{', '}'], layout, depth, members, member);
        }
    }
}

fn bracketed<T>(
    out: &mut String,
    [opening, closing]: [char; 2],
    layout: Layout,
    depth: usize,
    parts: &[T],
    write: impl Fn(&mut String, &T),
) {
    let new_line = |out: &mut String, depth| {
        if layout == Layout::Indented {
            out.push('\n');
            out.extend(std::iter::repeat_n("  ", depth));
        }
    };
    out.push(opening);
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        new_line(out, depth + 1);
        write(out, part);
    }
    new_line(out, depth);
    out.push(closing);
}

/// A text with its quotation marks, which is a value of YAML as well.
pub(super) fn string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // YAML of 1.1 ends lines at U+2028 and U+2029, and leaves out white space beside them.
            c if c.is_control() || steers(c) || c == '\u{feff}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
