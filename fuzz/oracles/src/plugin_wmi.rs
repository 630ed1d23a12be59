//! XPath fragments of instances.

use std::sync::{Arc, LazyLock};

use cim::uri::UriForm;
use cim::wscim::{NullArrays, Writer};
use cim::{Class, DateTime, Instance, Name, Namespace, ObjectPath, Origin, mof};
use plugin_wmi::fuzzing::Part;
use xml::{Bounds, Document, Element};

/// Checks that an XPath fragment is found in an instance exactly if walking its XML finds it, and that the
/// written fragment is valid XML.
///
/// # Panics
/// If a property does not hold.
pub fn fragment(octets: &[u8]) {
    static ROWS: LazyLock<Vec<(Instance, String)>> = LazyLock::new(|| {
        let with_xml = |row: Instance| {
            let xml = written(&row);
            (row, xml)
        };
        rows().into_iter().map(with_xml).collect()
    });
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let Ok(part) = Part::parse(text) else { return };
    for (row, xml) in ROWS.iter() {
        let document = Document::parse(xml.as_str(), &Bounds::default()).expect("the written text is XML");
        let instance = document.root().children().next().expect("an instance");
        assert_eq!(part.is_in(row, None), is_found(text.trim(), instance), "{text:?} in {xml}");
        let mut out = begun();
        part.write(&mut out, &writer(), row);
        let fragment = out.finish();
        assert!(Document::parse(fragment.as_str(), &Bounds::default()).is_ok(), "{fragment}");
    }
}

/// Returns whether an expression such as `p:Name[2]/text()` finds a node below an element.
fn is_found(expression: &str, instance: Element<'_>) -> bool {
    let (path, is_text) = match expression.strip_suffix("/text()") {
        Some(path) => (path, true),
        None => (expression, false),
    };
    let (name, place) = match path.split_once('[') {
        Some((name, place)) => (name, place.trim_end_matches(']').trim().parse::<usize>().ok()),
        None => (path, None),
    };
    let name = name.rsplit(':').next().unwrap_or_default();
    let same = instance.children().filter(|child| child.name().eq_ignore_ascii_case(name));
    let found =
        |child: Element<'_>| !is_text || child.children().next().is_none() && !child.text().is_empty();
    let mut all: Vec<Element<'_>> = same.collect();
    if let Some(place) = place {
        all = all.into_iter().skip(place - 1).take(1).collect::<Vec<_>>();
    }
    all.into_iter().any(found)
}

fn written(row: &Instance) -> String {
    let mut out = begun();
    writer().instance(&mut out, row);
    out.finish().as_str().to_owned()
}

/// Returns a writer with the namespaces that a message envelope declares.
fn begun() -> xml::Writer {
    let mut out = xml::Writer::new();
    out.start("s").namespace("a", wsman::namespace::ADDRESSING).namespace("w", wsman::namespace::WSMAN);
    out
}

fn writer() -> Writer {
    let origin = Origin { server: "node7".to_owned(), namespace: Namespace::cimv2(), offset: 60 };
    Writer::new(UriForm::Wmi, origin).with_null_arrays(NullArrays::Omitted)
}

/// Returns rows: one with every kind of value, one with none, and some in between.
fn rows() -> Vec<Instance> {
    let text = "class Row { [key] string Name; boolean Flag; string Text; string Texts[]; datetime When; Row REF Next; \
        uint16 Many[]; [EmbeddedInstance(\"Row\")] string Inner; };";
    let items = mof::parse(text).expect("the text is right");
    let Some(mof::Item::Class(declaration)) = items.first() else { panic!("one class") };
    let class = Arc::new(Class::derive(declaration, None).expect("the class is right"));
    let row = || Instance::new(class.clone());
    let when = DateTime::parse("20130415162843.488171+000").expect("a time");
    let path = ObjectPath::of_class(Name::parse("Row").expect("a name"));
    let full = || -> Result<Instance, cim::Error> {
        row()
            .with("Name", "a")?
            .with("Flag", true)?
            .with("Text", "größe < & >")?
            .with("Texts", vec!["one".to_owned(), String::new(), "three".to_owned()])?
            .with("When", when)?
            .with("Next", path)?
            .with("Many", vec![1_u16, 2])
    };
    let full = full().expect("the values fit");
    let blank = row().with("Text", "").and_then(|row| row.with("Texts", Vec::<String>::new()));
    let blank = blank.and_then(|row| row.with("Texts", vec![String::new()])).expect("the values fit");
    vec![row(), full, blank]
}
