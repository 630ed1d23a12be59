//! What is in the repository, and what can be done to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use cim::mof::InstanceDeclaration;
use cim::{Class, ClassDeclaration, Instance, Name, Namespace, ObjectPath, Schema};
use sddl::Guard;

use crate::Problem;

/// Everything that is in a repository at one moment.
#[derive(Clone, Debug)]
pub struct Contents {
    namespaces: BTreeMap<Namespace, Stored>,
}

/// What a namespace has beside what comes with the system.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Whether the namespace itself comes with the system.
    is_builtin: bool,
    descriptor: Option<Guard>,
    /// The classes that were added, those of others before those that derive from them.
    declarations: Vec<ClassDeclaration>,
    schema: Schema,
    /// By their paths, without regard to case.
    instances: BTreeMap<String, Instance>,
}

/// What is done where there is something already, or nothing yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// It is replaced, if that harms nothing.
    #[default]
    Replace,
    /// It is replaced, and what does not fit it any more is removed.
    Force,
    /// `createonly`: it is an error if there is something.
    Refuse,
    /// `updateonly`: it is an error if there is nothing.
    Require,
}

/// What has become of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Made,
    /// It was another before.
    Replaced,
    /// It was so before.
    Same,
    /// It comes with the system, which keeps its own.
    BuiltIn,
}

/// The namespaces that come with the system.
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

/// Classes of WMI itself whose instances the engine has.
const ENGINES_OWN: [&str; 3] = ["__Namespace", "__SystemSecurity", "__TimerInstruction"];

/// How many namespaces may be added.
const MAX_NAMESPACES: usize = 1_000;

/// How many instances may be kept.
const MAX_INSTANCES: usize = 100_000;

impl Default for Contents {
    /// What comes with the system, and nothing else.
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
    /// The namespaces, those of the system too.
    pub fn namespaces(&self) -> impl Iterator<Item = (&Namespace, &Stored)> {
        self.namespaces.iter()
    }

    /// What a namespace has.
    ///
    /// # Errors
    /// [`Problem::NoNamespace`] if there is none.
    pub fn namespace(&self, namespace: &Namespace) -> Result<&Stored, Problem> {
        self.namespaces.get(namespace).ok_or_else(|| Problem::NoNamespace(namespace.clone()))
    }

    fn stored(&mut self, namespace: &Namespace) -> Result<&mut Stored, Problem> {
        self.namespaces.get_mut(namespace).ok_or_else(|| Problem::NoNamespace(namespace.clone()))
    }

    /// Makes a namespace, whose parent must be there.
    ///
    /// # Errors
    /// [`Problem::NoNamespace`] for the parent, [`Problem::TooMuch`].
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

    /// Removes a namespace with everything in it and below it; `false` if there is none.
    ///
    /// # Errors
    /// [`Problem::BuiltIn`] for one of the system, or above one.
    pub fn remove_namespace(&mut self, namespace: &Namespace) -> Result<bool, Problem> {
        let is_in_it = |other: &Namespace| {
            std::iter::successors(Some(other.clone()), Namespace::parent).any(|above| above == *namespace)
        };
        if self.namespaces.iter().any(|(other, stored)| stored.is_builtin && is_in_it(other)) {
            return Err(Problem::BuiltIn(namespace.to_string()));
        }
        let before = self.namespaces.len();
        self.namespaces.retain(|other, _| !is_in_it(other));
        Ok(self.namespaces.len() < before)
    }

    /// Sets who may do what in a namespace; one that is not known here, because a provider brings it, is from then.
    pub fn secure(&mut self, namespace: &Namespace, descriptor: Guard) {
        let stored = self.namespaces.entry(namespace.clone());
        stored.or_insert_with(|| Stored::new(namespace.clone(), true)).descriptor = Some(descriptor);
    }

    /// Puts a class into a namespace.
    ///
    /// # Errors
    /// [`Problem::Model`] for one that contradicts itself or its superclass, [`Problem::InUse`] if subclasses or
    /// instances do not fit a class that is replaced, [`Problem::Exists`] and [`Problem::Missing`] as `existing` says.
    pub fn put_class(
        &mut self,
        namespace: &Namespace,
        declaration: &ClassDeclaration,
        existing: Existing,
    ) -> Result<Change, Problem> {
        self.stored(namespace)?.put_class(declaration, existing)
    }

    /// Removes a class, with its subclasses and all their instances; `false` if there is none.
    ///
    /// # Errors
    /// [`Problem::BuiltIn`] for one of the system.
    pub fn remove_class(&mut self, namespace: &Namespace, name: &str) -> Result<bool, Problem> {
        self.stored(namespace)?.remove_class(name)
    }

    /// Puts an instance into a namespace.
    ///
    /// # Errors
    /// [`Problem::NotKept`] if its class has none here, [`Problem::Model`] for one without a path,
    /// [`Problem::Exists`] and [`Problem::Missing`] as `existing` says.
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

    /// Removes an instance; `false` if there is none.
    ///
    /// # Errors
    /// [`Problem::Model`] for a path that names none.
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

    /// Whether the namespace itself comes with the system.
    #[must_use]
    pub fn is_builtin(&self) -> bool {
        self.is_builtin
    }

    /// Who may do what, if that was set for this namespace itself.
    #[must_use]
    pub fn descriptor(&self) -> Option<&Guard> {
        self.descriptor.as_ref()
    }

    /// The classes that were added, none before its superclass.
    #[must_use]
    pub fn declarations(&self) -> &[ClassDeclaration] {
        &self.declarations
    }

    /// All classes, those of the system too.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The instances, in the order of their paths.
    pub fn instances(&self) -> impl Iterator<Item = &Instance> {
        self.instances.values()
    }

    /// The instance of a path.
    ///
    /// # Errors
    /// [`Problem::Model`] for a path that names none.
    pub fn instance(&self, path: &ObjectPath) -> Result<Option<&Instance>, Problem> {
        Ok(self.instances.get(&self.key_of(path)?))
    }

    /// Whether instances of a class are kept here: those of classes that were added without a provider of their own,
    /// and of what belongs to WMI itself, such as registrations of providers.
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
                return Err(Problem::Missing(format!("class {name} to update")));
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

    /// The same instances under other classes.
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
            let kept = InstanceDeclaration::of(instance)
                .resolve(&new.schema, &|_| None)
                .map_err(|error| Problem::InUse(Box::new(error)))
                .and_then(|instance| new.put_instance(instance, Existing::Replace));
            match kept {
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
        // The lowest first: nothing is removed while others derive from it.
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

/// A path without regard to case.
fn fold(path: &ObjectPath) -> String {
    cim::wql::capitals(&path.to_string())
}
