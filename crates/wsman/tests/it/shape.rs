//! Form of a message: prefixes, namespace declarations, order of elements and attributes.

use xml::{Bounds, Document, Element};

/// Fidelity of a recording for white space and empty elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recording {
    /// Bytes from the wire.
    Faithful,
    /// Indented by the recording tool.
    Indented,
}

/// Returns a line per element: its start tag, and its text unless that is a message for users.
pub(crate) fn shape(message: &str, recording: Recording) -> Vec<String> {
    let document = Document::parse(message, &Bounds::default()).unwrap();
    let mut lines = Vec::new();
    add(&mut lines, document.root(), 0, recording);
    lines
}

fn add(lines: &mut Vec<String>, element: Element<'_>, depth: usize, recording: Recording) {
    let mut tag = start_tag(element.source()).to_owned();
    if recording == Recording::Indented {
        tag = tag.trim_end_matches(['/', '>', ' ']).replace('\'', "\"");
    }
    let text = element.text();
    let text = match (element.prefix(), element.name()) {
        ("s", "Text") | ("f", "Message") => "",
        _ => text.trim(),
    };
    lines.push(format!("{:depth$}{tag}{text}", ""));
    for child in element.children() {
        add(lines, child, depth + 1, recording);
    }
}

fn start_tag(source: &str) -> &str {
    let mut quote = None;
    for (at, c) in source.char_indices() {
        match (quote, c) {
            (None, '>') => return &source[..=at],
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    source
}
