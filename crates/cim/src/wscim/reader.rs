//! Instances from XML; lenient where clients differ.

use std::sync::Arc;

use xml::Element;

use super::{COMMON, MAX_DEPTH, MICROSOFT, XSI, reference};
use crate::name::excerpt;
use crate::{CimType, Class, ColumnSet, DateTime, Error, Instance, Schema, Value};

/// Reads instances and parameters of the classes of one schema.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'s> {
    schema: &'s Schema,
}

/// An instance, and which of its properties stood in the text at all.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    /// The values; NULL where nothing stood.
    pub instance: Instance,
    /// The columns that stood there, also those with NULL.
    pub present: ColumnSet,
}

impl<'s> Reader<'s> {
    /// A reader that looks classes up in a schema.
    #[must_use]
    pub fn new(schema: &'s Schema) -> Self {
        Self { schema }
    }

    /// Reads an instance whose class its `xsi:type` names, or else its element.
    ///
    /// # Errors
    /// [`Error::NoClass`] for another, and those of [`Reader::properties`].
    pub fn instance(&self, element: Element<'_>) -> Result<Read, Error> {
        let class = match self.class_of(element)? {
            Some(class) => class,
            None => self.schema.require(element.name())?,
        };
        self.properties(element, &class)
    }

    /// Reads the properties that stand in an element, as those of a class: an instance, a `w:XmlFragment` or the
    /// parameters of a method.
    ///
    /// Namespaces of properties are not looked at, because clients redeclare them as they like.
    ///
    /// # Errors
    /// [`Error::NoProperty`] for an element the class has no property for, [`Error::Xml`] for a scalar that stands
    /// twice or an element with other content than its type, [`Error::Lexical`] and [`Error::OutOfRange`] for wrong
    /// values, [`Error::TooMuch`] for instances too deep inside each other.
    pub fn properties(&self, element: Element<'_>, class: &Arc<Class>) -> Result<Read, Error> {
        self.read(element, class, 0)
    }

    fn read(&self, element: Element<'_>, class: &Arc<Class>, depth: usize) -> Result<Read, Error> {
        if depth > MAX_DEPTH {
            return Err(Error::TooMuch { what: "instances inside each other", limit: MAX_DEPTH });
        }
        let mut values: Vec<Option<Slot>> = class.properties().iter().map(|_| None).collect();
        for child in element.children() {
            let column = class.require(child.name())?;
            let (Some(property), Some(slot)) = (class.property(column), values.get_mut(column.index()))
            else {
                continue;
            };
            let wrong =
                |problem: &str| Error::Xml { element: child.name().to_owned(), problem: problem.to_owned() };
            if property.kind.is_array() {
                let slot = slot.get_or_insert_with(|| Slot::Array(Vec::new()));
                match slot {
                    Slot::Array(elements) if is_null_array(child) && elements.is_empty() => {
                        *slot = Slot::Null;
                    }
                    Slot::Array(elements) => {
                        elements.push(self.value(child, &property.kind.element, depth)?);
                    }
                    _ => return Err(wrong("an array has elements beside that which says that it has none")),
                }
            } else if slot.is_some() {
                return Err(wrong("it stands twice, but is no array"));
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
                // One nil element is how others say that there is no array.
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
                problem: format!("a {kind} has no elements inside"),
            }),
            kind => kind.parse(&element.text()).map_err(|error| match error {
                Error::Lexical { .. } | Error::OutOfRange { .. } => error,
                other => Error::Xml { element: element.name().to_owned(), problem: other.to_string() },
            }),
        }
    }

    /// An embedded instance: its class is that of its `xsi:type`, or of the only element inside, or the declared one.
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

    /// The class of `xsi:type="p:Name_Type"`.
    fn class_of(&self, element: Element<'_>) -> Result<Option<Arc<Class>>, Error> {
        let Some(kind) = element.attribute(XSI, "type") else { return Ok(None) };
        let name = kind.rsplit_once(':').map_or(kind.as_ref(), |(_, name)| name);
        // Types of single values, such as cim:cimString, name no class.
        match name.strip_suffix("_Type") {
            Some(name) => self.schema.require(name).map(Some),
            None => Ok(None),
        }
    }
}

/// What stood for one property.
enum Slot {
    Null,
    Scalar(Value),
    Array(Vec<Value>),
}

fn says_true(element: Element<'_>, namespace: &str, name: &str) -> bool {
    element.attribute(namespace, name).is_some_and(|value| matches!(value.trim(), "true" | "1"))
}

fn is_nil(element: Element<'_>) -> bool {
    says_true(element, XSI, "nil")
}

fn is_null_array(element: Element<'_>) -> bool {
    says_true(element, MICROSOFT, "IsNullArray")
}

/// A time inside one of five elements, with or without their namespace, or bare.
fn time(element: Element<'_>) -> Result<Value, Error> {
    let known = ["Datetime", "Interval", "CIM_DateTime", "Date", "Time"];
    let is_known = |inner: Element<'_>| {
        matches!(inner.namespace(), "" | COMMON)
            && known.iter().any(|name| name.eq_ignore_ascii_case(inner.name()))
    };
    let mut inside = element.children();
    let (content, is_time_of_day) = match (inside.next(), inside.next()) {
        (None, _) => (element, false),
        (Some(inner), None) if is_known(inner) => (inner, inner.name() == "Time"),
        _ => {
            let problem = "a time is one of cim:Datetime, cim:Interval and cim:CIM_DateTime".to_owned();
            return Err(Error::Xml { element: element.name().to_owned(), problem });
        }
    };
    let text = content.text();
    let time = if is_time_of_day { time_of_day(text.trim()) } else { DateTime::parse_lenient(&text, 0).ok() };
    let wrong = || Error::Lexical { found: excerpt(&text), expected: "datetime" };
    time.map(Value::DateTime).ok_or_else(wrong)
}

/// A time without a date, which is not known.
fn time_of_day(text: &str) -> Option<DateTime> {
    let whole = DateTime::parse_lenient(&format!("1970-01-01T{text}"), 0).ok()?.to_string();
    DateTime::parse(&format!("********{}", whole.get(8..)?)).ok()
}
