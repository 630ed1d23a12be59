//! System properties, which every instance and class has without declaring them (MS-WMI).

use crate::{Class, Instance, Name, Namespace, Value};

/// Where instances come from, for system properties and local times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The name of the machine.
    pub server: String,
    /// The namespace.
    pub namespace: Namespace,
    /// How far the clocks there are east of Greenwich, in minutes: for times in queries that do not say it.
    pub offset: i16,
}

/// A property whose name begins with `__`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SystemProperty {
    /// `__CLASS`, the name of the class.
    Class,
    /// `__DERIVATION`, the names of the classes above it.
    Derivation,
    /// `__DYNASTY`, the name of the topmost of them.
    Dynasty,
    /// `__GENUS`, 1 for classes and 2 for instances.
    Genus,
    /// `__NAMESPACE`, with `\` between its parts.
    Namespace,
    /// `__PATH`, with machine and namespace.
    Path,
    /// `__PROPERTY_COUNT`, of properties that are not of the system.
    PropertyCount,
    /// `__RELPATH`, without machine and namespace.
    RelPath,
    /// `__SERVER`, the name of the machine.
    Server,
    /// `__SUPERCLASS`, NULL at the top.
    Superclass,
}

impl SystemProperty {
    /// All of them, in the order of their names.
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

    /// The property of a name, without regard to case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|property| property.name().eq_ignore_ascii_case(name))
    }

    /// Its name.
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

    /// Whether all instances of a class have the same value.
    #[must_use]
    pub const fn is_constant(self) -> bool {
        !matches!(self, Self::Path | Self::RelPath)
    }

    /// Its value for an instance; NULL where an instance has no path.
    #[must_use]
    pub fn of_instance(self, instance: &Instance, origin: &Origin) -> Value {
        let path = |is_whole: bool| {
            let path = instance.path().ok()?;
            Some(if is_whole { whole(path, origin) } else { path.to_string() })
        };
        match self {
            Self::Path => path(true).into(),
            Self::RelPath => path(false).into(),
            Self::Genus => Value::Sint32(2),
            other => other.of_class(instance.class(), origin),
        }
    }

    /// Its value for a class.
    #[must_use]
    pub fn of_class(self, class: &Class, origin: &Origin) -> Value {
        let text = |name: &Name| Value::text(name.as_str());
        match self {
            Self::Class | Self::RelPath => text(class.name()),
            Self::Derivation => Value::Array(class.derivation().map(|above| text(above.name())).collect()),
            Self::Dynasty => text(class.dynasty()),
            Self::Genus => Value::Sint32(1),
            Self::Namespace => Value::text(origin.namespace.to_backslashes()),
            Self::Path => Value::text(whole(crate::ObjectPath::of_class(class.name().clone()), origin)),
            Self::PropertyCount => i32::try_from(class.properties().len()).ok().into(),
            Self::Server => Value::text(origin.server.as_str()),
            Self::Superclass => class.superclass().map(|above| above.name().as_str().to_owned()).into(),
        }
    }
}

fn whole(path: crate::ObjectPath, origin: &Origin) -> String {
    let path = path.within(origin.namespace.clone());
    crate::ObjectPath { server: Some(origin.server.clone()), ..path }.to_string()
}
