//! Contents of a repository, and operations on them.

use std::collections::BTreeMap;
use std::sync::Arc;

use cim::mof::InstanceDeclaration;
use cim::{Class, ClassDeclaration, Instance, Name, Namespace, ObjectPath, Schema};
use sddl::Guard;

use crate::Problem;

/// A snapshot of a repository's contents.
#[derive(Clone, Debug)]
pub struct Contents {
    namespaces: BTreeMap<Namespace, Stored>,
}

/// Contents of a namespace, besides its built-in classes.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Whether the namespace itself is built in.
    is_builtin: bool,
    descriptor: Option<Guard>,
    /// Added classes, each after its superclass.
    declarations: Vec<ClassDeclaration>,
    schema: Schema,
    /// Instances by path in upper case.
    instances: BTreeMap<String, Instance>,
}

/// Handling of existing or missing items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// Replaces an existing item if nothing else breaks.
    #[default]
    Replace,
    /// Replaces an existing item and removes what no longer fits.
    Force,
    /// `createonly`: an existing item is an error.
    Refuse,
    /// `updateonly`: a missing item is an error.
    Require,
}

/// Result of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The item is new.
    Made,
    /// An existing item was changed.
    Replaced,
    /// The item already existed unchanged.
    Same,
    /// The item is built in and was not changed.
    BuiltIn,
}

/// Built-in namespaces.
const NAMESPACES: [&str; 8] = [
    "root",
    "root/cimv2",
    "root/default",
    "root/hardware",
    "root/interop",
    "root/standardcimv2",
    "root/subscription",
    "root/wmi",
];

/// System classes whose instances are provided by the engine.
const ENGINES_OWN: [&str; 3] = ["__Namespace", "__SystemSecurity", "__TimerInstruction"];

/// Maximum number of namespaces.
const MAX_NAMESPACES: usize = 1_000;

/// Maximum number of stored instances.
const MAX_INSTANCES: usize = 100_000;

impl Default for Contents {
    /// Returns the built-in namespaces only.
    fn default() -> Self {
        let namespaces = NAMESPACES.iter().filter_map(|name| Namespace::parse(name).ok());
        Self {
            namespaces: namespaces
                .map(|namespace| (namespace.clone(), Stored::new(namespace, true)))
                .collect(),
        }
    }
}

impl Contents {
    /// Returns all namespaces, including built-in ones.
    pub fn namespaces(&self) -> impl Iterator<Item = (&Namespace, &Stored)> {
        self.namespaces.iter()
    }

    /// Returns the contents of a namespace.
    ///
    /// # Errors
    /// [`Problem::NoNamespace`] if it does not exist.
    pub fn namespace(&self, namespace: &Namespace) -> Result<&Stored, Problem> {
        self.namespaces.get(namespace).ok_or_else(|| Problem::NoNamespace(namespace.clone()))
    }

    fn stored(&mut self, namespace: &Namespace) -> Result<&mut Stored, Problem> {
        self.namespaces.get_mut(namespace).ok_or_else(|| Problem::NoNamespace(namespace.clone()))
    }

    /// Creates a namespace, whose parent must exist.
    ///
    /// # Errors
    /// [`Problem::NoNamespace`] for the parent, or [`Problem::TooMuch`].
    pub fn make_namespace(&mut self, namespace: &Namespace) -> Result<Change, Problem> {
        if self.namespaces.contains_key(namespace) {
            return Ok(Change::Same);
        }
        if let Some(parent) = namespace.parent() {
            self.namespace(&parent)?;
        }
        if self.namespaces.len() >= MAX_NAMESPACES {
            return Err(Problem::TooMuch { what: "namespaces", limit: MAX_NAMESPACES });
        }
        self.namespaces.insert(namespace.clone(), Stored::new(namespace.clone(), false));
        Ok(Change::Made)
    }

    /// Removes a namespace with its contents and the namespaces below it. Returns `false` if it does not
    /// exist.
    ///
    /// # Errors
    /// [`Problem::BuiltIn`] for a built-in namespace or one above it.
    pub fn remove_namespace(&mut self, namespace: &Namespace) -> Result<bool, Problem> {
        if self.namespaces.iter().any(|(other, stored)| stored.is_builtin && is_within(other, namespace)) {
            return Err(Problem::BuiltIn(namespace.to_string()));
        }
        let before = self.namespaces.len();
        self.namespaces.retain(|other, _| !is_within(other, namespace));
        Ok(self.namespaces.len() < before)
    }

    /// Sets the security descriptor of a namespace. A namespace not known here, because a provider brings it,
    /// is added.
    pub fn secure(&mut self, namespace: &Namespace, descriptor: Guard) {
        let stored = self.namespaces.entry(namespace.clone());
        stored.or_insert_with(|| Stored::new(namespace.clone(), true)).descriptor = Some(descriptor);
    }

    /// Adds or replaces a class.
    ///
    /// # Errors
    /// [`Problem::Model`] for a class that is inconsistent, also with its superclass; [`Problem::InUse`] if
    /// subclasses or instances do not fit the new class; [`Problem::Exists`] and [`Problem::Missing`]
    /// depending on `existing`.
    pub fn put_class(
        &mut self,
        namespace: &Namespace,
        declaration: &ClassDeclaration,
        existing: Existing,
    ) -> Result<Change, Problem> {
        self.stored(namespace)?.put_class(declaration, existing)
    }

    /// Removes a class with its subclasses and all their instances. Returns `false` if it does not exist.
    ///
    /// # Errors
    /// [`Problem::BuiltIn`] for a built-in class.
    pub fn remove_class(&mut self, namespace: &Namespace, name: &str) -> Result<bool, Problem> {
        self.stored(namespace)?.remove_class(name)
    }

    /// Adds or replaces an instance.
    ///
    /// # Errors
    /// [`Problem::NotKept`] if instances of the class are not stored here; [`Problem::Model`] for an instance
    /// without a path; [`Problem::Exists`] and [`Problem::Missing`] depending on `existing`.
    pub fn put_instance(
        &mut self,
        namespace: &Namespace,
        instance: Instance,
        existing: Existing,
    ) -> Result<Change, Problem> {
        let all: usize = self.namespaces.values().map(|stored| stored.instances.len()).sum();
        if all >= MAX_INSTANCES {
            return Err(Problem::TooMuch { what: "instances", limit: MAX_INSTANCES });
        }
        self.stored(namespace)?.put_instance(instance, existing)
    }

    /// Removes an instance. Returns `false` if it does not exist.
    ///
    /// # Errors
    /// [`Problem::Model`] for a path that does not fit its class.
    pub fn remove_instance(&mut self, namespace: &Namespace, path: &ObjectPath) -> Result<bool, Problem> {
        let stored = self.stored(namespace)?;
        let key = stored.key_of(path)?;
        Ok(stored.instances.remove(&key).is_some())
    }
}

impl Stored {
    fn new(namespace: Namespace, is_builtin: bool) -> Self {
        Self {
            is_builtin,
            descriptor: None,
            declarations: Vec::new(),
            schema: Schema::of(namespace),
            instances: BTreeMap::new(),
        }
    }

    /// Returns whether the namespace itself is built in.
    #[must_use]
    pub fn is_builtin(&self) -> bool {
        self.is_builtin
    }

    /// Returns the security descriptor set for this namespace itself, if any.
    #[must_use]
    pub fn descriptor(&self) -> Option<&Guard> {
        self.descriptor.as_ref()
    }

    /// Returns the added classes, each after its superclass.
    #[must_use]
    pub fn declarations(&self) -> &[ClassDeclaration] {
        &self.declarations
    }

    /// Returns all classes, including built-in ones.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Returns the instances in the order of their paths.
    pub fn instances(&self) -> impl Iterator<Item = &Instance> {
        self.instances.values()
    }

    /// Returns the instance with this path, or `None`.
    ///
    /// # Errors
    /// [`Problem::Model`] for a path that does not fit its class.
    pub fn instance(&self, path: &ObjectPath) -> Result<Option<&Instance>, Problem> {
        Ok(self.instances.get(&self.key_of(path)?))
    }

    /// Returns whether instances of a class are stored here: instances of added classes without a provider,
    /// and of WMI's own classes, such as provider registrations.
    #[must_use]
    pub fn keeps(&self, class: &Class) -> bool {
        let has_path = class.is_singleton() || !class.keys().is_empty();
        let is_kept = if self.schema.is_builtin(class.name().as_str()) {
            let of_wmi = class.name().as_str().starts_with("__") || class.is_a("__EventConsumer");
            of_wmi && !ENGINES_OWN.iter().any(|own| class.is_a(own))
        } else {
            !class.qualifiers().says("Dynamic")
        };
        has_path && is_kept && !class.is_abstract()
    }

    fn put_class(&mut self, declaration: &ClassDeclaration, existing: Existing) -> Result<Change, Problem> {
        let name = &declaration.name;
        if self.schema.is_builtin(name.as_str()) {
            return match existing {
                Existing::Refuse => Err(Problem::Exists(format!("a class {name}"))),
                _ => Ok(Change::BuiltIn),
            };
        }
        let Some(at) = self.declarations.iter().position(|own| own.name == *name) else {
            if existing == Existing::Require {
                return Err(Problem::Missing(format!("class {name}")));
            }
            self.schema.add(declaration)?;
            self.declarations.push(declaration.clone());
            return Ok(Change::Made);
        };
        if existing == Existing::Refuse {
            return Err(Problem::Exists(format!("a class {name}")));
        }
        if self.declarations.get(at) == Some(declaration) {
            return Ok(Change::Same);
        }
        let mut declarations = self.declarations.clone();
        if let Some(place) = declarations.get_mut(at) {
            *place = declaration.clone();
        }
        *self = self.with(declarations, existing, name)?;
        Ok(Change::Replaced)
    }

    /// Returns the same instances with other class declarations.
    fn with(
        &self,
        declarations: Vec<ClassDeclaration>,
        existing: Existing,
        changed: &Name,
    ) -> Result<Self, Problem> {
        let is_forced = existing == Existing::Force;
        let mut new = Self::new(self.schema.namespace().clone(), self.is_builtin);
        new.descriptor.clone_from(&self.descriptor);
        for declaration in declarations {
            match new.schema.add(&declaration) {
                Ok(_) => new.declarations.push(declaration),
                Err(error) if declaration.name == *changed => return Err(error.into()),
                Err(_) if is_forced => {}
                Err(error) => return Err(Problem::InUse(Box::new(error))),
            }
        }
        for instance in self.instances.values() {
            let remaining = InstanceDeclaration::of(instance)
                .resolve(&new.schema, &|_| None)
                .map_err(|error| Problem::InUse(Box::new(error)))
                .and_then(|instance| new.put_instance(instance, Existing::Replace));
            match remaining {
                Err(error) if !is_forced => return Err(error),
                _ => {}
            }
        }
        Ok(new)
    }

    fn remove_class(&mut self, name: &str) -> Result<bool, Problem> {
        if self.schema.is_builtin(name) {
            return Err(Problem::BuiltIn(format!("class {name}")));
        }
        let Some(class) = self.schema.class(name) else { return Ok(false) };
        let mut gone: Vec<Arc<Class>> = self.schema.subclasses(name);
        gone.push(class);
        self.instances.retain(|_, instance| !instance.class().is_a(name));
        self.declarations.retain(|own| !gone.iter().any(|class| *class.name() == own.name));
        // The most derived classes first, because a class with subclasses cannot be removed.
        gone.sort_by_key(|class| std::cmp::Reverse(class.derivation().count()));
        for class in gone {
            self.schema.remove(class.name().as_str())?;
        }
        Ok(true)
    }

    fn put_instance(&mut self, instance: Instance, existing: Existing) -> Result<Change, Problem> {
        if !self.keeps(instance.class()) {
            return Err(Problem::NotKept(instance.class().name().clone()));
        }
        let path = instance.path()?;
        let key = fold(&path);
        let before = self.instances.get(&key);
        match (existing, before.is_some()) {
            (Existing::Refuse, true) => return Err(Problem::Exists(path.to_string())),
            (Existing::Require, false) => return Err(Problem::Missing(path.to_string())),
            _ => {}
        }
        let change = match before {
            None => Change::Made,
            Some(before) if *before == instance => Change::Same,
            Some(_) => Change::Replaced,
        };
        self.instances.insert(key, instance);
        Ok(change)
    }

    fn key_of(&self, path: &ObjectPath) -> Result<String, Problem> {
        let class = self.schema.require(path.class.as_str())?;
        let mut named = Instance::new(class.clone());
        for (key, value) in class.keys().iter().zip(path.key_values(&class)?) {
            named.set(*key, value)?;
        }
        Ok(fold(&named.path()?))
    }
}

/// Returns whether a namespace is `ancestor` or below it.
fn is_within(namespace: &Namespace, ancestor: &Namespace) -> bool {
    std::iter::successors(Some(namespace.clone()), Namespace::parent).any(|above| above == *ancestor)
}

/// Returns a path in upper case, for comparison.
fn fold(path: &ObjectPath) -> String {
    cim::wql::capitals(&path.to_string())
}
