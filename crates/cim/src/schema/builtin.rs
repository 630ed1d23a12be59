//! Classes that come with the crate, as texts of MOF beside this file.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, OnceLock};

use crate::{Class, Name, mof};

/// An index of one text; each class is read when somebody asks for it.
#[derive(Debug)]
pub(super) struct Builtin {
    entries: HashMap<Name, Entry>,
}

#[derive(Debug)]
struct Entry {
    name: Name,
    superclass: Option<Name>,
    /// The declaration of this class only.
    text: &'static str,
    /// `None` only if the text is wrong, which a test excludes.
    class: OnceLock<Option<Arc<Class>>>,
}

/// Classes of WMI itself, there in every namespace.
pub(super) fn system() -> &'static Builtin {
    static SYSTEM: LazyLock<Builtin> = LazyLock::new(|| Builtin::index(include_str!("system.mof")));
    &SYSTEM
}

/// `StdRegProv`, and the events of what is in it.
pub(super) fn registry() -> &'static Builtin {
    static REGISTRY: LazyLock<Builtin> = LazyLock::new(|| Builtin::index(include_str!("registry.mof")));
    &REGISTRY
}

/// The classes of the operating system.
pub(super) fn cimv2() -> &'static Builtin {
    static CIMV2: LazyLock<Builtin> = LazyLock::new(|| Builtin::index(include_str!("cimv2.mof")));
    &CIMV2
}

/// The classes of management controllers.
pub(super) fn hardware() -> &'static Builtin {
    static HARDWARE: LazyLock<Builtin> = LazyLock::new(|| Builtin::index(include_str!("hardware.mof")));
    &HARDWARE
}

/// The driver that speaks to the machine's own one.
pub(super) fn ipmi() -> &'static Builtin {
    static IPMI: LazyLock<Builtin> = LazyLock::new(|| Builtin::index(include_str!("ipmi.mof")));
    &IPMI
}

/// Machines as their controllers show them.
pub(super) fn pcsv() -> &'static Builtin {
    static PCSV: LazyLock<Builtin> = LazyLock::new(|| Builtin::index(include_str!("pcsv.mof")));
    &PCSV
}

/// The classes of what Windows does not have.
pub(super) fn linux() -> &'static Builtin {
    static LINUX: LazyLock<Builtin> = LazyLock::new(|| Builtin::index(include_str!("linux.mof")));
    &LINUX
}

/// The classes of Microsoft's agent for UNIX.
pub(super) fn scx() -> &'static Builtin {
    static SCX: LazyLock<Builtin> = LazyLock::new(|| Builtin::index(include_str!("scx.mof")));
    &SCX
}

/// The network, as modules of PowerShell ask for it.
pub(super) fn standard_cimv2() -> &'static Builtin {
    static STANDARD: LazyLock<Builtin> = LazyLock::new(|| Builtin::index(include_str!("standard_cimv2.mof")));
    &STANDARD
}

/// Disks and volumes, as the Storage module of PowerShell asks for them.
pub(super) fn storage() -> &'static Builtin {
    static STORAGE: LazyLock<Builtin> = LazyLock::new(|| Builtin::index(include_str!("storage.mof")));
    &STORAGE
}

/// Whether disks expect to fail.
pub(super) fn storage_driver() -> &'static Builtin {
    static DRIVER: LazyLock<Builtin> = LazyLock::new(|| Builtin::index(include_str!("storage_driver.mof")));
    &DRIVER
}

/// Those who are told of events for good.
pub(super) fn subscription() -> &'static Builtin {
    static SUBSCRIPTION: LazyLock<Builtin> =
        LazyLock::new(|| Builtin::index(include_str!("subscription.mof")));
    &SUBSCRIPTION
}

impl Builtin {
    pub(super) fn class(&self, name: &Name) -> Option<Arc<Class>> {
        let entry = self.entries.get(name)?;
        entry.class.get_or_init(|| self.read(entry)).clone()
    }

    pub(super) fn has(&self, name: &Name) -> bool {
        self.entries.contains_key(name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = (&Name, Option<&Name>)> {
        self.entries.values().map(|entry| (&entry.name, entry.superclass.as_ref()))
    }

    /// Finds the declarations in a text in which each ends with a line `};`.
    fn index(text: &'static str) -> Self {
        let end = "\n};\n";
        let entry = |declaration: &'static str| {
            let mut words =
                declaration.lines().find_map(|line| line.strip_prefix("class "))?.split_whitespace();
            let name = Name::parse(words.next()?).ok()?;
            let superclass = match words.next()? {
                ":" => Some(Name::parse(words.next()?).ok()?),
                _ => None,
            };
            Some((name.clone(), Entry { name, superclass, text: declaration, class: OnceLock::new() }))
        };
        Self { entries: text.split_inclusive(end).filter_map(entry).collect() }
    }

    fn read(&self, entry: &Entry) -> Option<Arc<Class>> {
        let items = mof::parse(entry.text).ok()?;
        let [mof::Item::Class(declaration)] = items.as_slice() else { return None };
        let parent = match &declaration.superclass {
            None => None,
            Some(name) => Some(self.class(name).or_else(|| system().class(name))?),
        };
        Class::derive(declaration, parent.as_ref()).ok().map(Arc::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_of_the_texts_is_in_the_index_and_can_be_read() {
        let texts = [
            (system(), include_str!("system.mof")),
            (registry(), include_str!("registry.mof")),
            (cimv2(), include_str!("cimv2.mof")),
            (hardware(), include_str!("hardware.mof")),
            (ipmi(), include_str!("ipmi.mof")),
            (pcsv(), include_str!("pcsv.mof")),
            (linux(), include_str!("linux.mof")),
            (scx(), include_str!("scx.mof")),
            (standard_cimv2(), include_str!("standard_cimv2.mof")),
            (storage(), include_str!("storage.mof")),
            (storage_driver(), include_str!("storage_driver.mof")),
            (subscription(), include_str!("subscription.mof")),
        ];
        for (builtin, text) in texts {
            let items = mof::parse(text).expect("the text is right");
            assert_eq!(items.len(), builtin.entries.len());
            for item in items {
                let mof::Item::Class(declaration) = item else { panic!("not a class: {item:?}") };
                let entry = builtin.entries.get(&declaration.name).expect("it is in the index");
                assert_eq!(entry.superclass, declaration.superclass);
                let parent = declaration
                    .superclass
                    .as_ref()
                    .and_then(|name| builtin.class(name).or_else(|| system().class(name)));
                Class::derive(&declaration, parent.as_ref()).unwrap_or_else(|error| panic!("{error}"));
                assert!(builtin.class(&declaration.name).is_some(), "{} cannot be read", declaration.name);
            }
        }
    }
}
