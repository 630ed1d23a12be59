//! Parses instances from XML; lenient where clients differ.

use std::sync::Arc;

use xml::Element;

use super::{COMMON, MAX_DEPTH, MICROSOFT, XSI, reference};
use crate::name::excerpt;
use crate::{CimType, Class, ColumnSet, DateTime, Error, Instance, Schema, Value};

/// Parses instances and method parameters of the classes in one schema.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'s> {
    schema: &'s Schema,
}

/// Parsed instance, with the properties that the XML contains.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    /// Values; NULL for properties that are absent.
    pub instance: Instance,
    /// Columns that the XML contains, including NULL ones.
    pub present: ColumnSet,
}

impl<'s> Reader<'s> {
    /// Creates a reader for the classes of a schema.
    #[must_use]
    pub fn new(schema: &'s Schema) -> Self {
        Self { schema }
    }

    /// Parses an instance whose class is given by its `xsi:type` or the name of its element.
    ///
    /// # Errors
    /// [`Error::NoClass`] for an unknown class, and the errors of [`Reader::properties`].
    pub fn instance(&self, element: Element<'_>) -> Result<Read, Error> {
        let class = match self.class_of(element)? {
            Some(class) => class,
            None => self.schema.require(element.name())?,
        };
        self.properties(element, &class)
    }

    /// Parses the properties in an element as those of a class: an instance, a `w:XmlFragment` or method parameters.
    ///
    /// Namespaces of properties are ignored, because clients differ.
    ///
    /// # Errors
    /// [`Error::NoProperty`] for an unknown property, [`Error::Xml`] for a repeated scalar or invalid content,
    /// [`Error::Lexical`] and [`Error::OutOfRange`] for invalid values, [`Error::TooMuch`] for instances nested too
    /// deeply.
    pub fn properties(&self, element: Element<'_>, class: &Arc<Class>) -> Result<Read, Error> {
        self.read(element, class, 0)
    }

    fn read(&self, element: Element<'_>, class: &Arc<Class>, depth: usize) -> Result<Read, Error> {
        if depth > MAX_DEPTH {
            return Err(Error::TooMuch { what: "levels of embedded instances", limit: MAX_DEPTH });
        }
        let mut values: Vec<Option<Slot>> = class.properties().iter().map(|_| None).collect();
        for child in element.children() {
            let column = class.require(child.name())?;
            let (Some(property), Some(slot)) = (class.property(column), values.get_mut(column.index()))
            else {
                continue;
            };
            if property.kind.is_array() {
                let slot = slot.get_or_insert_with(|| Slot::Array(Vec::new()));
                match slot {
                    Slot::Array(elements) if is_null_array(child) && elements.is_empty() => {
                        *slot = Slot::Null;
                    }
                    Slot::Array(elements) => {
                        elements.push(self.value(child, &property.kind.element, depth)?);
                    }
                    _ => return Err(xml_error(child, "an array marked as null has elements")),
                }
            } else if slot.is_some() {
                return Err(xml_error(child, "duplicate element for a property that is not an array"));
            } else {
                *slot = Some(Slot::Scalar(self.value(child, &property.kind.element, depth)?));
            }
        }
        let mut read = Read { instance: Instance::new(class.clone()), present: ColumnSet::new() };
        for (column, slot) in class.columns().iter().zip(values) {
            let value = match slot {
                None => continue,
                Some(Slot::Null) => Value::Null,
                Some(Slot::Scalar(value)) => value,
                // Some clients send one nil element for a NULL array.
                Some(Slot::Array(elements)) if elements.iter().all(Value::is_null) && elements.len() == 1 => {
                    Value::Null
                }
                Some(Slot::Array(elements)) => Value::Array(elements.into()),
            };
            read.instance.set(column, value)?;
            read.present.insert(column);
        }
        Ok(read)
    }

    fn value(&self, element: Element<'_>, kind: &CimType, depth: usize) -> Result<Value, Error> {
        if is_nil(element) {
            return Ok(Value::Null);
        }
        match kind {
            CimType::DateTime => time(element),
            CimType::Reference(_) if element.children().next().is_some() => {
                reference::read(element, 1).map(|path| Value::Reference(Box::new(path)))
            }
            CimType::Object(declared) => {
                self.object(element, declared.as_ref().map(crate::Name::as_str), depth)
            }
            kind if element.children().next().is_some() => Err(Error::Xml {
                element: element.name().to_owned(),
                problem: format!("a {kind} must not contain elements"),
            }),
            kind => kind.parse(&element.text()).map_err(|error| match error {
                Error::Lexical { .. } | Error::OutOfRange { .. } => error,
                other => Error::Xml { element: element.name().to_owned(), problem: other.to_string() },
            }),
        }
    }

    /// Parses an embedded instance. Its class is that of its `xsi:type`, of its only child element, or the declared one.
    fn object(&self, element: Element<'_>, declared: Option<&str>, depth: usize) -> Result<Value, Error> {
        if let Some(class) = self.class_of(element)? {
            return self.embedded(element, &class, depth);
        }
        if let Some(declared) = declared.and_then(|declared| self.schema.class(declared)) {
            return self.embedded(element, &declared, depth);
        }
        let inner = element.children().next().filter(|inner| self.schema.class(inner.name()).is_some());
        let Some(inner) = inner else {
            let problem = "an embedded instance needs an xsi:type that names its class".to_owned();
            return Err(Error::Xml { element: element.name().to_owned(), problem });
        };
        let class = self.schema.require(inner.name())?;
        self.embedded(inner, &class, depth)
    }

    fn embedded(&self, element: Element<'_>, class: &Arc<Class>, depth: usize) -> Result<Value, Error> {
        Ok(Value::Object(Box::new(self.read(element, class, depth + 1)?.instance)))
    }

    /// Returns the class in `xsi:type="p:Name_Type"`.
    fn class_of(&self, element: Element<'_>) -> Result<Option<Arc<Class>>, Error> {
        let Some(kind) = element.attribute(XSI, "type") else { return Ok(None) };
        let name = kind.rsplit_once(':').map_or(kind.as_ref(), |(_, name)| name);
        // Types of scalars, such as cim:cimString, are not classes.
        match name.strip_suffix("_Type") {
            Some(name) => self.schema.require(name).map(Some),
            None => Ok(None),
        }
    }
}

/// Parsed elements of one property.
enum Slot {
    Null,
    Scalar(Value),
    Array(Vec<Value>),
}

fn has_true_attribute(element: Element<'_>, namespace: &str, name: &str) -> bool {
    element.attribute(namespace, name).is_some_and(|value| matches!(value.trim(), "true" | "1"))
}

fn is_nil(element: Element<'_>) -> bool {
    has_true_attribute(element, XSI, "nil")
}

fn is_null_array(element: Element<'_>) -> bool {
    has_true_attribute(element, MICROSOFT, "IsNullArray")
}

/// Parses a time inside one of five elements, with or without a namespace, or without an element.
fn time(element: Element<'_>) -> Result<Value, Error> {
    let mut inside = element.children();
    let (content, is_time_of_day) = match (inside.next(), inside.next()) {
        (None, _) => (element, false),
        (Some(inner), None) if is_time_element(inner) => (inner, inner.name() == "Time"),
        _ => {
            let problem = "expected cim:Datetime, cim:Interval or cim:CIM_DateTime".to_owned();
            return Err(Error::Xml { element: element.name().to_owned(), problem });
        }
    };
    let text = content.text();
    let time = if is_time_of_day { time_of_day(text.trim()) } else { DateTime::parse_lenient(&text, 0).ok() };
    time.map(Value::DateTime).ok_or_else(|| Error::Lexical { found: excerpt(&text), expected: "datetime" })
}

fn is_time_element(element: Element<'_>) -> bool {
    const NAMES: [&str; 5] = ["Datetime", "Interval", "CIM_DateTime", "Date", "Time"];
    matches!(element.namespace(), "" | COMMON)
        && NAMES.iter().any(|name| name.eq_ignore_ascii_case(element.name()))
}

fn xml_error(element: Element<'_>, problem: &str) -> Error {
    Error::Xml { element: element.name().to_owned(), problem: problem.to_owned() }
}

/// Parses a time of day; the date is unknown.
fn time_of_day(text: &str) -> Option<DateTime> {
    let whole = DateTime::parse_lenient(&format!("1970-01-01T{text}"), 0).ok()?.to_string();
    DateTime::parse(&format!("********{}", whole.get(8..)?)).ok()
}
