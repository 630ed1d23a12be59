//! References to instances as endpoint references (DSP0227; WS-Addressing 2004/08).

use xml::Element;

use super::{ADDRESSING, WSMAN, Writer};
use crate::object_path::KeyValue;
use crate::uri::ClassUri;
use crate::{Error, Name, Namespace, ObjectPath};

/// Anonymous address: the service itself.
const ANONYMOUS: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous";
/// Selector of the namespace.
const NAMESPACE: &str = "__cimnamespace";

/// Writes the content of a reference.
pub(super) fn write(out: &mut xml::Writer, path: &ObjectPath, writer: &Writer) {
    let namespace = path.namespace.as_ref().unwrap_or(&writer.origin().namespace);
    let uri = ClassUri::of(writer.form(), namespace, &path.class);
    out.element("a:Address", ANONYMOUS).start("a:ReferenceParameters");
    out.element("w:ResourceURI", &uri.to_string());
    let keys = path.keys();
    let needs_namespace = writer.form().has_namespace_selector();
    if needs_namespace || !keys.is_empty() {
        out.start("w:SelectorSet");
        if needs_namespace {
            out.start("w:Selector").attribute("Name", NAMESPACE).text(namespace.as_str()).end();
        }
        for (name, value) in keys {
            out.start("w:Selector").attribute("Name", name.as_str());
            match value {
                KeyValue::Reference(inner) => {
                    out.start("a:EndpointReference");
                    write(out, inner, writer);
                    out.end();
                }
                value => {
                    out.text(&value.to_text());
                }
            }
            out.end();
        }
        out.end();
    }
    out.end();
}

/// Parses the content of a reference, with or without an enclosing `a:EndpointReference`.
pub(super) fn read(element: Element<'_>, depth: usize) -> Result<ObjectPath, Error> {
    if depth > ObjectPath::MAX_DEPTH {
        return Err(Error::TooMuch { what: "levels of nested references", limit: ObjectPath::MAX_DEPTH });
    }
    let content = element.child(ADDRESSING, "EndpointReference").unwrap_or(element);
    let parameters = content
        .child(ADDRESSING, "ReferenceParameters")
        .or_else(|| content.child(ADDRESSING, "ReferenceProperties"))
        .ok_or_else(|| xml_error(element, "a reference needs a:ReferenceParameters"))?;
    let uri = parameters
        .child(WSMAN, "ResourceURI")
        .ok_or_else(|| xml_error(element, "a reference needs a w:ResourceURI"))?;
    let uri = ClassUri::parse(&uri.text())?;
    let class = uri.class.ok_or_else(|| xml_error(element, "a reference needs a class"))?;
    let mut namespace = uri.namespace;
    let mut keys = Vec::new();
    let selectors = parameters.child(WSMAN, "SelectorSet");
    for selector in selectors.iter().flat_map(Element::children).filter(|child| child.is(WSMAN, "Selector")) {
        let name =
            selector.attribute("", "Name").ok_or_else(|| xml_error(element, "a w:Selector needs a Name"))?;
        if name.trim().eq_ignore_ascii_case(NAMESPACE) {
            namespace = Some(Namespace::parse(selector.text().trim())?);
            continue;
        }
        if keys.len() >= ObjectPath::MAX_KEYS {
            return Err(Error::TooMuch { what: "keys of an object path", limit: ObjectPath::MAX_KEYS });
        }
        let value = match selector.child(ADDRESSING, "EndpointReference") {
            Some(inner) => KeyValue::Reference(Box::new(read(inner, depth + 1)?)),
            None => KeyValue::Text(selector.text().into_owned()),
        };
        keys.push((Name::parse(name.trim())?, value));
    }
    let path = ObjectPath::from_keys(class, keys)?;
    Ok(match namespace {
        Some(namespace) => path.within(namespace),
        None => path,
    })
}

fn xml_error(element: Element<'_>, problem: &str) -> Error {
    Error::Xml { element: element.name().to_owned(), problem: problem.to_owned() }
}
