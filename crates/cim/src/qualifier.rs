//! What is said about classes, properties, methods and parameters (DSP0004 5.6).

use crate::{CimType, Name, Shape, Type, Value};

/// One qualifier with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Qualifier {
    /// Its name.
    pub name: Name,
    /// Its value, of [`Qualifier::kind`].
    pub value: Value,
    /// Whom it goes on to.
    pub flavors: Flavors,
    /// It was said of a superclass and goes on here.
    pub propagated: bool,
}

/// How a qualifier goes on to subclasses and instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flavors {
    /// Whether subclasses have it, and may change it.
    pub subclass: Propagation,
    /// `ToInstance`, which WMI knows and DSP0004 does not.
    pub to_instance: bool,
    /// `Amended` or `Translatable`: its value is told in the language of the reader.
    pub translatable: bool,
}

/// What subclasses get of a qualifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// `Restricted`: nothing.
    Restricted,
    /// `ToSubclass` with `EnableOverride`: the value until they say otherwise.
    Overridable,
    /// `ToSubclass` with `DisableOverride`: the value.
    Fixed,
}

/// The qualifiers of one thing; names are unique.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Qualifiers(Vec<Qualifier>);

impl Qualifier {
    /// A qualifier with the flavors its name has by itself.
    #[must_use]
    pub fn new(name: Name, value: Value) -> Self {
        let flavors = Flavors::of(&name);
        Self { name, value, flavors, propagated: false }
    }

    /// The type its value has.
    #[must_use]
    pub fn kind(&self) -> Type {
        let of = |value: &Value| CimType::from_keyword(value.type_name()).unwrap_or(CimType::String);
        match &self.value {
            Value::Array(values) => {
                Type { element: values.first().map_or(CimType::String, of), shape: Shape::Array }
            }
            value => Type::scalar(of(value)),
        }
    }
}

impl Flavors {
    /// What the qualifiers of DSP0004 5.6 and of WMI have where a text does not say otherwise.
    #[must_use]
    pub fn of(name: &Name) -> Self {
        let is_one_of = |names: &[&str]| names.iter().any(|known| name == *known);
        let subclass = if is_one_of(&["Abstract", "Terminal", "Version", "UUID", "Dynamic", "Provider"]) {
            Propagation::Restricted
        } else if is_one_of(&["Association", "Key", "In", "Out", "Static", "EmbeddedObject", "ID"]) {
            Propagation::Fixed
        } else {
            Propagation::Overridable
        };
        let translatable = is_one_of(&["Description", "DisplayName", "Values"]);
        Self { subclass, to_instance: false, translatable }
    }
}

impl Qualifiers {
    /// How many one thing may have.
    pub const MAX: usize = 256;

    /// No qualifiers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The qualifier of a name, compared without regard to case.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Qualifier> {
        self.0.iter().find(|qualifier| qualifier.name == *name)
    }

    /// Whether there is a boolean qualifier of this name that is true.
    #[must_use]
    pub fn says(&self, name: &str) -> bool {
        self.find(name).is_some_and(|qualifier| qualifier.value == Value::Boolean(true))
    }

    /// The text of a qualifier.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.find(name)?.value.as_str()
    }

    /// Adds a qualifier in place of one of the same name.
    pub fn set(&mut self, qualifier: Qualifier) {
        match self.0.iter_mut().find(|known| known.name == qualifier.name) {
            Some(known) => *known = qualifier,
            None => self.0.push(qualifier),
        }
    }

    /// All of them in the order they were said.
    pub fn iter(&self) -> impl Iterator<Item = &Qualifier> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These and what goes on from a superclass; the name of one that must not be changed but is.
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

impl FromIterator<Qualifier> for Qualifiers {
    fn from_iter<I: IntoIterator<Item = Qualifier>>(qualifiers: I) -> Self {
        let mut all = Self::new();
        qualifiers.into_iter().for_each(|qualifier| all.set(qualifier));
        all
    }
}
