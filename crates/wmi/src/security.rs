//! Who may do what in a namespace: the second gate of WMI, behind that of the resource (MS-WMI 5.2).
//!
//! Every namespace has a descriptor, its own or what it inherits; what is asked for is compared with it before a
//! provider hears of it. Behind this gate the kernel decides what providers can do for somebody.

use std::collections::HashMap;
use std::fmt;
use std::sync::{PoisonError, RwLock};

use cim::Namespace;
use sddl::{AccessMask, AceFlags, AclFlags, Dacl, Guard, SecurityDescriptor};

use crate::{Context, Engine, Error, ProviderError, Storage};

mod system_security;

pub(crate) use system_security::SystemSecurity;

bitflags::bitflags! {
    /// What somebody may do in a namespace (MS-WMI 5.2, Win32 access rights of WMI).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Rights: u32 {
        /// Read: SDDL `CC`.
        const ENABLE = 0x1;
        /// Call methods: `DC`.
        const METHOD_EXECUTE = 0x2;
        /// Write classes and instances of the repository, those of the system too: `LC`.
        const FULL_WRITE_REP = 0x4;
        /// Write instances of the repository: `SW`.
        const PARTIAL_WRITE_REP = 0x8;
        /// Write instances that providers have: `RP`.
        const WRITE_PROVIDER = 0x10;
        /// All this from another machine: `WP`.
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

/// The descriptor of `root` where nobody has set another, from which all namespaces inherit.
///
/// Administrators may do everything; who has proven a name, and services, may read, call methods and write what
/// providers let them, but only on the machine itself. Windows gives administrators neither `SUBSCRIBE` nor
/// `PUBLISH` by name, but lets them.
pub const ROOT_NAMESPACE_SDDL: &str =
    "O:BAG:BAD:(A;CI;CCDCLCSWRPWPDTLORCWD;;;BA)(A;CI;CCDCRP;;;NS)(A;CI;CCDCRP;;;LS)(A;CI;CCDCRP;;;AU)";

/// Where the descriptors of namespaces are kept.
pub trait Descriptors: Send + Sync {
    /// What was set for a namespace itself; `None` if it only inherits.
    fn descriptor(&self, namespace: &Namespace) -> Option<Guard>;

    /// Sets it. May wait for files.
    ///
    /// # Errors
    /// What kept it from being set.
    fn replace(&self, namespace: &Namespace, descriptor: Guard) -> Result<(), ProviderError>;
}

/// Descriptors that are gone with the process.
#[derive(Debug, Default)]
pub struct InMemory {
    set: RwLock<HashMap<Namespace, Guard>>,
}

impl Descriptors for InMemory {
    fn descriptor(&self, namespace: &Namespace) -> Option<Guard> {
        self.set.read().unwrap_or_else(PoisonError::into_inner).get(namespace).cloned()
    }

    fn replace(&self, namespace: &Namespace, descriptor: Guard) -> Result<(), ProviderError> {
        let mut set = self.set.write().unwrap_or_else(PoisonError::into_inner);
        set.insert(namespace.clone(), descriptor);
        Ok(())
    }
}

impl Engine {
    /// Whether somebody may do something in a namespace. Reading belongs to everything, and from another machine
    /// [`Rights::REMOTE_ENABLE`] too.
    ///
    /// Whatever the engine does asks this itself; it is here for those who tell of classes or events.
    ///
    /// # Errors
    /// [`Error::AccessDenied`] with what is missing, [`Error::NoNamespace`].
    pub fn admit(&self, context: &Context, namespace: &Namespace, rights: Rights) -> Result<(), Error> {
        self.table(namespace)?;
        admit(self.descriptors().as_ref(), context, namespace, rights)
    }

    /// Says that descriptors of namespaces may be others now: whoever is subscribed is judged again, and hears no more
    /// if it may not. Whoever keeps descriptors that others can change tells the engine so.
    pub fn judge_again(&self) {
        self.inner.lineage.judge_again();
    }

    /// The descriptor that decides in a namespace: its own entries before those it inherits.
    #[must_use]
    pub fn descriptor(&self, namespace: &Namespace) -> Guard {
        effective(self.descriptors().as_ref(), namespace)
    }

    /// The rights that it takes to write instances of a class.
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
            // Whoever may write everything may also write something.
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

    /// What a method takes to be called; those of `__SystemSecurity` are about the descriptor itself.
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

/// Whether somebody may do something in a namespace that there is.
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

/// What decides in a namespace: from `root` downwards, what was set for each with what it inherits.
pub(crate) fn effective(descriptors: &dyn Descriptors, namespace: &Namespace) -> Guard {
    let above = std::iter::successors(Some(namespace.clone()), Namespace::parent);
    let mut way: Vec<Namespace> = above.collect();
    let mut decided: Option<Guard> = None;
    while let Some(namespace) = way.pop() {
        let own = descriptors.descriptor(&namespace);
        decided = match (decided, own) {
            (Some(above), own) => Some(inherit(&above, own.as_ref())),
            (None, Some(own)) => Some(own),
            (None, None) => Guard::parse(ROOT_NAMESPACE_SDDL).ok(),
        };
    }
    // Nobody enters where nothing is known to decide.
    let decided = decided.unwrap_or_else(Guard::nobody);
    rebuilt(&decided, |dacl| dacl.aces.iter_mut().for_each(|ace| ace.rights = specific(ace.rights)))
}

/// A descriptor as it is kept: without what comes by inheritance again.
pub(crate) fn own_part(descriptor: Guard) -> Guard {
    rebuilt(&descriptor, |dacl| {
        if !dacl.flags.contains(AclFlags::PROTECTED) {
            dacl.aces.retain(|ace| !ace.flags.contains(AceFlags::INHERITED));
        }
    })
}

/// The descriptor of a namespace in another: its own entries, then those of the one above that go on to containers
/// (MS-DTYP 2.5.3.4).
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

/// The descriptor with another list; nobody enters if it would be too long.
fn rebuilt(descriptor: &Guard, change: impl FnOnce(&mut Dacl)) -> Guard {
    let mut dacl = descriptor.dacl().cloned().unwrap_or(Dacl { flags: AclFlags::NONE, aces: Vec::new() });
    change(&mut dacl);
    let parts = SecurityDescriptor::new(
        descriptor.owner(),
        descriptor.group(),
        Some(dacl),
        descriptor.sacl().cloned(),
    );
    parts.and_then(Guard::new).unwrap_or_else(|_| Guard::nobody())
}

/// What the generic rights mean for a namespace.
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
