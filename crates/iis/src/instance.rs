//! Instances in the form of WS-Management (MS-WSMV 2.2.4; DSP0230).

use webserver::{CimObject, CimValue, MAX_PROPERTIES, WEB_ADMINISTRATION};
use wsman::namespace::{ADDRESSING, XSI};
use xml::{Element, Fragment, Name, Writer};

/// Prefix of the resource URIs of classes.
const WMI: &str = "http://schemas.microsoft.com/wbem/wsman/1/wmi/";
/// Namespace of dates.
const CIM: &str = "http://schemas.dmtf.org/wbem/wscim/1/common";
/// Maximum depth of embedded instances.
const MAX_DEPTH: usize = 8;
/// Maximum length of a value in bytes.
const MAX_TEXT: usize = 64 << 10;
/// Suffix of the names of types.
const TYPE: &str = "_Type";

/// Returns the resource URI of a class.
pub(crate) fn class_uri(class: &str) -> String {
    format!("{WMI}{WEB_ADMINISTRATION}/{class}")
}

/// Reads an instance, or the output of a method.
///
/// # Errors
/// The reason, if the instance exceeds a limit or has an invalid type.
pub(crate) fn read(element: Element<'_>) -> Result<CimObject, String> {
    let mut remaining = MAX_PROPERTIES;
    read_object(element, MAX_DEPTH, &mut remaining)
}

/// Writes an instance.
///
/// # Errors
/// The reason, if a name is invalid.
pub(crate) fn write(object: &CimObject) -> Result<Fragment, String> {
    let mut writer = Writer::new();
    writer.start(&name(&object.class)?.with_prefix("p"));
    declare(&mut writer, &class_uri(&object.class));
    writer.attribute("xsi:type", &format!("p:{}{TYPE}", object.class));
    write_properties(&mut writer, "p", object, MAX_DEPTH)?;
    Ok(writer.into_fragment())
}

/// Writes the input of a method of a class.
///
/// # Errors
/// The reason, if a name is invalid.
pub(crate) fn write_input(class: &str, method: &str, input: &CimObject) -> Result<Fragment, String> {
    let mut writer = Writer::new();
    writer.start(&name(&format!("{method}_INPUT"))?.with_prefix("p"));
    declare(&mut writer, &class_uri(class));
    write_properties(&mut writer, "p", input, MAX_DEPTH)?;
    Ok(writer.into_fragment())
}

fn declare(writer: &mut Writer, uri: &str) {
    writer.namespace("xsi", XSI).namespace("p", uri).namespace("cim", CIM);
}

fn name(text: &str) -> Result<Name, String> {
    Name::parse(text).map_err(|error| error.to_string())
}

fn read_object(element: Element<'_>, depth: usize, remaining: &mut usize) -> Result<CimObject, String> {
    let depth = depth.checked_sub(1).ok_or("embedded instances are nested too deeply")?;
    let mut object = CimObject::new(&class_of(element)?);
    for child in element.children() {
        *remaining = remaining.checked_sub(1).ok_or("the instance has too many properties")?;
        object.properties.push((child.name().to_owned(), read_value(child, depth, remaining)?));
    }
    Ok(object)
}

fn read_value(element: Element<'_>, depth: usize, remaining: &mut usize) -> Result<CimValue, String> {
    if element.attribute(XSI, "nil").is_some_and(|nil| matches!(nil.as_ref(), "true" | "1")) {
        return Ok(CimValue::Null);
    }
    match element.children().next() {
        // A date is nested in an element of its own.
        Some(date) if date.namespace() == CIM => Ok(CimValue::Text(text(date)?)),
        // References are not used.
        Some(reference) if reference.namespace() == ADDRESSING => Ok(CimValue::Null),
        Some(_) => read_object(element, depth, remaining).map(CimValue::Object),
        None if element.attribute(XSI, "type").is_some_and(|kind| kind.ends_with(TYPE)) => {
            read_object(element, depth, remaining).map(CimValue::Object)
        }
        None => Ok(CimValue::Text(text(element)?)),
    }
}

fn text(element: Element<'_>) -> Result<String, String> {
    let text = element.text();
    if text.len() > MAX_TEXT {
        return Err(format!("{} is longer than {MAX_TEXT} bytes", element.name()));
    }
    Ok(text.into_owned())
}

/// Returns the class that the type names, or else the name of the element.
fn class_of(element: Element<'_>) -> Result<String, String> {
    let kind = element.attribute(XSI, "type");
    let class = kind.as_deref().and_then(|kind| {
        let local = kind.rsplit_once(':').map_or(kind, |(_, local)| local);
        local.strip_suffix(TYPE)
    });
    name(class.unwrap_or_else(|| element.name())).map(|name| name.as_str().to_owned())
}

fn write_properties(
    writer: &mut Writer,
    prefix: &str,
    object: &CimObject,
    depth: usize,
) -> Result<(), String> {
    let depth = depth.checked_sub(1).ok_or("embedded instances are nested too deeply")?;
    for (property, value) in &object.properties {
        writer.start(&name(property)?.with_prefix(prefix));
        match value {
            CimValue::Null => {
                writer.attribute("xsi:nil", "true").end_empty();
            }
            CimValue::Text(text) => {
                writer.text(text).end();
            }
            CimValue::Object(embedded) => {
                let inner = format!("p{}", MAX_DEPTH.saturating_sub(depth));
                writer.namespace(&inner, &class_uri(name(&embedded.class)?.as_str()));
                writer.attribute("xsi:type", &format!("{inner}:{}{TYPE}", embedded.class));
                write_properties(writer, &inner, embedded, depth)?;
                writer.end();
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use xml::{Bounds, Document};

    use super::*;

    fn parsed(text: &str) -> Result<CimObject, String> {
        read(Document::parse(text, &Bounds::default()).unwrap().root())
    }

    #[test]
    fn instances_are_read_as_they_are_written() {
        let binding = |information: &str| {
            CimObject::new("BindingElement").with("BindingInformation", information).with("Protocol", "http")
        };
        let mut site = CimObject::new("Site")
            .with("Bindings", binding("*:80:"))
            .with("Bindings", binding("*:81:a<b>&\"'"))
            .with("Name", "Default Web Site");
        site.properties.push(("LogFile".to_owned(), CimValue::Null));
        assert_eq!(parsed(write(&site).unwrap().as_str()).unwrap(), site);
        let input = write_input("Site", "Create", &site).unwrap();
        assert!(input.as_str().starts_with("<p:Create_INPUT "), "{}", input.as_str());
        assert_eq!(parsed(input.as_str()).unwrap().properties, site.properties);
    }

    #[test]
    fn hostile_instances_are_rejected() {
        let deep = (0..20).fold(String::new(), |inner, _| format!("<A>{inner}<B>1</B></A>"));
        assert!(parsed(&deep).unwrap_err().contains("deeply"));
        let kind = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"x><y_Type\"";
        assert!(parsed(&format!("<A {}><B>1</B></A>", kind.replace("><", "&gt;&lt;"))).is_err());
        let long = "a".repeat(MAX_TEXT + 1);
        assert!(parsed(&format!("<A><B>{long}</B></A>")).unwrap_err().contains("longer"));
        let many = "<B/>".repeat(MAX_PROPERTIES + 1);
        assert!(parsed(&format!("<A>{many}</A>")).unwrap_err().contains("too many"));
        let wrong = CimObject::new("A").with("><x", "1");
        assert!(write(&wrong).is_err() && write_input("A", "B", &wrong).is_err());
    }
}
