//! Classes: declarations and inheritance (DSP0004 5.1).

use std::collections::HashSet;
use std::sync::Arc;

use crate::{Column, ColumnSet, Error, Name, Qualifiers, Status, Type, Value};

mod derive;

/// A property of a class.
#[derive(Clone, Debug, PartialEq)]
pub struct Property {
    /// Name of the property.
    pub name: Name,
    /// Type of its values.
    pub kind: Type,
    /// Qualifiers.
    pub qualifiers: Qualifiers,
    /// Default value, of [`Property::kind`].
    pub default: Value,
    /// Class that first declared the property.
    pub origin: Name,
    /// Whether it is inherited and not redeclared in this class.
    pub propagated: bool,
}

/// A method of a class.
#[derive(Clone, Debug, PartialEq)]
pub struct Method {
    /// Name of the method.
    pub name: Name,
    /// Type of `ReturnValue`; `None` for `void`.
    pub returns: Option<Type>,
    /// Parameters in the order of the declaration.
    pub parameters: Vec<Parameter>,
    /// Qualifiers.
    pub qualifiers: Qualifiers,
    /// Class that first declared the method.
    pub origin: Name,
    /// Whether it is inherited and not redeclared in this class.
    pub propagated: bool,
}

/// A parameter of a method.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Name of the parameter.
    pub name: Name,
    /// Type of its values.
    pub kind: Type,
    /// Qualifiers.
    pub qualifiers: Qualifiers,
    /// Value if the caller omits the parameter.
    pub default: Value,
}

/// Class declaration as in MOF: additions to the superclass.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassDeclaration {
    /// Name of the class.
    pub name: Name,
    /// Superclass.
    pub superclass: Option<Name>,
    /// Qualifiers.
    pub qualifiers: Qualifiers,
    /// Added or redeclared properties.
    pub properties: Vec<Property>,
    /// Added or redeclared methods.
    pub methods: Vec<Method>,
}

/// Class with all inherited properties and methods.
///
/// Properties are in wire order: sorted by name without regard to case, inherited ones included. The parameters of a
/// method form a class of their own, in the order of their declaration, which is their wire order.
#[derive(Debug)]
pub struct Class {
    name: Name,
    parent: Option<Arc<Class>>,
    qualifiers: Qualifiers,
    properties: Box<[Property]>,
    order: Order,
    keys: Box<[Column]>,
    methods: Box<[Operation]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    ByName,
    AsDeclared,
}

/// Method with its parameters as classes.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Declaration.
    pub method: Arc<Method>,
    /// Input parameters.
    pub input: Arc<Class>,
    /// Output parameters, with `ReturnValue` last.
    pub output: Arc<Class>,
}

impl Class {
    /// Maximum number of properties.
    pub const MAX_PROPERTIES: usize = 1_024;
    /// Maximum number of methods.
    pub const MAX_METHODS: usize = 512;
    /// Maximum depth of the class hierarchy.
    pub const MAX_DEPTH: usize = 64;

    /// Creates a class from its declaration.
    ///
    /// # Errors
    /// [`Error::Class`] if `parent` is not the declared superclass, or the declaration is contradictory.
    pub fn derive(declaration: &ClassDeclaration, parent: Option<&Arc<Self>>) -> Result<Self, Error> {
        derive::derive(declaration, parent)
    }

    /// Name of the class.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Superclass, if there is one.
    #[must_use]
    pub fn superclass(&self) -> Option<&Arc<Self>> {
        self.parent.as_ref()
    }

    /// Superclasses, the nearest first: the system property `__DERIVATION`.
    pub fn derivation(&self) -> impl Iterator<Item = &Class> {
        std::iter::successors(self.parent.as_deref(), |class| class.parent.as_deref())
    }

    /// Root of the class hierarchy: the system property `__DYNASTY`.
    #[must_use]
    pub fn dynasty(&self) -> &Name {
        self.derivation().last().map_or(&self.name, |class| &class.name)
    }

    /// Returns whether it is the class with this name or derives from it.
    #[must_use]
    pub fn is_a(&self, name: &str) -> bool {
        self.name == *name || self.derivation().any(|class| class.name == *name)
    }

    /// Qualifiers of the class.
    #[must_use]
    pub fn qualifiers(&self) -> &Qualifiers {
        &self.qualifiers
    }

    /// Properties in wire order.
    #[must_use]
    pub fn properties(&self) -> &[Property] {
        &self.properties
    }

    /// Returns the property in a column.
    #[must_use]
    pub fn property(&self, column: Column) -> Option<&Property> {
        self.properties.get(column.index())
    }

    /// Returns the column of a property.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<Column> {
        let found = match self.order {
            Order::ByName => self
                .properties
                .binary_search_by(|property| crate::name::compare(property.name.as_str(), name))
                .ok(),
            Order::AsDeclared => self.properties.iter().position(|property| property.name == *name),
        };
        found.and_then(Column::new)
    }

    /// Returns the column of a property that must exist.
    ///
    /// # Errors
    /// [`Error::NoProperty`] if there is no such property.
    pub fn require(&self, name: &str) -> Result<Column, Error> {
        self.column(name)
            .ok_or_else(|| Error::NoProperty { class: self.name.clone(), name: crate::name::excerpt(name) })
    }

    /// Returns the set of all columns.
    #[must_use]
    pub fn columns(&self) -> ColumnSet {
        ColumnSet::first(self.properties.len())
    }

    /// Columns of the key properties.
    #[must_use]
    pub fn keys(&self) -> &[Column] {
        &self.keys
    }

    /// Methods, sorted by name.
    #[must_use]
    pub fn methods(&self) -> &[Operation] {
        &self.methods
    }

    /// Returns the method with a name.
    #[must_use]
    pub fn method(&self, name: &str) -> Option<&Operation> {
        self.methods.iter().find(|operation| operation.method.name == *name)
    }

    /// Returns whether the class has no instances of its own, only of subclasses.
    #[must_use]
    pub fn is_abstract(&self) -> bool {
        self.qualifiers.says("Abstract")
    }

    /// Returns whether the class is an association.
    #[must_use]
    pub fn is_association(&self) -> bool {
        self.qualifiers.says("Association")
    }

    /// Returns whether there is only one instance, which has no key.
    #[must_use]
    pub fn is_singleton(&self) -> bool {
        self.qualifiers.says("Singleton")
    }

    pub(crate) fn has_key(&self, name: &Name) -> bool {
        self.keys.iter().filter_map(|key| self.property(*key)).any(|property| property.name == *name)
    }

    /// Describes the keys, for errors.
    pub(crate) fn keys_in_words(&self) -> String {
        let names: Vec<_> = self.keys.iter().filter_map(|key| self.property(*key)).collect();
        match names.as_slice() {
            [] if self.is_singleton() => "no keys".to_owned(),
            [] => "no keys and no instances".to_owned(),
            names => names.iter().map(|property| property.name.as_str()).collect::<Vec<_>>().join(", "),
        }
    }
}

impl ClassDeclaration {
    /// Creates an empty declaration.
    #[must_use]
    pub fn new(name: Name, superclass: Option<Name>) -> Self {
        Self { name, superclass, qualifiers: Qualifiers::new(), properties: Vec::new(), methods: Vec::new() }
    }
}

impl From<&Class> for ClassDeclaration {
    /// Returns the additions of the class to its superclass.
    fn from(class: &Class) -> Self {
        Self {
            name: class.name.clone(),
            superclass: class.parent.as_ref().map(|parent| parent.name.clone()),
            qualifiers: own_qualifiers(&class.qualifiers),
            properties: class
                .properties
                .iter()
                .filter(|property| !property.propagated)
                .map(|property| Property {
                    qualifiers: own_qualifiers(&property.qualifiers),
                    origin: class.name.clone(),
                    ..property.clone()
                })
                .collect(),
            methods: class
                .methods
                .iter()
                .map(|operation| operation.method.as_ref())
                .filter(|method| !method.propagated)
                .map(|method| Method {
                    qualifiers: own_qualifiers(&method.qualifiers),
                    origin: class.name.clone(),
                    ..method.clone()
                })
                .collect(),
        }
    }
}

fn own_qualifiers(qualifiers: &Qualifiers) -> Qualifiers {
    qualifiers.iter().filter(|qualifier| !qualifier.propagated).cloned().collect()
}

impl Parameter {
    /// Returns whether it is an input parameter, which is the default without the qualifier `Out`.
    #[must_use]
    pub fn is_in(&self) -> bool {
        self.qualifiers.says("In") || !self.qualifiers.says("Out")
    }

    /// Returns whether it is an output parameter.
    #[must_use]
    pub fn is_out(&self) -> bool {
        self.qualifiers.says("Out")
    }
}

impl Method {
    /// Returns whether the method is called on the class instead of an instance.
    #[must_use]
    pub fn is_static(&self) -> bool {
        self.qualifiers.says("Static")
    }
}

impl Property {
    /// Returns whether it is a key property.
    #[must_use]
    pub fn is_key(&self) -> bool {
        self.qualifiers.says("Key")
    }

    /// Returns whether clients may change the property.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.qualifiers.says("Write")
    }
}

/// Rejects duplicate names.
fn require_unique<'n>(
    class: &Name,
    what: &str,
    names: impl IntoIterator<Item = &'n Name>,
) -> Result<(), Error> {
    let mut seen = HashSet::new();
    match names.into_iter().find(|name| !seen.insert((*name).clone())) {
        None => Ok(()),
        Some(twice) => Err(Error::Class {
            class: class.clone(),
            problem: format!("duplicate {what} {twice}"),
            status: Status::InvalidObject,
        }),
    }
}
