//! Instances of classes: one value for each column.

use std::sync::Arc;

use crate::object_path::KeyValue;
use crate::{Class, Column, Error, Identity, Name, ObjectPath, Value};

/// An instance: a row with a value for each property of its class.
#[derive(Clone, Debug)]
pub struct Instance {
    class: Arc<Class>,
    /// INVARIANT: as many as the class has properties, each of its property's type.
    values: Box<[Value]>,
}

impl Instance {
    /// An instance with nothing but NULL.
    #[must_use]
    pub fn new(class: Arc<Class>) -> Self {
        let values = class.properties().iter().map(|_| Value::Null).collect();
        Self { class, values }
    }

    /// An instance with the defaults of its class.
    #[must_use]
    pub fn with_defaults(class: Arc<Class>) -> Self {
        let values = class.properties().iter().map(|property| property.default.clone()).collect();
        Self { class, values }
    }

    /// Its class.
    #[must_use]
    pub fn class(&self) -> &Arc<Class> {
        &self.class
    }

    /// The value in a column; NULL for a column the class has not.
    #[must_use]
    pub fn at(&self, column: Column) -> &Value {
        self.values.get(column.index()).unwrap_or(&Value::Null)
    }

    /// The value of the property of a name; `None` if the class has none.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.class.column(name).map(|column| self.at(column))
    }

    /// The values in the order of the wire.
    #[must_use]
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// About how many octets of memory it takes, with what is embedded in it and without its class.
    #[must_use]
    pub fn octets(&self) -> usize {
        size_of::<Self>() + self.values.iter().map(Value::octets).sum::<usize>()
    }

    /// Puts a value into a column.
    ///
    /// # Errors
    /// [`Error::Type`] for a value of another type, [`Error::NoProperty`] for a column of another class.
    pub fn set(&mut self, column: Column, value: impl Into<Value>) -> Result<(), Error> {
        let value = value.into();
        let (Some(property), Some(place)) =
            (self.class.property(column), self.values.get_mut(column.index()))
        else {
            let name = format!("column {}", column.index());
            return Err(Error::NoProperty { class: self.class.name().clone(), name });
        };
        property.kind.admit(format_args!("{} of {}", property.name, self.class.name()), &value)?;
        *place = value;
        Ok(())
    }

    /// The instance with a value for the property of a name.
    ///
    /// # Errors
    /// [`Error::NoProperty`] and [`Error::Type`].
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Result<Self, Error> {
        let column = self.class.require(name)?;
        self.set(column, value)?;
        Ok(self)
    }

    /// The path of the instance within its namespace: the system property `__RELPATH`.
    ///
    /// # Errors
    /// [`Error::NullKey`] if a key has no value; [`Error::Keys`] if the class has neither keys nor only one
    /// instance.
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
    /// Two instances are equal when their classes have the same name and their values are equal.
    fn eq(&self, other: &Self) -> bool {
        self.class.name() == other.class.name() && self.values == other.values
    }
}
