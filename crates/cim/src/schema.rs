//! Classes of a namespace.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use crate::{Class, ClassDeclaration, Error, Name, Namespace, Status};

mod builtin;
mod qualifiers;

use builtin::Builtin;

/// Classes of one namespace: built-in ones and added ones.
///
/// Built-in classes are parsed on first use; opening a schema only needs an index of their names.
#[derive(Clone, Debug)]
pub struct Schema {
    namespace: Namespace,
    builtin: Vec<&'static Builtin>,
    added: HashMap<Name, Arc<Class>>,
    /// Direct subclasses of each class, computed on first use after a change.
    below: OnceLock<HashMap<Name, Vec<Name>>>,
}

impl Schema {
    /// Maximum number of added classes.
    pub const MAX_ADDED: usize = 10_000;

    /// Creates the schema of a namespace with its built-in classes: the system classes in every namespace; the classes of
    /// Windows in `root/cimv2`; the registry in `root/cimv2` and `root/default`; the classes of SCOM's agent in
    /// `root/scx`; those specific to Linux in `root/linux`; the network in `root/standardcimv2`; disks in
    /// `root/microsoft/windows/storage`; permanent event subscriptions in `root/subscription`; management controllers in
    /// `root/hardware`; the IPMI driver, the storage driver, monitors and thermal zones in `root/wmi`; PcsvDevice in
    /// `root/microsoft/windows/hardwaremanagement`; shares in `root/microsoft/windows/smb`; tasks in
    /// `root/microsoft/windows/taskscheduler`; and encrypted volumes in
    /// `root/cimv2/security/microsoftvolumeencryption`.
    #[must_use]
    pub fn of(namespace: Namespace) -> Self {
        let builtin = match namespace.as_str() {
            "root/cimv2" => vec![builtin::system(), builtin::registry(), builtin::cimv2()],
            "root/default" => vec![builtin::system(), builtin::registry()],
            "root/hardware" => vec![builtin::system(), builtin::hardware()],
            "root/wmi" => {
                vec![builtin::system(), builtin::ipmi(), builtin::storage_driver(), builtin::monitor()]
            }
            "root/microsoft/windows/hardwaremanagement" => vec![builtin::system(), builtin::pcsv()],
            "root/standardcimv2" => vec![builtin::system(), builtin::standard_cimv2()],
            "root/microsoft/windows/storage" => vec![builtin::system(), builtin::storage()],
            "root/cimv2/security/microsoftvolumeencryption" => {
                vec![builtin::system(), builtin::volume_encryption()]
            }
            "root/microsoft/windows/smb" => vec![builtin::system(), builtin::smb()],
            "root/microsoft/windows/taskscheduler" => vec![builtin::system(), builtin::task_scheduler()],
            "root/linux" => vec![builtin::system(), builtin::linux()],
            "root/subscription" => vec![builtin::system(), builtin::subscription()],
            "root/scx" => vec![builtin::system(), builtin::scx()],
            _ => vec![builtin::system()],
        };
        Self { namespace, builtin, added: HashMap::new(), below: OnceLock::new() }
    }

    /// Creates a schema without any classes, for the classes of another machine.
    #[must_use]
    pub fn bare(namespace: Namespace) -> Self {
        Self { namespace, builtin: Vec::new(), added: HashMap::new(), below: OnceLock::new() }
    }

    /// Namespace of the schema.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Returns a class by its name, without regard to case.
    #[must_use]
    pub fn class(&self, name: &str) -> Option<Arc<Class>> {
        let name = Name::parse(name).ok()?;
        let added = self.added.get(&name).cloned();
        added.or_else(|| self.builtin.iter().find_map(|builtin| builtin.class(&name)))
    }

    /// Returns a class that must exist.
    ///
    /// # Errors
    /// [`Error::NoClass`] if there is no such class.
    pub fn require(&self, name: &str) -> Result<Arc<Class>, Error> {
        self.class(name).ok_or_else(|| Error::NoClass { name: crate::name::excerpt(name) })
    }

    /// Returns whether there is a class with a name, without parsing it.
    #[must_use]
    pub fn has(&self, name: &Name) -> bool {
        self.added.contains_key(name) || self.builtin.iter().any(|builtin| builtin.has(name))
    }

    /// Returns whether a class is built-in.
    #[must_use]
    pub fn is_builtin(&self, name: &str) -> bool {
        let Ok(name) = Name::parse(name) else { return false };
        self.builtin.iter().any(|builtin| builtin.has(&name))
    }

    /// Name and superclass of every class, in no particular order.
    pub fn names(&self) -> impl Iterator<Item = (&Name, Option<&Name>)> {
        let added =
            self.added.values().map(|class| (class.name(), class.superclass().map(|above| above.name())));
        self.builtin.iter().flat_map(|builtin| builtin.names()).chain(added)
    }

    /// Returns all direct and indirect subclasses of a class, sorted by name.
    #[must_use]
    pub fn subclasses(&self, name: &str) -> Vec<Arc<Class>> {
        let Ok(name) = Name::parse(name) else { return Vec::new() };
        let below = self.below.get_or_init(|| {
            let mut below = HashMap::<Name, Vec<Name>>::new();
            for (name, superclass) in self.names() {
                if let Some(superclass) = superclass {
                    below.entry(superclass.clone()).or_default().push(name.clone());
                }
            }
            below
        });
        let mut found = below.get(&name).cloned().unwrap_or_default();
        let mut next = 0;
        // Breadth-first search: found classes are searched for their own subclasses.
        while let Some(class) = found.get(next) {
            let deeper = below.get(class).cloned().unwrap_or_default();
            found.extend(deeper);
            next += 1;
        }
        found.sort();
        found.iter().filter_map(|name| self.class(name.as_str())).collect()
    }

    /// Adds a class.
    ///
    /// # Errors
    /// [`Error::Class`] if the class exists, its superclass is missing, or [`Class::derive`] rejects it.
    pub fn add(&mut self, declaration: &ClassDeclaration) -> Result<Arc<Class>, Error> {
        let name = &declaration.name;
        if self.class(name.as_str()).is_some() {
            return Err(class_error(name, "a class with this name already exists", Status::AlreadyExists));
        }
        if self.added.len() >= Self::MAX_ADDED {
            return Err(Error::TooMuch { what: "added classes of a namespace", limit: Self::MAX_ADDED });
        }
        let parent = match &declaration.superclass {
            None => None,
            Some(superclass) => Some(self.class(superclass.as_str()).ok_or_else(|| {
                class_error(
                    name,
                    &format!("the superclass {superclass} is missing"),
                    Status::InvalidSuperclass,
                )
            })?),
        };
        let class = Arc::new(Class::derive(declaration, parent.as_ref())?);
        self.added.insert(name.clone(), class.clone());
        self.below.take();
        Ok(class)
    }

    /// Removes an added class.
    ///
    /// # Errors
    /// [`Error::NoClass`] if it was not added, [`Error::Class`] while other classes derive from it.
    pub fn remove(&mut self, name: &str) -> Result<Arc<Class>, Error> {
        let key = Name::parse(name).map_err(|_| unknown_class(name))?;
        if !self.added.contains_key(&key) {
            return Err(unknown_class(name));
        }
        if self.names().any(|(_, superclass)| superclass == Some(&key)) {
            return Err(Error::Class {
                class: key,
                problem: "other classes derive from this class".to_owned(),
                status: Status::ClassHasChildren,
            });
        }
        self.below.take();
        self.added.remove(&key).ok_or_else(|| unknown_class(name))
    }
}

fn unknown_class(name: &str) -> Error {
    Error::NoClass { name: crate::name::excerpt(name) }
}

fn class_error(class: &Name, problem: &str, status: Status) -> Error {
    Error::Class { class: class.clone(), problem: problem.to_owned(), status }
}
