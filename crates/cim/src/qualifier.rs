//! Qualifiers of classes, properties, methods and parameters (DSP0004 5.6).

use crate::{CimType, Name, Shape, Type, Value};

/// Qualifier with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Qualifier {
    /// Name of the qualifier.
    pub name: Name,
    /// Value, of [`Qualifier::kind`].
    pub value: Value,
    /// Propagation and translation.
    pub flavors: Flavors,
    /// Whether it is inherited from a superclass.
    pub propagated: bool,
}

/// Propagation of a qualifier to subclasses and instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flavors {
    /// Propagation to subclasses.
    pub subclass: Propagation,
    /// `ToInstance`, a flavor of WMI that DSP0004 does not define.
    pub to_instance: bool,
    /// `Amended` or `Translatable`: the value is localised.
    pub translatable: bool,
}

/// Propagation of a qualifier to subclasses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// `Restricted`: not propagated.
    Restricted,
    /// `ToSubclass` with `EnableOverride`: propagated, and subclasses may override it.
    Overridable,
    /// `ToSubclass` with `DisableOverride`: propagated, and subclasses must not override it.
    Fixed,
}

/// Qualifiers of one element; names are unique.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Qualifiers(Vec<Qualifier>);

impl Qualifier {
    /// Creates a qualifier with the default flavors of its name.
    #[must_use]
    pub fn new(name: Name, value: Value) -> Self {
        let flavors = Flavors::of(&name);
        Self { name, value, flavors, propagated: false }
    }

    /// Returns the type of the value.
    #[must_use]
    pub fn kind(&self) -> Type {
        let (element, shape) = match &self.value {
            Value::Array(values) => (values.first(), Shape::Array),
            value => (Some(value), Shape::Scalar),
        };
        let element = element.and_then(|value| CimType::from_keyword(value.type_name()));
        Type { element: element.unwrap_or(CimType::String), shape }
    }
}

impl Flavors {
    /// Returns the default flavors of the qualifiers in DSP0004 5.6 and of WMI.
    #[must_use]
    pub fn of(name: &Name) -> Self {
        const RESTRICTED: [&str; 12] = [
            "Abstract",
            "Terminal",
            "Version",
            "UUID",
            "Dynamic",
            "Provider",
            "Override",
            "SupportsCreate",
            "SupportsUpdate",
            "SupportsDelete",
            "CreateBy",
            "DeleteBy",
        ];
        const FIXED: [&str; 7] = ["Association", "Key", "In", "Out", "Static", "EmbeddedObject", "ID"];
        let subclass = if is_any_of(name, &RESTRICTED) {
            Propagation::Restricted
        } else if is_any_of(name, &FIXED) {
            Propagation::Fixed
        } else {
            Propagation::Overridable
        };
        let translatable = is_any_of(name, &["Description", "DisplayName", "Values"]);
        Self { subclass, to_instance: false, translatable }
    }
}

impl Qualifiers {
    /// Maximum number of qualifiers.
    pub const MAX: usize = 256;

    /// Creates an empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a qualifier by its name, without regard to case.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Qualifier> {
        self.0.iter().find(|qualifier| qualifier.name == *name)
    }

    /// Returns whether there is a boolean qualifier with this name that is true.
    #[must_use]
    pub fn says(&self, name: &str) -> bool {
        self.find(name).is_some_and(|qualifier| qualifier.value == Value::Boolean(true))
    }

    /// Returns the text value of a qualifier.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.find(name)?.value.as_str()
    }

    /// Adds a qualifier; replaces one with the same name.
    pub fn set(&mut self, qualifier: Qualifier) {
        match self.0.iter_mut().find(|known| known.name == qualifier.name) {
            Some(known) => *known = qualifier,
            None => self.0.push(qualifier),
        }
    }

    /// Qualifiers in the order of the declaration.
    pub fn iter(&self) -> impl Iterator<Item = &Qualifier> {
        self.0.iter()
    }

    /// Number of qualifiers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are no qualifiers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the qualifiers that propagate from a superclass; the error is the name of one that must not be overridden.
    pub(crate) fn inherit(&self, above: &Self) -> Result<Self, Name> {
        let mut all = self.clone();
        for qualifier in above.0.iter().filter(|q| q.flavors.subclass != Propagation::Restricted) {
            match self.find(qualifier.name.as_str()) {
                None => all.0.push(Qualifier { propagated: true, ..qualifier.clone() }),
                Some(own)
                    if qualifier.flavors.subclass == Propagation::Fixed && own.value != qualifier.value =>
                {
                    return Err(own.name.clone());
                }
                Some(_) => {}
            }
        }
        Ok(all)
    }
}

fn is_any_of(name: &Name, names: &[&str]) -> bool {
    names.iter().any(|known| name == *known)
}

impl FromIterator<Qualifier> for Qualifiers {
    fn from_iter<I: IntoIterator<Item = Qualifier>>(qualifiers: I) -> Self {
        let mut all = Self::new();
        qualifiers.into_iter().for_each(|qualifier| all.set(qualifier));
        all
    }
}
