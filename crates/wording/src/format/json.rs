//! JSON output (RFC 8259).

use super::Tree;
use crate::terminal::controls_terminal;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    Indented,
    OneLine,
}

impl Tree {
    /// Returns JSON on one line, without a line feed.
    #[must_use]
    pub fn json_line(&self) -> String {
        print(self, Layout::OneLine)
    }
}

/// Returns the JSON text without a final line feed.
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
            bracketed(out, ['[', ']'], layout, depth, items, |out, item| write(out, item, layout, depth + 1));
        }
        Tree::Map(members) => {
            bracketed(out, ['{', '}'], layout, depth, members, |out, (name, value)| {
                string(out, name);
                out.push_str(if layout == Layout::Indented { ": " } else { ":" });
                write(out, value, layout, depth + 1);
            });
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
    out.push(opening);
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        new_line(out, layout, depth + 1);
        write(out, part);
    }
    new_line(out, layout, depth);
    out.push(closing);
}

fn new_line(out: &mut String, layout: Layout, depth: usize) {
    if layout == Layout::Indented {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    }
}

/// Writes a quoted string, which is valid in JSON and YAML.
pub(super) fn string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // YAML 1.1 treats U+2028 and U+2029 as line breaks and drops white space around them.
            c if c.is_control() || controls_terminal(c) || c == '\u{feff}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
