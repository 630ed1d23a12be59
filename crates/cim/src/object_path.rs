//! Object paths of classes and instances (MS-WMI, CIM path; DSP0207 for the order of keys).

use std::fmt;

use crate::name::is_name;
use crate::value::integer;
use crate::{Class, Error, Name, Namespace, Value};

mod text;

/// Object path such as `\\host\root\cimv2:Win32_Service.Name="sshd"`.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectPath {
    /// Machine, if the path contains it.
    pub server: Option<String>,
    /// Namespace, if the path contains it.
    pub namespace: Option<Namespace>,
    /// Class.
    pub class: Name,
    /// Instance of the class, or the class itself.
    pub identity: Identity,
}

/// Part of a path that identifies an instance.
#[derive(Clone, Debug, PartialEq)]
pub enum Identity {
    /// No instance: the path is that of the class.
    Class,
    /// Instance of a singleton, written `Class=@`.
    Singleton,
    /// Instance with one key whose name is omitted: `Class="value"`.
    Unnamed(KeyValue),
    /// Instance with these keys; names are unique.
    Keys(Vec<(Name, KeyValue)>),
}

/// Value of a key as written in a path; its type is known only to the class.
#[derive(Clone, Debug, PartialEq)]
pub enum KeyValue {
    /// `TRUE` or `FALSE`.
    Boolean(bool),
    /// Integer.
    Integer(i128),
    /// Quoted text or the value of a selector; also a time, a character, or the path of a reference.
    Text(String),
    /// Reference, which is quoted like a text.
    Reference(Box<ObjectPath>),
}

impl ObjectPath {
    /// Maximum length in bytes.
    pub const MAX: usize = 16 << 10;
    /// Maximum number of keys.
    pub const MAX_KEYS: usize = 64;
    /// Maximum nesting depth of paths in keys.
    pub const MAX_DEPTH: usize = 4;

    /// Creates the path of a class.
    #[must_use]
    pub fn of_class(class: Name) -> Self {
        Self { server: None, namespace: None, class, identity: Identity::Class }
    }

    /// Creates the path of an instance from selectors; without keys it is the path of the class or of a singleton.
    ///
    /// # Errors
    /// [`Error::TooMuch`] for more than [`ObjectPath::MAX_KEYS`], [`Error::Keys`] for a repeated key.
    pub fn from_keys(class: Name, keys: Vec<(Name, KeyValue)>) -> Result<Self, Error> {
        if keys.is_empty() {
            return Ok(Self::of_class(class));
        }
        if keys.len() > Self::MAX_KEYS {
            return Err(Error::TooMuch { what: "keys of an object path", limit: Self::MAX_KEYS });
        }
        for (at, (name, _)) in keys.iter().enumerate() {
            if keys.iter().take(at).any(|(before, _)| before == name) {
                let problem = format!("duplicate key {name}");
                return Err(Error::Keys { class, problem, keys: "each key may occur only once".to_owned() });
            }
        }
        Ok(Self { server: None, namespace: None, class, identity: Identity::Keys(keys) })
    }

    /// Parses an object path; `/` and `\` are equivalent.
    ///
    /// # Errors
    /// [`Error::Path`] with the position of the error; [`Error::TooMuch`] if the path is too long.
    pub fn parse(text: &str) -> Result<Self, Error> {
        text::read(text)
    }

    /// Names and values of the keys, each a selector of a message; empty for a class and for a key without a name.
    #[must_use]
    pub fn keys(&self) -> &[(Name, KeyValue)] {
        if let Identity::Keys(keys) = &self.identity { keys } else { &[] }
    }

    /// Sets the namespace.
    #[must_use]
    pub fn within(mut self, namespace: Namespace) -> Self {
        self.namespace = Some(namespace);
        self
    }

    /// Returns the path without machine and namespace: the system property `__RELPATH`.
    #[must_use]
    pub fn to_relative(&self) -> Self {
        Self { server: None, namespace: None, ..self.clone() }
    }

    /// Returns the values of the class's keys in the order of [`Class::keys`], each of its key's type; empty for a
    /// singleton.
    ///
    /// # Errors
    /// [`Error::Keys`] for missing, additional or unknown keys and for values of another type.
    pub fn key_values(&self, class: &Class) -> Result<Vec<Value>, Error> {
        match &self.identity {
            Identity::Class if class.is_singleton() => Ok(Vec::new()),
            Identity::Class => Err(keys_error(class, "the path does not identify an instance")),
            Identity::Singleton if class.is_singleton() => Ok(Vec::new()),
            Identity::Singleton => Err(keys_error(class, "the class is not a singleton")),
            Identity::Unnamed(value) => match class.keys() {
                [_] => self.typed(class, |_| Some(value)),
                _ => Err(keys_error(class, "the name of the key is missing in the path")),
            },
            Identity::Keys(keys) => {
                if let Some((name, _)) = keys.iter().find(|(name, _)| !class.has_key(name)) {
                    return Err(keys_error(class, format!("{name} is not a key")));
                }
                self.typed(class, |key| keys.iter().find(|(name, _)| name == key).map(|(_, value)| value))
            }
        }
    }

    fn typed<'k>(
        &self,
        class: &Class,
        find: impl Fn(&Name) -> Option<&'k KeyValue>,
    ) -> Result<Vec<Value>, Error> {
        let mut values = Vec::new();
        for property in class.keys().iter().filter_map(|key| class.property(*key)) {
            let name = &property.name;
            let value = find(name).ok_or_else(|| keys_error(class, format!("the key {name} is missing")))?;
            let value = value.typed(&property.kind.element);
            values.push(value.map_err(|error| keys_error(class, format!("the key {name}: {error}")))?);
        }
        Ok(values)
    }
}

impl KeyValue {
    /// Converts the value to the type of its key, as leniently as [`CimType::parse`](crate::CimType::parse).
    ///
    /// # Errors
    /// [`Error::Lexical`] or [`Error::OutOfRange`] for an invalid value.
    pub fn typed(&self, kind: &crate::CimType) -> Result<Value, Error> {
        match (self, kind) {
            (Self::Reference(path), crate::CimType::Reference(_)) => Ok(Value::Reference(path.clone())),
            (Self::Boolean(value), crate::CimType::Boolean) => Ok(Value::Boolean(*value)),
            (Self::Integer(number), kind) if kind.is_integer() || *kind == crate::CimType::Char16 => {
                kind.integer(*number)
            }
            (Self::Text(text), kind) => kind.parse(text),
            (other, kind) => kind.parse(&other.to_text()),
        }
    }

    /// Returns the value as in a selector, without quotation marks.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Boolean(true) => "true".to_owned(),
            Self::Boolean(false) => "false".to_owned(),
            Self::Integer(number) => number.to_string(),
            Self::Text(text) => text.clone(),
            Self::Reference(path) => path.to_string(),
        }
    }
}

impl From<&Value> for KeyValue {
    fn from(value: &Value) -> Self {
        match value {
            Value::Boolean(value) => Self::Boolean(*value),
            Value::Reference(path) => Self::Reference(path.clone()),
            // A character is written as text, as in elements.
            Value::Char16(_) => Self::Text(value.to_text()),
            value => value.as_integer().map_or_else(|| Self::Text(value.to_text()), Self::Integer),
        }
    }
}

fn keys_error(class: &Class, problem: impl Into<String>) -> Error {
    Error::Keys { class: class.name().clone(), problem: problem.into(), keys: class.keys_in_words() }
}

impl fmt::Display for ObjectPath {
    /// Writes the path with its keys sorted by name (DSP0207).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::write(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_parsed_as_they_are_written() {
        for text in [
            "Win32_Service",
            "Win32_Service.Name=\"sshd\"",
            "Win32_Service=\"sshd\"",
            "Win32_OperatingSystem=@",
            "X.A=5,B=\"c\",C=TRUE",
            "X.A=-5",
            "root\\cimv2:Win32_Service.Name=\"a\\\"b\\\\c\"",
            "\\\\host\\root\\cimv2:Win32_Service.Name=\"\"",
            "\\\\.\\root:__Namespace.Name=\"cimv2\"",
            "A.Antecedent=\"B.Name=\\\"x\\\"\",Dependent=\"C=5\"",
            "A.K=\"größe, = und . und '\"",
        ] {
            let path = ObjectPath::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(path.to_string(), text);
        }
    }

    #[test]
    fn other_spellings_are_normalised() {
        for (text, canonical) in [
            ("//host/ROOT/cimv2:X", "\\\\host\\root\\cimv2:X"),
            ("root/cimv2:X.B=2,a='it\\'s'", "root\\cimv2:X.a=\"it's\",B=2"),
            (" X.A = true , B = 'y' ", "X.A=TRUE,B=\"y\""),
            ("X=0x1F", "X=31"),
            (":X=5", "X=5"),
            ("\\\\host\\root\\cimv2", ""),
        ] {
            match ObjectPath::parse(text) {
                Ok(path) => assert_eq!(path.to_string(), canonical),
                Err(error) => assert!(canonical.is_empty(), "{text}: {error}"),
            }
        }
    }

    #[test]
    fn invalid_paths_are_rejected() {
        let many: Vec<_> = (0..65).map(|number| format!("K{number}=1")).collect();
        for text in [
            "",
            ".",
            "X.",
            "X.A",
            "X.A=",
            "X.A=\"b",
            "X.A=\"b\\",
            "X.A=1,",
            "X.A=1,A=2",
            "X.A=1 B=2",
            "X=@,",
            "X=1,2",
            "X.A=@",
            "1X",
            "X Y",
            "root cimv2:X",
            "\\\\",
            "\\\\host",
            "X.A=99999999999999999999999999999999",
            &format!("X.{}", many.join(",")),
            &format!("X=\"{}\"", "a".repeat(ObjectPath::MAX)),
        ] {
            assert!(ObjectPath::parse(text).is_err(), "{text:?} was accepted");
        }
    }
}
