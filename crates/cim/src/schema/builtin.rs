//! Built-in classes, as MOF texts next to this file.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, OnceLock};

use super::qualifiers::{self, QualifierTexts, index_entry};
use crate::{Class, Name, mof};

/// Index of one MOF text; each class is parsed on first use.
#[derive(Debug)]
pub(super) struct Builtin {
    entries: HashMap<Name, Entry>,
    /// Value of the qualifier `Provider`; `None` for classes of the repository and of the system.
    provider: Option<&'static str>,
    /// Documented qualifiers that the text does not contain.
    qualifiers: QualifierTexts,
}

#[derive(Debug)]
struct Entry {
    name: Name,
    superclass: Option<Name>,
    /// Declaration of this class.
    text: &'static str,
    /// `None` only if the text is invalid, which a test excludes.
    class: OnceLock<Option<Arc<Class>>>,
}

/// System classes of WMI, in every namespace.
pub(super) fn system() -> &'static Builtin {
    static SYSTEM: LazyLock<Builtin> = LazyLock::new(|| Builtin::index(include_str!("system.mof")));
    &SYSTEM
}

/// `StdRegProv` and the registry events.
pub(super) fn registry() -> &'static Builtin {
    static REGISTRY: LazyLock<Builtin> =
        LazyLock::new(|| Builtin::index(include_str!("registry.mof")).with_provider("RegProv"));
    &REGISTRY
}

/// Classes of the operating system.
pub(super) fn cimv2() -> &'static Builtin {
    static INDEX: LazyLock<Builtin> = LazyLock::new(|| {
        let qualifiers = QualifierTexts::index(include_str!("cimv2_qualifiers.mof"));
        Builtin { qualifiers, ..Builtin::index(CIMV2) }.with_provider("CIMWin32")
    });
    &INDEX
}

/// Text of the classes of the operating system.
const CIMV2: &str = concat!(include_str!("cimv2.mof"), "\n", include_str!("cimv2_more.mof"));

/// Classes of management controllers.
pub(super) fn hardware() -> &'static Builtin {
    static HARDWARE: LazyLock<Builtin> = LazyLock::new(|| Builtin::of_provider(include_str!("hardware.mof")));
    &HARDWARE
}

/// Driver for the machine's own management controller.
pub(super) fn ipmi() -> &'static Builtin {
    static IPMI: LazyLock<Builtin> = LazyLock::new(|| Builtin::of_provider(include_str!("ipmi.mof")));
    &IPMI
}

/// `PcsvDevice`: machines as their management controllers present them.
pub(super) fn pcsv() -> &'static Builtin {
    static PCSV: LazyLock<Builtin> = LazyLock::new(|| Builtin::of_provider(include_str!("pcsv.mof")));
    &PCSV
}

/// Classes that Windows does not have.
pub(super) fn linux() -> &'static Builtin {
    static LINUX: LazyLock<Builtin> = LazyLock::new(|| Builtin::of_provider(include_str!("linux.mof")));
    &LINUX
}

/// Classes of Microsoft's agent for UNIX.
pub(super) fn scx() -> &'static Builtin {
    static SCX: LazyLock<Builtin> = LazyLock::new(|| Builtin::of_provider(include_str!("scx.mof")));
    &SCX
}

/// Network classes for the PowerShell modules.
pub(super) fn standard_cimv2() -> &'static Builtin {
    static INDEX: LazyLock<Builtin> = LazyLock::new(|| Builtin::of_provider(STANDARD_CIMV2));
    &INDEX
}

/// Text of the network classes.
const STANDARD_CIMV2: &str = concat!(
    include_str!("standard_cimv2.mof"),
    "\n",
    include_str!("network_hardware.mof"),
    "\n",
    include_str!("firewall.mof")
);

/// Disks and volumes for the PowerShell Storage module.
pub(super) fn storage() -> &'static Builtin {
    static INDEX: LazyLock<Builtin> = LazyLock::new(|| Builtin::of_provider(STORAGE));
    &INDEX
}

/// Text of the classes of disks, volumes and pools.
const STORAGE: &str = concat!(include_str!("storage.mof"), "\n", include_str!("storage_pool.mof"));

/// Failure prediction of disks.
pub(super) fn storage_driver() -> &'static Builtin {
    static DRIVER: LazyLock<Builtin> =
        LazyLock::new(|| Builtin::of_provider(include_str!("storage_driver.mof")));
    &DRIVER
}

/// Monitors and thermal zones.
pub(super) fn monitor() -> &'static Builtin {
    static MONITOR: LazyLock<Builtin> = LazyLock::new(|| Builtin::index(include_str!("monitor.mof")));
    &MONITOR
}

/// Encrypted volumes.
pub(super) fn volume_encryption() -> &'static Builtin {
    static ENCRYPTION: LazyLock<Builtin> =
        LazyLock::new(|| Builtin::index(include_str!("volume_encryption.mof")));
    &ENCRYPTION
}

/// Shares for the PowerShell module SmbShare.
pub(super) fn smb() -> &'static Builtin {
    static SMB: LazyLock<Builtin> = LazyLock::new(|| Builtin::index(include_str!("smb.mof")));
    &SMB
}

/// Tasks for the PowerShell module ScheduledTasks.
pub(super) fn task_scheduler() -> &'static Builtin {
    static TASKS: LazyLock<Builtin> = LazyLock::new(|| Builtin::index(include_str!("task_scheduler.mof")));
    &TASKS
}

/// Permanent event subscriptions.
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

    /// Indexes the declarations in a text, each of which ends with a line `};`.
    fn index(text: &'static str) -> Self {
        let entries = text.split_inclusive("\n};\n").filter_map(|text| {
            let (name, superclass) = index_entry(text)?;
            Some((name.clone(), Entry { name, superclass, text, class: OnceLock::new() }))
        });
        Self { entries: entries.collect(), provider: None, qualifiers: QualifierTexts::default() }
    }

    /// Indexes the declarations of classes that only this program serves under their names.
    fn of_provider(text: &'static str) -> Self {
        Self::index(text).with_provider("Telarch")
    }

    fn with_provider(self, provider: &'static str) -> Self {
        Self { provider: Some(provider), ..self }
    }

    fn read(&self, entry: &Entry) -> Option<Arc<Class>> {
        let item = mof::parse(entry.text).ok()?.pop()?;
        let mof::Item::Class(mut declaration) = item else { return None };
        let parent = match &declaration.superclass {
            None => None,
            Some(name) => Some(self.class(name).or_else(|| system().class(name))?),
        };
        self.qualifiers.add_to(&mut declaration, parent.as_ref());
        if let Some(provider) = self.provider {
            qualifiers::complete(&mut declaration, parent.as_ref(), provider);
        }
        Class::derive(&declaration, parent.as_ref()).ok().map(Arc::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_of_the_texts_is_indexed_and_valid() {
        let texts = [
            (system(), include_str!("system.mof")),
            (registry(), include_str!("registry.mof")),
            (cimv2(), CIMV2),
            (hardware(), include_str!("hardware.mof")),
            (ipmi(), include_str!("ipmi.mof")),
            (pcsv(), include_str!("pcsv.mof")),
            (linux(), include_str!("linux.mof")),
            (scx(), include_str!("scx.mof")),
            (standard_cimv2(), STANDARD_CIMV2),
            (storage(), STORAGE),
            (storage_driver(), include_str!("storage_driver.mof")),
            (monitor(), include_str!("monitor.mof")),
            (volume_encryption(), include_str!("volume_encryption.mof")),
            (smb(), include_str!("smb.mof")),
            (task_scheduler(), include_str!("task_scheduler.mof")),
            (subscription(), include_str!("subscription.mof")),
        ];
        for (builtin, text) in texts {
            let items = mof::parse(text).expect("a valid text");
            assert_eq!(items.len(), builtin.entries.len());
            for item in items {
                let mof::Item::Class(declaration) = item else { panic!("not a class: {item:?}") };
                let entry = builtin.entries.get(&declaration.name).expect("an index entry");
                assert_eq!(entry.superclass, declaration.superclass);
                let parent = declaration
                    .superclass
                    .as_ref()
                    .and_then(|name| builtin.class(name).or_else(|| system().class(name)));
                Class::derive(&declaration, parent.as_ref()).unwrap_or_else(|error| panic!("{error}"));
                assert!(builtin.class(&declaration.name).is_some(), "{} is invalid", declaration.name);
            }
        }
    }

    #[test]
    fn documented_qualifiers_belong_to_declared_properties_of_the_same_type() {
        let builtin = cimv2();
        for text in builtin.qualifiers.texts() {
            let items = mof::parse(text).unwrap_or_else(|error| panic!("{error}: {text}"));
            let [mof::Item::Class(documented)] = items.as_slice() else { panic!("{text}") };
            let class =
                builtin.class(&documented.name).unwrap_or_else(|| panic!("no class {}", documented.name));
            for property in &documented.properties {
                let (name, place) = (property.name.as_str(), format!("{}.{}", class.name(), property.name));
                let own = class.column(name).and_then(|column| class.property(column));
                let own = own.unwrap_or_else(|| panic!("no property {place}"));
                assert!(!own.propagated && own.kind == property.kind, "{place}");
                let count =
                    |name: &str| own.qualifiers.find(name).map(|values| values.value.elements().len());
                assert_eq!(count("Values"), count("ValueMap"), "{place}");
                assert_eq!(count("BitValues"), count("BitMap"), "{place}");
            }
            for method in &documented.methods {
                assert!(
                    class.method(method.name.as_str()).is_some_and(|own| !own.method.propagated),
                    "{}",
                    method.name
                );
            }
        }
    }
}
