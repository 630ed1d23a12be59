//! System properties, which every instance and class has implicitly (MS-WMI 2.2.2).

use crate::{Class, Instance, Name, Namespace, Value};

/// Origin of instances, for system properties and local times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Name of the machine.
    pub server: String,
    /// Namespace.
    pub namespace: Namespace,
    /// Time zone offset in minutes east of UTC, for times in queries without an offset.
    pub offset: i16,
}

/// System property, whose name begins with `__`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SystemProperty {
    /// `__CLASS`: name of the class.
    Class,
    /// `__DERIVATION`: names of the superclasses.
    Derivation,
    /// `__DYNASTY`: name of the root class.
    Dynasty,
    /// `__GENUS`: 1 for classes, 2 for instances.
    Genus,
    /// `__NAMESPACE`: with `\` as the separator.
    Namespace,
    /// `__PATH`: with machine and namespace.
    Path,
    /// `__PROPERTY_COUNT`: number of properties without system properties.
    PropertyCount,
    /// `__RELPATH`: without machine and namespace.
    RelPath,
    /// `__SERVER`: name of the machine.
    Server,
    /// `__SUPERCLASS`: NULL for a root class.
    Superclass,
}

impl SystemProperty {
    /// All properties, sorted by name.
    pub const ALL: [Self; 10] = [
        Self::Class,
        Self::Derivation,
        Self::Dynasty,
        Self::Genus,
        Self::Namespace,
        Self::Path,
        Self::PropertyCount,
        Self::RelPath,
        Self::Server,
        Self::Superclass,
    ];

    /// Returns the property with a name, without regard to case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|property| property.name().eq_ignore_ascii_case(name))
    }

    /// Returns the name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Class => "__CLASS",
            Self::Derivation => "__DERIVATION",
            Self::Dynasty => "__DYNASTY",
            Self::Genus => "__GENUS",
            Self::Namespace => "__NAMESPACE",
            Self::Path => "__PATH",
            Self::PropertyCount => "__PROPERTY_COUNT",
            Self::RelPath => "__RELPATH",
            Self::Server => "__SERVER",
            Self::Superclass => "__SUPERCLASS",
        }
    }

    /// Returns whether all instances of a class have the same value.
    #[must_use]
    pub const fn is_constant(self) -> bool {
        !matches!(self, Self::Path | Self::RelPath)
    }

    /// Returns the value for an instance; NULL for the path of an instance without one.
    #[must_use]
    pub fn of_instance(self, instance: &Instance, origin: &Origin) -> Value {
        match self {
            Self::Path => instance.path().ok().map(|path| absolute_path(path, origin)).into(),
            Self::RelPath => instance.path().ok().map(|path| path.to_string()).into(),
            Self::Genus => Value::Sint32(2),
            other => other.of_class(instance.class(), origin),
        }
    }

    /// Returns the value for a class.
    #[must_use]
    pub fn of_class(self, class: &Class, origin: &Origin) -> Value {
        match self {
            Self::Class | Self::RelPath => text(class.name()),
            Self::Derivation => Value::Array(class.derivation().map(|above| text(above.name())).collect()),
            Self::Dynasty => text(class.dynasty()),
            Self::Genus => Value::Sint32(1),
            Self::Namespace => Value::text(origin.namespace.to_backslashes()),
            Self::Path => {
                Value::text(absolute_path(crate::ObjectPath::of_class(class.name().clone()), origin))
            }
            Self::PropertyCount => i32::try_from(class.properties().len()).ok().into(),
            Self::Server => Value::text(origin.server.as_str()),
            Self::Superclass => class.superclass().map(|above| above.name().as_str().to_owned()).into(),
        }
    }
}

fn text(name: &Name) -> Value {
    Value::text(name.as_str())
}

fn absolute_path(path: crate::ObjectPath, origin: &Origin) -> String {
    let path = path.within(origin.namespace.clone());
    crate::ObjectPath { server: Some(origin.server.clone()), ..path }.to_string()
}
