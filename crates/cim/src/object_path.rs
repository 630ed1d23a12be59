//! Paths that name a namespace's class or instance (MS-WMI, CIM path; DSP0207 for the order of keys).

use std::fmt;

use crate::name::is_name;
use crate::value::integer;
use crate::{Class, Error, Name, Namespace, Value};

mod text;

/// A path such as `\\host\root\cimv2:Win32_Service.Name="sshd"`.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectPath {
    /// The machine, where it is named.
    pub server: Option<String>,
    /// The namespace, where it is named.
    pub namespace: Option<Namespace>,
    /// The class.
    pub class: Name,
    /// Which of its instances.
    pub identity: Identity,
}

/// What of a class a path names.
#[derive(Clone, Debug, PartialEq)]
pub enum Identity {
    /// The class itself.
    Class,
    /// The only instance there can be, written `Class=@`.
    Singleton,
    /// The instance with one key, whose name the path leaves out: `Class="value"`.
    Unnamed(KeyValue),
    /// The instance with these keys, each once.
    Keys(Vec<(Name, KeyValue)>),
}

/// The value of a key as a path spells it; only its class knows its type.
#[derive(Clone, Debug, PartialEq)]
pub enum KeyValue {
    /// `TRUE` or `FALSE`.
    Boolean(bool),
    /// A whole number.
    Integer(i128),
    /// A text in quotes, or a selector's; also a time, a character, or the path of a reference.
    Text(String),
    /// A reference, which stands in quotes as a text does.
    Reference(Box<ObjectPath>),
}

impl ObjectPath {
    /// The longest path that is read, in octets.
    pub const MAX: usize = 16 << 10;
    /// How many keys one path may have.
    pub const MAX_KEYS: usize = 64;
    /// How deep paths may stand in keys of each other.
    pub const MAX_DEPTH: usize = 4;

    /// The path of a class.
    #[must_use]
    pub fn of_class(class: Name) -> Self {
        Self { server: None, namespace: None, class, identity: Identity::Class }
    }

    /// The path of an instance with keys from selectors; none name the class, or its only instance.
    ///
    /// # Errors
    /// [`Error::TooMuch`] for more than [`ObjectPath::MAX_KEYS`], [`Error::Keys`] for a key given twice.
    pub fn from_keys(class: Name, keys: Vec<(Name, KeyValue)>) -> Result<Self, Error> {
        if keys.is_empty() {
            return Ok(Self::of_class(class));
        }
        if keys.len() > Self::MAX_KEYS {
            return Err(Error::TooMuch { what: "keys of an object path", limit: Self::MAX_KEYS });
        }
        for (at, (name, _)) in keys.iter().enumerate() {
            if keys.iter().take(at).any(|(before, _)| before == name) {
                let problem = format!("the key {name} is given twice");
                return Err(Error::Keys { class, problem, keys: "each of its keys once".to_owned() });
            }
        }
        Ok(Self { server: None, namespace: None, class, identity: Identity::Keys(keys) })
    }

    /// Reads the text of a path; `/` separates namespaces as well as `\`.
    ///
    /// # Errors
    /// [`Error::Path`] says where it is wrong; [`Error::TooMuch`] if it is too long.
    pub fn parse(text: &str) -> Result<Self, Error> {
        text::read(text)
    }

    /// The keys with their names, each a selector of a message; none for a class, and none where the name was left
    /// out.
    #[must_use]
    pub fn keys(&self) -> &[(Name, KeyValue)] {
        if let Identity::Keys(keys) = &self.identity { keys } else { &[] }
    }

    /// The path within a namespace.
    #[must_use]
    pub fn within(mut self, namespace: Namespace) -> Self {
        self.namespace = Some(namespace);
        self
    }

    /// What is left without machine and namespace: the system property `__RELPATH`.
    #[must_use]
    pub fn to_relative(&self) -> Self {
        Self { server: None, namespace: None, ..self.clone() }
    }

    /// The values of the class's keys, in the order of [`Class::keys`], each of its key's type.
    ///
    /// A singleton has none.
    ///
    /// # Errors
    /// [`Error::Keys`] for keys that are missing, too many, unknown or of another type.
    pub fn key_values(&self, class: &Class) -> Result<Vec<Value>, Error> {
        let wrong = |problem: String| Error::Keys {
            class: class.name().clone(),
            problem,
            keys: class.keys_in_words(),
        };
        match &self.identity {
            Identity::Class if class.is_singleton() => Ok(Vec::new()),
            Identity::Class => Err(wrong("the path names no instance".to_owned())),
            Identity::Singleton if class.is_singleton() => Ok(Vec::new()),
            Identity::Singleton => Err(wrong("the class has not only one instance".to_owned())),
            Identity::Unnamed(value) => match class.keys() {
                [_] => self.typed(class, |_| Some(value)),
                _ => Err(wrong("the path does not say which key it means".to_owned())),
            },
            Identity::Keys(keys) => {
                if let Some((name, _)) = keys.iter().find(|(name, _)| !class.has_key(name)) {
                    return Err(wrong(format!("{name} is not a key")));
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
        let wrong = |problem: String| Error::Keys {
            class: class.name().clone(),
            problem,
            keys: class.keys_in_words(),
        };
        let properties = class.keys().iter().filter_map(|key| class.property(*key));
        let read = |property: &crate::Property| {
            let name = &property.name;
            let value = find(name).ok_or_else(|| wrong(format!("the key {name} is missing")))?;
            value.typed(&property.kind.element).map_err(|error| wrong(format!("the key {name}: {error}")))
        };
        properties.map(read).collect()
    }
}

impl KeyValue {
    /// The value as one of the type of its key; as lenient as [`CimType::parse`](crate::CimType::parse).
    ///
    /// # Errors
    /// [`Error::Lexical`] or [`Error::OutOfRange`].
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

    /// The value as a selector has it, without quotes.
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
            // A character is a text in a path, as it is in an element.
            Value::Char16(_) => Self::Text(text_of(value)),
            value => value.as_integer().map_or_else(|| Self::Text(text_of(value)), Self::Integer),
        }
    }
}

fn text_of(value: &Value) -> String {
    let mut text = String::new();
    value.write_text(&mut text);
    text
}

impl fmt::Display for ObjectPath {
    /// The text of the path, its keys sorted by name (DSP0207).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::write(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_back_as_they_are_written() {
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
    fn other_spellings_mean_the_same() {
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
    fn what_is_no_path_is_refused() {
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
            assert!(ObjectPath::parse(text).is_err(), "{text:?} was taken");
        }
    }
}
