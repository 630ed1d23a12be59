//! Namespace security: the second access check of WMI, after that of the resource (MS-WMI 5.2).
//!
//! Every namespace has a descriptor, its own or an inherited one, which is checked before any provider is
//! called. What a provider can then do for the caller is decided by the kernel.

use std::collections::HashMap;
use std::fmt;

use cim::Namespace;
use locks::RwLock;
use sddl::{AccessMask, AceFlags, AclFlags, Dacl, Guard, SecurityDescriptor};

use crate::{Context, Engine, Error, ProviderError, Storage};

mod system_security;

pub(crate) use system_security::SystemSecurity;

bitflags::bitflags! {
    /// Rights in a namespace (MS-WMI 5.2, access rights of WMI).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Rights: u32 {
        /// Read: SDDL `CC`.
        const ENABLE = 0x1;
        /// Call methods: `DC`.
        const METHOD_EXECUTE = 0x2;
        /// Write classes and instances of the repository, including system classes: `LC`.
        const FULL_WRITE_REP = 0x4;
        /// Write instances of the repository: `SW`.
        const PARTIAL_WRITE_REP = 0x8;
        /// Write instances served by providers: `RP`.
        const WRITE_PROVIDER = 0x10;
        /// Access from another machine: `WP`.
        const REMOTE_ENABLE = 0x20;
        /// Receive events: `DT`.
        const SUBSCRIBE = 0x40;
        /// Publish events: `LO`.
        const PUBLISH = 0x80;
        /// Read the descriptor: `RC`.
        const READ_CONTROL = 0x2_0000;
        /// Change the descriptor: `WD`.
        const WRITE_DAC = 0x4_0000;
    }
}

/// Descriptor of `root` unless another is set; all namespaces inherit from it.
///
/// Administrators have full access. Authenticated users and services may read, call methods and write
/// instances of providers, but only from the machine itself. On Windows the descriptor does not list
/// `SUBSCRIBE` and `PUBLISH` for administrators, but they are permitted nevertheless.
pub const ROOT_NAMESPACE_SDDL: &str =
    "O:BAG:BAD:(A;CI;CCDCLCSWRPWPDTLORCWD;;;BA)(A;CI;CCDCRP;;;NS)(A;CI;CCDCRP;;;LS)(A;CI;CCDCRP;;;AU)";

/// Storage of namespace descriptors.
pub trait Descriptors: Send + Sync {
    /// Returns the descriptor set for a namespace itself; `None` if it only inherits.
    fn descriptor(&self, namespace: &Namespace) -> Option<Guard>;

    /// Sets the descriptor. May block on files.
    ///
    /// # Errors
    /// The reason why it could not be set.
    fn replace(&self, namespace: &Namespace, descriptor: Guard) -> Result<(), ProviderError>;
}

/// Descriptors stored in memory only.
#[derive(Debug, Default)]
pub struct InMemory {
    set: RwLock<HashMap<Namespace, Guard>>,
}

impl Descriptors for InMemory {
    fn descriptor(&self, namespace: &Namespace) -> Option<Guard> {
        self.set.read().get(namespace).cloned()
    }

    fn replace(&self, namespace: &Namespace, descriptor: Guard) -> Result<(), ProviderError> {
        let mut set = self.set.write();
        set.insert(namespace.clone(), descriptor);
        Ok(())
    }
}

impl Engine {
    /// Checks whether the caller has rights in a namespace. The right to read is always required, and for
    /// remote callers also [`Rights::REMOTE_ENABLE`].
    ///
    /// All operations of the engine call it themselves; it is public for code that exposes classes or events.
    ///
    /// # Errors
    /// [`Error::AccessDenied`] with the missing rights, or [`Error::NoNamespace`].
    /// [`Error::AccessDenied`] with what is missing, [`Error::NoNamespace`].
    pub fn admit(&self, context: &Context, namespace: &Namespace, rights: Rights) -> Result<(), Error> {
        self.table(namespace)?;
        admit(self.descriptors().as_ref(), context, namespace, rights)
    }

    /// Reports that namespace descriptors may have changed: access of all subscribers is checked again, and
    /// subscriptions without access end. Call it if descriptors are stored where others can change them.
    pub fn recheck_access(&self) {
        self.inner.generations.recheck_access();
    }

    /// Returns the effective descriptor of a namespace: its own entries before inherited ones.
    #[must_use]
    pub fn descriptor(&self, namespace: &Namespace) -> Guard {
        effective(self.descriptors().as_ref(), namespace)
    }

    /// Checks the rights needed to write instances of a class.
    pub(crate) fn admit_writing(
        &self,
        context: &Context,
        namespace: &Namespace,
        class: &cim::Name,
        storage: Storage,
    ) -> Result<(), Error> {
        match storage {
            Storage::Provider => self.admit(context, namespace, Rights::WRITE_PROVIDER),
            Storage::Repository if class.as_str().starts_with("__") => {
                self.admit(context, namespace, Rights::FULL_WRITE_REP)
            }
            // The right to write everything includes partial writes.
            Storage::Repository => self
                .admit(context, namespace, Rights::FULL_WRITE_REP)
                .or_else(|_| self.admit(context, namespace, Rights::PARTIAL_WRITE_REP)),
        }
    }
}

impl Rights {
    fn mask(self) -> AccessMask {
        AccessMask::from_bits(self.bits())
    }

    /// Returns the rights needed to call a method; those of `__SystemSecurity` depend on their effect on the
    /// descriptor.
    pub(crate) fn to_call(class: &cim::Name, method: &cim::Name) -> Self {
        if *class != *"__SystemSecurity" {
            return Self::METHOD_EXECUTE;
        }
        match method.as_str() {
            "GetSD" | "GetSecurityDescriptor" => Self::READ_CONTROL,
            "SetSD" | "SetSecurityDescriptor" => Self::WRITE_DAC,
            _ => Self::empty(),
        }
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, _)) in self.iter_names().enumerate() {
            write!(f, "{}{name}", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// Checks whether the caller has rights in an existing namespace.
pub(crate) fn admit(
    descriptors: &dyn Descriptors,
    context: &Context,
    namespace: &Namespace,
    rights: Rights,
) -> Result<(), Error> {
    let Some(token) = context.token() else { return Ok(()) };
    let remotely = if context.is_remote() { Rights::REMOTE_ENABLE } else { Rights::empty() };
    let wanted = rights | Rights::ENABLE | remotely;
    let descriptor = effective(descriptors, namespace);
    if descriptor.access_check(token, wanted.mask()).is_granted() {
        return Ok(());
    }
    let missing = wanted.iter().filter(|right| !descriptor.access_check(token, right.mask()).is_granted());
    let caller = context.caller().to_owned();
    Err(Error::AccessDenied { namespace: namespace.clone(), missing: missing.collect(), caller })
}

/// Returns the effective descriptor of a namespace, computed from `root` downwards.
pub(crate) fn effective(descriptors: &dyn Descriptors, namespace: &Namespace) -> Guard {
    let ancestors = std::iter::successors(Some(namespace.clone()), Namespace::parent);
    let mut path: Vec<Namespace> = ancestors.collect();
    let mut effective: Option<Guard> = None;
    while let Some(namespace) = path.pop() {
        let own = descriptors.descriptor(&namespace);
        effective = match (effective, own) {
            (Some(parent), own) => Some(inherit(&parent, own.as_ref())),
            (None, Some(own)) => Some(own),
            (None, None) => Guard::parse(ROOT_NAMESPACE_SDDL).ok(),
        };
    }
    // Without any descriptor, access is denied.
    let effective = effective.unwrap_or_else(Guard::deny_all);
    rebuilt(&effective, |dacl| dacl.aces.iter_mut().for_each(|ace| ace.rights = specific(ace.rights)))
}

/// Returns a descriptor as stored: without inherited entries.
pub(crate) fn own_part(descriptor: Guard) -> Guard {
    rebuilt(&descriptor, |dacl| {
        if !dacl.flags.contains(AclFlags::PROTECTED) {
            dacl.aces.retain(|ace| !ace.flags.contains(AceFlags::INHERITED));
        }
    })
}

/// Returns the descriptor of a namespace in its parent: its own entries, then those of the parent that
/// containers inherit (MS-DTYP 2.5.3.4).
fn inherit(above: &Guard, own: Option<&Guard>) -> Guard {
    let closed = own.and_then(|own| own.dacl()).is_some_and(|dacl| dacl.flags.contains(AclFlags::PROTECTED));
    let base = own.unwrap_or(above);
    rebuilt(base, |dacl| {
        if own.is_none() {
            dacl.aces.clear();
            dacl.flags = AclFlags::AUTO_INHERITED;
        }
        if closed {
            return;
        }
        let entries = above.dacl().into_iter().flat_map(|dacl| &dacl.aces);
        for ace in entries.filter(|ace| ace.flags.contains(AceFlags::CONTAINER_INHERIT)) {
            let mut ace = *ace;
            ace.flags = ace.flags.without(AceFlags::INHERIT_ONLY).union(AceFlags::INHERITED);
            if ace.flags.contains(AceFlags::NO_PROPAGATE) {
                let further = AceFlags::NO_PROPAGATE | AceFlags::CONTAINER_INHERIT | AceFlags::OBJECT_INHERIT;
                ace.flags = ace.flags.without(further);
            }
            dacl.aces.push(ace);
        }
    })
}

/// Returns the descriptor with another list. If the list would be too long, access is denied to everyone.
fn rebuilt(descriptor: &Guard, change: impl FnOnce(&mut Dacl)) -> Guard {
    let mut dacl = descriptor.dacl().cloned().unwrap_or(Dacl { flags: AclFlags::NONE, aces: Vec::new() });
    change(&mut dacl);
    let parts = SecurityDescriptor::new(
        descriptor.owner(),
        descriptor.group(),
        Some(dacl),
        descriptor.sacl().cloned(),
    );
    parts.and_then(Guard::new).unwrap_or_else(|_| Guard::deny_all())
}

/// Maps generic rights to the rights of a namespace.
fn specific(rights: AccessMask) -> AccessMask {
    let generic = [
        (AccessMask::GENERIC_ALL, Rights::all()),
        (AccessMask::GENERIC_READ, Rights::ENABLE | Rights::READ_CONTROL),
        (AccessMask::GENERIC_EXECUTE, Rights::METHOD_EXECUTE),
        (
            AccessMask::GENERIC_WRITE,
            Rights::FULL_WRITE_REP | Rights::PARTIAL_WRITE_REP | Rights::WRITE_PROVIDER,
        ),
    ];
    generic
        .into_iter()
        .filter(|(generic, _)| rights.contains(*generic))
        .fold(rights, |rights, (generic, means)| rights.without(generic).union(means.mask()))
}
