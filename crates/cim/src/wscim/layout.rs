//! Precomputed form of the rows of a class.

use std::sync::Arc;

use super::writer::{NullArrays, PropertyTypes, Writer};
use super::{COMMON, MICROSOFT, WSMAN, XSI, reference};
use crate::{CimType, Class, Column, ColumnSet, DateTime, Instance, SystemProperty, Value};

/// The shape of the rows of one class, computed once: each row is then written straight into the buffer.
#[derive(Clone, Debug)]
pub struct Layout {
    class: Arc<Class>,
    root: Root,
    /// System properties, written first because their names begin with `_`.
    system: Vec<SystemProperty>,
    columns: Vec<Field>,
    writer: Writer,
}

#[derive(Clone, Debug)]
enum Root {
    /// `p:Class`
    Instance { element: String, uri: String, type_name: String },
    /// `w:XmlFragment`
    Projection,
    /// `p:Method_OUTPUT`
    Parameters { element: String, uri: String },
}

#[derive(Clone, Debug)]
struct Field {
    column: Column,
    /// The name with its prefix.
    element: String,
    is_array: bool,
    /// The type name, such as `cim:cimString`.
    type_name: &'static str,
}

impl Layout {
    pub(super) fn of_instances(writer: &Writer, class: &Arc<Class>, columns: &ColumnSet) -> Self {
        let uri = writer.class_uri(class);
        let root = Root::Instance {
            element: format!("p:{}", class.name()),
            type_name: format!("p:{}_Type", class.name()),
            uri,
        };
        Self { root, system: Vec::new(), ..Self::new(writer, class, columns, "p:") }
    }

    pub(super) fn of_projection(
        writer: &Writer,
        class: &Arc<Class>,
        columns: &ColumnSet,
        system: Vec<SystemProperty>,
    ) -> Self {
        Self { root: Root::Projection, system, ..Self::new(writer, class, columns, "") }
    }

    pub(super) fn of_parameters(
        writer: &Writer,
        class: &Class,
        element: &str,
        parameters: &Arc<Class>,
    ) -> Self {
        let root = Root::Parameters { element: format!("p:{element}"), uri: writer.class_uri(class) };
        Self { root, ..Self::new(writer, parameters, &parameters.columns(), "p:") }
    }

    fn new(writer: &Writer, class: &Arc<Class>, columns: &ColumnSet, prefix: &str) -> Self {
        fn field(prefix: &str, class: &Class, column: Column) -> Option<Field> {
            let property = class.property(column)?;
            Some(Field {
                column,
                element: format!("{prefix}{}", property.name),
                is_array: property.kind.is_array(),
                type_name: type_name(&property.kind.element),
            })
        }
        let fields = columns.iter().filter_map(|column| field(prefix, class, column)).collect();
        Self {
            class: class.clone(),
            root: Root::Projection,
            system: Vec::new(),
            columns: fields,
            writer: writer.clone(),
        }
    }

    /// Returns the class of the rows.
    #[must_use]
    pub fn class(&self) -> &Arc<Class> {
        &self.class
    }

    /// Writes one row, which must be of the class of the layout.
    pub fn write(&self, out: &mut xml::Writer, row: &Instance) {
        debug_assert_eq!(row.class().name(), self.class.name());
        let times = match &self.root {
            Root::Instance { element, uri, type_name } => {
                start(out, element, uri);
                out.attribute("xsi:type", type_name);
                Times::Qualified
            }
            Root::Parameters { element, uri } => {
                start(out, element, uri);
                Times::Qualified
            }
            Root::Projection => {
                out.start("w:XmlFragment").namespace("xsi", XSI).namespace("w", WSMAN);
                if self.writer.property_types() == PropertyTypes::Written {
                    out.namespace("cim", COMMON);
                }
                Times::Bare
            }
        };
        for property in &self.system {
            let value = property.of_instance(row, self.writer.origin());
            let field = Field {
                column: Column::default(),
                element: property.name().to_owned(),
                is_array: *property == SystemProperty::Derivation,
                type_name: type_name(&CimType::String),
            };
            self.field(out, &field, &value, times);
        }
        for field in &self.columns {
            self.field(out, field, row.at(field.column), times);
        }
        out.end();
    }

    fn field(&self, out: &mut xml::Writer, field: &Field, value: &Value, times: Times) {
        match value {
            Value::Null if !field.is_array => {
                out.start(&field.element);
                self.typed(out, field);
                out.attribute("xsi:nil", "true").end_empty();
            }
            Value::Null => {
                if self.writer.null_arrays() == NullArrays::Marked {
                    out.start(&field.element).namespace("msftwinrm", MICROSOFT);
                    self.typed(out, field);
                    out.attribute("msftwinrm:IsNullArray", "true").attribute("xsi:nil", "true").end_empty();
                }
            }
            Value::Array(values) => values.iter().for_each(|value| self.element(out, field, value, times)),
            value => self.element(out, field, value, times),
        }
    }

    fn element(&self, out: &mut xml::Writer, field: &Field, value: &Value, times: Times) {
        out.start(&field.element);
        if let Value::Object(instance) = value {
            // Times inside an embedded instance have the prefix, which a projection does not bind.
            if matches!(self.root, Root::Projection) && self.writer.property_types() == PropertyTypes::Omitted
            {
                out.namespace("cim", COMMON);
            }
            self.embedded(out, instance, 1);
            out.end();
            return;
        }
        self.typed(out, field);
        if value.is_null() {
            out.attribute("xsi:nil", "true").end_empty();
            return;
        }
        write_value(out, value, times, &self.writer);
        out.end();
    }

    fn typed(&self, out: &mut xml::Writer, field: &Field) {
        if self.writer.property_types() == PropertyTypes::Written {
            out.attribute("xsi:type", field.type_name);
        }
    }

    /// Writes an instance as a value: the element is that of the property, the class is in `xsi:type`.
    fn embedded(&self, out: &mut xml::Writer, instance: &Instance, depth: usize) {
        let prefix = format!("p{depth}");
        let class = instance.class();
        out.namespace(&prefix, &self.writer.class_uri(class));
        out.attribute("xsi:type", &format!("{prefix}:{}_Type", class.name()));
        for (property, value) in class.properties().iter().zip(instance.values()) {
            let element = format!("{prefix}:{}", property.name);
            if property.kind.is_array() && value.is_null() {
                continue;
            }
            let values = if let Value::Array(values) = value { values } else { std::slice::from_ref(value) };
            for value in values {
                out.start(&element);
                match value {
                    // Readers accept values up to this depth: deeper ones are written as NULL.
                    Value::Null => {
                        out.attribute("xsi:nil", "true").end_empty();
                    }
                    Value::Object(_) if depth >= super::MAX_DEPTH => {
                        out.attribute("xsi:nil", "true").end_empty();
                    }
                    Value::Object(inner) => {
                        self.embedded(out, inner, depth + 1);
                        out.end();
                    }
                    value => {
                        write_value(out, value, Times::Qualified, &self.writer);
                        out.end();
                    }
                }
            }
        }
    }
}

/// Form of the elements of times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Times {
    Qualified,
    Bare,
}

fn start(out: &mut xml::Writer, element: &str, uri: &str) {
    out.start(element).namespace("xsi", XSI).namespace("p", uri).namespace("cim", COMMON);
}

/// Writes the content of an element whose start tag is open.
pub(super) fn write_value(out: &mut xml::Writer, value: &Value, times: Times, writer: &Writer) {
    match value {
        Value::String(text) => {
            out.property_text(text);
        }
        Value::Char16(_) => {
            out.property_text(&value.to_text());
        }
        Value::DateTime(value) => write_time(out, *value, times),
        Value::Reference(path) => reference::write(out, path, writer),
        plain => {
            out.plain(|out| plain.write_text(out));
        }
    }
}

fn write_time(out: &mut xml::Writer, value: DateTime, times: Times) {
    let name = match (value, times) {
        (DateTime::Timestamp(_), Times::Qualified) => "cim:Datetime",
        (DateTime::Timestamp(_), Times::Bare) => "Datetime",
        (DateTime::Interval(_), Times::Qualified) => "cim:Interval",
        (DateTime::Interval(_), Times::Bare) => "Interval",
        (DateTime::Partial(_), Times::Qualified) => "cim:CIM_DateTime",
        (DateTime::Partial(_), Times::Bare) => "CIM_DateTime",
    };
    out.start(name).plain(|out| match value {
        DateTime::Timestamp(timestamp) => timestamp.write_xml(out),
        DateTime::Interval(interval) => interval.write_xml(out),
        DateTime::Partial(partial) => out.push_str(partial.as_str()),
    });
    out.end();
}

/// Returns the name of a type in the namespace `cim` (DSP0230).
fn type_name(kind: &CimType) -> &'static str {
    match kind {
        CimType::Boolean => "cim:cimBoolean",
        CimType::Uint8 => "cim:cimUnsignedByte",
        CimType::Uint16 => "cim:cimUnsignedShort",
        CimType::Uint32 => "cim:cimUnsignedInt",
        CimType::Uint64 => "cim:cimUnsignedLong",
        CimType::Sint8 => "cim:cimByte",
        CimType::Sint16 => "cim:cimShort",
        CimType::Sint32 => "cim:cimInt",
        CimType::Sint64 => "cim:cimLong",
        CimType::Real32 => "cim:cimFloat",
        CimType::Real64 => "cim:cimDouble",
        CimType::Char16 => "cim:cimChar16",
        CimType::String | CimType::Object(_) => "cim:cimString",
        CimType::DateTime => "cim:cimDateTime",
        CimType::Reference(_) => "cim:cimReference",
    }
}
