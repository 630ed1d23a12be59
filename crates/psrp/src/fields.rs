//! Access to the properties of a record, with an error that names the missing one.

use crate::clixml::{Content, Index, Object, Primitive, Value, Version};
use crate::error::PsrpError;

/// Properties of a record. References to other objects of the message are followed, because some clients write a
/// repeated enumeration value as a reference.
pub(crate) struct Fields<'a> {
    record: &'static str,
    object: &'a Object,
    index: &'a Index<'a>,
}

impl<'a> Fields<'a> {
    /// Returns the properties of a value, which must be an object of the index or a reference to one.
    pub(crate) fn of(
        value: &'a Value,
        record: &'static str,
        index: &'a Index<'a>,
    ) -> Result<Self, PsrpError> {
        let object = index.resolve(value);
        let object = object.ok_or(PsrpError::Property { message: record, property: "(the whole record)" })?;
        Ok(Self { record, object, index })
    }

    pub(crate) fn error(&self, property: &'static str) -> PsrpError {
        PsrpError::Property { message: self.record, property }
    }

    /// Returns a property, which may be null.
    pub(crate) fn optional(&self, name: &str) -> Option<&'a Value> {
        self.object.property(name)
    }

    /// Returns a property unless it is missing or null.
    pub(crate) fn present(&self, name: &str) -> Option<&'a Value> {
        self.optional(name).filter(|value| !value.is_null())
    }

    pub(crate) fn value(&self, name: &'static str) -> Result<&'a Value, PsrpError> {
        self.optional(name).ok_or_else(|| self.error(name))
    }

    /// Returns a primitive value; `None` if the property is missing or null.
    pub(crate) fn optional_primitive(&self, name: &'static str) -> Result<Option<&'a Primitive>, PsrpError> {
        let Some(value) = self.present(name) else { return Ok(None) };
        primitive(value, self.index).map(Some).ok_or_else(|| self.error(name))
    }

    /// Returns a required property, converted by a function.
    fn required<T>(
        &self,
        name: &'static str,
        convert: impl FnOnce(&'a Primitive) -> Option<T>,
    ) -> Result<T, PsrpError> {
        self.optional_primitive(name)?.and_then(convert).ok_or_else(|| self.error(name))
    }

    pub(crate) fn i32(&self, name: &'static str) -> Result<i32, PsrpError> {
        self.required(name, Primitive::as_i32)
    }

    /// Returns a number, or a default if the property is missing or null.
    pub(crate) fn i32_or(&self, name: &'static str, default: i32) -> Result<i32, PsrpError> {
        self.present(name).map_or(Ok(default), |_| self.i32(name))
    }

    pub(crate) fn i64(&self, name: &'static str) -> Result<i64, PsrpError> {
        self.required(name, Primitive::as_i64)
    }

    pub(crate) fn bool(&self, name: &'static str) -> Result<bool, PsrpError> {
        self.required(name, Primitive::as_bool)
    }

    /// Returns a truth value, or `false` if the property is missing or null.
    pub(crate) fn flag(&self, name: &'static str) -> Result<bool, PsrpError> {
        self.present(name).map_or(Ok(false), |_| self.bool(name))
    }

    pub(crate) fn text(&self, name: &'static str) -> Result<String, PsrpError> {
        self.required(name, Primitive::as_str).map(str::to_owned)
    }

    /// Returns text; `None` if the property is missing or null.
    pub(crate) fn optional_text(&self, name: &'static str) -> Result<Option<String>, PsrpError> {
        self.present(name).map(|_| self.text(name)).transpose()
    }

    pub(crate) fn version(&self, name: &'static str) -> Result<Version, PsrpError> {
        self.required(name, |primitive| match primitive {
            Primitive::Version(version) => Some(*version),
            _ => None,
        })
    }

    pub(crate) fn list(&self, name: &'static str) -> Result<&'a [Value], PsrpError> {
        let object = self.index.resolve(self.value(name)?);
        match object.map(|object| &object.content) {
            Some(
                Content::List(all) | Content::Enumerable(all) | Content::Stack(all) | Content::Queue(all),
            ) => Ok(all),
            _ => Err(self.error(name)),
        }
    }

    /// Returns elements; none if the property is missing or null.
    pub(crate) fn optional_list(&self, name: &'static str) -> Result<&'a [Value], PsrpError> {
        self.present(name).map_or(Ok(&[]), |_| self.list(name))
    }

    pub(crate) fn object(&self) -> &'a Object {
        self.object
    }

    pub(crate) fn index(&self) -> &'a Index<'a> {
        self.index
    }
}

fn primitive<'a>(value: &'a Value, index: &Index<'a>) -> Option<&'a Primitive> {
    match value {
        Value::Primitive(primitive) => Some(primitive),
        _ => match &index.resolve(value)?.content {
            Content::Primitive(primitive) => Some(primitive),
            _ => None,
        },
    }
}
