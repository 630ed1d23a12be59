//! Classes: what is declared, and what that makes of a superclass (DSP0004 5.1).

use std::collections::HashSet;
use std::sync::Arc;

use crate::{Column, ColumnSet, Error, Name, Qualifiers, Status, Type, Value};

mod derive;

/// A property of a class.
#[derive(Clone, Debug, PartialEq)]
pub struct Property {
    /// Its name.
    pub name: Name,
    /// The type of its values.
    pub kind: Type,
    /// What is said about it.
    pub qualifiers: Qualifiers,
    /// The value of instances that are not given another; of [`Property::kind`].
    pub default: Value,
    /// The class that declared it first.
    pub origin: Name,
    /// It is a superclass's, and this class says nothing new about it.
    pub propagated: bool,
}

/// A method of a class.
#[derive(Clone, Debug, PartialEq)]
pub struct Method {
    /// Its name.
    pub name: Name,
    /// The type of `ReturnValue`; `None` for `void`.
    pub returns: Option<Type>,
    /// What it takes and gives, in the order it was declared.
    pub parameters: Vec<Parameter>,
    /// What is said about it.
    pub qualifiers: Qualifiers,
    /// The class that declared it first.
    pub origin: Name,
    /// It is a superclass's, and this class says nothing new about it.
    pub propagated: bool,
}

/// A parameter of a method.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: Name,
    /// The type of its values.
    pub kind: Type,
    /// What is said about it.
    pub qualifiers: Qualifiers,
    /// The value taken when the caller gives none.
    pub default: Value,
}

/// A class as a text of MOF declares it: what it adds to its superclass.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassDeclaration {
    /// Its name.
    pub name: Name,
    /// The class it derives from.
    pub superclass: Option<Name>,
    /// What is said about it.
    pub qualifiers: Qualifiers,
    /// Properties it adds or says more about.
    pub properties: Vec<Property>,
    /// Methods it adds or says more about.
    pub methods: Vec<Method>,
}

/// A class with everything it has from its superclasses.
///
/// Properties stand in the order of the wire: by name, without regard to case, those of superclasses among them.
/// The parameters of a method are a class of their own, in the order they were declared, because so they stand on
/// the wire.
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

/// A method, and its parameters as classes.
#[derive(Clone, Debug)]
pub struct Operation {
    /// What was declared.
    pub method: Arc<Method>,
    /// What goes in.
    pub input: Arc<Class>,
    /// What comes out, `ReturnValue` last.
    pub output: Arc<Class>,
}

impl Class {
    /// How many properties a class may have.
    pub const MAX_PROPERTIES: usize = 1_024;
    /// How many methods a class may have.
    pub const MAX_METHODS: usize = 512;
    /// How many superclasses a class may have above each other.
    pub const MAX_DEPTH: usize = 64;

    /// Makes a class of what was declared.
    ///
    /// # Errors
    /// [`Error::Class`] if `parent` is not the superclass named, or the declaration contradicts itself or it.
    pub fn derive(declaration: &ClassDeclaration, parent: Option<&Arc<Self>>) -> Result<Self, Error> {
        derive::derive(declaration, parent)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The class it derives from.
    #[must_use]
    pub fn superclass(&self) -> Option<&Arc<Self>> {
        self.parent.as_ref()
    }

    /// The classes above it, nearest first: the system property `__DERIVATION`.
    pub fn derivation(&self) -> impl Iterator<Item = &Class> {
        std::iter::successors(self.parent.as_deref(), |class| class.parent.as_deref())
    }

    /// The topmost class of its derivation: the system property `__DYNASTY`.
    #[must_use]
    pub fn dynasty(&self) -> &Name {
        self.derivation().last().map_or(&self.name, |class| &class.name)
    }

    /// Whether it is the class of this name or derives from it.
    #[must_use]
    pub fn is_a(&self, name: &str) -> bool {
        self.name == *name || self.derivation().any(|class| class.name == *name)
    }

    /// What is said about it.
    #[must_use]
    pub fn qualifiers(&self) -> &Qualifiers {
        &self.qualifiers
    }

    /// Its properties, in the order of the wire.
    #[must_use]
    pub fn properties(&self) -> &[Property] {
        &self.properties
    }

    /// The property at a place.
    #[must_use]
    pub fn property(&self, column: Column) -> Option<&Property> {
        self.properties.get(column.index())
    }

    /// The place of the property of a name.
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

    /// The same, for callers who know that it must be there.
    ///
    /// # Errors
    /// [`Error::NoProperty`] when it is not.
    pub fn require(&self, name: &str) -> Result<Column, Error> {
        self.column(name)
            .ok_or_else(|| Error::NoProperty { class: self.name.clone(), name: crate::name::excerpt(name) })
    }

    /// All its columns.
    #[must_use]
    pub fn columns(&self) -> ColumnSet {
        ColumnSet::first(self.properties.len())
    }

    /// The properties that name an instance.
    #[must_use]
    pub fn keys(&self) -> &[Column] {
        &self.keys
    }

    /// Its methods, by name.
    #[must_use]
    pub fn methods(&self) -> &[Operation] {
        &self.methods
    }

    /// The method of a name.
    #[must_use]
    pub fn method(&self, name: &str) -> Option<&Operation> {
        self.methods.iter().find(|operation| operation.method.name == *name)
    }

    /// There are no instances of it, only of its subclasses.
    #[must_use]
    pub fn is_abstract(&self) -> bool {
        self.qualifiers.says("Abstract")
    }

    /// Its instances join others.
    #[must_use]
    pub fn is_association(&self) -> bool {
        self.qualifiers.says("Association")
    }

    /// There is one instance, which needs no key.
    #[must_use]
    pub fn is_singleton(&self) -> bool {
        self.qualifiers.says("Singleton")
    }

    pub(crate) fn has_key(&self, name: &Name) -> bool {
        self.keys.iter().filter_map(|key| self.property(*key)).any(|property| property.name == *name)
    }

    /// What names an instance, for errors.
    pub(crate) fn keys_in_words(&self) -> String {
        let names: Vec<_> = self.keys.iter().filter_map(|key| self.property(*key)).collect();
        match names.as_slice() {
            [] if self.is_singleton() => "no keys".to_owned(),
            [] => "nothing: it has no instances".to_owned(),
            names => names.iter().map(|property| property.name.as_str()).collect::<Vec<_>>().join(", "),
        }
    }
}

impl ClassDeclaration {
    /// A class of which nothing is declared yet.
    #[must_use]
    pub fn new(name: Name, superclass: Option<Name>) -> Self {
        Self { name, superclass, qualifiers: Qualifiers::new(), properties: Vec::new(), methods: Vec::new() }
    }
}

impl From<&Class> for ClassDeclaration {
    /// What the class adds to its superclass.
    fn from(class: &Class) -> Self {
        let own = |qualifiers: &Qualifiers| {
            qualifiers.iter().filter(|qualifier| !qualifier.propagated).cloned().collect::<Qualifiers>()
        };
        let property = |property: &Property| Property {
            qualifiers: own(&property.qualifiers),
            origin: class.name.clone(),
            ..property.clone()
        };
        let method = |method: &Method| Method {
            qualifiers: own(&method.qualifiers),
            origin: class.name.clone(),
            ..method.clone()
        };
        Self {
            name: class.name.clone(),
            superclass: class.parent.as_ref().map(|parent| parent.name.clone()),
            qualifiers: own(&class.qualifiers),
            properties: class.properties.iter().filter(|own| !own.propagated).map(property).collect(),
            methods: class
                .methods
                .iter()
                .map(|operation| operation.method.as_ref())
                .filter(|own| !own.propagated)
                .map(method)
                .collect(),
        }
    }
}

impl Parameter {
    /// Whether callers give it; so it is unless it is said to come out only.
    #[must_use]
    pub fn is_in(&self) -> bool {
        self.qualifiers.says("In") || !self.qualifiers.says("Out")
    }

    /// Whether callers get it.
    #[must_use]
    pub fn is_out(&self) -> bool {
        self.qualifiers.says("Out")
    }
}

impl Method {
    /// Whether it is called on the class, not on an instance.
    #[must_use]
    pub fn is_static(&self) -> bool {
        self.qualifiers.says("Static")
    }
}

impl Property {
    /// Whether it names instances.
    #[must_use]
    pub fn is_key(&self) -> bool {
        self.qualifiers.says("Key")
    }

    /// Whether clients may change it.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.qualifiers.says("Write")
    }
}

/// Refuses a name that came before.
fn only_once<'n>(class: &Name, what: &str, names: impl IntoIterator<Item = &'n Name>) -> Result<(), Error> {
    let mut seen = HashSet::new();
    match names.into_iter().find(|name| !seen.insert((*name).clone())) {
        None => Ok(()),
        Some(twice) => Err(Error::Class {
            class: class.clone(),
            problem: format!("the {what} {twice} is declared twice"),
            status: Status::InvalidObject,
        }),
    }
}
