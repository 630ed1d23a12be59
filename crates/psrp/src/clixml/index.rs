//! Objects of a value by their identifiers.

use std::collections::HashMap;

use super::value::{Content, Object, Property, ReferenceId, Value};

/// Objects of a value by their identifiers, to follow references.
#[derive(Debug, Default)]
pub struct Index<'a> {
    objects: HashMap<ReferenceId, &'a Object>,
}

impl<'a> Index<'a> {
    /// Collects the objects of a value.
    #[must_use]
    pub fn new(value: &'a Value) -> Self {
        let mut objects = HashMap::new();
        let mut waiting = vec![value];
        while let Some(value) = waiting.pop() {
            match value {
                Value::Object(object) => {
                    if let Some(id) = object.id {
                        objects.insert(id, &**object);
                    }
                    add_parts(object, &mut waiting);
                }
                Value::PropertySet(properties) => add_properties(properties, &mut waiting),
                Value::Primitive(_) | Value::Reference(_) => {}
            }
        }
        Self { objects }
    }

    /// Returns the object with this identifier.
    #[must_use]
    pub fn object(&self, id: ReferenceId) -> Option<&'a Object> {
        self.objects.get(&id).copied()
    }

    /// Returns the object of a value: its own, or the one that it refers to.
    #[must_use]
    pub fn resolve(&self, value: &'a Value) -> Option<&'a Object> {
        match value {
            Value::Object(object) => Some(object),
            Value::Reference(id) => self.object(*id),
            Value::Primitive(_) | Value::PropertySet(_) => None,
        }
    }
}

fn add_parts<'a>(object: &'a Object, waiting: &mut Vec<&'a Value>) {
    match &object.content {
        Content::None | Content::Primitive(_) => {}
        Content::List(all) | Content::Enumerable(all) | Content::Stack(all) | Content::Queue(all) => {
            waiting.extend(all);
        }
        Content::Dictionary(entries) => waiting.extend(entries.iter().flat_map(|(key, value)| [key, value])),
    }
    for properties in object.adapted.iter().chain(&object.extended) {
        add_properties(properties, waiting);
    }
}

fn add_properties<'a>(properties: &'a [Property], waiting: &mut Vec<&'a Value>) {
    waiting.extend(properties.iter().map(|property| &property.value));
}
