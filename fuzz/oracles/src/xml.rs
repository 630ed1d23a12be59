//! XML documents.

use xml::{Bounds, Document, Element, Encoding, Writer};

/// Checks that a document survives parsing, copying, writing and parsing again unchanged, and that parsing
/// never panics.
///
/// # Panics
/// If a property does not hold.
pub fn document(octets: &[u8]) {
    let encoding = match octets {
        [0xFE, 0xFF, ..] | [0xFF, 0xFE, ..] => Encoding::Utf16,
        _ => Encoding::Utf8,
    };
    let Ok(text) = encoding.decode(octets.to_vec()) else { return };
    let bounds = Bounds { octets: 1 << 20, depth: 50, nodes: 10_000, attributes: 32, namespaces: 64 };
    let Ok(first) = Document::parse(text, &bounds) else { return };
    let mut writer = Writer::new();
    rewrite(&mut writer, first.root(), None);
    // The rewritten document declares a namespace on every name, so it needs larger bounds.
    let roomy = Bounds { octets: 64 << 20, attributes: 100, namespaces: 2_000, ..Bounds::default() };
    let second = Document::parse(writer.finish(), &roomy).expect("what was written can be read");
    assert_same(first.root(), second.root());
    let mut copied = Writer::new();
    copied.copy(first.root());
    let third = Document::parse(copied.finish(), &roomy).expect("a copy can be read");
    assert_same(first.root(), third.root());
}

/// Writes a copy of an element, declaring each namespace where it is used.
fn rewrite(writer: &mut Writer, element: Element<'_>, outer: Option<&str>) {
    // The `xml` namespace must not be the default namespace.
    let is_xml = element.namespace() == XML;
    let outer = if is_xml {
        writer.start(&format!("xml:{}", element.name()));
        outer
    } else {
        writer.start(element.name());
        if outer != Some(element.namespace()) && (outer.is_some() || !element.namespace().is_empty()) {
            writer.namespace("", element.namespace());
        }
        Some(element.namespace())
    };
    for (number, attribute) in element.attributes().enumerate() {
        match attribute.namespace() {
            "" => writer.attribute(attribute.name(), &attribute.value()),
            XML => writer.attribute(&format!("xml:{}", attribute.name()), &attribute.value()),
            uri => writer
                .namespace(&format!("n{number}"), uri)
                .attribute(&format!("n{number}:{}", attribute.name()), &attribute.value()),
        };
    }
    writer.text(&element.text());
    for child in element.children() {
        rewrite(writer, child, outer);
    }
    writer.end();
}

fn assert_same(left: Element<'_>, right: Element<'_>) {
    assert_eq!((left.namespace(), left.name()), (right.namespace(), right.name()));
    assert_eq!(left.text(), right.text());
    assert_eq!(attributes(left), attributes(right));
    let (mut lefts, mut rights) = (left.children(), right.children());
    loop {
        match (lefts.next(), rights.next()) {
            (Some(left), Some(right)) => assert_same(left, right),
            (None, None) => return,
            _ => panic!("another number of children in {}", left.name()),
        }
    }
}

fn attributes(element: Element<'_>) -> Vec<(String, String, String)> {
    let all = element.attributes().map(|attribute| {
        (attribute.namespace().to_owned(), attribute.name().to_owned(), attribute.value().into_owned())
    });
    all.collect()
}

/// Namespace of the prefix `xml`, which must not be bound to any other prefix.
const XML: &str = "http://www.w3.org/XML/1998/namespace";
