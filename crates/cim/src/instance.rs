//! Instances of classes.

use std::sync::Arc;

use crate::object_path::KeyValue;
use crate::{Class, Column, Error, Identity, Name, ObjectPath, Value};

/// Instance: one value for each property of its class.
#[derive(Clone, Debug)]
pub struct Instance {
    class: Arc<Class>,
    /// INVARIANT: one value per property of the class, of the property's type.
    values: Box<[Value]>,
}

impl Instance {
    /// Creates an instance with NULL in every property.
    #[must_use]
    pub fn new(class: Arc<Class>) -> Self {
        let values = class.properties().iter().map(|_| Value::Null).collect();
        Self { class, values }
    }

    /// Creates an instance with the default values of its class.
    #[must_use]
    pub fn with_defaults(class: Arc<Class>) -> Self {
        let values = class.properties().iter().map(|property| property.default.clone()).collect();
        Self { class, values }
    }

    /// Class of the instance.
    #[must_use]
    pub fn class(&self) -> &Arc<Class> {
        &self.class
    }

    /// Returns the value of a column; NULL for a column that the class does not have.
    #[must_use]
    pub fn at(&self, column: Column) -> &Value {
        self.values.get(column.index()).unwrap_or(&Value::Null)
    }

    /// Returns the value of a property; `None` if the class has no such property.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.class.column(name).map(|column| self.at(column))
    }

    /// Values in wire order.
    #[must_use]
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// Returns the approximate memory usage in bytes, including embedded instances and excluding the class.
    #[must_use]
    pub fn octets(&self) -> usize {
        size_of::<Self>() + self.values.iter().map(Value::octets).sum::<usize>()
    }

    /// Sets the value of a column.
    ///
    /// # Errors
    /// [`Error::Type`] for a value of another type, [`Error::NoProperty`] for a column of another class.
    pub fn set(&mut self, column: Column, value: impl Into<Value>) -> Result<(), Error> {
        let value = value.into();
        let (Some(property), Some(slot)) = (self.class.property(column), self.values.get_mut(column.index()))
        else {
            let name = format!("column {}", column.index());
            return Err(Error::NoProperty { class: self.class.name().clone(), name });
        };
        property.kind.require(format_args!("{} of {}", property.name, self.class.name()), &value)?;
        *slot = value;
        Ok(())
    }

    /// Sets the value of a property by name.
    ///
    /// # Errors
    /// [`Error::NoProperty`] for an unknown property, [`Error::Type`] for a value of another type.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Result<Self, Error> {
        let column = self.class.require(name)?;
        self.set(column, value)?;
        Ok(self)
    }

    /// Returns the path within the namespace, the system property `__RELPATH`.
    ///
    /// # Errors
    /// [`Error::NullKey`] if a key is NULL; [`Error::Keys`] if the class has no keys and is not a singleton.
    pub fn path(&self) -> Result<ObjectPath, Error> {
        let class = self.class.name().clone();
        let identity = match self.class.keys() {
            [] if self.class.is_singleton() => Identity::Singleton,
            [] => {
                let problem = "an instance without keys has no path".to_owned();
                return Err(Error::Keys { class, problem, keys: self.class.keys_in_words() });
            }
            keys => Identity::Keys(
                keys.iter()
                    .filter_map(|key| Some((self.class.property(*key)?.name.clone(), self.at(*key))))
                    .map(|(name, value)| self.key(name, value))
                    .collect::<Result<_, _>>()?,
            ),
        };
        Ok(ObjectPath { server: None, namespace: None, class, identity })
    }

    fn key(&self, name: Name, value: &Value) -> Result<(Name, KeyValue), Error> {
        match value {
            Value::Null => Err(Error::NullKey { class: self.class.name().clone(), key: name }),
            value => Ok((name, KeyValue::from(value))),
        }
    }
}

impl PartialEq for Instance {
    /// Instances are equal if their class names and their values are equal.
    fn eq(&self, other: &Self) -> bool {
        self.class.name() == other.class.name() && self.values == other.values
    }
}
