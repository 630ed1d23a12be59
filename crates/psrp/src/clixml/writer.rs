//! Writes CLIXML, byte for byte as Windows does.

use std::collections::HashMap;

use crate::error::PsrpError;

use super::primitive::{Primitive, Progress};
use super::reader::MAX_DEPTH;
use super::value::{Content, Object, Property, ReferenceId, TypeNames, Value};

/// Returns a value as the data of a message.
///
/// # Errors
/// [`PsrpError::Structure`] if a reference names an object that does not begin before it, or a property set is
/// not the value of an extended property. [`PsrpError::TooLarge`] if objects are nested more than 64 levels deep.
pub fn write(value: &Value) -> Result<Vec<u8>, PsrpError> {
    let mut writer = Writer::default();
    writer.value(value, Attributes::default(), 0)?;
    Ok(writer.xml.finish().into_bytes())
}

/// State of writing one document.
#[derive(Default)]
pub(super) struct Writer {
    pub(super) xml: xml::Writer,
    /// Numbers of the objects that have begun.
    objects: HashMap<ReferenceId, u32>,
    next_object: u32,
    types: HashMap<TypeNames, u32>,
}

/// Attributes of a value in its parent.
#[derive(Clone, Copy, Default)]
pub(super) struct Attributes<'a> {
    /// Name of a property.
    pub(super) name: Option<&'a str>,
    /// Stream of an object in a file.
    pub(super) stream: Option<&'a str>,
}

impl Writer {
    pub(super) fn value(
        &mut self,
        value: &Value,
        attributes: Attributes<'_>,
        depth: usize,
    ) -> Result<(), PsrpError> {
        match value {
            Value::Primitive(primitive) => {
                self.primitive(primitive, attributes);
                Ok(())
            }
            Value::Object(object) => self.object(object, attributes, depth),
            Value::Reference(id) => {
                let number = self.objects.get(id).copied();
                let number = number.ok_or_else(|| {
                    PsrpError::Structure(format!(
                        "reference to object {}, which does not begin before it",
                        id.0
                    ))
                })?;
                self.start("Ref", attributes);
                self.xml.attribute("RefId", &number.to_string()).end_empty_with_space();
                Ok(())
            }
            Value::PropertySet(_) => {
                Err(PsrpError::Structure("a property set is not an extended property".to_owned()))
            }
        }
    }

    fn start(&mut self, element: &str, attributes: Attributes<'_>) {
        self.xml.start(element);
        if let Some(stream) = attributes.stream {
            self.xml.attribute("S", stream);
        }
        if let Some(name) = attributes.name {
            self.xml.attribute("N", name);
        }
    }

    fn primitive(&mut self, primitive: &Primitive, attributes: Attributes<'_>) {
        self.start(primitive.element(), attributes);
        match (primitive.text(), primitive) {
            (Some(text), _) => {
                self.xml.text(&text).end();
            }
            (None, Primitive::Progress(progress)) => self.progress(progress),
            (None, _) => {
                self.xml.end_empty_with_space();
            }
        }
    }

    fn progress(&mut self, progress: &Progress) {
        let xml = &mut self.xml;
        xml.element("AV", &progress.activity.to_wire());
        xml.element("AI", &progress.activity_id.to_string());
        match &progress.current_operation {
            Some(operation) => xml.element("S", &operation.to_wire()),
            None => xml.start("Nil").end_empty_with_space(),
        };
        xml.element("PI", &progress.parent_id.to_string());
        xml.element("PC", &progress.percent_complete.to_string());
        xml.element("T", &progress.kind.to_wire());
        xml.element("SR", &progress.seconds_remaining.to_string());
        xml.element("SD", &progress.status.to_wire());
        xml.end();
    }

    fn object(&mut self, object: &Object, attributes: Attributes<'_>, depth: usize) -> Result<(), PsrpError> {
        let inside = deeper(depth)?;
        let number = self.next_object;
        self.next_object += 1;
        if let Some(id) = object.id {
            self.objects.insert(id, number);
        }
        self.start("Obj", attributes);
        self.xml.attribute("RefId", &number.to_string());
        if let Some(types) = &object.types {
            self.type_names(types);
        }
        if let Some(text) = &object.to_string {
            self.xml.element("ToString", &text.to_wire());
        }
        self.content(&object.content, inside)?;
        if let Some(properties) = &object.adapted {
            self.xml.start("Props");
            self.properties(properties, inside, Kind::Adapted)?;
        }
        if let Some(properties) = &object.extended {
            self.xml.start("MS");
            self.properties(properties, inside, Kind::Extended)?;
        }
        self.end(!has_parts(object));
        Ok(())
    }

    fn type_names(&mut self, types: &TypeNames) {
        let next = u32::try_from(self.types.len()).unwrap_or(u32::MAX);
        if let Some(number) = self.types.get(types) {
            self.xml.start("TNRef").attribute("RefId", &number.to_string()).end_empty_with_space();
            return;
        }
        self.types.insert(types.clone(), next);
        self.xml.start("TN").attribute("RefId", &next.to_string());
        for name in types.iter() {
            self.xml.element("T", &name.to_wire());
        }
        self.xml.end();
    }

    fn content(&mut self, content: &Content, depth: usize) -> Result<(), PsrpError> {
        let (element, values) = match content {
            Content::None => return Ok(()),
            Content::Primitive(primitive) => {
                self.primitive(primitive, Attributes::default());
                return Ok(());
            }
            Content::Dictionary(entries) => return self.entries(entries, depth),
            Content::List(values) => ("LST", values),
            Content::Enumerable(values) => ("IE", values),
            Content::Stack(values) => ("STK", values),
            Content::Queue(values) => ("QUE", values),
        };
        self.xml.start(element);
        for value in values {
            self.value(value, Attributes::default(), depth)?;
        }
        self.end(values.is_empty());
        Ok(())
    }

    fn entries(&mut self, entries: &[(Value, Value)], depth: usize) -> Result<(), PsrpError> {
        self.xml.start("DCT");
        for (key, value) in entries {
            self.xml.start("En");
            self.value(key, Attributes { name: Some("Key"), stream: None }, depth)?;
            self.value(value, Attributes { name: Some("Value"), stream: None }, depth)?;
            self.xml.end();
        }
        self.end(entries.is_empty());
        Ok(())
    }

    /// Writes properties and closes their element.
    fn properties(&mut self, properties: &[Property], depth: usize, kind: Kind) -> Result<(), PsrpError> {
        for Property { name, value } in properties {
            let name = name.to_wire();
            let attributes = Attributes { name: Some(&name), stream: None };
            match value {
                Value::PropertySet(set) if kind == Kind::Extended => {
                    let inside = deeper(depth)?;
                    self.start("MS", attributes);
                    self.properties(set, inside, kind)?;
                }
                _ => self.value(value, attributes, depth)?,
            }
        }
        self.end(properties.is_empty());
        Ok(())
    }

    fn end(&mut self, is_empty: bool) {
        if is_empty {
            self.xml.end_empty_with_space()
        } else {
            self.xml.end()
        };
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Adapted,
    Extended,
}

fn deeper(depth: usize) -> Result<usize, PsrpError> {
    if depth >= MAX_DEPTH {
        return Err(PsrpError::TooLarge { what: "nesting depth of objects", limit: MAX_DEPTH });
    }
    Ok(depth + 1)
}

fn has_parts(object: &Object) -> bool {
    let Object { id: _, types, to_string, content, adapted, extended } = object;
    types.is_some()
        || to_string.is_some()
        || *content != Content::None
        || adapted.is_some()
        || extended.is_some()
}
