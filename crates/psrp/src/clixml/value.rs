//! Values: primitives, objects, and references to objects.

use std::sync::Arc;

use crate::guid::Guid;

use super::primitive::Primitive;
use super::scalar::Version;
use super::text::Text;

/// Value of PowerShell.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Value without parts.
    Primitive(Primitive),
    /// Object with type names, contents and properties.
    Object(Box<Object>),
    /// The object with this identifier, which began earlier in the same document.
    Reference(ReferenceId),
    /// Named set of properties; allowed only as the value of an extended property.
    PropertySet(Vec<Property>),
}

/// Identifier of an object within its document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReferenceId(pub(super) u32);

impl ReferenceId {
    /// Returns the identifier with this number; for objects that a program makes and refers to.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Returns the number. Objects that were read are numbered from zero in the order of their beginnings.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// Names of an object's types, the most specific one first.
pub type TypeNames = Arc<[Text]>;

/// Object with type names, contents and properties (MS-PSRP 2.2.5.2).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object {
    /// Identifier that a [`Value::Reference`] uses; `None` if the object occurs once.
    pub id: Option<ReferenceId>,
    /// Type names; `None` for an object without them.
    pub types: Option<TypeNames>,
    /// Result of `ToString()`.
    pub to_string: Option<Text>,
    /// Value, elements or entries.
    pub content: Content,
    /// Properties of the .NET object; `None` without the element `Props`.
    pub adapted: Option<Vec<Property>>,
    /// Properties that PowerShell added; `None` without the element `MS`.
    pub extended: Option<Vec<Property>>,
}

/// Contents of an object apart from its properties.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Content {
    /// Properties only.
    #[default]
    None,
    /// Primitive value with properties, or the number of an enumeration.
    Primitive(Primitive),
    /// Elements of a list or array.
    List(Vec<Value>),
    /// Elements of another enumerable object.
    Enumerable(Vec<Value>),
    /// Elements of a stack, the top first.
    Stack(Vec<Value>),
    /// Elements of a queue, the oldest first.
    Queue(Vec<Value>),
    /// Entries of a dictionary.
    Dictionary(Vec<(Value, Value)>),
}

/// Property of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Property {
    /// Name. PowerShell ignores its case.
    pub name: Text,
    /// Value.
    pub value: Value,
}

impl Value {
    /// The null reference.
    pub const NULL: Self = Self::Primitive(Primitive::Null);

    /// Returns whether the value is the null reference.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Primitive(Primitive::Null))
    }

    /// Returns the object, unless the value is a primitive or a reference.
    #[must_use]
    pub fn as_object(&self) -> Option<&Object> {
        if let Self::Object(object) = self { Some(object) } else { None }
    }

    /// Returns the primitive value, also the one of an object that adds properties to it.
    #[must_use]
    pub fn as_primitive(&self) -> Option<&Primitive> {
        match self {
            Self::Primitive(primitive) => Some(primitive),
            Self::Object(object) => match &object.content {
                Content::Primitive(primitive) => Some(primitive),
                _ => None,
            },
            Self::Reference(_) | Self::PropertySet(_) => None,
        }
    }

    /// Returns the text if the value is a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        self.as_primitive()?.as_str()
    }

    /// Returns the number if the value is a signed number of 32 bits or an enumeration.
    #[must_use]
    pub fn as_i32(&self) -> Option<i32> {
        self.as_primitive()?.as_i32()
    }

    /// Returns the number if the value is a signed number of 64 or 32 bits.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        self.as_primitive()?.as_i64()
    }

    /// Returns the truth value if the value is one.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        self.as_primitive()?.as_bool()
    }

    /// Returns the identifier if the value is one.
    #[must_use]
    pub fn as_guid(&self) -> Option<Guid> {
        if let Primitive::Guid(guid) = self.as_primitive()? { Some(*guid) } else { None }
    }

    /// Returns the version if the value is one.
    #[must_use]
    pub fn as_version(&self) -> Option<Version> {
        if let Primitive::Version(version) = self.as_primitive()? { Some(*version) } else { None }
    }

    /// Returns the bytes if the value is a byte array.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        if let Primitive::Bytes(bytes) = self.as_primitive()? { Some(bytes) } else { None }
    }

    /// Returns the elements of a list, enumerable object, stack or queue.
    #[must_use]
    pub fn elements(&self) -> Option<&[Value]> {
        match &self.as_object()?.content {
            Content::List(all) | Content::Enumerable(all) | Content::Stack(all) | Content::Queue(all) => {
                Some(all)
            }
            Content::None | Content::Primitive(_) | Content::Dictionary(_) => None,
        }
    }

    /// Returns the entries of a dictionary.
    #[must_use]
    pub fn entries(&self) -> Option<&[(Value, Value)]> {
        if let Content::Dictionary(entries) = &self.as_object()?.content { Some(entries) } else { None }
    }

    /// Returns the value of a property; extended properties hide adapted ones of the same name.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&Value> {
        self.as_object()?.property(name)
    }
}

impl Object {
    /// Returns an object without contents and properties.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns an object with extended properties, the form of most records.
    #[must_use]
    pub fn with_properties<N: Into<Text>>(properties: impl IntoIterator<Item = (N, Value)>) -> Self {
        let named = properties.into_iter().map(|(name, value)| Property { name: name.into(), value });
        Self { extended: Some(named.collect()), ..Self::default() }
    }

    /// Returns an object with these contents.
    #[must_use]
    pub fn with_content(content: Content) -> Self {
        Self { content, ..Self::default() }
    }

    /// Returns a value of an enumeration; `types` are the names without those of its base types.
    #[must_use]
    pub fn enumeration(type_name: &str, name: &str, number: i32) -> Self {
        let object =
            Self { to_string: Some(name.into()), ..Self::with_content(Content::Primitive(number.into())) };
        object.typed(&[type_name, "System.Enum", "System.ValueType", "System.Object"])
    }

    /// Adds type names, the most specific one first.
    #[must_use]
    pub fn typed(self, names: &[&str]) -> Self {
        Self { types: Some(names.iter().map(|name| Text::from(*name)).collect()), ..self }
    }

    /// Returns the value of a property; extended properties hide adapted ones of the same name.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&Value> {
        let all = self.extended.iter().chain(&self.adapted).flatten();
        all.into_iter()
            .find(|property| property.name.eq_ignore_ascii_case(name))
            .map(|property| &property.value)
    }

    /// Returns whether the most specific type, with or without the prefix `Deserialized.`, has this name.
    #[must_use]
    pub fn is_of_type(&self, name: &str) -> bool {
        let first = self.types.as_ref().and_then(|types| types.first());
        first.is_some_and(|first| first.strip_prefix("Deserialized.").unwrap_or(first) == name)
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Self::Object(Box::new(object))
    }
}

impl<P: Into<Primitive>> From<P> for Value {
    fn from(primitive: P) -> Self {
        Self::Primitive(primitive.into())
    }
}
