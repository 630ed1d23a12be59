//! CIM operations on an IIS, and the instances that they exchange.
//!
//! The engine has no connection of its own: the caller implements [`WebAdministration`], for example over WS-Management.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// WMI namespace of IIS.
pub const WEB_ADMINISTRATION: &str = "root/WebAdministration";

/// Maximum number of instances that an enumeration may return.
pub const MAX_INSTANCES: usize = 20_000;

/// Maximum number of properties of an instance, including those of embedded instances.
pub const MAX_PROPERTIES: usize = 50_000;

/// Operations on the WMI namespace [`WEB_ADMINISTRATION`] of one machine. Each operation has a time limit.
pub trait WebAdministration: Send + Sync {
    /// Returns the name of the machine, for messages.
    fn machine(&self) -> &str;

    /// Returns all instances of a class, at most [`MAX_INSTANCES`].
    ///
    /// # Errors
    /// If the machine cannot be reached or refuses the operation.
    fn enumerate(&self, class: &str) -> Result<Vec<CimObject>, CimFailure>;

    /// Performs calls that do not depend on each other, in any order. Returns the results in the order of the calls.
    fn call(&self, calls: &[CimCall]) -> Vec<Result<CimObject, CimFailure>>;
}

/// Failure of an operation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum CimFailure {
    /// The namespace, the class or the instance does not exist.
    #[error("the object does not exist")]
    NotFound,
    /// The user has no access.
    #[error(
        "access denied: {reason}\n  only members of the group Administrators of the machine can administer IIS"
    )]
    AccessDenied {
        /// Message of the machine.
        reason: String,
    },
    /// An instance has more properties than the engine reads, or a response has another form than expected.
    #[error("the response is invalid: {0}")]
    Invalid(String),
    /// Any other failure, with a remedy.
    #[error("{0}")]
    Failed(String),
}

/// A call on an instance or a class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CimCall {
    /// Class.
    pub class: String,
    /// Keys of the instance; none for a static method.
    pub keys: Vec<(String, String)>,
    /// The operation.
    pub operation: CimOperation,
}

/// Operation of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CimOperation {
    /// Reads the instance.
    Get,
    /// Replaces the properties of the instance.
    Put(CimObject),
    /// Deletes the instance.
    Delete,
    /// Calls a method. The result has its output parameters.
    Invoke {
        /// Name of the method.
        method: Cow<'static, str>,
        /// Input parameters.
        input: CimObject,
    },
}

/// An instance, or the parameters of a method. The values have no types, because WS-Management sends them as text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CimObject {
    /// Class.
    pub class: String,
    /// Properties in their order. The items of an array are properties with the same name; an empty array has none.
    pub properties: Vec<(String, CimValue)>,
}

/// Value of a property, or an item of an array.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CimValue {
    /// No value.
    Null,
    /// Text of a scalar.
    Text(String),
    /// Embedded instance.
    Object(CimObject),
}

impl CimObject {
    /// Returns an instance without properties.
    #[must_use]
    pub fn new(class: &str) -> Self {
        Self { class: class.to_owned(), properties: Vec::new() }
    }

    /// Adds a property, or an item of an array.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<CimValue>) -> Self {
        self.properties.push((name.to_owned(), value.into()));
        self
    }

    /// Returns the text of a scalar; `None` if it has no value.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values(name).find_map(|value| match value {
            CimValue::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// Returns the embedded instances of a property.
    pub fn objects<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a CimObject> + use<'a, 'n> {
        self.values(name).filter_map(|value| match value {
            CimValue::Object(object) => Some(object),
            _ => None,
        })
    }

    /// Replaces all values of a property.
    pub fn set(&mut self, name: &str, values: impl IntoIterator<Item = CimValue>) {
        let position = self.properties.iter().position(|(known, _)| known == name);
        self.properties.retain(|(known, _)| known != name);
        let position = position.unwrap_or(self.properties.len()).min(self.properties.len());
        let values = values.into_iter().map(|value| (name.to_owned(), value));
        self.properties.splice(position..position, values);
    }

    fn values<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a CimValue> + use<'a, 'n> {
        self.properties.iter().filter(move |(known, _)| known == name).map(|(_, value)| value)
    }
}

impl From<&str> for CimValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<CimObject> for CimValue {
    fn from(object: CimObject) -> Self {
        Self::Object(object)
    }
}

impl CimCall {
    /// Returns a call on an instance.
    #[must_use]
    pub fn new(class: &str, keys: &[(&str, &str)], operation: CimOperation) -> Self {
        let keys = keys.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { class: class.to_owned(), keys, operation }
    }

    /// Returns a call of a method.
    #[must_use]
    pub fn method(class: &str, keys: &[(&str, &str)], method: &'static str, input: CimObject) -> Self {
        let method = Cow::Borrowed(method);
        Self::new(class, keys, CimOperation::Invoke { method, input })
    }
}

impl fmt::Display for CimCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.operation {
            CimOperation::Get => f.write_str("read ")?,
            CimOperation::Put(_) => f.write_str("change ")?,
            CimOperation::Delete => f.write_str("delete ")?,
            CimOperation::Invoke { method, .. } => write!(f, "call {method} of ")?,
        }
        f.write_str(&self.class)?;
        for (number, (name, value)) in self.keys.iter().enumerate() {
            let separator = if number == 0 { '.' } else { ',' };
            write!(f, "{separator}{name}={value:?}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_a_property_keeps_its_position_and_replaces_all_items() {
        let mut object = CimObject::new("Site").with("A", "1").with("B", "1").with("B", "2").with("C", "3");
        object.set("B", [CimValue::Text("x".to_owned())]);
        assert_eq!(object, CimObject::new("Site").with("A", "1").with("B", "x").with("C", "3"));
        object.set("B", []);
        assert_eq!(object.text("B"), None);
    }

    #[test]
    fn keys_are_quoted_in_messages() {
        let call = CimCall::new("Site", &[("Name", "a\"\r\nb")], CimOperation::Delete);
        assert_eq!(call.to_string(), r#"delete Site.Name="a\"\r\nb""#);
    }
}
