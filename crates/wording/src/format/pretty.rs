//! Indented XML with one element per line.

use xml::{Element, Writer};

use crate::markup::{attributes, has_children, is_mixed, open, open_alone};

/// Returns the element as a document of its own, indented by `depth` levels, without a final line feed.
pub(super) fn print(element: Element<'_>, depth: usize) -> String {
    let mut writer = Writer::new();
    if is_mixed(element) {
        writer.copy(element);
    } else {
        open_alone(&mut writer, element);
        content(&mut writer, element, depth);
    }
    format!("{}{}", INDENT.repeat(depth), writer.finish())
}

/// Writes attributes, content and end tag of an element whose start tag is open.
fn content(writer: &mut Writer, element: Element<'_>, depth: usize) {
    attributes(writer, element, |_, _| false);
    if !has_children(element) {
        let text = element.text();
        if text.is_empty() {
            writer.end_empty();
        } else {
            writer.text(&text).end();
        }
        return;
    }
    for child in element.children() {
        writer.text("\n").text(&INDENT.repeat(depth + 1));
        if is_mixed(child) {
            writer.copy(child);
        } else {
            open(writer, child);
            content(writer, child, depth + 1);
        }
    }
    writer.text("\n").text(&INDENT.repeat(depth)).end();
}

const INDENT: &str = "  ";
