//! The classes of one namespace.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use crate::{Class, ClassDeclaration, Error, Name, Namespace, Status};

mod builtin;

use builtin::Builtin;

/// The classes of one namespace: those that come with this crate, and those that were added.
///
/// What comes with the crate is text until it is asked for; opening a schema costs an index of names.
#[derive(Clone, Debug)]
pub struct Schema {
    namespace: Namespace,
    builtin: Vec<&'static Builtin>,
    added: HashMap<Name, Arc<Class>>,
    /// The classes right below each, worked out for the first who asks after a change.
    below: OnceLock<HashMap<Name, Vec<Name>>>,
}

impl Schema {
    /// How many classes may be added.
    pub const MAX_ADDED: usize = 10_000;

    /// The classes that come with a namespace: those of the system in every one, those of Windows in `root/cimv2`,
    /// the registry in that and in `root/default`, those of SCOM's agent in `root/scx`, those of Linux
    /// alone in `root/linux`; the network in `root/standardcimv2`, and disks in `root/microsoft/windows/storage`; those
    /// who are told of events for good in `root/subscription`; those of management controllers in `root/hardware`,
    /// their driver and that of disks in `root/wmi`, and a view of each in
    /// `root/microsoft/windows/hardwaremanagement`.
    #[must_use]
    pub fn of(namespace: Namespace) -> Self {
        let builtin = match namespace.as_str() {
            "root/cimv2" => vec![builtin::system(), builtin::registry(), builtin::cimv2()],
            "root/default" => vec![builtin::system(), builtin::registry()],
            "root/hardware" => vec![builtin::system(), builtin::hardware()],
            "root/wmi" => vec![builtin::system(), builtin::ipmi(), builtin::storage_driver()],
            "root/microsoft/windows/hardwaremanagement" => vec![builtin::system(), builtin::pcsv()],
            "root/standardcimv2" => vec![builtin::system(), builtin::standard_cimv2()],
            "root/microsoft/windows/storage" => vec![builtin::system(), builtin::storage()],
            "root/linux" => vec![builtin::system(), builtin::linux()],
            "root/subscription" => vec![builtin::system(), builtin::subscription()],
            "root/scx" => vec![builtin::system(), builtin::scx()],
            _ => vec![builtin::system()],
        };
        Self { namespace, builtin, added: HashMap::new(), below: OnceLock::new() }
    }

    /// A schema without any class, not even those of the system: for what another machine tells.
    #[must_use]
    pub fn bare(namespace: Namespace) -> Self {
        Self { namespace, builtin: Vec::new(), added: HashMap::new(), below: OnceLock::new() }
    }

    /// Which namespace it is of.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The class of a name, compared without regard to case.
    #[must_use]
    pub fn class(&self, name: &str) -> Option<Arc<Class>> {
        let name = Name::parse(name).ok()?;
        let added = self.added.get(&name).cloned();
        added.or_else(|| self.builtin.iter().find_map(|builtin| builtin.class(&name)))
    }

    /// The same, for callers who cannot go on without it.
    ///
    /// # Errors
    /// [`Error::NoClass`] when there is none.
    pub fn require(&self, name: &str) -> Result<Arc<Class>, Error> {
        self.class(name).ok_or_else(|| Error::NoClass { name: crate::name::excerpt(name) })
    }

    /// Whether there is a class of a name, without reading it.
    #[must_use]
    pub fn has(&self, name: &Name) -> bool {
        self.added.contains_key(name) || self.builtin.iter().any(|builtin| builtin.has(name))
    }

    /// Whether a class comes with this crate, and was not added.
    #[must_use]
    pub fn is_builtin(&self, name: &str) -> bool {
        let Ok(name) = Name::parse(name) else { return false };
        self.builtin.iter().any(|builtin| builtin.has(&name))
    }

    /// Name and superclass of every class, in no order.
    pub fn names(&self) -> impl Iterator<Item = (&Name, Option<&Name>)> {
        let added =
            self.added.values().map(|class| (class.name(), class.superclass().map(|above| above.name())));
        self.builtin.iter().flat_map(|builtin| builtin.names()).chain(added)
    }

    /// The classes that derive from one, directly or not, without itself, in the order of their names.
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
        // Those that are found are asked for theirs.
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
    /// [`Error::Class`] if there is one of this name, no such superclass, or [`Class::derive`] refuses it.
    pub fn add(&mut self, declaration: &ClassDeclaration) -> Result<Arc<Class>, Error> {
        let name = &declaration.name;
        let wrong =
            |problem: &str, status| Error::Class { class: name.clone(), problem: problem.to_owned(), status };
        if self.class(name.as_str()).is_some() {
            return Err(wrong("there is one of this name already", Status::AlreadyExists));
        }
        if self.added.len() >= Self::MAX_ADDED {
            return Err(Error::TooMuch { what: "added classes of a namespace", limit: Self::MAX_ADDED });
        }
        let parent = match &declaration.superclass {
            None => None,
            Some(superclass) => Some(self.class(superclass.as_str()).ok_or_else(|| {
                wrong(&format!("its superclass {superclass} is missing"), Status::InvalidSuperclass)
            })?),
        };
        let class = Arc::new(Class::derive(declaration, parent.as_ref())?);
        self.added.insert(name.clone(), class.clone());
        self.below.take();
        Ok(class)
    }

    /// Removes a class that was added.
    ///
    /// # Errors
    /// [`Error::NoClass`] for one that was not added, [`Error::Class`] while others derive from it.
    pub fn remove(&mut self, name: &str) -> Result<Arc<Class>, Error> {
        let unknown = || Error::NoClass { name: crate::name::excerpt(name) };
        let key = Name::parse(name).map_err(|_| unknown())?;
        if !self.added.contains_key(&key) {
            return Err(unknown());
        }
        if self.names().any(|(_, superclass)| superclass == Some(&key)) {
            return Err(Error::Class {
                class: key,
                problem: "other classes derive from it".to_owned(),
                status: Status::ClassHasChildren,
            });
        }
        self.below.take();
        self.added.remove(&key).ok_or_else(unknown)
    }
}
